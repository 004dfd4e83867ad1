import { toMs } from "../../resources/bounded-value.ts";
import type { HeaderChanges, PathChange, Redirect } from "../../resources/traffic-policy-changes.ts";
import type {
  CircuitBreaker,
  HashSource,
  HealthCheck,
  Limits,
  LoadBalancing,
  OutlierDetection,
  Overload,
} from "../../resources/traffic-policy-instances.ts";
import {
  type Cache,
  type Fault,
  type RateLimit,
  readFaultEnd,
  type Retries,
  type RetryWord,
  type Timeouts,
} from "../../resources/traffic-policy-requests.ts";
import { compareText } from "./compare-text.ts";
import type { PolicySections } from "./merge-policies.ts";
import type { HttpMatchModel } from "./mesh-model.ts";
import type {
  BalancingModel,
  CacheModel,
  ClusterPolicyModel,
  FaultModel,
  HashSourceModel,
  HeaderChangesModel,
  HealthCheckModel,
  LimitsModel,
  OutlierModel,
  OverloadModel,
  PathChangeModel,
  RateLimitModel,
  RedirectModel,
  RetriesModel,
  RetryCondition,
  RoutePolicyModel,
  TimeoutsModel,
  TripModel,
} from "./policy-model.ts";

/**
 * Sections as written -> the model, with the defaults of what a section leaves out: those that hold without the section, but
 * for a default that what is written beside it contradicts, which gives way. docs/traffic-policy.md lists them.
 */

export function compileClusterPolicy(spec: PolicySections): ClusterPolicyModel {
  const { timeouts, retryBudget } = spec;
  return {
    loadBalancing: spec.loadBalancing === undefined ? null : toBalancing(spec.loadBalancing),
    healthChecks: spec.healthChecks === undefined ? null : spec.healthChecks.map(toHealthCheck),
    outlierDetection: spec.outlierDetection === undefined ? null : toOutliers(spec.outlierDetection),
    limits: spec.limits === undefined ? null : toLimits(spec.limits),
    circuitBreaker: spec.circuitBreaker === undefined ? null : toTrip(spec.circuitBreaker),
    instanceCircuitBreaker: spec.instanceCircuitBreaker === undefined ? null : toTrip(spec.instanceCircuitBreaker),
    retryBudget:
      retryBudget === undefined
        ? null
        : { ratio: retryBudget.ratio ?? 0.2, minPerSecond: retryBudget.minPerSecond ?? 10 },
    overload: spec.overload === undefined ? null : toOverload(spec.overload),
    connectMs: timeouts?.connect === undefined ? null : toMs(timeouts.connect, 0),
    idleMs: timeouts?.idle === undefined ? null : toMs(timeouts.idle, 0),
  };
}

export interface RouteContext {
  readonly key: string;
  readonly matches: readonly HttpMatchModel[] | null;
  /** Of the Service: also of mirrors that do not say. */
  readonly port: number;
  /** Whether there is such a Service with such a port in the policy's namespace. */
  readonly isKnown: (service: string, port: number) => boolean;
}

export function compileRoutePolicy(spec: PolicySections, context: RouteContext): RoutePolicyModel {
  const { rewrite } = spec;
  return {
    key: context.key,
    matches: context.matches,
    timeouts: spec.timeouts === undefined ? null : toTimeouts(spec.timeouts),
    retries: spec.retries === undefined ? null : toRetries(spec.retries),
    hashOn: (spec.loadBalancing?.hashOn ?? []).map(toHashSource),
    sticky: spec.sticky === undefined ? null : toHashSource(spec.sticky),
    rateLimits: (spec.rateLimits ?? []).map(toRateLimit),
    faults: (spec.faults ?? []).map(toFault),
    mirrors: (spec.mirrors ?? [])
      .map(({ service, port = context.port, percentage = 100 }) => ({ service, port, percentage }))
      .filter(({ service, port }) => context.isKnown(service, port)),
    cache: spec.cache === undefined ? null : toCache(spec.cache),
    requestHeaders: toHeaderChanges(spec.requestHeaders),
    responseHeaders: toHeaderChanges(spec.responseHeaders),
    redirect: spec.redirect === undefined ? null : toRedirect(spec.redirect),
    rewrite: rewrite === undefined ? null : { host: rewrite.host ?? "", path: toPathChange(rewrite) },
  };
}

function toBalancing(written: LoadBalancing): BalancingModel {
  return {
    strategy: written.strategy ?? "adaptive",
    slowStartMs: toMs(written.slowStart, 10_000),
    preferZone: written.preferZone ?? true,
    panicPercent: written.panicPercent ?? 50,
    ringSize: written.ringSize ?? 1_024,
    tableSize: written.tableSize ?? 65_537,
  };
}

