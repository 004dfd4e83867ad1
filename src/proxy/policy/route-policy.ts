import type { CompiledPattern } from "../../lib/pattern.ts";
import type { RequestMatch } from "../snapshot.ts";

/**
 * What TrafficPolicies say about the requests of one route. Frozen; decoded from xDS, so that an object's identity may key
 * what is remembered about it (rate buckets, caches). Every field has the default that holds where nobody says anything.
 */
export interface RoutePolicy {
  /** "<namespace>/<name>" of the TrafficPolicies that apply, for logs and explanations; "" = none. */
  readonly name: string;
  readonly timeouts: TimeoutPolicy;
  readonly retry: RetryPolicy;
  /** What session affinity hashes, in this order, until one gives a hash; [] = none. */
  readonly hashOn: readonly HashSource[];
  /** All must allow. At the callee's proxy, in front of its app. */
  readonly rateLimits: readonly RateLimitPolicy[];
  /** In this order; each that applies acts. */
  readonly faults: readonly FaultPolicy[];
  readonly mirrors: readonly MirrorPolicy[];
  /** Null = no response is stored. */
  readonly cache: CachePolicy | null;
  /** Null = unchanged. */
  readonly requestHeaders: HeaderChanges | null;
  readonly responseHeaders: HeaderChanges | null;
  readonly redirect: RedirectPolicy | null;
  readonly rewrite: RewritePolicy | null;
  /** How a split keeps a user on one backend; null = each request is drawn anew. */
  readonly sticky: HashSource | null;
}

export interface TimeoutPolicy {
  /** The whole exchange, from the complete request head to the end of the response, all attempts; 0 = none (default). */
  readonly requestMs: number;
  /**
   * From the complete request to the final response head, all attempts; 0 = none. Default 15 s, or none
   * where `requestMs` is set. Not for gRPC and tunnels.
   */
  readonly responseMs: number;
  /** One attempt, to its response head; 0 = none (default). */
  readonly perTryMs: number;
  /** No byte either way once the response has begun; 0 = none. Default 5 min. Not for tunnels, event streams and gRPC. */
  readonly streamIdleMs: number;
}

export interface RetryPolicy {
  /** Attempts after the first; 0 = none. Default 2. */
  readonly attempts: number;
  /**
   * What of an answer or failure is tried again: bits of RETRY_ON_*; CONNECT stands for all that surely did not reach the app.
   * Default RETRY_ON_RESET | RETRY_ON_CONNECT. Answers by status need `methods` to allow too.
   */
  readonly on: number;
  /** Statuses that are tried again with RETRY_ON_STATUS. */
  readonly statuses: ReadonlySet<number>;
  /** gRPC statuses that are tried again with RETRY_ON_GRPC_STATUS. */
  readonly grpcStatuses: ReadonlySet<number>;
  /** True: also methods that are not idempotent (the route says that its requests may be repeated). Default false. */
  readonly anyMethod: boolean;
  /** The wait before retry n is random in [0, min(maxMs, baseMs * 2^(n-1))]. Default 25 ms, at most 250 ms. */
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  /** A Retry-After of up to so long is waited for; a longer one ends the retries. Default 10 s. */
  readonly maxRetryAfterMs: number;
}

/** The connection could not be made, or TLS failed. */
export const RETRY_ON_CONNECT = 1;
/** The stream or connection broke before a response head. */
export const RETRY_ON_RESET = 2;
/** `perTryMs` passed. */
export const RETRY_ON_TIMEOUT = 4;
/** 502, 503, 504. */
export const RETRY_ON_GATEWAY_ERROR = 8;
/** Any 5xx. */
export const RETRY_ON_5XX = 16;
/** `statuses`. */
export const RETRY_ON_STATUS = 32;
/** `grpcStatuses`, where the response is trailers only. */
export const RETRY_ON_GRPC_STATUS = 64;

export type HashSource =
  /** `ttlMs` 0 = a session cookie. Where the request has none, one is made and set on the response. */
  | { readonly kind: "cookie"; readonly name: string; readonly path: string; readonly ttlMs: number }
  /** Lower-case name. */
  | { readonly kind: "header"; readonly name: string }
  | { readonly kind: "query"; readonly name: string }
  /** The caller's address (of the workload's identity where it is proved). */
  | { readonly kind: "source" };

