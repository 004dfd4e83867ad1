import { WeftError } from "../lib/weft-error.ts";
import { type KindDefinition, KINDS } from "../resources/registry.ts";
import type { GroupKind, ResourceKey } from "../store/store.ts";

/** The one kind of this name in this group. Throws WEFT_API_KIND when weft has none. */
export function definitionOf(kind: GroupKind): KindDefinition {
  const found = KINDS.find((definition) => definition.group === kind.group && definition.kind === kind.kind);
  if (found !== undefined) return found;
  throw new WeftError(
    "WEFT_API_KIND",
    `Cannot address a resource: found the kind "${kind.kind}" of the group "${kind.group}"; expected one that weft has`,
    {
      hint: `Kinds: ${KINDS.map((definition) => definition.kind).join(", ")}`,
    },
  );
}

/**
 * Where resources of a kind are listed and created; `namespace` "" = all namespaces, or a cluster-scoped kind. `version`, e.g.
 * "v1alpha2": one in which the kind is served; left out: the one that it is stored in.
 */
export function formatCollectionPath(kind: GroupKind, namespace: string, version?: string): string {
  const { group, plural, namespaced, version: stored } = definitionOf(kind);
  return `${formatGroupPath(group, version ?? stored)}${formatScope(namespaced ? namespace : "")}/${plural}`;
}

export function formatObjectPath(key: ResourceKey, version?: string): string {
  return `${formatCollectionPath(key, key.namespace, version)}/${encodeURIComponent(key.name)}`;
}

/** The part of an `apiVersion` after its group. */
export function versionOf(apiVersion: string): string {
  return apiVersion.slice(apiVersion.indexOf("/") + 1);
}

function formatGroupPath(group: string, version: string): string {
  return group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
}

function formatScope(namespace: string): string {
  return namespace === "" ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
}
