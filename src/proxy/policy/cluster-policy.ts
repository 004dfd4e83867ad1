/**
 * What TrafficPolicies say about the instances of one service port, as one caller's proxy sees them. Frozen; decoded from
 * xDS. Every field has the default that holds where nobody says anything.
 */
export interface ClusterPolicy {
  readonly balancing: BalancingPolicy;
  /** [] = none (default): readiness and outliers decide alone. All must be passed. */
  readonly healthChecks: readonly HealthCheckPolicy[];
  /** Null = off. */
  readonly outliers: OutlierPolicy | null;
  readonly limits: LimitPolicy;
  /** Trips of the whole service; null = off (default). */
  readonly trip: TripPolicy | null;
  /** Trips of single instances; null = off (default). */
  readonly instanceTrip: TripPolicy | null;
  readonly retryBudget: RetryBudgetPolicy;
  /**
   * Idle connections are closed after it; those to apps earlier (4 s for HTTP/1.1, 5 minutes for HTTP/2). Default 30 minutes:
   * below the hour for which a proxy keeps an idle link from its downstream.
   */
  readonly idleMs: number;
  /** In front of the app beside this proxy (inbound clusters only); null = off. Default there: a guard. */
  readonly overload: OverloadPolicy | null;
}

export type BalancingStrategy =
  | "adaptive"
  | "roundRobin"
  | "leastRequest"
  | "random"
  | "peakEwma"
  | "ringHash"
  | "maglev";

export interface BalancingPolicy {
  readonly strategy: BalancingStrategy;
  /** A new instance's share grows over so long from a tenth to all; 0 = off. Default 10 s (for adaptive and peakEwma too). */
  readonly slowStartMs: number;
  /** True (default): instances of the caller's zone first, others only as far as the near ones cannot carry the load. */
  readonly preferZone: boolean;
  /** Percent of healthy instances of a priority below which all are used, healthy or not; 0 = never. Default 50. */
  readonly panicPercent: number;
  /** The ring has so many points at least (ringHash): half of them for each instance of the heaviest weight. Default 1,024. */
  readonly minimumRingSize: number;
  /** Prime (maglev). Default 65,537. */
  readonly tableSize: number;
}

export interface HealthCheckPolicy {
  readonly kind: "http" | "grpc" | "tcp";
  /** For http. Default "/". */
  readonly path: string;
  /** For http; default 200 to 299. Inclusive ranges. */
  readonly statuses: readonly (readonly [from: number, to: number])[];
  /** For grpc: grpc.health.v1's service; "" = the server. */
  readonly service: string;
  /** Default 5 s, 1 s. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Random part added to the interval, percent. Default 20. */
  readonly jitterPercent: number;
  /** In a row. Default 3 and 2. The first result ever counts at once. */
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
}

export interface OutlierPolicy {
  /** Ejected after so many 5xx (or gRPC equivalents) in a row; 0 = off. Default 10. */
  readonly consecutive5xx: number;
  /** After so many 502, 503, 504, resets, connect failures and timeouts in a row; 0 = off. Default 5. */
  readonly consecutiveGatewayErrors: number;
  /** How often rates are looked at. Default 10 s. */
  readonly intervalMs: number;
  /** The first ejection; the nth in a row lasts n times as long, at most `maxEjectionMs`; each quiet interval forgives one. */
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  /** Never more than so many percent of the instances are out, but one may always be, as long as... Default 50. */
  readonly maxEjectedPercent: number;
  /** ...so many stay in. Default 1. */
  readonly minInstances: number;
  /** Success rate below mean - factor * standard deviation of all instances; 0 = off (default). Envoy's factor is 1.9. */
  readonly successRateFactor: number;
  /** Percent of failures in an interval; 0 = off (default). */
  readonly failurePercent: number;
  /** Mean latency above so many times the median of the others; 0 = off (default). */
  readonly latencyFactor: number;
  /** Rates and latency count only from so many requests in an interval on. Default 20. */
  readonly minRequests: number;
}

