import type { envoy, google } from "#gen/protos.js";
import { WEFT_METADATA } from "../../xds/names.ts";

/** Text fields under weft's own filter name; empty ones are left out, and null stands for nothing at all. */
export function createMetadata(fields: Readonly<Record<string, string>>): envoy.config.core.v3.Metadata | null {
  const values: Record<string, google.protobuf.Value> = {};
  for (const [name, text] of Object.entries(fields)) if (text !== "") values[name] = { stringValue: text };
  if (Object.keys(values).length === 0) return null;
  return { filterMetadata: { [WEFT_METADATA]: { fields: values } } };
}
