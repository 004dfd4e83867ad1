import type { envoy, google } from "#gen/protos.js";
import { POLICY_METADATA, WEFT_METADATA } from "../xds/names.ts";

export type PlainFields = Readonly<Record<string, unknown>>;

/** Metadata in which weft's own policy says these things. */
export function policyMetadata(policy: PlainFields): envoy.config.core.v3.Metadata {
  return weftMetadata({ [POLICY_METADATA]: policy });
}

/** Metadata under weft's name. */
export function weftMetadata(fields: PlainFields): envoy.config.core.v3.Metadata {
  return { filterMetadata: { [WEFT_METADATA]: toStruct(fields) } };
}

export function toStruct(plain: PlainFields): google.protobuf.Struct {
  return { fields: Object.fromEntries(Object.entries(plain).map(([key, value]) => [key, toValue(value)])) };
}

function toValue(value: unknown): google.protobuf.Value {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "number") return { numberValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (Array.isArray(value)) return { listValue: { values: value.map(toValue) } };
  return value === null ? { nullValue: 0 } : { structValue: toStruct(value as PlainFields) };
}
