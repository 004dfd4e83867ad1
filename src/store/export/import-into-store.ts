import type { Resource } from "../../resources/resource.ts";
import { toResourceKey } from "../store-key.ts";
import type { Store } from "../store.ts";
import { type ImportOptions, planImport } from "./plan-import.ts";

export interface ImportResult {
  readonly created: number;
  readonly changed: number;
  readonly deleted: number;
  readonly unchanged: number;
}

const GROUP = 64;

/**
 * Writes an export into a store, with uids, generations and creation times. A resource that is there with another uid is
 * deleted and made again, since others may refer to it by its uid. Rejects as `planImport` does, before anything is
 * written, and as the store does; then what was written stays, and running it again does the rest.
 */
export async function importIntoStore(
  store: Store,
  imported: readonly Resource[],
  options: ImportOptions,
): Promise<ImportResult> {
  const { items } = await store.listAll();
  const { create, change, remove, unchanged } = planImport(imported, items, options);
  await inGroups(create, (resource) => store.put(resource, { ifVersion: "absent", keepIdentity: true }));
  for (const { resource, existing } of change) {
    const ifVersion = existing.metadata.resourceVersion ?? "";
    if (resource.metadata.uid === undefined || resource.metadata.uid === existing.metadata.uid) {
      await store.put(resource, { ifVersion });
      continue;
    }
    await store.delete(toResourceKey(existing), { ifVersion });
    await store.put(resource, { ifVersion: "absent", keepIdentity: true });
  }
  for (const resource of remove) {
    await store.delete(toResourceKey(resource), { ifVersion: resource.metadata.resourceVersion ?? "" });
  }
  return { created: create.length, changed: change.length, deleted: remove.length, unchanged };
}

/** In order, some at a time: one after the other would wait for the disk each time. */
async function inGroups<T>(items: readonly T[], run: (item: T) => Promise<unknown>): Promise<void> {
  for (let start = 0; start < items.length; start += GROUP) {
    const results = await Promise.allSettled(items.slice(start, start + GROUP).map(run));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }
}
