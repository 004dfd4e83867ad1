import { z } from "zod";
import { dnsLabel, dnsSubdomain } from "./name-schema.ts";
import { createObjectMetaSchema } from "./object-meta-schema.ts";
import { portNumber } from "./port-schema.ts";
import type { Resource } from "./resource.ts";
import { strictObject } from "./strict-object.ts";
import { headerChanges, redirect, rewrite } from "./traffic-policy-changes.ts";
import { listContradictions } from "./traffic-policy-contradictions.ts";
import type { PolicyMatch, PolicyTarget, TrafficPolicySpec } from "./traffic-policy-spec.ts";
import {
  circuitBreaker,
  hashSource,
  healthCheck,
  limits,
  loadBalancing,
  outlierDetection,
  overload,
  retryBudget,
} from "./traffic-policy-instances.ts";
import { cache, faults, mirrors, rateLimits, retries, timeouts } from "./traffic-policy-requests.ts";

/** How callers treat a Service and its instances: docs/traffic-policy.md. */
export interface TrafficPolicy extends Resource {
  readonly apiVersion: "weft.dev/v1alpha1";
  readonly kind: "TrafficPolicy";
  readonly spec: TrafficPolicySpec;
}

const target: z.ZodType<PolicyTarget> = strictObject<PolicyTarget>({
  group: z.literal("", '""').exactOptional(),
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
