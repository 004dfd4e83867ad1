import { envoy } from "#gen/protos.js";
import { WEFT_METADATA, WITHHELD_METADATA } from "../../xds/names.ts";
import type { AccessModel, EndpointModel, ServicePortModel } from "../model/mesh-model.ts";
import { createMetadata } from "./create-metadata.ts";
import { packAny } from "./pack-any.ts";
import { createAnonymousRules } from "./rbac.ts";
import type { ResourceRecipe } from "./resource-set.ts";

const { ClusterLoadAssignment } = envoy.config.endpoint.v3;
const { RBAC } = envoy.config.rbac.v3;

/** The ready endpoints of a Service port; without any it is empty. */
export function endpointsRecipe(name: string, { endpoints }: ServicePortModel): ResourceRecipe {
  return {
    name,
    inputs: [endpoints],
    encode: () => ClusterLoadAssignment.encode(createAssignment(name, endpoints)).finish(),
  };
}

/** Who would have refused a call, and by what rules: what its proxy would have said of it. */
export interface Denial {
  /** "<namespace>/<service account>" of the instances. */
  readonly destination: string;
  readonly access: AccessModel | null;
}

/**
 * No endpoints, for proxies that no TrafficTarget lets call the port. Our proxy reads from the mark how to answer such a
 * call; to another one it is a cluster without endpoints. The rules are there without those whom they allow, so that
 * allowing one more caller changes nothing for the others.
 */
export function withheldRecipe(name: string, { port }: ServicePortModel, denial: Denial): ResourceRecipe {
  const targets = denial.access?.targets ?? [];
  return {
    name,
    inputs: [port, denial.destination, ...targets.flatMap(({ key, http, tcp }) => [key, http, tcp])],
    encode: () => ClusterLoadAssignment.encode(createWithheld(name, port, denial)).finish(),
  };
}

export function createLbEndpoint(at: {
  readonly address: string;
  readonly port: number;
}): envoy.config.endpoint.v3.LbEndpoint {
  return { endpoint: { address: { socketAddress: { address: at.address, portValue: at.port } } } };
}

function createWithheld(
  clusterName: string,
  port: number,
  { destination, access }: Denial,
): envoy.config.endpoint.v3.ClusterLoadAssignment {
  const rules = createAnonymousRules(access, { ports: new Set([port]), protocol: "http" });
  const metadata = {
    ...createMetadata({ [WITHHELD_METADATA]: destination }),
    typedFilterMetadata: { [WEFT_METADATA]: packAny("envoy.config.rbac.v3.RBAC", RBAC, rules) },
  };
  return { clusterName, endpoints: [{ metadata }] };
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
