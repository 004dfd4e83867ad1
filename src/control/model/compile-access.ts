import { readDestinationPort } from "../../resources/destination-port.ts";
import { toSpiffeId } from "../../resources/identity-binding.ts";
import type { IdentitySubject, TrafficRule, TrafficTarget } from "../../resources/traffic-target.ts";
import { compareText } from "./compare-text.ts";
import { compileHttpMatches } from "./compile-http-matches.ts";
import type { ConditionLog } from "./condition-log.ts";
import type { AccessModel, HttpMatchModel, TargetModel } from "./mesh-model.ts";
import { keyOf, type ResourceIndex } from "./resource-index.ts";

/**
 * Every valid TrafficTarget by its destination. What cannot be resolved narrows a target, never widens it: an unknown
 * group or match allows nothing, and a target without rules or sources opens nothing.
 */
export function compileAccess(index: ResourceIndex, conditions: ConditionLog): Map<string, AccessModel> {
  return joinTargets(index, (target) => compileTarget(target, index, conditions));
}

/** `compile` gives null for a target that opens nothing. */
export function joinTargets(
  index: Pick<ResourceIndex, "bindings" | "targets">,
  compile: (target: TrafficTarget) => TargetModel | null,
): Map<string, AccessModel> {
  const drafts = new Map<string, { namespace: string; serviceAccount: string; targets: TargetModel[] }>();
  for (const target of index.targets) {
    const compiled = compile(target);
    const serviceAccount = findDestination(target, index);
    if (compiled === null || serviceAccount === null) continue;
    const { namespace } = target.spec.destination;
    const key = `${namespace}/${serviceAccount}`;
    const draft = drafts.get(key) ?? { namespace, serviceAccount, targets: [] };
    draft.targets.push(compiled);
    drafts.set(key, draft);
  }
  for (const draft of drafts.values()) draft.targets.sort((one, other) => compareText(one.key, other.key));
  return new Map([...drafts.entries()].sort(([one], [other]) => compareText(one, other)));
}

/** The service account that a target opens; null = none. */
function findDestination({ spec }: TrafficTarget, { bindings }: Pick<ResourceIndex, "bindings">): string | null {
  const { kind, namespace, name } = spec.destination;
  return kind === "ServiceAccount" ? name : (bindings.get(`${namespace}/${name}`)?.spec.schemes.serviceAccount ?? null);
}

/** The schema refuses these too; a store that others write to may hold them all the same. */
function isAcceptable(target: TrafficTarget, index: ResourceIndex, conditions: ConditionLog): boolean {
  const { destination, rules } = target.spec;
  if (destination.namespace !== target.metadata.namespace) {
    conditions.add(target, "Accepted", {
      reason: "ForeignDestination",
      message: `The destination is in namespace "${destination.namespace}"; a TrafficTarget opens only its own namespace, "${target.metadata.namespace}"`,
    });
    return false;
  }
  if (destination.kind !== "ServiceAccount" && destination.kind !== "IdentityBinding") {
    conditions.add(target, "Accepted", {
      reason: "UnknownDestinationKind",
      message: `The destination is a ${String(destination.kind)}; only a ServiceAccount or an IdentityBinding can be one, so the target allows nothing`,
    });
    return false;
  }
  if (findDestination(target, index) === null) {
    conditions.add(target, "ResolvedRefs", {
      reason: "DestinationNotFound",
      message: `There is no IdentityBinding "${destination.name}" with a service account in namespace "${destination.namespace}", so the target allows nothing`,
    });
    return false;
  }
  if (rules.length === 0) {
    conditions.add(target, "Accepted", { reason: "NoRules", message: "The target has no rules, so it allows nothing" });
    return false;
  }
  return true;
}

