import type { Service } from "../../resources/service.ts";
import {
  INSTANCE_SECTIONS,
  REQUEST_SECTIONS,
  type TrafficPolicy,
  type TrafficPolicySpec,
} from "../../resources/traffic-policy.ts";
import { compareText } from "./compare-text.ts";
import { compileHttpMatches } from "./compile-http-matches.ts";
import type { ConditionLog } from "./condition-log.ts";
import type { HttpMatchModel, PortProtocol } from "./mesh-model.ts";
import { compileClusterPolicy, compileRoutePolicy } from "./policy-sections.ts";
import type { ClusterPolicyModel, RoutePolicyModel } from "./policy-model.ts";
import { keyOf, type ResourceIndex } from "./resource-index.ts";
import { portProtocol, tcpPorts } from "./service-ports.ts";

export interface PortPolicies {
  readonly policy: ClusterPolicyModel | null;
  readonly routePolicies: readonly RoutePolicyModel[];
}

export const NO_POLICIES: PortPolicies = { policy: null, routePolicies: [] };

type Section = keyof TrafficPolicySpec;
/** Which policy each section is from, of those that are in force. */
type Sections = Map<Section, TrafficPolicy>;

/** What still means something where nothing is looked into: connections. */
const OPAQUE_SECTIONS: ReadonlySet<string> = new Set(["loadBalancing", "outlierDetection", "limits", "timeouts"]);

/** The policies of each Service, by "<namespace>/<name>", the oldest first, then by name. */
export function groupPolicies(index: ResourceIndex, conditions: ConditionLog): Map<string, TrafficPolicy[]> {
  const byService = new Map<string, TrafficPolicy[]>();
  for (const policy of [...index.policies].sort(compareAge)) {
    const { targetRef } = policy.spec;
    const key = `${policy.metadata.namespace}/${targetRef.name}`;
    const service = index.services.get(key);
    if (service === undefined) {
      conditions.add(policy, "ResolvedRefs", {
        reason: "TargetNotFound",
        message: `There is no Service "${targetRef.name}" in namespace "${policy.metadata.namespace}"; the policy has no effect`,
      });
      continue;
    }
    if (targetRef.port !== undefined && !tcpPorts(service).some(({ port }) => port === targetRef.port)) {
      conditions.add(policy, "ResolvedRefs", {
        reason: "PortNotFound",
        message: `Service "${targetRef.name}" has no TCP port ${targetRef.port}; the policy has no effect`,
      });
      continue;
    }
    const list = byService.get(key);
    if (list === undefined) byService.set(key, [policy]);
    else list.push(policy);
  }
  return byService;
}

/** What `policies` (of this Service, in order) mean for each of its ports. */
export function compilePolicies(
  service: Service,
  policies: readonly TrafficPolicy[],
  context: { readonly index: ResourceIndex; readonly conditions: ConditionLog },
): ReadonlyMap<number, PortPolicies> {
  const table = new Map<number, PortPolicies>();
  const narrow = policies.filter(({ spec }) => spec.matches.length > 0);
  const matches = new Map(narrow.map((policy) => [policy, compileMatches(policy, context)]));
  for (const port of tcpPorts(service)) {
    const here = policies.filter(({ spec }) => spec.targetRef.port === undefined || spec.targetRef.port === port.port);
    if (here.length === 0) continue;
    const protocol = portProtocol(port);
    table.set(port.port, compilePort(here, matches, { ...context, port: port.port, protocol }));
  }
  return table;
}

interface PortContext {
  readonly index: ResourceIndex;
  readonly conditions: ConditionLog;
  readonly port: number;
  readonly protocol: PortProtocol;
}

function compilePort(
  policies: readonly TrafficPolicy[],
  matches: ReadonlyMap<TrafficPolicy, readonly HttpMatchModel[]>,
  context: PortContext,
): PortPolicies {
  const wide = mergeWide(policies, context);
  const routePolicies: RoutePolicyModel[] = [];
  for (const [policy, fits] of matches) {
    if (!policies.includes(policy) || fits.length === 0) continue;
    if (context.protocol === "tcp") {
      reportOpaque(policy, context, "its requests cannot be told apart, so the policy has no effect there");
      continue;
    }
    routePolicies.push(toRoutePolicy(overlay(wide, policy), fits, [policy], context));
  }
  if (context.protocol !== "tcp" && hasRequestSection(wide)) routePolicies.push(toRoutePolicy(wide, null, [], context));
  const clusterSections = [...INSTANCE_SECTIONS, "timeouts"].some((section) => wide.has(section as Section));
  return { policy: clusterSections ? compileClusterPolicy(pickSpecs(wide)) : null, routePolicies };
}

/** Of each section the oldest policy that writes it; the others are told. */
function mergeWide(policies: readonly TrafficPolicy[], context: PortContext): Sections {
  const sections: Sections = new Map();
  for (const policy of policies) {
    if (policy.spec.matches.length > 0) continue;
    for (const section of [...INSTANCE_SECTIONS, ...REQUEST_SECTIONS]) {
      if (policy.spec[section] === undefined) continue;
      if (context.protocol === "tcp" && !OPAQUE_SECTIONS.has(section)) {
        reportOpaque(policy, context, `${section} has no effect there`);
        continue;
      }
      const winner = sections.get(section);
      if (winner === undefined) sections.set(section, policy);
      else reportConflict(policy, winner, section, context);
    }
  }
  return sections;
}

