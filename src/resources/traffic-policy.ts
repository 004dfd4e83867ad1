import { z } from "zod";
import { toMs } from "./bounded-value.ts";
import { dnsLabel, dnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import { portNumber } from "./port-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";
import {
  circuitBreaker,
  type CircuitBreaker,
  hashSource,
  type HashSource,
  healthCheck,
  type HealthCheck,
  limits,
  type Limits,
  loadBalancing,
  type LoadBalancing,
  outlierDetection,
  type OutlierDetection,
  overload,
  type Overload,
  retryBudget,
  type RetryBudget,
} from "./traffic-policy-instances.ts";
import {
  cache,
  type Cache,
  type Fault,
  faults,
  headerChanges,
  type HeaderChanges,
  type Mirror,
  mirrors,
  type RateLimit,
  rateLimits,
  redirect,
  type Redirect,
  retries,
  type Retries,
  rewrite,
  type Rewrite,
  timeouts,
  type Timeouts,
} from "./traffic-policy-requests.ts";

/** How callers treat a Service and its instances: docs/traffic-policy.md. */
export interface TrafficPolicy extends Resource {
  readonly apiVersion: "weft.dev/v1alpha1";
  readonly kind: "TrafficPolicy";
  readonly spec: TrafficPolicySpec;
}

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

const DEFAULT_PER_TRY_BASE_MS = 25;
const DEFAULT_BACKOFF_MAX_MS = 250;

const target: z.ZodType<PolicyTarget> = strictObject<PolicyTarget>({
  kind: z.literal("Service", "Service"),
  name: dnsLabel,
  port: portNumber.exactOptional(),
});

const match: z.ZodType<PolicyMatch> = strictObject<PolicyMatch>({
  kind: z.literal("HTTPRouteGroup", "HTTPRouteGroup"),
  name: dnsSubdomain,
  matches: z.array(z.string("the name of a match"), "a list of names").min(1, "at least one name").exactOptional(),
});

const spec: z.ZodType<TrafficPolicySpec> = strictObject<TrafficPolicySpec>({
  targetRef: target,
  matches: z.preprocess(
    (value) => value ?? [],
    z.array(match, "a list of HTTPRouteGroups").max(64, "at most 64 groups"),
  ),
  loadBalancing: loadBalancing.exactOptional(),
  healthChecks: z.array(healthCheck, "a list of checks").max(8, "at most 8 checks").exactOptional(),
  outlierDetection: outlierDetection.exactOptional(),
  limits: limits.exactOptional(),
  circuitBreaker: circuitBreaker.exactOptional(),
  instanceCircuitBreaker: circuitBreaker.exactOptional(),
  retryBudget: retryBudget.exactOptional(),
  overload: overload.exactOptional(),
  timeouts: timeouts.exactOptional(),
  retries: retries.exactOptional(),
  sticky: hashSource.exactOptional(),
  rateLimits: rateLimits.exactOptional(),
  faults: faults.exactOptional(),
  mirrors: mirrors.exactOptional(),
  cache: cache.exactOptional(),
  requestHeaders: headerChanges.exactOptional(),
  responseHeaders: headerChanges.exactOptional(),
  redirect: redirect.exactOptional(),
  rewrite: rewrite.exactOptional(),
}).superRefine((value, context) => {
  for (const [path, expected] of listContradictions(value)) {
    context.addIssue({ code: "custom", path: [...path], message: expected });
  }
});

export const trafficPolicySchema: z.ZodType<TrafficPolicy> = strictObject<TrafficPolicy>({
  apiVersion: z.literal("weft.dev/v1alpha1"),
  kind: z.literal("TrafficPolicy"),
  metadata: createObjectMetaSchema({ name: dnsSubdomain, namespaced: true }),
  spec,
  status: z.unknown().exactOptional(),
});

/** What no single field shows to be wrong: where, and what is expected there. */
function* listContradictions(spec: TrafficPolicySpec): Generator<readonly [readonly string[], string]> {
  const sections = [...INSTANCE_SECTIONS, ...REQUEST_SECTIONS].filter((section) => spec[section] !== undefined);
  if (sections.length === 0) yield [[], "at least one section, e.g. timeouts or retries"];
  if (spec.matches.length > 0) yield* listNarrowContradictions(spec);
  if (spec.redirect !== undefined && spec.rewrite !== undefined)
    yield [["rewrite"], "none beside redirect: a redirected request goes nowhere else"];
  yield* listTimeoutContradictions(spec);
  const outliers = spec.outlierDetection;
  if (outliers !== undefined) {
    const baseMs = toMs(outliers.baseEjection, 5_000);
    if (baseMs > toMs(outliers.maxEjection, 300_000))
      yield [["outlierDetection", "baseEjection"], `at most maxEjection, ${outliers.maxEjection ?? "5m"}`];
  }
  for (const [index, check] of (spec.healthChecks ?? []).entries()) {
    if (toMs(check.timeout, 1_000) > toMs(check.interval, 5_000))
      yield [["healthChecks", String(index), "timeout"], `at most the interval, ${check.interval ?? "5s"}`];
  }
  for (const [index, fault] of (spec.faults ?? []).entries()) {
    const { delay } = fault;
    if (typeof delay === "object" && toMs(delay.min, 0) > toMs(delay.max, 0))
      yield [["faults", String(index), "delay", "min"], `at most max, ${delay.max}`];
  }
}

function* listNarrowContradictions(spec: TrafficPolicySpec): Generator<readonly [readonly string[], string]> {
  for (const section of INSTANCE_SECTIONS) {
    if (spec[section] !== undefined)
      yield [[section], "none beside matches: it is about instances, which all requests share"];
  }
  for (const field of ["connect", "idle"] as const) {
    if (spec.timeouts?.[field] !== undefined)
      yield [["timeouts", field], "none beside matches: connections are shared by all requests"];
  }
}

function* listTimeoutContradictions({
  timeouts,
  retries,
}: TrafficPolicySpec): Generator<readonly [readonly string[], string]> {
  if (timeouts !== undefined) {
    const requestMs = toMs(timeouts.request, 0);
    for (const field of ["perTry", "response"] as const) {
      if (requestMs > 0 && toMs(timeouts[field], 0) > requestMs)
        yield [["timeouts", field], `at most the time of the whole request, ${timeouts.request}`];
    }
  }
  const backoff = retries?.backoff;
  if (backoff === undefined) return;
  if (toMs(backoff.base, DEFAULT_PER_TRY_BASE_MS) > toMs(backoff.max, DEFAULT_BACKOFF_MAX_MS))
    yield [["retries", "backoff", "base"], `at most max, ${backoff.max ?? "250ms"}`];
}
