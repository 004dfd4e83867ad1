import type { envoy, google } from "#gen/protos.js";
import { POLICY_METADATA, WEFT_METADATA } from "../../xds/names.ts";
import { ConfigRefusal } from "./refuse.ts";
import { StructReader } from "./struct-reader.ts";

type Metadata = envoy.config.core.v3.Metadata;

/** A text of weft's own metadata; null when it is not there. Metadata of others is none of the proxy's business. */
export function readMetadata(metadata: Metadata | null, key: string): string | null {
  return findStruct(metadata)?.fields?.[key]?.stringValue ?? null;
}

/** The policy in weft's metadata; null when there is none. `known`: what may be beside it. */
export function readPolicyMetadata(
  metadata: Metadata | null,
  known: readonly string[],
  path: string,
): StructReader | null {
  const struct = findStruct(metadata);
  if (struct === null) return null;
  const prefix = path === "" ? "" : `${path}.`;
  const at = `${prefix}metadata["${WEFT_METADATA}"]`;
  const reader = new StructReader(struct, at);
  for (const key of reader.keys()) {
    if (key === POLICY_METADATA || known.includes(key)) continue;
    throw new ConfigRefusal(at, `key "${key}"`, `only ${[...known, POLICY_METADATA].join(", ")}`);
  }
  return reader.object(POLICY_METADATA);
}

function findStruct(metadata: Metadata | null): google.protobuf.Struct | null {
  return metadata?.filterMetadata?.[WEFT_METADATA] ?? null;
}
