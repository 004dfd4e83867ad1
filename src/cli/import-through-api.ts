import type { ApiClient } from "../apiserver/api-client.ts";
import type { Resource } from "../resources/resource.ts";
import type { ImportResult } from "../store/export/import-into-store.ts";
import { type ImportOptions, planImport } from "../store/export/plan-import.ts";
import { toResourceKey } from "../store/store-key.ts";
import { listEverything } from "./list-everything.ts";

/**
 * Writes an export through a running control plane, which gives new uids; references to owners are changed to those.
 */
export async function importThroughApi(
  client: ApiClient,
  imported: readonly Resource[],
  options: ImportOptions,
): Promise<ImportResult> {
  const { create, change, remove, unchanged } = planImport(imported, await listEverything(client), options);
  const uids = new Map<string, string>();
  for (const resource of [...create, ...change.map((pair) => pair.resource)]) {
    const { resource: stored } = await client.apply(toNew(resource, uids));
    const { uid } = resource.metadata;
    if (uid !== undefined && stored.metadata.uid !== undefined) uids.set(uid, stored.metadata.uid);
  }
  for (const resource of remove) await client.delete(toResourceKey(resource));
  return { created: create.length, changed: change.length, deleted: remove.length, unchanged };
}

function toNew(resource: Resource, uids: ReadonlyMap<string, string>): Resource {
  const { uid: _u, resourceVersion: _r, generation: _g, creationTimestamp: _c, ...kept } = resource.metadata;
  const { managedFields: _m, ...metadata } = kept as Readonly<Record<string, unknown>> & typeof kept;
  const owners = metadata.ownerReferences?.map((owner) => ({ ...owner, uid: uids.get(owner.uid) ?? owner.uid }));
  return { ...resource, metadata: { ...metadata, ...(owners === undefined ? {} : { ownerReferences: owners }) } };
}
