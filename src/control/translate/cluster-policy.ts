import { envoy } from "#gen/protos.js";
import type { PlainFields } from "../../xds/to-struct.ts";
import type {
  BalancingModel,
  ClusterPolicyModel,
  HealthCheckModel,
  LimitsModel,
  OutlierModel,
  OverloadModel,
  TripModel,
} from "../model/policy-model.ts";
import { createBalancers } from "./balancers.ts";
import { toDuration } from "./to-duration.ts";

type Cluster = envoy.config.cluster.v3.Cluster;
type HealthCheck = envoy.config.core.v3.HealthCheck;

const { HTTP1, HTTP2 } = envoy.type.v3.CodecClientType;
/** How control planes write "no limit". */
const UNLIMITED = 0xffff_ffff;

/** Envoy's own fields of a cluster, as far as Envoy means the same. */
export function toClusterFields(policy: ClusterPolicyModel, isHttp: boolean): Cluster {
  const { loadBalancing, healthChecks, outlierDetection, limits, connectMs } = policy;
  const fields: Cluster = {};
  if (loadBalancing !== null) {
    fields.loadBalancingPolicy = createBalancers(loadBalancing);
    fields.commonLbConfig = { healthyPanicThreshold: { value: loadBalancing.panicPercent } };
  }
  // Several would each need a name, which the messages that we have do not know: Envoy carries out the first.
  const check = healthChecks?.[0];
  if (check !== undefined) fields.healthChecks = [toHealthCheck(check, isHttp)];
  if (outlierDetection !== null) fields.outlierDetection = toOutlierDetection(outlierDetection);
  if (limits !== null) fields.circuitBreakers = toCircuitBreakers(limits);
  if (connectMs !== null) fields.connectTimeout = toDuration(connectMs);
  return fields;
}

/** What weft's metadata says beside them. */
export function toClusterMetadata(policy: ClusterPolicyModel, isHttp: boolean): PlainFields {
  const { loadBalancing, outlierDetection, limits, circuitBreaker, instanceCircuitBreaker, retryBudget } = policy;
  return {
    balancing: loadBalancing === null ? undefined : toBalancingFields(loadBalancing),
    healthChecks: (policy.healthChecks?.length ?? 0) < 2 ? undefined : policy.healthChecks?.slice(1).map(toCheckFields),
    outliers: outlierDetection?.enabled === true ? toOutlierFields(outlierDetection) : undefined,
    limits: (limits?.instanceRequests ?? 0) === 0 ? undefined : { instanceRequests: limits?.instanceRequests },
    trip: circuitBreaker === null ? undefined : toTripFields(circuitBreaker),
    instanceTrip: instanceCircuitBreaker === null ? undefined : toTripFields(instanceCircuitBreaker),
    retryBudget:
      retryBudget === null ? undefined : { ratio: retryBudget.ratio, minPerSecond: retryBudget.minPerSecond },
    // Elsewhere it is a part of the options of HTTP.
    idleMs: isHttp ? undefined : (policy.idleMs ?? undefined),
  };
}

/** For the cluster of the app beside a proxy. */
export function toOverloadFields(overload: OverloadModel): PlainFields {
  if (!overload.enabled) return { enabled: false };
  const { concurrency, maxQueue, maxWaitMs, priorityHeader, priorities } = overload;
  const amount =
    typeof concurrency === "number"
      ? { limit: concurrency }
      : concurrency === "guard"
        ? { guard: true }
        : { adaptive: { min: concurrency.min, max: Math.max(concurrency.min, concurrency.max) } };
  return { ...amount, maxQueue, maxWaitMs, priorityHeader, priorities: [...priorities] };
}

function toHealthCheck(check: HealthCheckModel, isHttp: boolean): HealthCheck {
  const timing: HealthCheck = {
    interval: toDuration(check.intervalMs),
    timeout: toDuration(check.timeoutMs),
    intervalJitterPercent: Math.round(check.jitterPercent),
    unhealthyThreshold: { value: check.unhealthyThreshold },
    healthyThreshold: { value: check.healthyThreshold },
  };
  switch (check.kind) {
    case "http":
      return {
        ...timing,
        httpHealthCheck: {
          path: check.path,
          // On the wire the end is not part of a range.
          expectedStatuses: check.statuses.map(([from, to]) => ({ start: from, end: to + 1 })),
          codecClientType: isHttp ? HTTP2 : HTTP1,
        },
      };
    case "grpc":
      return { ...timing, grpcHealthCheck: { serviceName: check.service } };
    case "tcp":
      return { ...timing, tcpHealthCheck: {} };
  }
}

