import { KINDS } from "../../resources/registry.ts";
import type { Resource } from "../../resources/resource.ts";
import type { Store } from "../../store/store.ts";
import type { Clock } from "../../time/clock.ts";
import { deleteObject } from "./delete-object.ts";
import { namespaceKey } from "./namespaces.ts";

/**
 * One step in the deletion of a namespace: deletes what is in it, and the namespace when nothing is left and nobody else
 * has a finalizer on it. Throws WEFT_STORE_CONFLICT when somebody wrote at the same time: then look again.
 */
export async function emptyNamespace(
  context: { readonly store: Store; readonly clock: Clock },
  namespace: Resource,
): Promise<void> {
  const { store } = context;
  const { name, finalizers = [], resourceVersion = "absent" } = namespace.metadata;
  let isEmpty = true;
  for (const { group, kind, namespaced } of KINDS) {
    if (!namespaced) continue;
    const { items } = await store.list({ group, kind }, name);
    for (const item of items) {
      isEmpty = false;
      if (item.metadata.deletionTimestamp !== undefined) continue;
      await deleteObject(context, item, { propagation: "Background", isDryRun: false });
    }
  }
  // What was deleted just now brings events, and they the next step.
  if (isEmpty && finalizers.length === 0) await store.delete(namespaceKey(name), { ifVersion: resourceVersion });
}
