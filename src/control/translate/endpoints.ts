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
  const lbEndpoints = endpoints.map((endpoint) => ({
    ...createLbEndpoint(endpoint),
    metadata: createMetadata({ version: endpoint.version, workload: endpoint.workload }),
  }));
  return { clusterName, endpoints: lbEndpoints.length === 0 ? [] : [{ lbEndpoints }] };
}