function overlay(wide: Sections, narrow: TrafficPolicy): Sections {
  const sections: Sections = new Map(wide);
  for (const section of REQUEST_SECTIONS) if (narrow.spec[section] !== undefined) sections.set(section, narrow);
  return sections;
}

function hasRequestSection(sections: Sections): boolean {
  // What affinity goes by is a matter of each request, and written where balancing is.
  return REQUEST_SECTIONS.some((section) => sections.has(section)) || sections.has("loadBalancing");
}

function toRoutePolicy(
  sections: Sections,
  matches: readonly HttpMatchModel[] | null,
  first: readonly TrafficPolicy[],
  context: PortContext,
): RoutePolicyModel {
  const names = [REQUEST_SECTIONS, ["loadBalancing"] as const].flat();
  const taking = names.flatMap((section) => sections.get(section) ?? []);
  const key = [...new Set([...first, ...taking].map(keyOf))].join(",");
  for (const policy of new Set(taking)) reportMirrors(policy, context);
  const { namespace = "" } = (first[0] ?? taking[0])?.metadata ?? {};
  const isKnown = (service: string, port: number): boolean =>
    hasPort(context.index.services.get(`${namespace}/${service}`), port);
  return compileRoutePolicy(pickSpecs(sections), { key, matches, port: context.port, isKnown });
}

function hasPort(service: Service | undefined, port: number): boolean {
  return service !== undefined && tcpPorts(service).some((candidate) => candidate.port === port);
}

function reportMirrors(policy: TrafficPolicy, { index, conditions, port }: PortContext): void {
  for (const mirror of policy.spec.mirrors ?? []) {
    const service = index.services.get(`${policy.metadata.namespace}/${mirror.service}`);
    const wanted = mirror.port ?? port;
    if (service === undefined) {
      conditions.add(policy, "ResolvedRefs", {
        reason: "MirrorNotFound",
        message: `There is no Service "${mirror.service}" in namespace "${policy.metadata.namespace}"; nothing is mirrored to it`,
      });
    } else if (!hasPort(service, wanted)) {
      conditions.add(policy, "ResolvedRefs", {
        reason: "MirrorPortNotFound",
        message: `Service "${mirror.service}" has no TCP port ${wanted}; nothing is mirrored to it`,
      });
    }
  }
}

function pickSpecs(sections: Sections): TrafficPolicySpec {
  const picked: Record<string, unknown> = {};
  for (const [section, policy] of sections) picked[section] = policy.spec[section];
  return picked as unknown as TrafficPolicySpec;
}

/** Any of them; empty = the policy cannot take effect. An unknown group never means "every request". */
function compileMatches(
  policy: TrafficPolicy,
  { index, conditions }: { readonly index: ResourceIndex; readonly conditions: ConditionLog },
): readonly HttpMatchModel[] {
  const { namespace } = policy.metadata;
  const found: HttpMatchModel[] = [];
  for (const reference of policy.spec.matches) {
    const group = index.groups.get(`${namespace}/${reference.name}`);
    if (group === undefined) {
      conditions.add(policy, "ResolvedRefs", {
        reason: "RouteGroupNotFound",
        message: `There is no HTTPRouteGroup "${reference.name}" in namespace "${namespace}"; no request fits it`,
      });
      continue;
    }
    for (const name of reference.matches ?? []) {
      if (group.spec.matches.some((match) => match.name === name)) continue;
      conditions.add(policy, "ResolvedRefs", {
        reason: "MatchNotFound",
        message: `HTTPRouteGroup "${reference.name}" has no match "${name}"; no request fits it`,
      });
    }
    found.push(...compileHttpMatches(group, reference.matches ?? []));
  }
  if (found.length === 0) {
    conditions.add(policy, "Accepted", {
      reason: "NothingMatches",
      message: "No request fits the policy's matches, so it has no effect",
    });
  }
  return found;
}

function reportConflict(policy: TrafficPolicy, winner: TrafficPolicy, section: Section, context: PortContext): void {
  context.conditions.add(policy, "Conflicted", {
    reason: "AnotherPolicy",
    message: `TrafficPolicy "${winner.metadata.name}" is older and says ${section} of "${policy.spec.targetRef.name}" port ${context.port}; what this one says of it has no effect`,
  });
}

function reportOpaque(policy: TrafficPolicy, { conditions, port }: PortContext, consequence: string): void {
  conditions.add(policy, "Accepted", {
    reason: "NeedsHttp",
    message: `Port ${port} of "${policy.spec.targetRef.name}" is opaque TCP: ${consequence}`,
  });
}

/** A policy that was never stored has no time; it counts as the newest. */
function compareAge(one: TrafficPolicy, other: TrafficPolicy): number {
  return (
    compareText(one.metadata.creationTimestamp ?? "~", other.metadata.creationTimestamp ?? "~") ||
    compareText(keyOf(one), keyOf(other))
  );
}
