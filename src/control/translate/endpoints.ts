import { envoy } from "#gen/protos.js";
import type { EndpointModel, ServicePortModel } from "../model/mesh-model.ts";
import { createMetadata } from "./create-metadata.ts";
import type { ResourceRecipe } from "./resource-set.ts";

const { ClusterLoadAssignment } = envoy.config.endpoint.v3;

/** The ready endpoints of a Service port; without any it is empty. */
export function endpointsRecipe(name: string, { endpoints }: ServicePortModel): ResourceRecipe {
  return {
    name,
    inputs: [endpoints],
    encode: () => ClusterLoadAssignment.encode(createAssignment(name, endpoints)).finish(),
  };
}

export function createLbEndpoint(at: {
  readonly address: string;
  readonly port: number;
}): envoy.config.endpoint.v3.LbEndpoint {
  return { endpoint: { address: { socketAddress: { address: at.address, portValue: at.port } } } };
}

function createAssignment(
  clusterName: string,
  endpoints: readonly EndpointModel[],
): envoy.config.endpoint.v3.ClusterLoadAssignment {
  const byZone = new Map<string, envoy.config.endpoint.v3.LbEndpoint[]>();
  for (const endpoint of endpoints) {
    const { version, workload, zone } = endpoint;
    const lbEndpoint = { ...createLbEndpoint(endpoint), metadata: createMetadata({ version, workload }) };
    const known = byZone.get(zone);
    if (known === undefined) byZone.set(zone, [lbEndpoint]);
    else known.push(lbEndpoint);
  }
  return {
    clusterName,
    endpoints: [...byZone].map(([zone, lbEndpoints]) => {
      return zone === "" ? { lbEndpoints } : { locality: { zone }, lbEndpoints };
    }),
  };
}