/** What is beyond a limit fails at once with `overflow`. Of one caller's proxy. 0 = no limit. */
export interface LimitPolicy {
  /** An instance's first connection is always allowed; requests wait for one of those there are. Default 1,024. */
  readonly connections: number;
  /** That wait for a connection. Default 16,384, and 1,024 for one instance over HTTP/1.1. */
  readonly pendingRequests: number;
  readonly requests: number;
  readonly retries: number;
  readonly instanceConnections: number;
  readonly instanceRequests: number;
}

/** A circuit breaker: closed -> open (fails at once) -> half-open (probes) -> closed. */
export interface TripPolicy {
  /** Percent of failures in the window, 0 = does not count. */
  readonly failurePercent: number;
  /** Percent of calls slower than `slowMs`, 0 = does not count. */
  readonly slowPercent: number;
  readonly slowMs: number;
  readonly windowMs: number;
  /** Fewer in the window say nothing. */
  readonly minRequests: number;
  /** How long it stays open; doubles with each trip in a row up to ten times as long. */
  readonly openMs: number;
  /** So many trial requests at a time in half-open, and as many successes close it. */
  readonly probes: number;
}

export interface RetryBudgetPolicy {
  /** Retries per first request. Default 0.2. */
  readonly ratio: number;
  /** And per second whatever the traffic. Default 10. */
  readonly minPerSecond: number;
}

export interface OverloadPolicy {
  /**
   * Requests at the app at once: fixed; found by measuring (gradient of latency) between min and max; or `guard`: no limit
   * until callers give up on a crowded app (`guard-limit.ts`).
   */
  readonly concurrency:
    | { readonly kind: "fixed"; readonly limit: number }
    | { readonly kind: "adaptive"; readonly min: number; readonly max: number }
    | { readonly kind: "guard" };
  /** Requests that may wait; 0 = none. Default 100. */
  readonly maxQueue: number;
  /** How long one may wait. Default 1 s. */
  readonly maxWaitMs: number;
  /** Lower-case header whose value names a class of `priorities`; "" = none. Default "x-weft-priority". */
  readonly priorityHeader: string;
  /** Most important first; requests without a known class are of the middle one. Default ["critical", "normal", "sheddable"]. */
  readonly priorities: readonly string[];
}

export const DEFAULT_BALANCING: BalancingPolicy = {
  strategy: "adaptive",
  slowStartMs: 10_000,
  preferZone: true,
  panicPercent: 50,
  minimumRingSize: 1_024,
  tableSize: 65_537,
};

export const DEFAULT_OUTLIERS: OutlierPolicy = {
  consecutive5xx: 10,
  consecutiveGatewayErrors: 5,
  intervalMs: 10_000,
  baseEjectionMs: 5_000,
  maxEjectionMs: 300_000,
  maxEjectedPercent: 50,
  minInstances: 1,
  successRateFactor: 0,
  failurePercent: 0,
  latencyFactor: 0,
  minRequests: 20,
};

export const DEFAULT_LIMITS: LimitPolicy = {
  connections: 1_024,
  pendingRequests: 16_384,
  requests: 0,
  retries: 0,
  instanceConnections: 0,
  instanceRequests: 0,
};

export const DEFAULT_CLUSTER_POLICY: ClusterPolicy = {
  balancing: DEFAULT_BALANCING,
  healthChecks: [],
  outliers: DEFAULT_OUTLIERS,
  limits: DEFAULT_LIMITS,
  trip: null,
  instanceTrip: null,
  retryBudget: { ratio: 0.2, minPerSecond: 10 },
  idleMs: 1_800_000,
  overload: null,
};

/** It does nothing until an app works for callers that have left. */
export const DEFAULT_OVERLOAD: OverloadPolicy = {
  concurrency: { kind: "guard" },
  maxQueue: 100,
  maxWaitMs: 1_000,
  priorityHeader: "x-weft-priority",
  priorities: ["critical", "normal", "sheddable"],
};

/** For the app beside a proxy: one instance that is never given up, and nothing to choose. */
export const LOCAL_CLUSTER_POLICY: ClusterPolicy = {
  ...DEFAULT_CLUSTER_POLICY,
  outliers: null,
  overload: DEFAULT_OVERLOAD,
};
