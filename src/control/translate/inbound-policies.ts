import type { InboundPort } from "../../proxy-node.ts";
import type { HttpMatchModel, MeshModel, ServicePortModel, WorkloadModel } from "../model/mesh-model.ts";
import type { OverloadModel, RateLimitModel, RoutePolicyModel } from "../model/policy-model.ts";

/** Routes of one inbound listener; the policies of Services beyond it are left out, in order of name. */
const MAX_ROUTES = 1024;

/** Requests that fit all of the matches, and what holds for them. */
export interface LocalPolicy {
  readonly matches: readonly HttpMatchModel[];
  /** Of the policies that take part. */
  readonly keys: readonly string[];
  /** All must allow. */
  readonly rateLimits: readonly RateLimitModel[];
}

/** The Service ports of which instances are behind a proxy's port, in order of Service and port. */
export function listLedPorts(
  model: MeshModel,
  port: InboundPort,
  workload: WorkloadModel | null,
): readonly ServicePortModel[] {
  const led: ServicePortModel[] = [];
  // No policy says anything of datagrams.
  if (port.protocol === "udp") return led;
  for (const known of workload?.ports ?? []) {
    if (known.port !== port.port && known.port !== port.appPort) continue;
    if (known.protocol === "udp") continue;
    const service = model.services.get(`${workload?.namespace}/${known.service}`);
    const found = service?.ports.find((candidate) => candidate.port === known.servicePort);
    if (found !== undefined && !led.includes(found)) led.push(found);
  }
  return led;
}

/** Overload is of the app, whatever name it was called by: of several Services the first in order decides. */
export function findOverload(ports: readonly ServicePortModel[]): OverloadModel | null {
  return ports.find((port) => port.policy?.overload != null)?.policy?.overload ?? null;
}

/**
 * What the proxy in front of an app asks of requests, in the order in which it is tried; the last is for all. An app does not
 * know by which of its Services it was called, and a caller could say another one, so the limits of all of them hold.
 */
export function listLocalPolicies(ports: readonly ServicePortModel[]): readonly LocalPolicy[] {
  let policies: readonly LocalPolicy[] = [NO_POLICY];
  for (const { routePolicies } of ports) {
    const own = listLimited(routePolicies);
    if (own.length * policies.length > MAX_ROUTES) continue;
    policies = policies.flatMap((one) => own.map((other) => combine(one, other)));
  }
  return policies;
}

const NO_POLICY: LocalPolicy = { matches: [], keys: [], rateLimits: [] };

/** One Service's policies: those without limits count as far as they keep requests from others that have some. */
function listLimited(routePolicies: readonly RoutePolicyModel[]): readonly LocalPolicy[] {
  const last = routePolicies.findLastIndex((policy) => policy.rateLimits.length > 0);
  const policies: LocalPolicy[] = [];
  for (const { key, matches, rateLimits } of routePolicies.slice(0, last + 1)) {
    const keys = rateLimits.length === 0 ? [] : [key];
    if (matches === null) return [...policies, { matches: [], keys, rateLimits }];
    for (const match of matches) policies.push({ matches: [match], keys, rateLimits });
  }
  return [...policies, NO_POLICY];
}

function combine(one: LocalPolicy, other: LocalPolicy): LocalPolicy {
  return {
    matches: [...one.matches, ...other.matches],
    keys: [...new Set([...one.keys, ...other.keys])],
    rateLimits: [...one.rateLimits, ...other.rateLimits.filter((limit) => !isAmong(limit, one.rateLimits))],
  };
}

/** What says the same counts once: two ports of a Service may lead to one app, and a proxy has one bucket for equal limits. */
function isAmong(limit: RateLimitModel, limits: readonly RateLimitModel[]): boolean {
  const text = JSON.stringify(limit);
  return limits.some((known) => JSON.stringify(known) === text);
}