function toHealthCheck(written: HealthCheck): HealthCheckModel {
  const statuses = (written.http?.statuses ?? ["200-299"]).map((range): readonly [number, number] => {
    const [from = 0, to = from] = range.split("-").map(Number);
    return [from, to];
  });
  const intervalMs = toMs(written.interval, 5_000);
  return {
    kind: written.http !== undefined ? "http" : written.grpc !== undefined ? "grpc" : "tcp",
    path: written.http?.path ?? "/",
    statuses,
    service: written.grpc?.service ?? "",
    intervalMs,
    timeoutMs: toMs(written.timeout, Math.min(1_000, intervalMs)),
    jitterPercent: written.jitterPercent ?? 20,
    unhealthyThreshold: written.unhealthyThreshold ?? 3,
    healthyThreshold: written.healthyThreshold ?? 2,
  };
}

function toOutliers(written: OutlierDetection): OutlierModel {
  const baseEjectionMs = toMs(written.baseEjection, Math.min(5_000, toMs(written.maxEjection, 5_000)));
  return {
    enabled: written.enabled ?? true,
    consecutive5xx: written.consecutive5xx ?? 10,
    consecutiveGatewayErrors: written.consecutiveGatewayErrors ?? 5,
    intervalMs: toMs(written.interval, 10_000),
    baseEjectionMs,
    maxEjectionMs: toMs(written.maxEjection, Math.max(300_000, baseEjectionMs)),
    maxEjectedPercent: written.maxEjectedPercent ?? 50,
    minInstances: written.minInstances ?? 1,
    successRateFactor: written.successRateFactor ?? 0,
    failurePercent: written.failurePercent ?? 0,
    latencyFactor: written.latencyFactor ?? 0,
    minRequests: written.minRequests ?? 20,
  };
}

function toLimits({ connections, pendingRequests, requests, retries, perInstance = {} }: Limits): LimitsModel {
  return {
    connections: connections ?? Math.max(1_024, perInstance.connections ?? 0),
    pendingRequests: pendingRequests ?? 16_384,
    requests: requests ?? 0,
    retries: retries ?? 0,
    instanceConnections: perInstance.connections ?? 0,
    instanceRequests: perInstance.requests ?? 0,
  };
}

function toTrip(written: CircuitBreaker): TripModel {
  return {
    failurePercent: written.failurePercent ?? 0,
    slowPercent: written.slowPercent ?? 0,
    slowMs: toMs(written.slowAfter, 0),
    windowMs: toMs(written.window, 10_000),
    minRequests: written.minRequests ?? 20,
    openMs: toMs(written.open, 5_000),
    probes: written.probes ?? 3,
  };
}

function toOverload(written: Overload): OverloadModel {
  const { concurrency = "adaptive", minConcurrency, maxConcurrency } = written;
  const min = minConcurrency ?? Math.min(4, maxConcurrency ?? 4);
  return {
    enabled: written.enabled ?? true,
    concurrency: concurrency === "adaptive" ? { min, max: maxConcurrency ?? Math.max(1_000, min) } : concurrency,
    maxQueue: written.maxQueue ?? 100,
    maxWaitMs: toMs(written.maxWait, 1_000),
    priorityHeader: written.priorityHeader ?? "x-weft-priority",
    priorities: written.priorities ?? ["critical", "normal", "sheddable"],
  };
}

const CONDITIONS: Readonly<Record<Exclude<RetryWord, `grpc-${string}`>, RetryCondition>> = {
  connect: "connect",
  reset: "reset",
  timeout: "timeout",
  "gateway-error": "gatewayError",
  "5xx": "5xx",
};
const GRPC_STATUSES: Readonly<Record<Extract<RetryWord, `grpc-${string}`>, number>> = {
  "grpc-cancelled": 1,
  "grpc-deadline-exceeded": 4,
  "grpc-resource-exhausted": 8,
  "grpc-internal": 13,
  "grpc-unavailable": 14,
};

/** Connections are the cluster's. Null where only they are spoken of. */
function toTimeouts({ request, response, perTry, streamIdle }: Timeouts): TimeoutsModel | null {
  if ((request ?? response ?? perTry ?? streamIdle) === undefined) return null;
  const ms = (text: string | undefined): number | null => (text === undefined ? null : toMs(text, 0));
  return { requestMs: ms(request), responseMs: ms(response), perTryMs: ms(perTry), streamIdleMs: ms(streamIdle) };
}

