import { explainPolicies, type PolicyInForce } from "../control/model/explain-policies.ts";
import type { Resource } from "../resources/resource.ts";
import type { TrafficPolicy } from "../resources/traffic-policy.ts";
import { type PolicySection, SECTIONS } from "../resources/traffic-policy-spec.ts";
import { describeFaults, type FaultDescription, formatFaultState } from "./describe-faults.ts";
import { escapeControl } from "./output/text-width.ts";

/** What a TrafficPolicy is about, and what of it is in force; the conditions say why the rest is not. */
export interface PolicyDescription {
  /** "<namespace>/<name>" of the Service. */
  readonly service: string;
  /** Null = all its ports. */
  readonly port: number | null;
  /** `group`, `group[match,match]`; [] = every request. */
  readonly matches: readonly string[];
  /** As written. */
  readonly sections: readonly PolicySection[];
  readonly inForce: readonly Pick<PolicyInForce, "port" | "sections">[];
  readonly faults: readonly FaultDescription[];
}

export function describePolicy(
  policy: TrafficPolicy,
  resources: readonly Resource[],
  wallMs: number,
): PolicyDescription {
  const { metadata, spec } = policy;
  const service = `${metadata.namespace}/${spec.targetRef.name}`;
  const inForce = explainPolicies(resources, service)
    .filter((found) => found.policy === `${metadata.namespace}/${metadata.name}`)
    .map(({ port, sections }) => ({ port, sections }));
  return {
    service,
    port: spec.targetRef.port ?? null,
    matches: spec.matches.map(({ name, matches }) => (matches === undefined ? name : `${name}[${matches.join(",")}]`)),
    sections: SECTIONS.filter((section) => spec[section] !== undefined),
    inForce,
    faults: describeFaults(
      policy,
      inForce.some(({ sections }) => sections.includes("faults")),
      wallMs,
    ),
  };
}

/** Lines with their headings. */
export function formatPolicy(policy: PolicyDescription, heading: (text: string) => readonly string[]): string[] {
  const port = policy.port === null ? "all ports" : `port ${policy.port}`;
  const requests = policy.matches.length === 0 ? "every request" : `requests that fit ${policy.matches.join(" or ")}`;
  const lines = [...heading("Applies to"), escapeControl(`  Service ${policy.service}, ${port}, ${requests}`)];
  lines.push(...heading("Says"), `  ${policy.sections.join(", ")}`, ...heading("In force"));
  if (policy.inForce.length === 0) lines.push("  nothing");
  for (const { port: number, sections } of policy.inForce) lines.push(`  port ${number}: ${sections.join(", ")}`);
  if (policy.faults.length > 0) lines.push(...heading("Faults"));
  for (const fault of policy.faults) lines.push(`  ${fault.name}: ${fault.does}; ${formatFaultState(fault)}`);
  return lines;
}
