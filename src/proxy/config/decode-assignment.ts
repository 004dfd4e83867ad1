import { envoy } from "#gen/protos.js";
import { WEFT_METADATA, WITHHELD_METADATA } from "../../xds/names.ts";
import type { AccessPolicy, EndpointConfig } from "../snapshot.ts";
import { decodeAccess } from "./decode-access.ts";
import { decodeEndpoints } from "./decode-endpoints.ts";
import { readMetadata } from "./read-metadata.ts";
import { ConfigRefusal } from "./refuse.ts";

/** What EDS says of a cluster. */
export interface Assignment {
  readonly endpoints: readonly EndpointConfig[];
  /** The endpoints are kept from this proxy: the rules that do not let it call them. Null = these are all there are. */
  readonly withheld: AccessPolicy | null;
}

const RBAC_TYPE = "type.googleapis.com/envoy.config.rbac.v3.RBAC";

export function decodeAssignment(wire: envoy.config.endpoint.v3.ClusterLoadAssignment): Assignment {
  const endpoints = decodeEndpoints(wire);
  return { endpoints, withheld: decodeWithheld(wire) };
}

function decodeWithheld(wire: envoy.config.endpoint.v3.ClusterLoadAssignment): AccessPolicy | null {
  for (const [index, { metadata, lbEndpoints }] of (wire.endpoints ?? []).entries()) {
    const destination = readMetadata(metadata ?? null, WITHHELD_METADATA);
    if (destination === null) continue;
    const path = `endpoints[${index}].metadata`;
    if ((wire.endpoints?.length ?? 0) > 1 || (lbEndpoints?.length ?? 0) > 0)
      throw new ConfigRefusal(path, "withheld beside endpoints", "one of them");
    const any = metadata?.typedFilterMetadata?.[WEFT_METADATA];
    if (any?.typeUrl !== RBAC_TYPE) throw new ConfigRefusal(path, `"${any?.typeUrl ?? ""}"`, `"${RBAC_TYPE}"`);
    const rules = envoy.config.rbac.v3.RBAC.decode(any.value ?? new Uint8Array());
    return decodeAccess({ rules }, destination, path);
  }
  return null;
}
