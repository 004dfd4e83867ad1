import type { envoy, google } from "#gen/protos.js";
import { DEFAULT_OUTLIERS, type OutlierPolicy } from "../policy/cluster-policy.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";
import {
  ANY_COUNT,
  MAX_DURATION_MS,
  PERCENT,
  requireDuration,
  requireNumber,
  SOME_DURATION,
} from "./require-number.ts";
import type { StructReader } from "./struct-reader.ts";

type OutlierDetection = envoy.config.cluster.v3.OutlierDetection;

/** Envoy's, where outlier detection does not say. */
const ENVOY = {
  consecutive5xx: 5,
  consecutiveGatewayErrors: 5,
  intervalMs: 10_000,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectedPercent: 10,
  successRateFactor: 1_900,
  successRateRequests: 100,
  failurePercent: 85,
  failurePercentRequests: 50,
};
const FACTOR = { min: 0, max: 1_000_000, whole: false };
const FIELDS: readonly string[] = [
  "consecutive_5xx",
  "enforcingConsecutive_5xx",
  "consecutiveGatewayFailure",
  "enforcingConsecutiveGatewayFailure",
  "interval",
  "baseEjectionTime",
  "maxEjectionTime",
  "maxEjectionPercent",
  "successRateStdevFactor",
  "successRateRequestVolume",
  "enforcingSuccessRate",
  "failurePercentageThreshold",
  "failurePercentageRequestVolume",
  "enforcingFailurePercentage",
];

/** Absent = the defaults of weft; what ejects nothing = null. `reader`: `{minInstances, latencyFactor}`. */
export function decodeOutliers(
  wire: OutlierDetection | null,
  base: OutlierPolicy | null,
  reader: StructReader | null,
): OutlierPolicy | null {
  const native = wire === null ? base : decodeDetection(wire, "outlier_detection");
  if (reader === null) return native === null || isOff(native) ? null : native;
  const start = native ?? DEFAULT_OUTLIERS;
  const policy = {
    ...start,
    minInstances: reader.number("minInstances", start.minInstances, ANY_COUNT),
    latencyFactor: reader.number("latencyFactor", start.latencyFactor, FACTOR),
  };
  reader.finish();
  return isOff(policy) ? null : policy;
}

function decodeDetection(wire: OutlierDetection, path: string): OutlierPolicy {
  refuseUnknownFields(wire, FIELDS, path);
  const at = (field: string): string => `${path}.${field}`;
  const isEnforced = (value: google.protobuf.UInt32Value | null | undefined, field: string, fallback: boolean) => {
    if (value == null) return fallback;
    const percent = value.value ?? 0;
    if (percent !== 0 && percent !== 100) throw new ConfigRefusal(at(field), `${percent}`, "0 or 100");
    return percent === 100;
  };
  const duration = (value: google.protobuf.Duration | null | undefined, field: string, fallback: number): number => {
    return value == null ? fallback : requireDuration(value, SOME_DURATION, at(field));
  };
  const bySuccess = isEnforced(wire.enforcingSuccessRate, "enforcing_success_rate", true);
  const byFailure = isEnforced(wire.enforcingFailurePercentage, "enforcing_failure_percentage", false);
  const by5xx = isEnforced(wire.enforcingConsecutive_5xx, "enforcing_consecutive_5xx", true);
  const byGateway = isEnforced(wire.enforcingConsecutiveGatewayFailure, "enforcing_consecutive_gateway_failure", false);
  const baseEjectionMs = duration(wire.baseEjectionTime, "base_ejection_time", ENVOY.baseEjectionMs);
  const maxEjectionMs = duration(
    wire.maxEjectionTime,
    "max_ejection_time",
    Math.max(baseEjectionMs, ENVOY.maxEjectionMs),
  );
  const percentRange = { ...PERCENT, whole: true };
  return {
    consecutive5xx: by5xx ? (wire.consecutive_5xx?.value ?? ENVOY.consecutive5xx) : 0,
    consecutiveGatewayErrors: byGateway ? (wire.consecutiveGatewayFailure?.value ?? ENVOY.consecutiveGatewayErrors) : 0,
    intervalMs: duration(wire.interval, "interval", ENVOY.intervalMs),
    baseEjectionMs,
    maxEjectionMs: requireNumber(
      maxEjectionMs,
      { min: baseEjectionMs, max: MAX_DURATION_MS, whole: false },
      at("max_ejection_time"),
    ),
    maxEjectedPercent: requireNumber(
      wire.maxEjectionPercent?.value ?? ENVOY.maxEjectedPercent,
      percentRange,
      at("max_ejection_percent"),
    ),
    minInstances: DEFAULT_OUTLIERS.minInstances,
    successRateFactor: bySuccess ? (wire.successRateStdevFactor?.value ?? ENVOY.successRateFactor) / 1_000 : 0,
    failurePercent: byFailure
      ? requireNumber(
          wire.failurePercentageThreshold?.value ?? ENVOY.failurePercent,
          percentRange,
          at("failure_percentage_threshold"),
        )
      : 0,
    latencyFactor: 0,
    minRequests: decodeVolume(wire, bySuccess, byFailure, at("failure_percentage_request_volume")),
  };
}

/** Rates of both kinds are looked at from the same number of requests on. */
function decodeVolume(wire: OutlierDetection, bySuccess: boolean, byFailure: boolean, path: string): number {
  const success = wire.successRateRequestVolume?.value ?? ENVOY.successRateRequests;
  const failure = wire.failurePercentageRequestVolume?.value ?? ENVOY.failurePercentRequests;
  if (bySuccess && byFailure && success !== failure) {
    throw new ConfigRefusal(path, `${failure}`, `success_rate_request_volume's ${success}`);
  }
  return byFailure ? failure : success;
}

function isOff(policy: OutlierPolicy): boolean {
  const { consecutive5xx, consecutiveGatewayErrors, successRateFactor, failurePercent, latencyFactor } = policy;
  return consecutive5xx + consecutiveGatewayErrors + successRateFactor + failurePercent + latencyFactor === 0;
}
