import type { HttpRouteGroup } from "./http-route-group.ts";
import { type NamedResources, unknownName, type Warn } from "./named-resources.ts";
import type { Service } from "./service.ts";
import type { TrafficPolicy } from "./traffic-policy.ts";
import { readFaultEnd } from "./traffic-policy-requests.ts";

export interface PolicyReferenceContext {
  readonly resources: NamedResources;
  readonly warn: Warn;
  /** Null: nothing is said of the ends of faults. */
  readonly wallMs: number | null;
}

/** A fault that lasts longer is likelier to be forgotten than meant. */
const LONG_FAULT_MS = 7 * 24 * 3_600_000;

/** Warns of names that nothing has, and of faults that are over or go on for long. */
export function checkPolicyReferences(policy: TrafficPolicy, context: PolicyReferenceContext): void {
  checkTarget(policy, context);
  checkMatches(policy, context);
  checkMirrors(policy, context);
  checkCallers(policy, context);
  if (context.wallMs !== null) checkFaults(policy, context.wallMs, context.warn);
}

function checkTarget({ metadata, spec }: TrafficPolicy, { resources, warn }: PolicyReferenceContext): void {
  const { name, port } = spec.targetRef;
  const { namespace } = metadata;
  const service = resources.find("Service", namespace, name) as Service | null;
  if (service === null) {
    const expected = `a Service of namespace "${namespace}" (the policy has no effect)`;
    warn(["spec", "targetRef", "name"], unknownName(name), expected);
  } else if (port !== undefined && !listTcpPorts(service).includes(port)) {
    warn(["spec", "targetRef", "port"], String(port), `${describePorts(service)} (the policy has no effect)`);
  }
}

function checkMatches({ metadata, spec }: TrafficPolicy, { resources, warn }: PolicyReferenceContext): void {
  const { namespace } = metadata;
  for (const [position, reference] of spec.matches.entries()) {
    const path = ["spec", "matches", position];
    const group = resources.find("HTTPRouteGroup", namespace, reference.name) as HttpRouteGroup | null;
    if (group === null) {
      const expected = `an HTTPRouteGroup of namespace "${namespace}" (no request fits it)`;
      warn([...path, "name"], unknownName(reference.name), expected);
      continue;
    }
    const names = group.spec.matches.map((match) => match.name);
    for (const [matchPosition, name] of (reference.matches ?? []).entries()) {
      if (names.includes(name)) continue;
      const expected = `a match of ${reference.name}: ${names.join(", ") || "it has none"}`;
      warn([...path, "matches", matchPosition], unknownName(name), expected);
    }
  }
}

function checkMirrors({ metadata, spec }: TrafficPolicy, { resources, warn }: PolicyReferenceContext): void {
  for (const [position, { service: name, port }] of (spec.mirrors ?? []).entries()) {
    const path = ["spec", "mirrors", position];
    const service = resources.find("Service", metadata.namespace, name) as Service | null;
    if (service === null) {
      const expected = `a Service of namespace "${metadata.namespace}" (nothing is mirrored to it)`;
      warn([...path, "service"], unknownName(name), expected);
    } else if (port !== undefined && !listTcpPorts(service).includes(port)) {
      warn([...path, "port"], String(port), `${describePorts(service)} (nothing is mirrored to it)`);
    }
  }
}

function checkCallers({ spec }: TrafficPolicy, { resources, warn }: PolicyReferenceContext): void {
  for (const [position, limit] of (spec.rateLimits ?? []).entries()) {
    for (const [overridePosition, { caller }] of (limit.overrides ?? []).entries()) {
      const [namespace = "", name = ""] = caller.split("/");
      if (resources.find("ServiceAccount", namespace, name) !== null) continue;
      const path = ["spec", "rateLimits", position, "overrides", overridePosition, "caller"];
      warn(path, unknownName(caller), `a ServiceAccount of namespace "${namespace}" (the amount is nobody's)`);
    }
  }
}

/** A fault that is over is no error: the rest of its policy must not go out of force with it. */
function checkFaults({ spec }: TrafficPolicy, wallMs: number, warn: Warn): void {
  for (const [position, fault] of (spec.faults ?? []).entries()) {
    const path = ["spec", "faults", position, "until"];
    const { until } = fault;
    const leftMs = readFaultEnd(fault) - wallMs;
    if (leftMs <= 0) warn(path, `${until}, which has passed`, "a time to come, or no such fault: it does nothing");
    else if (leftMs > LONG_FAULT_MS) warn(path, until, "a time within 7 days: a fault that lasts longer is forgotten");
  }
}

function listTcpPorts(service: Service): readonly number[] {
  return service.spec.ports.filter((port) => port.protocol === "TCP").map((port) => port.port);
}

function describePorts(service: Service): string {
  const ports = listTcpPorts(service);
  return `a TCP port of ${service.metadata.name}: ${ports.join(", ") || "it has none"}`;
}