function toCache({ maxBytes, maxBodyBytes, defaultTtl, staleWhileRevalidate }: Cache): CacheModel {
  const bytes = maxBytes ?? Math.max(64 * 1024 * 1024, maxBodyBytes ?? 0);
  return {
    maxBytes: bytes,
    maxBodyBytes: maxBodyBytes ?? Math.min(1024 * 1024, bytes),
    defaultTtlMs: toMs(defaultTtl, 0),
    staleWhileRevalidateMs: toMs(staleWhileRevalidate, 0),
  };
}

function toRetries(written: Retries): RetriesModel {
  const on = new Set<RetryCondition>();
  const statuses: number[] = [];
  const grpcStatuses: number[] = [];
  for (const condition of written.conditions ?? (["connect", "reset"] as const)) {
    if (typeof condition === "number") statuses.push(condition);
    else if (condition in GRPC_STATUSES) grpcStatuses.push(GRPC_STATUSES[condition as keyof typeof GRPC_STATUSES]);
    else on.add(CONDITIONS[condition as keyof typeof CONDITIONS]);
  }
  if (statuses.length > 0) on.add("status");
  if (grpcStatuses.length > 0) on.add("grpcStatus");
  const backoffBaseMs = toMs(written.backoff?.base, Math.min(25, toMs(written.backoff?.max, 25)));
  return {
    attempts: written.attempts ?? 2,
    on: [...on].sort(compareText),
    statuses: [...new Set(statuses)].sort((one, other) => one - other),
    grpcStatuses: [...new Set(grpcStatuses)].sort((one, other) => one - other),
    anyMethod: written.anyMethod ?? false,
    backoffBaseMs,
    backoffMaxMs: toMs(written.backoff?.max, Math.max(250, backoffBaseMs)),
    maxRetryAfterMs: toMs(written.maxRetryAfter, 10_000),
  };
}

function toHashSource(written: HashSource): HashSourceModel {
  const { cookie, header, query } = written;
  if (cookie !== undefined)
    return { kind: "cookie", name: cookie.name, path: cookie.path ?? "/", ttlMs: toMs(cookie.ttl, 0) };
  if (header !== undefined) return { kind: "header", name: header };
  return query === undefined ? { kind: "source" } : { kind: "query", name: query };
}

function toRateLimit(written: RateLimit): RateLimitModel {
  return {
    name: written.name,
    by: written.by ?? "route",
    header: written.header ?? "",
    requests: written.requests,
    periodMs: toMs(written.period, 1_000),
    burst: written.burst ?? written.requests,
    overrides: (written.overrides ?? [])
      .map(({ caller, requests }): readonly [string, number] => [caller, requests])
      .sort(([one], [other]) => compareText(one, other)),
    maxBuckets: written.maxBuckets ?? 10_000,
  };
}

function toFault(written: Fault): FaultModel {
  const { delay, abort, slowBody } = written;
  const shared = { name: written.name, percentage: written.percentage ?? 100, untilMs: readFaultEnd(written) };
  if (delay !== undefined) {
    const [min, max] = typeof delay === "string" ? [delay, delay] : [delay.min, delay.max];
    return { ...shared, action: { kind: "delay", minMs: toMs(min, 0), maxMs: toMs(max, 0) } };
  }
  if (abort !== undefined) {
    const { httpStatus = 503, grpcStatus = 14 } = abort;
    return { ...shared, action: { kind: "abort", httpStatus, grpcStatus } };
  }
  if (slowBody !== undefined) return { ...shared, action: { kind: "slowBody", ...slowBody } };
  return { ...shared, action: { kind: "reset" } };
}

function toHeaderChanges(written: HeaderChanges | undefined): HeaderChangesModel | null {
  if (written === undefined) return null;
  return {
    remove: [...(written.remove ?? [])],
    set: Object.entries(written.set ?? {}),
    add: Object.entries(written.add ?? {}),
  };
}

function toRedirect(written: Redirect): RedirectModel {
  return {
    status: written.status ?? 302,
    scheme: written.scheme ?? "",
    host: written.host ?? "",
    port: written.port ?? 0,
    path: toPathChange(written),
  };
}

function toPathChange({ path, prefix, regex }: PathChange): PathChangeModel | null {
  if (path !== undefined) return { kind: "full", path };
  if (prefix !== undefined) return { kind: "prefix", prefix: prefix.from, replacement: prefix.to };
  return regex === undefined ? null : { kind: "regex", ...regex };
}
