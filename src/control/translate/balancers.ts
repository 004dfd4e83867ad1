import { envoy, type google, xds } from "#gen/protos.js";
import { BALANCER_TYPES } from "../../xds/names.ts";
import { toStruct } from "../../xds/to-struct.ts";
import type { BalancingModel } from "../model/policy-model.ts";
import { packAny } from "./pack-any.ts";
import { toDuration } from "./to-duration.ts";

type SlowStartConfig = envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig;
type Policy = envoy.config.cluster.v3.LoadBalancingPolicy.Policy;

const POLICIES = envoy.extensions.load_balancing_policies;
const PACKAGE = "envoy.extensions.load_balancing_policies";

/** In order of preference: who does not know weft's own balancers takes Envoy's nearest. */
export function createBalancers(balancing: BalancingModel): envoy.config.cluster.v3.LoadBalancingPolicy {
  return { policies: listBalancers(balancing) };
}

function listBalancers({ strategy, slowStartMs, ringSize, tableSize }: BalancingModel): Policy[] {
  switch (strategy) {
    case "adaptive":
    case "peakEwma":
      return [createOwn(strategy, slowStartMs), createLeastRequest(slowStartMs)];
    case "leastRequest":
      return [createLeastRequest(slowStartMs)];
    case "roundRobin": {
      const { RoundRobin } = POLICIES.round_robin.v3;
      const config = { slowStartConfig: toSlowStart(slowStartMs) };
      return [toPolicy("round_robin", packAny(`${PACKAGE}.round_robin.v3.RoundRobin`, RoundRobin, config))];
    }
    case "random":
      return [toPolicy("random", packAny(`${PACKAGE}.random.v3.Random`, POLICIES.random.v3.Random, {}))];
    case "ringHash": {
      const { RingHash } = POLICIES.ring_hash.v3;
      const config = { minimumRingSize: { value: ringSize } };
      return [toPolicy("ring_hash", packAny(`${PACKAGE}.ring_hash.v3.RingHash`, RingHash, config))];
    }
    case "maglev": {
      const { Maglev } = POLICIES.maglev.v3;
      const config = { tableSize: { value: tableSize } };
      return [toPolicy("maglev", packAny(`${PACKAGE}.maglev.v3.Maglev`, Maglev, config))];
    }
  }
}

function createOwn(strategy: "adaptive" | "peakEwma", slowStartMs: number): Policy {
  const { TypedStruct } = xds.type.v3;
  const config = { typeUrl: BALANCER_TYPES[strategy], value: toStruct({ slowStartMs }) };
  return { typedExtensionConfig: { name: `weft.${strategy}`, typedConfig: packStruct(TypedStruct, config) } };
}

function packStruct(type: typeof xds.type.v3.TypedStruct, config: xds.type.v3.TypedStruct): google.protobuf.Any {
  return packAny("xds.type.v3.TypedStruct", type, config);
}

function createLeastRequest(slowStartMs: number): Policy {
  const { LeastRequest } = POLICIES.least_request.v3;
  const config = { slowStartConfig: toSlowStart(slowStartMs) };
  return toPolicy("least_request", packAny(`${PACKAGE}.least_request.v3.LeastRequest`, LeastRequest, config));
}

function toSlowStart(slowStartMs: number): SlowStartConfig | null {
  return slowStartMs === 0 ? null : { slowStartWindow: toDuration(slowStartMs) };
}

function toPolicy(name: string, typedConfig: google.protobuf.Any): Policy {
  return { typedExtensionConfig: { name: `envoy.load_balancing_policies.${name}`, typedConfig } };
}
