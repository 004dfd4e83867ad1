import fc from "fast-check";
import type { HttpMatchModel } from "../../src/control/model/mesh-model.ts";
import type {
  BalancingModel,
  ClusterPolicyModel,
  FaultModel,
  HashSourceModel,
  HeaderChangesModel,
  HealthCheckModel,
  OverloadModel,
  PathChangeModel,
  RateLimitModel,
  RetriesModel,
  RetryCondition,
  RoutePolicyModel,
  TripModel,
} from "../../src/control/model/policy-model.ts";

// Any policy that a model can have, within the limits of the resource.

const DAY_MS = 86_400_000;
const ms: fc.Arbitrary<number> = fc.oneof(fc.constantFrom(1, 15_000, DAY_MS), fc.integer({ min: 1, max: DAY_MS }));
const offOrMs: fc.Arbitrary<number> = fc.oneof(fc.constant(0), ms);
const count: fc.Arbitrary<number> = fc.integer({ min: 1, max: 1_000_000 });
const offOrCount: fc.Arbitrary<number> = fc.oneof(fc.constant(0), count);
/** As fine as the wire has them. */
const percent: fc.Arbitrary<number> = fc.integer({ min: 0, max: 100 });
const finePercent: fc.Arbitrary<number> = fc.integer({ min: 0, max: 1_000_000 }).map((parts) => parts / 10_000);
const name: fc.Arbitrary<string> = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
const path: fc.Arbitrary<string> = fc.stringMatching(/^\/[a-z.+()$\\%*]{0,8}$/);
const value: fc.Arbitrary<string> = fc.stringMatching(/^[ -~]{0,8}$/);

export const hashSource: fc.Arbitrary<HashSourceModel> = fc.oneof(
  fc.record({ kind: fc.constant("cookie" as const), name, path, ttlMs: offOrMs }),
  fc.record({ kind: fc.constant("header" as const), name }),
  fc.record({ kind: fc.constant("query" as const), name: fc.stringMatching(/^[a-zA-Z[\]ü]{1,6}$/) }),
  fc.constant({ kind: "source" as const }),
);

const CONDITIONS: readonly RetryCondition[] = ["connect", "reset", "timeout", "gatewayError", "5xx"];

export const retries: fc.Arbitrary<RetriesModel> = fc
  .record({
    attempts: fc.integer({ min: 0, max: 20 }),
    on: fc.subarray([...CONDITIONS]),
    statuses: fc.uniqueArray(fc.integer({ min: 400, max: 599 }), { maxLength: 4 }),
    grpcStatuses: fc.uniqueArray(fc.integer({ min: 1, max: 16 }), { maxLength: 4 }),
    anyMethod: fc.boolean(),
    backoffBaseMs: fc.integer({ min: 1, max: 60_000 }),
    backoffMaxMs: fc.integer({ min: 60_000, max: 600_000 }),
    maxRetryAfterMs: offOrMs,
  })
  .map((one) => {
    const more: RetryCondition[] = [];
    if (one.statuses.length > 0) more.push("status");
    if (one.grpcStatuses.length > 0) more.push("grpcStatus");
    return { ...one, on: [...one.on, ...more] };
  });

const rateLimit: fc.Arbitrary<RateLimitModel> = fc
  .record({
    name,
    by: fc.constantFrom("route" as const, "caller" as const, "header" as const),
    header: name,
    requests: count,
    periodMs: ms,
    burst: count,
    overrides: fc.uniqueArray(fc.tuple(name, offOrCount), { maxLength: 3, selector: ([caller]) => caller }),
    maxBuckets: count,
  })
  .map((one) => ({
    ...one,
    header: one.by === "header" ? one.header : "",
    overrides:
      one.by !== "caller" ? [] : one.overrides.map(([caller, requests]) => [`ns/${caller}`, requests] as const),
  }));

