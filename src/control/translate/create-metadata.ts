import type { envoy } from "#gen/protos.js";
import { POLICY_METADATA, WEFT_METADATA } from "../../xds/names.ts";
import { type PlainFields, toStruct } from "../../xds/to-struct.ts";

/**
 * Texts under weft's own filter name, and a policy; empty texts and an empty policy are left out, and null stands for nothing
 * at all.
 */
export function createMetadata(
  texts: Readonly<Record<string, string>>,
  policy: PlainFields = {},
): envoy.config.core.v3.Metadata | null {
  const fields: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(texts)) if (text !== "") fields[name] = text;
  if (Object.values(policy).some((value) => value !== undefined)) fields[POLICY_METADATA] = policy;
  if (Object.keys(fields).length === 0) return null;
  return { filterMetadata: { [WEFT_METADATA]: toStruct(fields) } };
}
