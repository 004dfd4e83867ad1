import type { Resource } from "../../resources/resource.ts";
import type { Store } from "../../store/store.ts";
import { toResourceKey } from "../../store/store-key.ts";
import type { Clock } from "../../time/clock.ts";
import { formatWallTime } from "../../time/wall-time.ts";
import { completeNamespace, isNamespace } from "./namespaces.ts";

/** What happens to what belongs to a deleted object: deleted after it, before it, or left alone. */
export type Propagation = "Background" | "Foreground" | "Orphan";

export interface Deletion {
  readonly propagation: Propagation;
  readonly isDryRun: boolean;
}

export interface DeletionOutcome {
  /** False: it has its deletionTimestamp, and waits for its finalizers. */
  readonly isGone: boolean;
  readonly resource: Resource;
}

/** Finalizers of the garbage collector itself (Kubernetes' names). */
export const FOREGROUND_FINALIZER = "foregroundDeletion";
export const ORPHAN_FINALIZER = "orphan";

/**
 * Deletes `found`, or begins to: with finalizers, and always a namespace, it is marked and goes when they are done.
 * Compare-and-swap: throws WEFT_STORE_CONFLICT when it was changed since it was read.
 */
export async function deleteObject(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  found: Resource,
  deletion: Deletion,
): Promise<DeletionOutcome> {
  const marked = markDeleted(found, deletion.propagation, clock.wallMs());
  const ifVersion = found.metadata.resourceVersion ?? "absent";
  if (marked.metadata.finalizers !== undefined || isNamespace(marked)) {
    const resource = deletion.isDryRun ? marked : await store.put(marked, { ifVersion });
    return { isGone: false, resource };
  }
  const resource = deletion.isDryRun ? found : await store.delete(toResourceKey(found), { ifVersion });
  return { isGone: true, resource: resource ?? found };
}

/** With the finalizers that the way of deletion needs. Of what is marked already only those can change. */
function markDeleted(found: Resource, propagation: Propagation, wallMs: number): Resource {
  const { finalizers: _finalizers, ...metadata } = found.metadata;
  const finalizers = chooseFinalizers(found.metadata.finalizers ?? [], propagation);
  const marked: Resource = {
    ...found,
    metadata: {
      ...metadata,
      ...(finalizers.length === 0 ? {} : { finalizers }),
      deletionTimestamp: metadata.deletionTimestamp ?? formatSeconds(wallMs),
      ...(isNamespace(found) ? {} : { deletionGracePeriodSeconds: 0 }),
    },
  };
  return isNamespace(marked) ? completeNamespace(marked) : marked;
}

function chooseFinalizers(before: readonly string[], propagation: Propagation): readonly string[] {
  const others = before.filter((finalizer) => finalizer !== FOREGROUND_FINALIZER && finalizer !== ORPHAN_FINALIZER);
  if (propagation === "Foreground") return [...others, FOREGROUND_FINALIZER];
  return propagation === "Orphan" ? [...others, ORPHAN_FINALIZER] : others;
}

/** RFC 3339 in whole seconds, as Kubernetes writes it. */
function formatSeconds(wallMs: number): string {
  return formatWallTime(Math.floor(wallMs / 1000) * 1000).replace(".000Z", "Z");
}