export interface RateLimitPolicy {
  /** For headers, logs and metrics. */
  readonly name: string;
  /** Null = all requests of the route. */
  readonly match: RequestMatch | null;
  /** "route": one bucket; "caller": one for each proved identity (else address); otherwise one for each value of a header. */
  readonly by: "route" | "caller" | "header";
  /** Lower case; "" unless `by` is "header". */
  readonly header: string;
  /** So many in each period... */
  readonly requests: number;
  readonly periodMs: number;
  /** ...and so many at once (default: `requests`). */
  readonly burst: number;
  /** Other amounts for callers by "<namespace>/<service account>"; only with `by: caller`. */
  readonly overrides: ReadonlyMap<string, number>;
  /** How many buckets are kept (default 10,000); beyond it the one used longest ago is forgotten. */
  readonly maxBuckets: number;
}

export interface FaultPolicy {
  readonly name: string;
  /** Null = all requests of the route. */
  readonly match: RequestMatch | null;
  /** 0 to 100, with fractions. */
  readonly percentage: number;
  /** Wall-clock milliseconds since 1970 when it ends. Every fault has an end. */
  readonly untilMs: number;
  readonly action: FaultAction;
}

export type FaultAction =
  /** Fixed, or random between the two. */
  | { readonly kind: "delay"; readonly minMs: number; readonly maxMs: number }
  | { readonly kind: "abort"; readonly httpStatus: number; readonly grpcStatus: number }
  /** The connection or stream is reset without an answer. */
  | { readonly kind: "reset" }
  /** The response body comes at no more than this rate. */
  | { readonly kind: "slowBody"; readonly bytesPerSecond: number };

export interface MirrorPolicy {
  readonly cluster: string;
  /** 0 to 100, with fractions. */
  readonly percentage: number;
}

export interface CachePolicy {
  /** Of all responses stored for this route; the one used longest ago goes first. Default 64 MiB. */
  readonly maxBytes: number;
  /** Of one response body; a longer one is not stored. Default 1 MiB. */
  readonly maxBodyBytes: number;
  /** For responses that say nothing about freshness: 0 (default) = RFC 9111's heuristic is not used, they are not stored. */
  readonly defaultTtlMs: number;
  /** At most so long after being stale a response may be used while it is fetched anew, where it does not say. Default 0. */
  readonly staleWhileRevalidateMs: number;
}

export interface HeaderChanges {
  /** Lower-case names; removed first. */
  readonly remove: readonly string[];
  /** Replaces all fields of the name. */
  readonly set: readonly (readonly [name: string, value: string])[];
  /** Added behind what is there. */
  readonly add: readonly (readonly [name: string, value: string])[];
}

export interface RedirectPolicy {
  /** 301, 302, 303, 307 or 308. */
  readonly status: number;
  /** "" = as requested. */
  readonly scheme: string;
  readonly host: string;
  /** 0 = that of the scheme, or as requested when the scheme stays. */
  readonly port: number;
  readonly path: PathChange | null;
}

export interface RewritePolicy {
  /** "" = unchanged. */
  readonly host: string;
  readonly path: PathChange | null;
}

export type PathChange =
  /** The whole path; the query stays. */
  | { readonly kind: "full"; readonly path: string }
  /** `prefix` of the canonical path becomes `replacement`; other paths stay. */
  | { readonly kind: "prefix"; readonly prefix: string; readonly replacement: string }
  /** All matches; `\1` to `\9` in the replacement. */
  | { readonly kind: "regex"; readonly pattern: CompiledPattern; readonly replacement: string };

export const DEFAULT_TIMEOUTS: TimeoutPolicy = {
  requestMs: 0,
  responseMs: 15_000,
  perTryMs: 0,
  streamIdleMs: 300_000,
};

export const DEFAULT_RETRY: RetryPolicy = {
  attempts: 2,
  on: RETRY_ON_CONNECT | RETRY_ON_RESET,
  statuses: new Set(),
  grpcStatuses: new Set(),
  anyMethod: false,
  backoffBaseMs: 25,
  backoffMaxMs: 250,
  maxRetryAfterMs: 10_000,
};

/** What holds where no TrafficPolicy says anything. */
export const DEFAULT_ROUTE_POLICY: RoutePolicy = {
  name: "",
  timeouts: DEFAULT_TIMEOUTS,
  retry: DEFAULT_RETRY,
  hashOn: [],
  rateLimits: [],
  faults: [],
  mirrors: [],
  cache: null,
  requestHeaders: null,
  responseHeaders: null,
  redirect: null,
  rewrite: null,
  sticky: null,
};

/** For the route from a proxy to the app beside it: the caller's proxy has the limits. */
export const LOCAL_ROUTE_POLICY: RoutePolicy = {
  ...DEFAULT_ROUTE_POLICY,
  timeouts: { requestMs: 0, responseMs: 0, perTryMs: 0, streamIdleMs: 0 },
  // Once, for an idle connection that the app closed at that moment: all else is the caller's proxy's to decide.
  retry: { ...DEFAULT_RETRY, attempts: 1 },
};
