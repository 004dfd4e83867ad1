import type { envoy } from "#gen/protos.js";
import { type PlainFields, toStruct } from "../xds/to-struct.ts";
import { POLICY_METADATA, WEFT_METADATA } from "../xds/names.ts";

/** Metadata in which weft's own policy says these things. */
export function policyMetadata(policy: PlainFields): envoy.config.core.v3.Metadata {
  return weftMetadata({ [POLICY_METADATA]: policy });
}

/** Metadata under weft's name. */
export function weftMetadata(fields: PlainFields): envoy.config.core.v3.Metadata {
  return { filterMetadata: { [WEFT_METADATA]: toStruct(fields) } };
}
