import { deepFreeze } from "../../lib/deep-freeze.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { Resource } from "../../resources/resource.ts";
import { encodeKey, formatKey, toResourceKey } from "../store-key.ts";
import type { EtcdKeyValue } from "./etcd-client.ts";
import type { EtcdKeys } from "./etcd-keys.ts";

/** etcd takes requests of 1.5 MiB; this leaves room for keys and conditions. */
const MAX_VALUE_BYTES = 1_400_000;

/** JSON without the resourceVersion, which is the key's mod revision. Throws WEFT_STORE_TOO_LARGE. */
export function encodeResource(resource: Resource): Buffer {
  const { resourceVersion: _, ...metadata } = resource.metadata;
  const bytes = Buffer.from(JSON.stringify({ ...resource, metadata }));
  if (bytes.length <= MAX_VALUE_BYTES) return bytes;
  throw new WeftError(
    "WEFT_STORE_TOO_LARGE",
    `Cannot write ${formatKey(toResourceKey(resource))}: found ${bytes.length} bytes; expected at most ${MAX_VALUE_BYTES}, as etcd takes no more`,
    { hint: "Split it into several resources" },
  );
}

/** Frozen. Null when the value is not the resource that the key says: somebody else wrote it. */
export function decodeResource(keys: EtcdKeys, kv: EtcdKeyValue): Resource | null {
  try {
    const resource = JSON.parse(kv.value.toString()) as Resource;
    if (`${keys.resources}${encodeKey(toResourceKey(resource))}` !== kv.key) return null;
    return withVersion(resource, kv.modRevision);
  } catch {
    return null;
  }
}

/** Frozen. */
export function withVersion(resource: Resource, revision: number): Resource {
  return deepFreeze({ ...resource, metadata: { ...resource.metadata, resourceVersion: String(revision) } });
}
