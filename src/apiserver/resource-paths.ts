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

/** Where resources of a kind are listed and created; `namespace` "" = all namespaces, or a cluster-scoped kind. */
export function formatCollectionPath(kind: GroupKind, namespace: string): string {
  const { group, version, plural, namespaced } = definitionOf(kind);
  const prefix = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const scope = namespaced && namespace !== "" ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${prefix}${scope}/${plural}`;
}

export function formatObjectPath(key: ResourceKey): string {
  return `${formatCollectionPath(key, key.namespace)}/${encodeURIComponent(key.name)}`;
}