/** Percentages are whole numbers there. */
function toOutlierDetection(outliers: OutlierModel): envoy.config.cluster.v3.OutlierDetection {
  if (!outliers.enabled) {
    const never = { value: 0 };
    return { enforcingConsecutive_5xx: never, enforcingConsecutiveGatewayFailure: never, enforcingSuccessRate: never };
  }
  const { consecutive5xx, consecutiveGatewayErrors, successRateFactor, failurePercent, minRequests } = outliers;
  const enforce = (amount: number): { value: number } => ({ value: amount > 0 ? 100 : 0 });
  return {
    consecutive_5xx: { value: consecutive5xx },
    enforcingConsecutive_5xx: enforce(consecutive5xx),
    consecutiveGatewayFailure: { value: consecutiveGatewayErrors },
    enforcingConsecutiveGatewayFailure: enforce(consecutiveGatewayErrors),
    interval: toDuration(outliers.intervalMs),
    baseEjectionTime: toDuration(outliers.baseEjectionMs),
    maxEjectionTime: toDuration(Math.max(outliers.baseEjectionMs, outliers.maxEjectionMs)),
    maxEjectionPercent: { value: Math.round(outliers.maxEjectedPercent) },
    successRateStdevFactor: { value: Math.round(successRateFactor * 1_000) },
    enforcingSuccessRate: enforce(successRateFactor),
    successRateRequestVolume: { value: minRequests },
    failurePercentageThreshold: { value: Math.round(failurePercent) },
    enforcingFailurePercentage: enforce(failurePercent),
    failurePercentageRequestVolume: { value: minRequests },
  };
}

function toCircuitBreakers(limits: LimitsModel): envoy.config.cluster.v3.CircuitBreakers {
  const { connections, pendingRequests, requests, retries, instanceConnections } = limits;
  return {
    thresholds: [
      {
        maxConnections: toLimit(connections),
        maxPendingRequests: toLimit(pendingRequests),
        maxRequests: toLimit(requests),
        maxRetries: toLimit(retries),
      },
    ],
    perHostThresholds: instanceConnections === 0 ? [] : [{ maxConnections: toLimit(instanceConnections) }],
  };
}

function toLimit(limit: number): { value: number } {
  return { value: limit === 0 ? UNLIMITED : limit };
}

function toBalancingFields({ strategy, slowStartMs, preferZone }: BalancingModel): PlainFields | undefined {
  const hasSlowStart = strategy !== "random" && strategy !== "ringHash" && strategy !== "maglev";
  if (hasSlowStart && preferZone) return undefined;
  return { slowStartMs: hasSlowStart ? undefined : slowStartMs, preferZone: preferZone ? undefined : false };
}

function toCheckFields(check: HealthCheckModel): PlainFields {
  const { kind, path, statuses, service, intervalMs, timeoutMs, jitterPercent } = check;
  const { unhealthyThreshold, healthyThreshold } = check;
  return {
    http: kind === "http" ? { path, statuses: statuses.map(([from, to]) => ({ from, to })) } : undefined,
    grpc: kind === "grpc" ? { service } : undefined,
    tcp: kind === "tcp" ? true : undefined,
    intervalMs,
    timeoutMs,
    jitterPercent,
    unhealthyThreshold,
    healthyThreshold,
  };
}

function toOutlierFields({ minInstances, latencyFactor }: OutlierModel): PlainFields {
  return { minInstances, latencyFactor };
}

function toTripFields(trip: TripModel): PlainFields {
  const { failurePercent, slowPercent, slowMs, windowMs, minRequests, openMs, probes } = trip;
  return { failurePercent, slowPercent, slowMs, windowMs, minRequests, openMs, probes };
}
