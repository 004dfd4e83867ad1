import { WeftError } from "../lib/weft-error.ts";
import type { Resource } from "../resources/resource.ts";
import type { GroupKind, ResourceKey } from "./store.ts";

/** LMDB takes keys of up to 1978 bytes; Kubernetes' names need at most 253 + 63 + a kind. */
const MAX_KEY_BYTES = 1000;

export function toResourceKey(resource: Resource): ResourceKey {
  const { apiVersion, kind, metadata } = resource;
  const slash = apiVersion.indexOf("/");
  return {
    group: slash === -1 ? "" : apiVersion.slice(0, slash),
    kind,
    namespace: metadata.namespace,
    name: metadata.name,
  };
}

/** One string for each key; keys of one kind have one prefix. Throws WEFT_STORE_INVALID when it cannot be a key. */
export function encodeKey(key: ResourceKey): string {
  const text = `${encodeGroupKind(key)}/${key.namespace}/${key.name}`;
  const fields = [key.group, key.kind, key.namespace, key.name];
  if (
    key.kind === "" ||
    key.name === "" ||
    fields.some((field) => field.includes("/")) ||
    Buffer.byteLength(text) > MAX_KEY_BYTES
  ) {
    throw new WeftError("WEFT_STORE_INVALID", `Cannot use ${formatKey(key)}: expected a kind and a name without "/"`);
  }
  return text;
}

export function encodeGroupKind(kind: GroupKind): string {
  return `${kind.group}/${kind.kind}`;
}

/** For messages: `TrafficSplit "default/reviews"`. */
export function formatKey(key: ResourceKey): string {
  return `${key.kind} "${key.namespace === "" ? "" : `${key.namespace}/`}${key.name}"`;
}
