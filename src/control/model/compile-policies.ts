import type { HttpRouteGroup } from "../../resources/http-route-group.ts";
import type { Service } from "../../resources/service.ts";
import type { TrafficPolicy } from "../../resources/traffic-policy.ts";
import { INSTANCE_SECTIONS, type PolicySection, REQUEST_SECTIONS } from "../../resources/traffic-policy-spec.ts";
import { compareText } from "./compare-text.ts";
import { compileHttpMatches } from "./compile-http-matches.ts";
import type { SplitTable } from "./compile-splits.ts";
import { type MergedPolicies, mergePolicies, pickSections, type SectionSources } from "./merge-policies.ts";
import type { HttpMatchModel, PortProtocol } from "./mesh-model.ts";
import { compileClusterPolicy, compileRoutePolicy } from "./policy-sections.ts";
import type { ClusterPolicyModel, RoutePolicyModel } from "./policy-model.ts";
import { findMirrorProblem, type PolicyContext, reportPolicies } from "./policy-reports.ts";
import { keyOf, type ResourceIndex } from "./resource-index.ts";
import { portProtocol, tcpPorts } from "./service-ports.ts";

export interface PortPolicies {
  readonly policy: ClusterPolicyModel | null;
  readonly routePolicies: readonly RoutePolicyModel[];
}

export const NO_POLICIES: PortPolicies = { policy: null, routePolicies: [] };

/** The policies of each Service, by "<namespace>/<name>", the oldest first, then by name. */
export function groupPolicies({ index, conditions }: PolicyContext): Map<string, TrafficPolicy[]> {
  const byService = new Map<string, TrafficPolicy[]>();
  for (const policy of [...index.policies].sort(comparePolicies)) {
    const { targetRef } = policy.spec;
    const key = `${policy.metadata.namespace}/${targetRef.name}`;
    const service = index.services.get(key);
    if (service === undefined) {
      conditions.add(policy, "ResolvedRefs", {
        reason: "TargetNotFound",
        message: `There is no Service "${targetRef.name}" in namespace "${policy.metadata.namespace}"; the policy has no effect`,
      });
    } else if (targetRef.port !== undefined && !tcpPorts(service).some(({ port }) => port === targetRef.port)) {
      conditions.add(policy, "ResolvedRefs", {
        reason: "PortNotFound",
        message: `Service "${targetRef.name}" has no TCP port ${targetRef.port}; the policy has no effect`,
      });
    } else {
      const list = byService.get(key);
      if (list === undefined) byService.set(key, [policy]);
      else list.push(policy);
    }
  }
  return byService;
}

/** What `policies` (of this Service, in order) mean for each of its ports. */
export function compilePolicies(
  service: Service,
  policies: readonly TrafficPolicy[],
  context: PolicyContext & { readonly splits: SplitTable | null },
): ReadonlyMap<number, PortPolicies> {
  const table = new Map<number, PortPolicies>();
  for (const { port, protocol, merged } of mergeByPort(service, policies, context)) {
    reportPolicies(merged, { ...context, service, port, splits: context.splits?.get(port)?.splits ?? [] });
    table.set(port, compilePort(merged, { index: context.index, service, port, protocol }));
  }
  return table;
}

export interface MergedPort {
  readonly port: number;
  readonly protocol: PortProtocol;
  readonly merged: MergedPolicies;
}

/** The ports that policies speak of, in order of number. */
export function mergeByPort(
  service: Service,
  policies: readonly TrafficPolicy[],
  context: PolicyContext,
): readonly MergedPort[] {
  const matches = new Map<TrafficPolicy, readonly HttpMatchModel[]>();
  for (const policy of policies) {
    const found = policy.spec.matches.length === 0 ? [] : compileMatches(policy, context);
    if (found.length > 0) matches.set(policy, found);
  }
  return tcpPorts(service).flatMap((servicePort) => {
    const { port } = servicePort;
    const here = policies.filter(({ spec }) => spec.targetRef.port === undefined || spec.targetRef.port === port);
    if (here.length === 0) return [];
    const protocol = portProtocol(servicePort);
    return [{ port, protocol, merged: mergePolicies(here, { protocol, matches }) }];
  });
}

interface PortContext {
  readonly index: ResourceIndex;
  readonly service: Service;
  readonly port: number;
  readonly protocol: PortProtocol;
}

function compilePort({ wide, narrow }: MergedPolicies, context: PortContext): PortPolicies {
  const { protocol } = context;
  const routePolicies = narrow.map(({ policy, matches, sections }) =>
    toRoutePolicy(sections, { matches, first: policy }, context),
  );
  if (protocol !== "tcp" && listTaking(wide).length > 0)
    routePolicies.push(toRoutePolicy(wide, { matches: null, first: null }, context));
  const { connect, idle } = wide.get("timeouts")?.spec.timeouts ?? {};
  const hasCluster = (connect ?? idle) !== undefined || INSTANCE_SECTIONS.some((section) => wide.has(section));
  return { policy: hasCluster ? compileClusterPolicy(pickSections(wide, protocol)) : null, routePolicies };
}

/** The policies that say something of requests, in the order of the sections. */
function listTaking(sections: SectionSources): readonly TrafficPolicy[] {
  const taking = REQUEST_SECTIONS.flatMap((section: PolicySection) => {
    const policy = sections.get(section);
    return policy === undefined || (section === "timeouts" && !speaksOfRequests(policy)) ? [] : [policy];
  });
  // What affinity goes by is a matter of each request, and written where balancing is.
  const balancing = sections.get("loadBalancing");
  return balancing?.spec.loadBalancing?.hashOn === undefined ? taking : [...taking, balancing];
}

/** Two of the timeouts are about connections. */
function speaksOfRequests({ spec }: TrafficPolicy): boolean {
  const { request, response, perTry, streamIdle } = spec.timeouts ?? {};
  return (request ?? response ?? perTry ?? streamIdle) !== undefined;
}

function toRoutePolicy(
  sections: SectionSources,
  route: { readonly matches: readonly HttpMatchModel[] | null; readonly first: TrafficPolicy | null },
  { index, service, port, protocol }: PortContext,
): RoutePolicyModel {
  const taking = [...(route.first === null ? [] : [route.first]), ...listTaking(sections)];
  const isKnown = (name: string, wanted: number): boolean =>
    findMirrorProblem(index.services.get(`${service.metadata.namespace}/${name}`), wanted) === null;
  return compileRoutePolicy(pickSections(sections, protocol), {
    key: [...new Set(taking.map(keyOf))].join(","),
    matches: route.matches,
    port,
    isKnown,
  });
}

/** Any of them; empty = the policy cannot take effect. An unknown group never means "every request". */
function compileMatches(policy: TrafficPolicy, { index, conditions }: PolicyContext): readonly HttpMatchModel[] {
  const { namespace } = policy.metadata;
  const found: HttpMatchModel[] = [];
  for (const reference of policy.spec.matches) {
    const group: HttpRouteGroup | undefined = index.groups.get(`${namespace}/${reference.name}`);
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

/** The oldest first, then by name. A policy that was never stored has no time; it counts as the newest. */
function comparePolicies(one: TrafficPolicy, other: TrafficPolicy): number {
  return (
    compareText(one.metadata.creationTimestamp ?? "~", other.metadata.creationTimestamp ?? "~") ||
    compareText(keyOf(one), keyOf(other))
  );
}
