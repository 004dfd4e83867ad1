import { envoy } from "#gen/protos.js";
import { parseWorkloadId } from "../../identity/spiffe-id.ts";
import { WEFT_METADATA, WITHHELD_METADATA } from "../../xds/names.ts";
import type { AccessPolicy } from "../snapshot.ts";
import { decodeAccess } from "./decode-access.ts";
import { readMetadata } from "./read-metadata.ts";
import { ConfigRefusal } from "./refuse.ts";

/** A cluster whose instances are kept from this proxy. */
export interface Withheld {
  /** SPIFFE ID of the instances. */
  readonly destinationId: string;
  /** Their rules, which do not let this proxy's identity call them. */
  readonly policy: AccessPolicy;
}

const RBAC_TYPE = "type.googleapis.com/envoy.config.rbac.v3.RBAC";

/** Null = the cluster is not withheld. */
export function decodeWithheld(metadata: envoy.config.core.v3.Metadata | null): Withheld | null {
  const destinationId = readMetadata(metadata, WITHHELD_METADATA);
  if (destinationId === null) return null;
  const destination = parseWorkloadId(destinationId);
  if (destination === null) {
    throw new ConfigRefusal(
      `metadata["${WEFT_METADATA}"].${WITHHELD_METADATA}`,
      `"${destinationId}"`,
      "a workload's SPIFFE ID",
    );
  }
  const path = `metadata.typed_filter_metadata["${WEFT_METADATA}"]`;
  const any = metadata?.typedFilterMetadata?.[WEFT_METADATA];
  if (any?.typeUrl !== RBAC_TYPE) throw new ConfigRefusal(path, `"${any?.typeUrl ?? ""}"`, `"${RBAC_TYPE}"`);
  const rules = envoy.config.rbac.v3.RBAC.decode(any.value ?? new Uint8Array());
  const policy = decodeAccess({ rules }, `${destination.namespace}/${destination.serviceAccount}`, path);
  return policy === null ? null : { destinationId, policy };
}
