import { envoy } from "#gen/protos.js";
import type { ControlPlaneAddress } from "./control-plane-channel.ts";
import { CONTROL_PLANE_ENDPOINTS } from "./names.ts";

/** What is read of a resource of whatever type; `bytes` is the encoded message. */
interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Where the mesh's control planes are, if one of the resources says so; else empty. */
export function readControlPlanes(resources: Iterable<NamedBytes>): readonly ControlPlaneAddress[] {
  for (const { name, bytes } of resources) {
    if (name !== CONTROL_PLANE_ENDPOINTS) continue;
    const { endpoints } = envoy.config.endpoint.v3.ClusterLoadAssignment.decode(bytes);
    return (endpoints ?? []).flatMap(({ lbEndpoints }) =>
      (lbEndpoints ?? []).flatMap(({ endpoint }) => {
        const { address: host, portValue: port } = endpoint?.address?.socketAddress ?? {};
        return host && port ? [{ host, port }] : [];
      }),
    );
  }
  return [];
}
