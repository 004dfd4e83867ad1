import type { MeshModel } from "../control/model/mesh-model.ts";
import type { TrafficPolicy } from "../resources/traffic-policy.ts";
import { type PolicySection, SECTIONS } from "../resources/traffic-policy-spec.ts";
import { describeFaults, type FaultDescription, formatFaultState } from "./describe-faults.ts";
import { escapeControl } from "./output/text-width.ts";

/** What a TrafficPolicy is about. What of it is not in force is said by the conditions. */
export interface PolicyDescription {
  /** "<namespace>/<name>" of the Service. */
  readonly service: string;
  /** Null = all its ports. */
  readonly port: number | null;
  /** `group`, `group[match,match]`; [] = every request. */
  readonly matches: readonly string[];
  readonly sections: readonly PolicySection[];
  readonly faults: readonly FaultDescription[];
}

export function describePolicy(policy: TrafficPolicy, model: MeshModel, wallMs: number): PolicyDescription {
  const { targetRef, matches } = policy.spec;
  return {
    service: `${policy.metadata.namespace}/${targetRef.name}`,
    port: targetRef.port ?? null,
    matches: matches.map(({ name, matches: some }) => (some === undefined ? name : `${name}[${some.join(",")}]`)),
    sections: SECTIONS.filter((section) => policy.spec[section] !== undefined),
    faults: describeFaults(policy, model, wallMs),
  };
}

/** Lines with their headings. */
export function formatPolicy(policy: PolicyDescription, heading: (text: string) => readonly string[]): string[] {
  const port = policy.port === null ? "all ports" : `port ${policy.port}`;
  const requests = policy.matches.length === 0 ? "every request" : `requests that fit ${policy.matches.join(" or ")}`;
  const lines = [...heading("Applies to"), escapeControl(`  Service ${policy.service}, ${port}, ${requests}`)];
  lines.push(...heading("Says"), `  ${policy.sections.join(", ")}`);
  if (policy.faults.length > 0) lines.push(...heading("Faults"));
  for (const fault of policy.faults) lines.push(`  ${fault.name}: ${fault.does}; ${formatFaultState(fault)}`);
  return lines;
}