/** Null for a target that must not be in force. */
export function compileTarget(
  target: TrafficTarget,
  index: ResourceIndex,
  conditions: ConditionLog,
): TargetModel | null {
  if (!isAcceptable(target, index, conditions)) return null;
  const sources = new Set<string>();
  for (const source of target.spec.sources) {
    if (source.kind === "ServiceAccount") sources.add(`${source.namespace}/${source.name}`);
    else if (source.kind === "IdentityBinding") addBinding(sources, target, source, { index, conditions });
  }
  if (target.spec.sources.length === 0) {
    conditions.add(target, "Accepted", {
      reason: "NoSources",
      message: "The target has no sources, so it allows nobody",
    });
  }
  const http = target.spec.rules.filter((rule) => rule.kind === "HTTPRouteGroup");
  const tcp = target.spec.rules.filter((rule) => rule.kind === "TCPRoute");
  const udp = target.spec.rules.filter((rule) => rule.kind === "UDPRoute");
  return {
    key: keyOf(target),
    sources: [...sources].sort(compareText),
    http: http.length === 0 ? null : http.flatMap((rule) => compileHttpRule(target, rule, { index, conditions })),
    // With rules about UDP alone it opens no port of TCP.
    tcp: tcp.length === 0 && http.length > 0 ? null : compilePortRules(target, tcp, { index, conditions }),
    udp: udp.length === 0 ? null : compilePortRules(target, udp, { index, conditions }),
    onlyPort: readDestinationPort(target.metadata),
  };
}

/** Everybody it stands for. */
function addBinding(sources: Set<string>, target: TrafficTarget, source: IdentitySubject, context: Context): void {
  const { namespace, name } = source;
  const binding = context.index.bindings.get(`${namespace}/${name}`);
  if (binding === undefined) {
    context.conditions.add(target, "ResolvedRefs", {
      reason: "SourceNotFound",
      message: `There is no IdentityBinding "${name}" in namespace "${namespace}"; it allows nobody`,
    });
    return;
  }
  const { serviceAccount, spiffeIdentities = [] } = binding.spec.schemes;
  if (serviceAccount !== undefined) sources.add(`${namespace}/${serviceAccount}`);
  for (const id of spiffeIdentities) sources.add(toSpiffeId(id));
}

interface Context {
  readonly index: ResourceIndex;
  readonly conditions: ConditionLog;
}

function compileHttpRule(target: TrafficTarget, rule: TrafficRule, context: Context): HttpMatchModel[] {
  const group = context.index.groups.get(`${target.metadata.namespace}/${rule.name}`);
  if (group === undefined) {
    reportMissing(target, rule, context.conditions);
    return [];
  }
  const known = new Set(group.spec.matches.map((match) => match.name));
  const missing = rule.matches.filter((name) => !known.has(name));
  for (const name of missing) {
    context.conditions.add(target, "ResolvedRefs", {
      reason: "MatchNotFound",
      message: `HTTPRouteGroup "${rule.name}" has no match "${name}"; no request fits it`,
    });
  }
  return compileHttpMatches(group, rule.matches);
}

/** Of TCPRoutes or of UDPRoutes. */
function compilePortRules(target: TrafficTarget, rules: readonly TrafficRule[], context: Context): TargetModel["tcp"] {
  const ports = new Set<number>();
  let all = false;
  for (const rule of rules) {
    const { tcpRoutes, udpRoutes } = context.index;
    const key = `${target.metadata.namespace}/${rule.name}`;
    const route = rule.kind === "UDPRoute" ? udpRoutes.get(key) : tcpRoutes.get(key);
    if (route === undefined) {
      reportMissing(target, rule, context.conditions);
      continue;
    }
    const listed = route.spec.matches.ports;
    if (listed.length === 0) all = true;
    for (const port of listed) ports.add(port);
  }
  return all ? "all" : [...ports].sort((one, other) => one - other);
}

function reportMissing(target: TrafficTarget, rule: TrafficRule, conditions: ConditionLog): void {
  conditions.add(target, "ResolvedRefs", {
    reason: "RouteNotFound",
    message: `There is no ${rule.kind} "${rule.name}" in namespace "${target.metadata.namespace}"; no request fits it`,
  });
}
