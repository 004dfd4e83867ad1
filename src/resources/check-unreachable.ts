import { type EndpointSlice, SERVICE_NAME_LABEL } from "./endpoint-slice.ts";
import type { HttpMatch, HttpRouteGroup } from "./http-route-group.ts";
import { covers, describeImpossible } from "./match-coverage.ts";
import type { Mesh } from "./mesh.ts";
import type { NamedResources, Warn } from "./named-resources.ts";
import type { Resource } from "./resource.ts";
import type { Service } from "./service.ts";
import type { TrafficPolicy } from "./traffic-policy.ts";
import { readFaultEnd } from "./traffic-policy-requests.ts";
import { rootServiceName, type TrafficSplit } from "./traffic-split.ts";

/** A share for a Service that nobody answers for. */
export function checkEndpoints(split: TrafficSplit, index: NamedResources, warn: Warn): void {
  const { namespace } = split.metadata;
  for (const [position, { service: name, weight }] of split.spec.backends.entries()) {
    const service = index.find("Service", namespace, name) as Service | null;
    if (weight === 0 || service === null || service.spec.type === "ExternalName") continue;
    if (index.list("EndpointSlice").some((slice) => hasEndpoints(slice as EndpointSlice, namespace, name))) continue;
    const expected = "a Service with endpoints: until it has some, its share of the requests is answered with 503";
    warn(["spec", "backends", position, "service"], `${JSON.stringify(name)}, which has no endpoints`, expected);
  }
}

/** A split of requests that an older one takes already. */
export function checkSplitOrder(split: TrafficSplit, index: NamedResources, warn: Warn): void {
  const earlier = index.list("TrafficSplit").filter((other) => {
    const isRival = other.metadata.namespace === split.metadata.namespace && isBefore(other, split, index);
    return isRival && rootServiceName(other as TrafficSplit) === rootServiceName(split);
  }) as TrafficSplit[];
  const own = listMatches(split.spec.matches, split, index);
  const rival = earlier.find((other) => covers(listMatches(other.spec.matches, other, index), own));
  if (rival === undefined) return;
  const found = `only requests that TrafficSplit ${JSON.stringify(rival.metadata.name)} takes first`;
  warn(["spec", "matches"], found, "others, too: this split never decides (the oldest split that fits does)");
}

/** A policy for requests that an older one takes already. */
export function checkPolicyOrder(policy: TrafficPolicy, index: NamedResources, warn: Warn): void {
  const { targetRef } = policy.spec;
  const earlier = index.list("TrafficPolicy").filter((other) => {
    const target = (other as TrafficPolicy).spec.targetRef;
    const isSameService = other.metadata.namespace === policy.metadata.namespace && target.name === targetRef.name;
    return (
      isSameService && (target.port === undefined || target.port === targetRef.port) && isBefore(other, policy, index)
    );
  }) as TrafficPolicy[];
  const own = listMatches(policy.spec.matches, policy, index);
  const rival = earlier.find((other) => covers(listMatches(other.spec.matches, other, index), own));
  if (rival === undefined) return;
  const found = `only requests that TrafficPolicy ${JSON.stringify(rival.metadata.name)} takes first`;
  warn(["spec", "matches"], found, "others, too: this policy has no effect (the oldest one that fits has)");
}

/** A match that no request can fit. */
export function checkImpossible(group: HttpRouteGroup, warn: Warn): void {
  for (const [position, match] of group.spec.matches.entries()) {
    const expected = describeImpossible(match);
    if (expected === null) continue;
    const path = ["spec", "matches", position, "pathRegex"];
    warn(path, JSON.stringify(match.pathRegex), `${expected} (no request fits it)`);
  }
}

/** Strict access with nothing that allows anything. */
export function checkStrictAccess(mesh: Mesh, index: NamedResources, warn: Warn): void {
  if (mesh.spec.access !== "strict" || index.list("TrafficTarget").length > 0) return;
  const expected = "a TrafficTarget at least: until there is one, every request between services is denied";
  warn(["spec", "access"], "strict, and no TrafficTarget in the mesh", expected);
}

/** A fault in force that nothing gets through. */
export function checkFullFaults(policy: TrafficPolicy, wallMs: number, warn: Warn): void {
  if (policy.spec.matches.length > 0) return;
  for (const [position, fault] of (policy.spec.faults ?? []).entries()) {
    const { abort, reset, percentage = 100 } = fault;
    const isFailure = abort !== undefined || reset !== undefined;
    if (!isFailure || percentage < 100 || readFaultEnd(fault) <= wallMs) continue;
    const path = ["spec", "faults", position];
    warn(path, "a failure of all requests", "a percentage below 100, or matches: the Service answers nobody");
  }
}

function hasEndpoints({ metadata, endpoints }: EndpointSlice, namespace: string, service: string): boolean {
  const isOf = metadata.namespace === namespace && metadata.labels?.[SERVICE_NAME_LABEL] === service;
  return isOf && endpoints.length > 0;
}

interface GroupReference {
  readonly name: string;
  readonly matches?: readonly string[];
}

function listMatches(references: readonly GroupReference[], of: Resource, index: NamedResources): HttpMatch[] {
  return references.flatMap(({ name, matches = [] }) => {
    const group = index.find("HTTPRouteGroup", of.metadata.namespace, name) as HttpRouteGroup | null;
    const all = group?.spec.matches ?? [];
    return matches.length === 0 ? all : all.filter((match) => matches.includes(match.name));
  });
}

/** The older goes first; what was never stored is the newest. */
function isBefore(one: Resource, other: Resource, index: NamedResources): boolean {
  if (one.metadata.name === other.metadata.name) return false;
  const [time, otherTime] = [index.bornAt(one), index.bornAt(other)];
  return time === otherTime ? one.metadata.name < other.metadata.name : time < otherTime;
}
