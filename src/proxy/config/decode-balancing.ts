import { envoy, type google, xds } from "#gen/protos.js";
import { BALANCER_TYPES } from "../../xds/names.ts";
import { type BalancingPolicy, type BalancingStrategy, DEFAULT_BALANCING } from "../policy/cluster-policy.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";
import { ANY_DURATION, PERCENT, requireDuration, requireNumber } from "./require-number.ts";
import { StructReader } from "./struct-reader.ts";

type Cluster = envoy.config.cluster.v3.Cluster;
type Any = google.protobuf.Any;

const PREFIX = "type.googleapis.com/";
const EXTENSIONS = `${PREFIX}envoy.extensions.load_balancing_policies`;
const TYPED_STRUCT = `${PREFIX}xds.type.v3.TypedStruct`;
const { LbPolicy } = envoy.config.cluster.v3.Cluster;
const POLICIES = envoy.extensions.load_balancing_policies;

/** Envoy's limits. */
const RING_SIZE = { min: 1, max: 8_388_608 };
const TABLE_SIZE = { min: 3, max: 5_000_011 };
/** Envoy's own choice where a list has it: with other words the same as weft's. */
const CHOICES = 2;

/** By the old field; 0, which is also what is not said, is weft's own default. */
const STRATEGIES: ReadonlyMap<number, BalancingStrategy> = new Map([
  [LbPolicy.ROUND_ROBIN, DEFAULT_BALANCING.strategy],
  [LbPolicy.LEAST_REQUEST, "leastRequest"],
  [LbPolicy.RING_HASH, "ringHash"],
  [LbPolicy.RANDOM, "random"],
  [LbPolicy.MAGLEV, "maglev"],
  [LbPolicy.CLUSTER_PROVIDED, DEFAULT_BALANCING.strategy],
  [LbPolicy.LOAD_BALANCING_POLICY_CONFIG, DEFAULT_BALANCING.strategy],
]);

/** The first of a cluster's list of balancers that is known here, else its `lb_policy`. */
export function decodeBalancing(wire: Cluster): BalancingPolicy {
  const strategy = STRATEGIES.get(wire.lbPolicy ?? 0);
  if (strategy === undefined) {
    throw new ConfigRefusal("lb_policy", `policy ${wire.lbPolicy}`, "a policy that Envoy has as its own");
  }
  const base = { ...DEFAULT_BALANCING, strategy, panicPercent: decodePanic(wire.commonLbConfig ?? null) };
  if (wire.loadBalancingPolicy != null) return decodeList(wire.loadBalancingPolicy, base, "load_balancing_policy");
  if (wire.lbPolicy === LbPolicy.LOAD_BALANCING_POLICY_CONFIG) {
    throw new ConfigRefusal("load_balancing_policy", "nothing", "a list, as lb_policy says");
  }
  return isDefault(base) ? DEFAULT_BALANCING : base;
}

function decodePanic(wire: envoy.config.cluster.v3.Cluster.CommonLbConfig | null): number {
  if (wire === null) return DEFAULT_BALANCING.panicPercent;
  refuseUnknownFields(wire, ["healthyPanicThreshold"], "common_lb_config");
  const percent = wire.healthyPanicThreshold;
  const at = "common_lb_config.healthy_panic_threshold";
  return percent == null ? DEFAULT_BALANCING.panicPercent : requireNumber(percent.value ?? 0, PERCENT, at);
}

function decodeList(
  wire: envoy.config.cluster.v3.LoadBalancingPolicy,
  base: BalancingPolicy,
  path: string,
): BalancingPolicy {
  refuseUnknownFields(wire, ["policies"], path);
  const types: string[] = [];
  for (const [index, policy] of (wire.policies ?? []).entries()) {
    const at = `${path}.policies[${index}]`;
    refuseUnknownFields(policy, ["typedExtensionConfig"], at);
    const any = policy.typedExtensionConfig?.typedConfig;
    if (any == null || !any.typeUrl) throw new ConfigRefusal(at, "no typed_config", "typed_config");
    const known = decodeBalancer(any, base, `${at}.typed_extension_config`);
    if (known !== null) return known;
    types.push(any.typeUrl);
  }
  const expected = "one of adaptive, peak_ewma, round_robin, least_request, random, ring_hash, maglev";
  throw new ConfigRefusal(`${path}.policies`, types.length === 0 ? "none" : types.join(" and "), expected);
}