const fault: fc.Arbitrary<FaultModel> = fc.record({
  name,
  percentage: finePercent,
  untilMs: fc.integer({ min: 0, max: 4_102_444_800_000 }),
  action: fc.oneof(
    fc.record({
      kind: fc.constant("delay" as const),
      minMs: fc.integer({ min: 0, max: 10 }),
      maxMs: fc.integer({ min: 10, max: 20 }),
    }),
    fc.record({
      kind: fc.constant("abort" as const),
      httpStatus: fc.integer({ min: 200, max: 599 }),
      grpcStatus: fc.integer({ min: 1, max: 16 }),
    }),
    fc.constant({ kind: "reset" as const }),
    fc.record({ kind: fc.constant("slowBody" as const), bytesPerSecond: count }),
  ),
});

const pathChange: fc.Arbitrary<PathChangeModel> = fc.oneof(
  fc.record({ kind: fc.constant("full" as const), path }),
  fc.record({ kind: fc.constant("prefix" as const), prefix: fc.oneof(fc.constant("/"), path), replacement: path }),
  fc.record({
    kind: fc.constant("regex" as const),
    pattern: fc.constantFrom("/v([0-9]+)/", "x|y", "(a)(b)?"),
    replacement: fc.constantFrom("", "/\\1", "\\\\", "/a\\0b"),
  }),
);

/** Of headers that may be changed. */
const changedName: fc.Arbitrary<string> = name.map((text) => `x-${text}`);

const headers: fc.Arbitrary<HeaderChangesModel> = fc
  .record({
    remove: fc.uniqueArray(changedName, { maxLength: 3 }),
    set: fc.uniqueArray(fc.tuple(changedName, value), { maxLength: 3, selector: ([field]) => field }),
    add: fc.uniqueArray(fc.tuple(changedName, value), { maxLength: 3, selector: ([field]) => field }),
  })
  .filter((changes) => changes.remove.length + changes.set.length + changes.add.length > 0);

const LEAST_POLICY: Omit<RoutePolicyModel, "key" | "matches"> = {
  timeouts: null,
  retries: null,
  hashOn: [],
  sticky: null,
  rateLimits: [],
  faults: [],
  mirrors: [],
  cache: null,
  requestHeaders: null,
  responseHeaders: null,
  redirect: null,
  rewrite: null,
};

/** A policy for `matches` with nothing but `parts`. */
export function routePolicy(
  parts: Partial<RoutePolicyModel>,
  matches: readonly HttpMatchModel[] | null = null,
): RoutePolicyModel {
  return { key: "default/p", matches, ...LEAST_POLICY, ...parts };
}

/** Without a redirect, after which nothing else is asked. */
export const anyRoutePolicy: fc.Arbitrary<RoutePolicyModel> = fc
  .record({
    timeouts: fc.option(
      fc.record({
        requestMs: fc.option(offOrMs),
        responseMs: fc.option(offOrMs),
        perTryMs: fc.option(offOrMs),
        streamIdleMs: fc.option(offOrMs),
      }),
    ),
    retries: fc.option(retries),
    hashOn: fc.array(hashSource, { maxLength: 3 }),
    sticky: fc.option(hashSource),
    rateLimits: fc.array(rateLimit, { maxLength: 3 }),
    faults: fc.array(fault, { maxLength: 3 }),
    mirrors: fc.array(
      fc.record({ service: name, port: fc.integer({ min: 1, max: 65_535 }), percentage: finePercent }),
      {
        maxLength: 2,
      },
    ),
    cache: fc.option(
      fc.record({
        maxBytes: offOrCount,
        maxBodyBytes: offOrCount,
        defaultTtlMs: offOrMs,
        staleWhileRevalidateMs: fc.integer({ min: 0, max: 365 * DAY_MS }),
      }),
    ),
    requestHeaders: fc.option(headers),
    responseHeaders: fc.option(headers),
    rewrite: fc.option(fc.record({ host: fc.constantFrom("", "a.example", "b:81"), path: fc.option(pathChange) })),
  })
  .map((parts) => routePolicy(parts));

export const anyRedirect: fc.Arbitrary<NonNullable<RoutePolicyModel["redirect"]>> = fc.record({
  status: fc.constantFrom(301, 302, 303, 307, 308),
  scheme: fc.constantFrom("", "http", "https"),
  host: fc.constantFrom("", "a.example"),
  port: fc.constantFrom(0, 1, 65_535),
  path: fc.option(pathChange),
});

const PRIMES: readonly number[] = [3, 251, 65_537, 5_000_011];

