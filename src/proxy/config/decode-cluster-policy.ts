import type { envoy } from "#gen/protos.js";
import {
  type ClusterPolicy,
  DEFAULT_LIMITS,
  DEFAULT_OVERLOAD,
  type LimitPolicy,
  type OverloadPolicy,
  type RetryBudgetPolicy,
  type TripPolicy,
} from "../policy/cluster-policy.ts";
import { decodeBalancing } from "./decode-balancing.ts";
import { decodeHealthCheck, decodeOwnHealthCheck } from "./decode-health-check.ts";
import { decodeOutliers } from "./decode-outliers.ts";
import type { PolicyPool } from "./policy-pool.ts";
import { WITHHELD_METADATA } from "../../xds/names.ts";
import { readPolicyMetadata } from "./read-metadata.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";
import {
  ANY_COUNT,
  ANY_DURATION,
  PERCENT,
  requireNumber,
  SOME_COUNT,
  SOME_DURATION,
  UNLIMITED,
} from "./require-number.ts";
import type { StructReader } from "./struct-reader.ts";

type Cluster = envoy.config.cluster.v3.Cluster;
type CircuitBreakers = envoy.config.cluster.v3.CircuitBreakers;

/** Envoy's, where thresholds do not say. */
const ENVOY_LIMITS = { connections: 1_024, pendingRequests: 1_024, requests: 1_024, retries: 3 };
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]*$/;
const CLASS_NAME = /^[!-~]+$/;
const MAX_CLASSES = 100;
/** A queue is memory: one entry is a request with its connection. */
const QUEUE = { min: 0, max: 1_000_000 };
const RATIO = { min: 0, max: 1_000, whole: false };

export interface ClusterPolicyOptions {
  /** As its protocol options say; null = nothing. */
  readonly idleMs: number | null;
  readonly pool: PolicyPool;
}

/**
 * What a cluster says about its instances: Envoy's own fields, then what weft adds in metadata. What nobody says is
 * that of `base`.
 */
export function decodeClusterPolicy(wire: Cluster, base: ClusterPolicy, options: ClusterPolicyOptions): ClusterPolicy {
  const { idleMs, pool } = options;
  const reader = readPolicyMetadata(wire.metadata ?? null, ["service", WITHHELD_METADATA], "");
  const budget = reader?.object("retryBudget") ?? null;
  const balancing = reader?.object("balancing") ?? null;
  const native = decodeBalancing(wire);
  const overload = reader?.object("overload") ?? null;
  const policy: ClusterPolicy = {
    balancing: balancing === null ? native : addBalancing(native, balancing),
    healthChecks: [
      ...(wire.healthChecks ?? []).map((check, index) => decodeHealthCheck(check, `health_checks[${index}]`)),
      ...(reader?.objects("healthChecks") ?? []).map(decodeOwnHealthCheck),
    ],
    outliers: decodeOutliers(wire.outlierDetection ?? null, base.outliers, reader?.object("outliers") ?? null),
    limits: decodeLimits(wire.circuitBreakers ?? null, base.limits, reader?.object("limits") ?? null),
    trip: decodeTrip(reader?.object("trip") ?? null, base.trip),
    instanceTrip: decodeTrip(reader?.object("instanceTrip") ?? null, base.instanceTrip),
    retryBudget: budget === null ? base.retryBudget : decodeBudget(budget, base.retryBudget),
    idleMs: reader?.number("idleMs", idleMs ?? base.idleMs, SOME_DURATION) ?? idleMs ?? base.idleMs,
    overload: overload === null ? base.overload : decodeOverload(overload),
  };
  reader?.finish();
  return isEqualToBase(policy, base) ? base : pool.share("", policy);
}

/** What the balancer's own message has no word for. */
function addBalancing(native: ClusterPolicy["balancing"], reader: StructReader): ClusterPolicy["balancing"] {
  const added = {
    ...native,
    slowStartMs: reader.number("slowStartMs", native.slowStartMs, ANY_DURATION),
    preferZone: reader.flag("preferZone", native.preferZone),
  };
  reader.finish();
  return added;
}

function decodeLimits(wire: CircuitBreakers | null, base: LimitPolicy, reader: StructReader | null): LimitPolicy {
  const native = wire === null ? base : decodeBreakers(wire, "circuit_breakers");
  if (reader === null) return native;
  const limits = { ...native, instanceRequests: reader.number("instanceRequests", native.instanceRequests, ANY_COUNT) };
  reader.finish();
  return limits;
}

function decodeBreakers(wire: CircuitBreakers, path: string): LimitPolicy {
  refuseUnknownFields(wire, ["thresholds", "perHostThresholds"], path);
  let limits: LimitPolicy = DEFAULT_LIMITS;
  for (const [index, threshold] of (wire.thresholds ?? []).entries()) {
    const at = `${path}.thresholds[${index}]`;
    if (index > 0) throw new ConfigRefusal(at, "a second one", "one, of the default priority");
    const known = ["maxConnections", "maxPendingRequests", "maxRequests", "maxRetries", "trackRemaining"];
    refuseUnknownFields(threshold, known, at);
    const { maxConnections, maxPendingRequests, maxRequests, maxRetries } = threshold;
    limits = {
      ...limits,
      connections: decodeLimit(maxConnections?.value, ENVOY_LIMITS.connections, `${at}.max_connections`),
      pendingRequests: decodeLimit(
        maxPendingRequests?.value,
        ENVOY_LIMITS.pendingRequests,
        `${at}.max_pending_requests`,
      ),
      requests: decodeLimit(maxRequests?.value, ENVOY_LIMITS.requests, `${at}.max_requests`),
      retries: decodeLimit(maxRetries?.value, ENVOY_LIMITS.retries, `${at}.max_retries`),
    };
  }
  for (const [index, threshold] of (wire.perHostThresholds ?? []).entries()) {
    const at = `${path}.per_host_thresholds[${index}]`;
    if (index > 0) throw new ConfigRefusal(at, "a second one", "one, of the default priority");
    refuseUnknownFields(threshold, ["maxConnections"], at);
    const instanceConnections = decodeLimit(threshold.maxConnections?.value, UNLIMITED, `${at}.max_connections`);
    limits = { ...limits, instanceConnections };
  }
  return limits;
}

