import { envoy } from "#gen/protos.js";
import { formatServiceCluster } from "../../xds/names.ts";
import type { EndpointModel, MeshModel } from "../model/mesh-model.ts";
import { createMetadata } from "./create-metadata.ts";
import type { ResourceRecipe } from "./resource-set.ts";

const { ClusterLoadAssignment } = envoy.config.endpoint.v3;

/** The ready endpoints of each Service port; a port without any has an empty assignment. */
export function listEndpoints(model: MeshModel): ResourceRecipe[] {
  const recipes: ResourceRecipe[] = [];
  for (const service of model.services.values()) {
    for (const { port, endpoints } of service.ports) {
      const name = formatServiceCluster(service.namespace, service.name, port);
      recipes.push({
        name,
        inputs: [endpoints],
        encode: () => ClusterLoadAssignment.encode(createAssignment(name, endpoints)).finish(),
      });
    }
  }
  return recipes;
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