/** The sizes say something for their strategies only. */
const balancing: fc.Arbitrary<BalancingModel> = fc
  .record({
    strategy: fc.constantFrom<BalancingModel["strategy"]>(
      ...(["adaptive", "roundRobin", "leastRequest", "random", "peakEwma", "ringHash", "maglev"] as const),
    ),
    slowStartMs: offOrMs,
    preferZone: fc.boolean(),
    panicPercent: percent,
    ringSize: fc.integer({ min: 1, max: 8_388_608 }),
    tableSize: fc.constantFrom(...PRIMES),
  })
  .map((one) => ({
    ...one,
    ringSize: one.strategy === "ringHash" ? one.ringSize : 1_024,
    tableSize: one.strategy === "maglev" ? one.tableSize : 65_537,
  }));

const healthCheck: fc.Arbitrary<HealthCheckModel> = fc
  .record({
    kind: fc.constantFrom("http" as const, "grpc" as const, "tcp" as const),
    path: fc.constantFrom("/", "/healthz?x=1"),
    statuses: fc.array(fc.tuple(fc.integer({ min: 100, max: 300 }), fc.integer({ min: 300, max: 599 })), {
      minLength: 1,
      maxLength: 2,
    }),
    service: fc.constantFrom("", "a.B"),
    intervalMs: ms,
    timeoutMs: ms,
    jitterPercent: percent,
    unhealthyThreshold: fc.integer({ min: 1, max: 100 }),
    healthyThreshold: fc.integer({ min: 1, max: 100 }),
  })
  .map((one) => ({
    ...one,
    path: one.kind === "http" ? one.path : "/",
    statuses: one.kind === "http" ? one.statuses : [],
    service: one.kind === "grpc" ? one.service : "",
  }));

const trip: fc.Arbitrary<TripModel> = fc.record({
  failurePercent: fc.double({ min: 1, max: 100, noNaN: true }),
  slowPercent: percent,
  slowMs: ms,
  windowMs: ms,
  minRequests: count,
  openMs: ms,
  probes: count,
});

export const overload: fc.Arbitrary<OverloadModel> = fc.record({
  enabled: fc.boolean(),
  concurrency: fc.oneof(
    count,
    fc.constant("guard" as const),
    fc.record({ min: fc.integer({ min: 1, max: 9 }), max: fc.integer({ min: 9, max: 99 }) }),
  ),
  maxQueue: offOrCount,
  maxWaitMs: offOrMs,
  priorityHeader: fc.constantFrom("", "x-class"),
  priorities: fc.uniqueArray(name, { minLength: 1, maxLength: 4 }),
});

export const anyClusterPolicy: fc.Arbitrary<ClusterPolicyModel> = fc.record({
  loadBalancing: fc.option(balancing),
  healthChecks: fc.option(fc.array(healthCheck, { maxLength: 2 })),
  outlierDetection: fc.option(
    fc.record({
      enabled: fc.boolean(),
      consecutive5xx: offOrCount,
      consecutiveGatewayErrors: offOrCount,
      intervalMs: ms,
      baseEjectionMs: fc.integer({ min: 1, max: 1_000 }),
      maxEjectionMs: fc.integer({ min: 1_000, max: DAY_MS }),
      maxEjectedPercent: percent,
      minInstances: offOrCount,
      successRateFactor: fc.integer({ min: 0, max: 100_000 }).map((parts) => parts / 1_000),
      failurePercent: percent,
      latencyFactor: fc.double({ min: 0, max: 1_000, noNaN: true }),
      minRequests: count,
    }),
  ),
  limits: fc.option(
    fc.record({
      connections: offOrCount,
      pendingRequests: offOrCount,
      requests: offOrCount,
      retries: offOrCount,
      instanceConnections: offOrCount,
      instanceRequests: offOrCount,
    }),
  ),
  circuitBreaker: fc.option(trip),
  instanceCircuitBreaker: fc.option(trip),
  retryBudget: fc.option(fc.record({ ratio: fc.double({ min: 0, max: 10, noNaN: true }), minPerSecond: offOrCount })),
  overload: fc.constant(null),
  connectMs: fc.option(ms),
  idleMs: fc.option(ms),
});
