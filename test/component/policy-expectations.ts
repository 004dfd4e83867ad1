import type {
  ClusterPolicyModel,
  OverloadModel,
  PathChangeModel,
  RoutePolicyModel,
} from "../../src/control/model/policy-model.ts";
import { compilePattern } from "../../src/lib/pattern.ts";
import {
  type ClusterPolicy,
  DEFAULT_CLUSTER_POLICY,
  type OverloadPolicy,
} from "../../src/proxy/policy/cluster-policy.ts";
import {
  DEFAULT_ROUTE_POLICY,
  type PathChange,
  RETRY_ON_5XX,
  RETRY_ON_CONNECT,
  RETRY_ON_GATEWAY_ERROR,
  RETRY_ON_GRPC_STATUS,
  RETRY_ON_RESET,
  RETRY_ON_STATUS,
  RETRY_ON_TIMEOUT,
  type RoutePolicy,
} from "../../src/proxy/policy/route-policy.ts";

// What a proxy has to make of a policy of the model, said a second time and without xDS in between.

const BITS = {
  connect: RETRY_ON_CONNECT,
  reset: RETRY_ON_RESET,
  timeout: RETRY_ON_TIMEOUT,
  gatewayError: RETRY_ON_GATEWAY_ERROR,
  "5xx": RETRY_ON_5XX,
  status: RETRY_ON_STATUS,
  grpcStatus: RETRY_ON_GRPC_STATUS,
};

/** At a caller's proxy, which leaves rate limits to the callee's. */
export function expectRoutePolicy(model: RoutePolicyModel): RoutePolicy {
  const { timeouts, retries, redirect, rewrite } = model;
  const base = DEFAULT_ROUTE_POLICY;
  const requestMs = timeouts?.requestMs ?? 0;
  return {
    name: model.key,
    timeouts: {
      requestMs,
      responseMs: timeouts?.responseMs ?? (requestMs > 0 ? 0 : base.timeouts.responseMs),
      perTryMs: timeouts?.perTryMs ?? 0,
      streamIdleMs: timeouts?.streamIdleMs ?? base.timeouts.streamIdleMs,
    },
    retry:
      retries === null
        ? base.retry
        : {
            ...retries,
            on: retries.on.reduce((bits, condition) => bits | BITS[condition], 0),
            statuses: new Set(retries.statuses),
            grpcStatuses: new Set(retries.grpcStatuses),
          },
    hashOn: model.hashOn,
    rateLimits: [],
    faults: model.faults.map((fault) => ({ ...fault, match: null })),
    mirrors: model.mirrors.map(({ service, port, percentage }) => ({
      cluster: `default/${service}:${port}`,
      percentage,
    })),
    cache: model.cache,
    requestHeaders: model.requestHeaders,
    responseHeaders: model.responseHeaders,
    redirect: redirect === null ? null : { ...redirect, path: expectPathChange(redirect.path) },
    rewrite:
      rewrite === null || (rewrite.host === "" && rewrite.path === null)
        ? null
        : { host: rewrite.host, path: expectPathChange(rewrite.path) },
    sticky: model.sticky,
  };
}

export function expectClusterPolicy(model: ClusterPolicyModel): ClusterPolicy {
  const { loadBalancing, outlierDetection, limits } = model;
  const base = DEFAULT_CLUSTER_POLICY;
  return {
    balancing: loadBalancing === null ? base.balancing : expectBalancing(loadBalancing),
    healthChecks: model.healthChecks ?? [],
    outliers: outlierDetection === null ? base.outliers : expectOutliers(outlierDetection),
    limits: limits ?? base.limits,
    trip: model.circuitBreaker,
    instanceTrip: model.instanceCircuitBreaker,
    retryBudget: model.retryBudget ?? base.retryBudget,
    idleMs: model.idleMs ?? base.idleMs,
    overload: null,
  };
}

export function expectOverload({ enabled, concurrency, ...rest }: OverloadModel): OverloadPolicy | null {
  if (!enabled) return null;
  if (concurrency === "guard") return { ...rest, concurrency: { kind: "guard" } };
  return {
    ...rest,
    concurrency:
      typeof concurrency === "number" ? { kind: "fixed", limit: concurrency } : { kind: "adaptive", ...concurrency },
  };
}

function expectBalancing({
  ringSize,
  ...balancing
}: NonNullable<ClusterPolicyModel["loadBalancing"]>): ClusterPolicy["balancing"] {
  return { ...balancing, minimumRingSize: ringSize };
}

function expectOutliers({
  enabled,
  ...outliers
}: NonNullable<ClusterPolicyModel["outlierDetection"]>): ClusterPolicy["outliers"] {
  const { consecutive5xx, consecutiveGatewayErrors, successRateFactor, failurePercent, latencyFactor } = outliers;
  const isOn = consecutive5xx + consecutiveGatewayErrors + successRateFactor + failurePercent + latencyFactor > 0;
  return enabled && isOn ? outliers : null;
}

function expectPathChange(change: PathChangeModel | null): PathChange | null {
  if (change?.kind !== "regex") return change;
  return { ...change, pattern: compilePattern(change.pattern, "search") };
}
