import type { HeaderChanges, Redirect, Rewrite } from "./traffic-policy-changes.ts";
import type {
  CircuitBreaker,
  HashSource,
  HealthCheck,
  Limits,
  LoadBalancing,
  OutlierDetection,
  Overload,
  RetryBudget,
} from "./traffic-policy-instances.ts";
import type { Cache, Fault, Mirror, RateLimit, Retries, Timeouts } from "./traffic-policy-requests.ts";

export interface TrafficPolicySpec {
  readonly targetRef: PolicyTarget;
  /** Only requests that fit any of them; [] (default) = the whole Service. */
  readonly matches: readonly PolicyMatch[];
  readonly loadBalancing?: LoadBalancing;
  readonly healthChecks?: readonly HealthCheck[];
  readonly outlierDetection?: OutlierDetection;
  readonly limits?: Limits;
  readonly circuitBreaker?: CircuitBreaker;
  readonly instanceCircuitBreaker?: CircuitBreaker;
  readonly retryBudget?: RetryBudget;
  readonly overload?: Overload;
  readonly timeouts?: Timeouts;
  readonly retries?: Retries;
  readonly sticky?: HashSource;
  readonly rateLimits?: readonly RateLimit[];
  readonly faults?: readonly Fault[];
  readonly mirrors?: readonly Mirror[];
  readonly cache?: Cache;
  readonly requestHeaders?: HeaderChanges;
  readonly responseHeaders?: HeaderChanges;
  readonly redirect?: Redirect;
  readonly rewrite?: Rewrite;
}

/** A Service of the same namespace. */
export interface PolicyTarget {
  readonly group?: "";
  readonly kind: "Service";
  readonly name: string;
  /** Left out: all its ports. */
  readonly port?: number;
}

/** An HTTPRouteGroup of the same namespace. */
export interface PolicyMatch {
  readonly kind: "HTTPRouteGroup";
  readonly name: string;
  /** Names of its matches; left out: all of them. */
  readonly matches?: readonly string[];
}

/** Sections about instances: of the whole Service, or not at all. */
export const INSTANCE_SECTIONS = [
  "loadBalancing",
  "healthChecks",
  "outlierDetection",
  "limits",
  "circuitBreaker",
  "instanceCircuitBreaker",
  "retryBudget",
  "overload",
] as const;

/** Sections about requests. */
export const REQUEST_SECTIONS = [
  "timeouts",
  "retries",
  "sticky",
  "rateLimits",
  "faults",
  "mirrors",
  "cache",
  "requestHeaders",
  "responseHeaders",
  "redirect",
  "rewrite",
] as const;

export type InstanceSection = (typeof INSTANCE_SECTIONS)[number];
export type RequestSection = (typeof REQUEST_SECTIONS)[number];
export type PolicySection = InstanceSection | RequestSection;

export const SECTIONS: readonly PolicySection[] = [...INSTANCE_SECTIONS, ...REQUEST_SECTIONS];