/** Null when the type is not known. */
function decodeBalancer(any: Any, base: BalancingPolicy, path: string): BalancingPolicy | null {
  const value = any.value ?? new Uint8Array();
  switch (any.typeUrl) {
    case TYPED_STRUCT:
      return decodeOwn(xds.type.v3.TypedStruct.decode(value), base, path);
    case `${EXTENSIONS}.round_robin.v3.RoundRobin`: {
      const wire = POLICIES.round_robin.v3.RoundRobin.decode(value);
      refuseUnknownFields(wire, ["slowStartConfig"], path);
      return { ...base, strategy: "roundRobin", slowStartMs: decodeSlowStart(wire.slowStartConfig ?? null, path) };
    }
    case `${EXTENSIONS}.least_request.v3.LeastRequest`: {
      const wire = POLICIES.least_request.v3.LeastRequest.decode(value);
      refuseUnknownFields(wire, ["slowStartConfig", "choiceCount"], path);
      const choices = { min: CHOICES, max: CHOICES };
      requireNumber(wire.choiceCount?.value ?? CHOICES, choices, `${path}.choice_count`);
      return { ...base, strategy: "leastRequest", slowStartMs: decodeSlowStart(wire.slowStartConfig ?? null, path) };
    }
    case `${EXTENSIONS}.random.v3.Random`:
      refuseUnknownFields(POLICIES.random.v3.Random.decode(value), [], path);
      return { ...base, strategy: "random" };
    case `${EXTENSIONS}.ring_hash.v3.RingHash`:
      return decodeRingHash(POLICIES.ring_hash.v3.RingHash.decode(value), base, path);
    case `${EXTENSIONS}.maglev.v3.Maglev`: {
      const wire = POLICIES.maglev.v3.Maglev.decode(value);
      refuseUnknownFields(wire, ["tableSize"], path);
      const tableSize = wire.tableSize?.value ?? DEFAULT_BALANCING.tableSize;
      return { ...base, strategy: "maglev", tableSize: requirePrime(tableSize, `${path}.table_size`) };
    }
    default:
      return null;
  }
}

function decodeOwn(wire: xds.type.v3.TypedStruct, base: BalancingPolicy, path: string): BalancingPolicy | null {
  const { adaptive, peakEwma } = BALANCER_TYPES;
  if (wire.typeUrl !== adaptive && wire.typeUrl !== peakEwma) return null;
  const reader = new StructReader(wire.value ?? {}, `${path}.value`);
  const slowStartMs = reader.number("slowStartMs", DEFAULT_BALANCING.slowStartMs, ANY_DURATION);
  reader.finish();
  return { ...base, strategy: wire.typeUrl === adaptive ? "adaptive" : "peakEwma", slowStartMs };
}

function decodeRingHash(
  wire: envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash,
  base: BalancingPolicy,
  path: string,
): BalancingPolicy {
  refuseUnknownFields(wire, ["minimumRingSize"], path);
  const size = wire.minimumRingSize?.value ?? DEFAULT_BALANCING.minimumRingSize;
  return {
    ...base,
    strategy: "ringHash",
    minimumRingSize: requireNumber(size, RING_SIZE, `${path}.minimum_ring_size`),
  };
}

/** Envoy has no slow start where nothing is said; in weft's own metadata more can be. */
function decodeSlowStart(
  wire: envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig | null,
  path: string,
): number {
  if (wire === null) return 0;
  const at = `${path}.slow_start_config`;
  refuseUnknownFields(wire, ["slowStartWindow"], at);
  if (wire.slowStartWindow == null) throw new ConfigRefusal(at, "no window", "slow_start_window");
  return requireDuration(wire.slowStartWindow, ANY_DURATION, `${at}.slow_start_window`);
}

/** Instances take turns in steps through the table, which reach every place only when its size is a prime. */
function requirePrime(size: number, path: string): number {
  requireNumber(size, TABLE_SIZE, path);
  for (let divisor = 2; divisor * divisor <= size; divisor += 1) {
    if (size % divisor === 0) throw new ConfigRefusal(path, `${size}`, "a prime");
  }
  return size;
}

function isDefault({ strategy, panicPercent }: BalancingPolicy): boolean {
  return strategy === DEFAULT_BALANCING.strategy && panicPercent === DEFAULT_BALANCING.panicPercent;
}