/** The greatest number there is on the wire is no limit; 0, which would let nothing through, is refused. */
function decodeLimit(value: number | null | undefined, fallback: number, path: string): number {
  const limit = requireNumber(value ?? fallback, SOME_COUNT, path);
  return limit === UNLIMITED ? 0 : limit;
}

function decodeTrip(reader: StructReader | null, base: TripPolicy | null): TripPolicy | null {
  if (reader === null) return base;
  const failurePercent = reader.number("failurePercent", 0, PERCENT);
  const slowPercent = reader.number("slowPercent", 0, PERCENT);
  if (failurePercent === 0 && slowPercent === 0) {
    throw new ConfigRefusal(reader.path, "no condition", "failurePercent or slowPercent above 0");
  }
  const trip: TripPolicy = {
    failurePercent,
    slowPercent,
    slowMs: reader.number("slowMs", slowPercent === 0 ? 0 : null, slowPercent === 0 ? ANY_DURATION : SOME_DURATION),
    windowMs: reader.number("windowMs", null, SOME_DURATION),
    minRequests: reader.number("minRequests", null, SOME_COUNT),
    openMs: reader.number("openMs", null, SOME_DURATION),
    probes: reader.number("probes", null, SOME_COUNT),
  };
  reader.finish();
  return trip;
}

function decodeBudget(reader: StructReader, base: RetryBudgetPolicy): RetryBudgetPolicy {
  const budget = {
    ratio: reader.number("ratio", base.ratio, RATIO),
    minPerSecond: reader.number("minPerSecond", base.minPerSecond, { ...ANY_COUNT, whole: false }),
  };
  reader.finish();
  return budget;
}

/** Null = off: `enabled` is false. */
function decodeOverload(reader: StructReader): OverloadPolicy | null {
  if (!reader.flag("enabled", true)) {
    reader.finish();
    return null;
  }
  const priorities = reader.texts("priorities");
  for (const [index, name] of priorities.entries()) {
    const at = `${reader.at("priorities")}[${index}]`;
    if (!CLASS_NAME.test(name)) throw new ConfigRefusal(at, JSON.stringify(name), "a name without spaces");
    if (priorities.indexOf(name) !== index) throw new ConfigRefusal(at, `"${name}" twice`, "each class once");
  }
  if (priorities.length > MAX_CLASSES) {
    throw new ConfigRefusal(reader.at("priorities"), `${priorities.length} classes`, `${MAX_CLASSES} or fewer`);
  }
  const overload: OverloadPolicy = {
    concurrency: decodeConcurrency(reader),
    maxQueue: reader.number("maxQueue", DEFAULT_OVERLOAD.maxQueue, QUEUE),
    maxWaitMs: reader.number("maxWaitMs", DEFAULT_OVERLOAD.maxWaitMs, ANY_DURATION),
    priorityHeader: reader.text(
      "priorityHeader",
      DEFAULT_OVERLOAD.priorityHeader,
      HEADER_NAME,
      "a lower-case header name",
    ),
    priorities: reader.has("priorities") ? priorities : DEFAULT_OVERLOAD.priorities,
  };
  reader.finish();
  return overload;
}

/** `limit`, `adaptive: {min, max}`, or `guard: true`. */
function decodeConcurrency(reader: StructReader): OverloadPolicy["concurrency"] {
  if (reader.flag("guard", false)) {
    if (reader.has("limit") || reader.has("adaptive"))
      throw new ConfigRefusal(reader.path, "guard and another", "one of them");
    return { kind: "guard" };
  }
  const adaptive = reader.object("adaptive");
  if (adaptive === null) return { kind: "fixed", limit: reader.number("limit", null, SOME_COUNT) };
  if (reader.has("limit")) throw new ConfigRefusal(reader.path, "limit and adaptive", "one of them");
  const min = adaptive.number("min", null, SOME_COUNT);
  const max = adaptive.number("max", null, { min, max: UNLIMITED });
  adaptive.finish();
  return { kind: "adaptive", min, max };
}

/** So that a cluster that says nothing has the one object of the defaults. */
function isEqualToBase(policy: ClusterPolicy, base: ClusterPolicy): boolean {
  return (
    policy.balancing === base.balancing &&
    policy.healthChecks.length === 0 &&
    policy.outliers === base.outliers &&
    policy.limits === base.limits &&
    policy.trip === base.trip &&
    policy.instanceTrip === base.instanceTrip &&
    policy.retryBudget === base.retryBudget &&
    policy.idleMs === base.idleMs &&
    policy.overload === base.overload
  );
}
