import { WeftError } from "../../lib/weft-error.ts";
import { encodeKey } from "../store-key.ts";
import type { GroupKind, ResourceKey } from "../store.ts";
import { prefixEnd } from "./etcd-client.ts";

/** Where a mesh's data is in etcd. */
export interface EtcdKeys {
  /** All of the mesh: `/weft/<mesh>/`. */
  readonly mesh: string;
  /** Everything that the store watches: `/weft/<mesh>/resources/`. */
  readonly resources: string;
  /** Exclusive. */
  readonly resourcesEnd: string;
  /**
   * Put with every write, so that its mod revision is that of the last write of the store; its value names the write:
   * `<writer>:<number>`.
   */
  readonly version: string;
  /** One for each open store that wrote something. */
  readonly writers: string;
  readonly ofResource: (key: ResourceKey) => string;
  readonly ofKind: (kind: GroupKind, namespace?: string) => string;
}

/** Throws WEFT_STORE_INVALID for a name that cannot be part of a key. */
export function createEtcdKeys(mesh: string): EtcdKeys {
  if (!/^[^/\s]{1,253}$/.test(mesh)) {
    throw new WeftError(
      "WEFT_STORE_INVALID",
      `Cannot use the mesh name "${mesh}" in etcd: expected no "/" and no space`,
    );
  }
  const prefix = `/weft/${mesh}/`;
  const resources = `${prefix}resources/`;
  return {
    mesh: prefix,
    resources,
    resourcesEnd: prefixEnd(resources),
    // No resource has it: theirs have three slashes more.
    version: `${resources}.version`,
    writers: `${prefix}writers/`,
    ofResource: (key) => `${resources}${encodeKey(key)}`,
    ofKind: ({ group, kind }, namespace) =>
      `${resources}${group}/${kind}/${namespace === undefined ? "" : `${namespace}/`}`,
  };
}
