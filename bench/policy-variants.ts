import type { Resource } from "../src/resources/resource.ts";
import { createMeta } from "../src/runner/weft-yaml-resources.ts";

/** weft with other policies for the called Service; the first of a row is what the others are measured against. */
export interface PolicyVariant {
  readonly id: string;
  readonly title: string;
  /** Spec of its TrafficPolicy, without `targetRef`; null = no policy. */
  readonly spec: Readonly<Record<string, unknown>> | null;
}

const ON = {
  healthChecks: [{ http: { path: "/" }, interval: "2s" }],
  outlierDetection: { successRateFactor: 1.9, failurePercent: 50, latencyFactor: 5 },
  limits: { connections: 1_000, pendingRequests: 1_000, requests: 100_000, perInstance: { requests: 100_000 } },
  circuitBreaker: { failurePercent: 50, slowPercent: 50, slowAfter: "1s" },
  instanceCircuitBreaker: { failurePercent: 50, slowPercent: 50, slowAfter: "1s" },
  retryBudget: { ratio: 0.2, minPerSecond: 10 },
  overload: { concurrency: "adaptive" },
  timeouts: { request: "10s", response: "5s", perTry: "4s", streamIdle: "60s" },
  retries: { attempts: 3, conditions: ["connect", "reset", "timeout", "gateway-error"] },
  rateLimits: [
    { name: "all", requests: 1_000_000, period: "1s" },
    { name: "each", requests: 1_000_000, period: "1s", by: "caller" },
  ],
} as const;

/** What resilience costs. Mirrors and cache hits are left out: they send other requests, or none. */
export const RESILIENCE_VARIANTS: readonly PolicyVariant[] = [
  {
    id: "off",
    title: "all of resilience off",
    spec: {
      loadBalancing: { strategy: "roundRobin", slowStart: "0s" },
      outlierDetection: { enabled: false },
      overload: { enabled: false },
      retries: { attempts: 1 },
      timeouts: { response: "0s", streamIdle: "0s" },
    },
  },
  { id: "defaults", title: "weft's defaults, no policy", spec: null },
  { id: "on", title: "all of resilience on", spec: ON },
  {
    id: "changes",
    title: "all of it on, and a cache that may keep nothing, faults at 0 %, changed headers",
    spec: {
      ...ON,
      cache: {},
      faults: [{ name: "none", percentage: 0, until: "2099-01-01T00:00:00Z", delay: "1s" }],
      requestHeaders: { set: { "x-team": "shop" }, remove: ["x-forwarded-proto"] },
      responseHeaders: { set: { "x-frame-options": "SAMEORIGIN" } },
    },
  },
];

export function createVariantPolicy({ spec }: PolicyVariant, service: string): readonly Resource[] {
  if (spec === null) return [];
  return [
    {
      apiVersion: "weft.dev/v1alpha1",
      kind: "TrafficPolicy",
      metadata: createMeta(service),
      spec: { targetRef: { kind: "Service", name: service }, ...spec },
    },
  ];
}
