import { envoy } from "#gen/protos.js";
import type { EndpointConfig } from "../snapshot.ts";
import { readMetadata } from "./read-metadata.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";
import { requireNumber, SOME_COUNT } from "./require-number.ts";

/** Envoy's limit. */
const PRIORITY = { min: 0, max: 128 };
const LOCALITY_FIELDS: readonly string[] = ["locality", "lbEndpoints", "metadata", "loadBalancingWeight", "priority"];

/** Usable endpoints (health UNKNOWN or HEALTHY) of all priorities, in the order of the wire. */
export function decodeEndpoints(wire: envoy.config.endpoint.v3.ClusterLoadAssignment): readonly EndpointConfig[] {
  refuseUnknownFields(wire, ["clusterName", "endpoints"], "");
  const endpoints: EndpointConfig[] = [];
  (wire.endpoints ?? []).forEach((locality, i) => {
    const path = `endpoints[${i}]`;
    refuseUnknownFields(locality, LOCALITY_FIELDS, path);
    const where: Where = {
      priority: requireNumber(locality.priority ?? 0, PRIORITY, `${path}.priority`),
      zone: locality.locality?.zone ?? "",
    };
    (locality.lbEndpoints ?? []).forEach((endpoint, j) => {
      const decoded = decodeEndpoint(endpoint, where, `${path}.lb_endpoints[${j}]`);
      if (decoded !== null) endpoints.push(decoded);
    });
  });
  return endpoints;
}

type Where = Pick<EndpointConfig, "priority" | "zone">;

/** Null = not to be used. */
function decodeEndpoint(wire: envoy.config.endpoint.v3.LbEndpoint, where: Where, path: string): EndpointConfig | null {
  refuseUnknownFields(wire, ["endpoint", "healthStatus", "metadata", "loadBalancingWeight", "hostIdentifier"], path);
  const { UNKNOWN, HEALTHY } = envoy.config.core.v3.HealthStatus;
  const health = wire.healthStatus ?? UNKNOWN;
  if (health !== UNKNOWN && health !== HEALTHY) return null;
  const socket = wire.endpoint?.address?.socketAddress;
  if (socket == null || !socket.address || !socket.portValue) {
    throw new ConfigRefusal(`${path}.endpoint.address`, "no socket address", "an IP address and a port");
  }
  const weight = wire.loadBalancingWeight;
  return {
    address: socket.address,
    port: socket.portValue,
    version: readMetadata(wire.metadata ?? null, "version") ?? "",
    workload: readMetadata(wire.metadata ?? null, "workload") ?? "",
    weight: weight == null ? 1 : requireNumber(weight.value ?? 0, SOME_COUNT, `${path}.load_balancing_weight`),
    ...where,
  };
}
