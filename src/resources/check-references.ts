import { checkIngress } from "./check-ingress.ts";
import { checkPolicyReferences } from "./check-policy-references.ts";
import {
  checkEndpoints,
  checkFullFaults,
  checkImpossible,
  checkPolicyOrder,
  checkSplitOrder,
  checkStrictAccess,
} from "./check-unreachable.ts";
import { type EndpointSlice, SERVICE_NAME_LABEL } from "./endpoint-slice.ts";
import type { HttpRouteGroup } from "./http-route-group.ts";
import type { KnownResource } from "./known-resource.ts";
import { describeImpossible } from "./match-coverage.ts";
import { NamedResources, unknownName, type Warn } from "./named-resources.ts";
import type { Problem } from "./problem.ts";
import type { Resource } from "./resource.ts";
import { createProblem, type SchemaSource } from "./schema-problems.ts";
import { rootServiceName, type TrafficSplit } from "./traffic-split.ts";
import type { IdentitySubject, TrafficRule, TrafficTarget } from "./traffic-target.ts";

export interface ReferenceOptions {
  /** `existing` has every EndpointSlice there is, so that a Service without one has no endpoints. Default false. */
  readonly knowsEndpoints?: boolean;
  /** `existing` has every TrafficTarget there is, so that strict access without one denies everything. Default false. */
  readonly knowsTargets?: boolean;
  /** Where resources were written (`parseResourceFile`). Left out: problems have no position. */
  readonly sources?: ReadonlyMap<Resource, SchemaSource>;
  /** Now. Left out: nothing is said of times that have passed or are far ahead. */
  readonly wallMs?: number;
}

/**
 * Warns of names in `resources` that neither `resources` nor `existing` has, and of other things that are legal but
 * probably not meant. Only warnings: resources may come in any order, and the model treats what is missing safely
 * (docs/smi.md, docs/traffic-policy.md).
 */
export function checkReferences(
  resources: readonly KnownResource[],
  existing: readonly Resource[],
  options: ReferenceOptions = {},
): readonly Problem[] {
  const index = new NamedResources([...existing, ...resources]);
  const problems: Problem[] = [];
  for (const resource of resources) {
    const source = options.sources?.get(resource) ?? { file: `${resource.kind}/${resource.metadata.name}` };
    const warn: Warn = (path, found, expected) => {
      problems.push(createProblem(path, { found, expected }, { ...source, severity: "warning" }));
    };
    if (resource.kind === "TrafficSplit") {
      checkSplit(resource, index, warn);
      checkSplitOrder(resource, index, warn);
      if (options.knowsEndpoints === true) checkEndpoints(resource, index, warn);
    } else if (resource.kind === "TrafficTarget") checkTarget(resource, index, warn);
    else if (resource.kind === "Ingress") checkIngress(resource, index, warn);
    else if (resource.kind === "EndpointSlice") checkSlice(resource, index, warn);
    else if (resource.kind === "HTTPRouteGroup") checkGroup(resource, warn);
    else if (resource.kind === "Mesh" && options.knowsTargets === true) checkStrictAccess(resource, index, warn);
    else if (resource.kind === "TrafficPolicy") {
      checkPolicyReferences(resource, { resources: index, warn, wallMs: options.wallMs ?? null });
      checkPolicyOrder(resource, index, warn);
      if (options.wallMs !== undefined) checkFullFaults(resource, options.wallMs, warn);
    }
  }
  return problems;
}

