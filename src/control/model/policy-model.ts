import type { HttpMatchModel } from "./mesh-model.ts";

/**
 * What TrafficPolicies say about one port of a Service, resolved. Times in milliseconds, patterns as RE2 text. A section
 * that nobody writes is null: the proxy has the defaults. A field that a section leaves out has its default here.
 */
export interface ClusterPolicyModel {
  readonly loadBalancing: BalancingModel | null;
  readonly healthChecks: readonly HealthCheckModel[] | null;
  readonly outlierDetection: OutlierModel | null;
  readonly limits: LimitsModel | null;
  readonly circuitBreaker: TripModel | null;
  readonly instanceCircuitBreaker: TripModel | null;
  readonly retryBudget: { readonly ratio: number; readonly minPerSecond: number } | null;
  /** Of the proxies beside the instances. */
  readonly overload: OverloadModel | null;
  readonly connectMs: number | null;
  readonly idleMs: number | null;
}

export interface BalancingModel {
  readonly strategy: "adaptive" | "roundRobin" | "leastRequest" | "random" | "peakEwma" | "ringHash" | "maglev";
  readonly slowStartMs: number;
  readonly preferZone: boolean;
  readonly panicPercent: number;
  readonly ringSize: number;
  readonly tableSize: number;
}

export interface HealthCheckModel {
  readonly kind: "http" | "grpc" | "tcp";
  /** For http. */
  readonly path: string;
  /** For http; both ends included. */
  readonly statuses: readonly (readonly [from: number, to: number])[];
  /** For grpc. */
  readonly service: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly jitterPercent: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
}

export interface OutlierModel {
  /** False: no instance is ejected, and the rest says nothing. */
  readonly enabled: boolean;
  readonly consecutive5xx: number;
  readonly consecutiveGatewayErrors: number;
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectedPercent: number;
  readonly minInstances: number;
  readonly successRateFactor: number;
  readonly failurePercent: number;
  readonly latencyFactor: number;
  readonly minRequests: number;
}

/** 0 = no limit. */
export interface LimitsModel {
  readonly connections: number;
  readonly pendingRequests: number;
  readonly requests: number;
  readonly retries: number;
  readonly instanceConnections: number;
  readonly instanceRequests: number;
}

export interface TripModel {
  readonly failurePercent: number;
  readonly slowPercent: number;
  readonly slowMs: number;
  readonly windowMs: number;
  readonly minRequests: number;
  readonly openMs: number;
  readonly probes: number;
}

export interface OverloadModel {
  readonly enabled: boolean;
  /** One number = fixed. */
  readonly concurrency: number | "guard" | { readonly min: number; readonly max: number };
  readonly maxQueue: number;
  readonly maxWaitMs: number;
  readonly priorityHeader: string;
  readonly priorities: readonly string[];
}

/** Requests that fit any of `matches` (null = all the others) and what holds for them. */
export interface RoutePolicyModel {
  /** "<namespace>/<name>" of the policies that take part, separated by commas. */
  readonly key: string;
  readonly matches: readonly HttpMatchModel[] | null;
  readonly timeouts: TimeoutsModel | null;
  readonly retries: RetriesModel | null;
  /** [] = none. */
  readonly hashOn: readonly HashSourceModel[];
  readonly sticky: HashSourceModel | null;
  readonly rateLimits: readonly RateLimitModel[];
  readonly faults: readonly FaultModel[];
  readonly mirrors: readonly MirrorModel[];
  readonly cache: CacheModel | null;
  readonly requestHeaders: HeaderChangesModel | null;
  readonly responseHeaders: HeaderChangesModel | null;
  readonly redirect: RedirectModel | null;
  readonly rewrite: RewriteModel | null;
}

/** Null = not said. 0 = none. */
export interface TimeoutsModel {
  readonly requestMs: number | null;
  readonly responseMs: number | null;
  readonly perTryMs: number | null;
  readonly streamIdleMs: number | null;
}

export interface RetriesModel {
  readonly attempts: number;
  readonly on: readonly RetryCondition[];
  readonly statuses: readonly number[];
  readonly grpcStatuses: readonly number[];
  readonly anyMethod: boolean;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  readonly maxRetryAfterMs: number;
}

export type RetryCondition = "connect" | "reset" | "timeout" | "gatewayError" | "5xx" | "status" | "grpcStatus";

export type HashSourceModel =
  | { readonly kind: "cookie"; readonly name: string; readonly path: string; readonly ttlMs: number }
  | { readonly kind: "header"; readonly name: string }
  | { readonly kind: "query"; readonly name: string }
  | { readonly kind: "source" };

export interface RateLimitModel {
  readonly name: string;
  readonly by: "route" | "caller" | "header";
  /** Lower case; "" unless by header. */
  readonly header: string;
  readonly requests: number;
  readonly periodMs: number;
  readonly burst: number;
  /** By "<namespace>/<service account>", sorted. */
  readonly overrides: readonly (readonly [caller: string, requests: number])[];
  readonly maxBuckets: number;
}

export interface FaultModel {
  readonly name: string;
  readonly percentage: number;
  /** Wall-clock milliseconds. */
  readonly untilMs: number;
  readonly action:
    | { readonly kind: "delay"; readonly minMs: number; readonly maxMs: number }
    | { readonly kind: "abort"; readonly httpStatus: number; readonly grpcStatus: number }
    | { readonly kind: "reset" }
    | { readonly kind: "slowBody"; readonly bytesPerSecond: number };
}

export interface MirrorModel {
  /** Of the policy's namespace. */
  readonly service: string;
  readonly port: number;
  readonly percentage: number;
}

export interface CacheModel {
  readonly maxBytes: number;
  readonly maxBodyBytes: number;
  readonly defaultTtlMs: number;
  readonly staleWhileRevalidateMs: number;
}

export interface HeaderChangesModel {
  readonly remove: readonly string[];
  readonly set: readonly (readonly [name: string, value: string])[];
  readonly add: readonly (readonly [name: string, value: string])[];
}

export interface RedirectModel {
  readonly status: number;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: PathChangeModel | null;
}

export interface RewriteModel {
  readonly host: string;
  readonly path: PathChangeModel | null;
}

export type PathChangeModel =
  | { readonly kind: "full"; readonly path: string }
  | { readonly kind: "prefix"; readonly prefix: string; readonly replacement: string }
  | { readonly kind: "regex"; readonly pattern: string; readonly replacement: string };