function checkSplit(split: TrafficSplit, index: NamedResources, warn: Warn): void {
  const { namespace } = split.metadata;
  const { service, backends, matches } = split.spec;
  if (index.find("Service", namespace, rootServiceName(split)) === null) {
    warn(["spec", "service"], unknownName(service), `a Service of namespace "${namespace}"`);
  }
  for (const [position, backend] of backends.entries()) {
    if (index.find("Service", namespace, backend.service) !== null || backend.weight === 0) continue;
    const expected = `a Service of namespace "${namespace}" (its share goes to the other backends)`;
    warn(["spec", "backends", position, "service"], unknownName(backend.service), expected);
  }
  if (backends.every((backend) => backend.weight === 0)) {
    warn(["spec", "backends"], "no weight above 0", "one at least: requests for this Service are answered with 503");
  }
  for (const [position, group] of matches.entries()) {
    if (index.find("HTTPRouteGroup", namespace, group.name) !== null) continue;
    const expected = `an HTTPRouteGroup of namespace "${namespace}" (no request fits it)`;
    warn(["spec", "matches", position, "name"], unknownName(group.name), expected);
  }
  const other = matches.length === 0 ? index.findOtherSplit(split) : null;
  if (other !== null) {
    const expected = "one split without matches for each Service (the oldest is used)";
    warn(["spec", "service"], `another split of "${service}", "${other.metadata.name}"`, expected);
  }
}

function checkTarget(target: TrafficTarget, index: NamedResources, warn: Warn): void {
  const { namespace } = target.metadata;
  const { destination, rules, sources } = target.spec;
  checkSubject(destination, ["spec", "destination"], index, warn);
  for (const [position, rule] of rules.entries()) {
    const path = ["spec", "rules", position];
    const found = index.find(rule.kind, namespace, rule.name);
    if (found === null) {
      const article = rule.kind === "HTTPRouteGroup" ? "an HTTPRouteGroup" : `a ${rule.kind}`;
      warn(
        [...path, "name"],
        unknownName(rule.name),
        `${article} of namespace "${namespace}" (the rule allows nothing)`,
      );
      continue;
    }
    if (rule.kind !== "HTTPRouteGroup") continue;
    const names = (found as HttpRouteGroup).spec.matches.map((match) => match.name);
    for (const [matchPosition, match] of rule.matches.entries()) {
      if (names.includes(match)) continue;
      warn(
        [...path, "matches", matchPosition],
        unknownName(match),
        `a match of ${rule.name}: ${names.join(", ") || "it has none"}`,
      );
    }
  }
  for (const [position, source] of sources.entries()) checkSubject(source, ["spec", "sources", position], index, warn);
  if (sources.length === 0) warn(["spec", "sources"], "an empty list", "at least one source: nobody is allowed");
  else if (rules.every((rule) => allowsNothing(rule, namespace, index))) {
    warn(["spec", "rules"], "no rule that any request fits", "one at least: nobody is allowed");
  }
}

function allowsNothing(rule: TrafficRule, namespace: string, index: NamedResources): boolean {
  const found = index.find(rule.kind, namespace, rule.name);
  if (found === null || rule.kind !== "HTTPRouteGroup") return found === null;
  const { matches } = (found as HttpRouteGroup).spec;
  const chosen = rule.matches.length === 0 ? matches : matches.filter(({ name }) => rule.matches.includes(name));
  return chosen.every((match) => describeImpossible(match) !== null);
}

function checkSubject(subject: IdentitySubject, path: readonly PropertyKey[], index: NamedResources, warn: Warn): void {
  if (index.find(subject.kind, subject.namespace, subject.name) !== null) return;
  const article = subject.kind === "IdentityBinding" ? "an" : "a";
  warn([...path, "name"], unknownName(subject.name), `${article} ${subject.kind} of namespace "${subject.namespace}"`);
}

function checkSlice(slice: EndpointSlice, index: NamedResources, warn: Warn): void {
  const path = ["metadata", "labels", SERVICE_NAME_LABEL];
  const service = slice.metadata.labels?.[SERVICE_NAME_LABEL];
  if (service === undefined) {
    warn(["metadata"], `no label ${SERVICE_NAME_LABEL}`, "the name of the Service these endpoints belong to");
  } else if (index.find("Service", slice.metadata.namespace, service) === null) {
    warn(path, unknownName(service), `a Service of namespace "${slice.metadata.namespace}"`);
  }
}

function checkGroup(group: HttpRouteGroup, warn: Warn): void {
  if (group.spec.matches.length === 0)
    warn(["spec", "matches"], "an empty list", "at least one match: no request fits");
  checkImpossible(group, warn);
}
