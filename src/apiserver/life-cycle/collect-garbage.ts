import { findKind } from "../../resources/registry.ts";
import type { OwnerReference, Resource } from "../../resources/resource.ts";
import { toResourceKey } from "../../store/store-key.ts";
import type { ResourceKey, Store } from "../../store/store.ts";
import type { Clock } from "../../time/clock.ts";
import { deleteObject, FOREGROUND_FINALIZER, ORPHAN_FINALIZER } from "./delete-object.ts";
import { isNamespace } from "./namespaces.ts";
import type { ObjectGraph } from "./object-graph.ts";

export interface Collection {
  readonly store: Store;
  readonly clock: Clock;
  readonly graph: ObjectGraph;
}

/**
 * One step for one resource, as Kubernetes' garbage collector does it: its dependents are let go or waited for when that
 * is how it is being deleted; it is deleted when none of its owners is left. Throws WEFT_STORE_CONFLICT when somebody
 * wrote at the same time: then look again. What it does brings new events, and they the next step.
 */
export async function collectGarbage(collection: Collection, found: Resource): Promise<void> {
  const { deletionTimestamp, finalizers = [], ownerReferences = [] } = found.metadata;
  if (deletionTimestamp !== undefined) {
    if (finalizers.includes(ORPHAN_FINALIZER)) await letGo(collection, found);
    else if (finalizers.includes(FOREGROUND_FINALIZER)) await awaitDependents(collection, found);
    return;
  }
  if (ownerReferences.length > 0) await checkOwners(collection, found, ownerReferences);
}

async function letGo(collection: Collection, owner: Resource): Promise<void> {
  for (const dependent of await readDependents(collection, owner)) {
    const owners = dependent.metadata.ownerReferences ?? [];
    const left = owners.filter(({ uid }) => uid !== owner.metadata.uid);
    await writeOwners(collection.store, dependent, left);
  }
  await dropFinalizer(collection.store, owner, ORPHAN_FINALIZER);
}

/** The owner goes when nothing is left that blocks it. That dependents go is seen to at each of them. */
async function awaitDependents(collection: Collection, owner: Resource): Promise<void> {
  const dependents = await readDependents(collection, owner);
  const isBlocked = dependents.some(({ metadata }) =>
    (metadata.ownerReferences ?? []).some(
      ({ uid, blockOwnerDeletion }) => uid === owner.metadata.uid && blockOwnerDeletion === true,
    ),
  );
  if (!isBlocked) await dropFinalizer(collection.store, owner, FOREGROUND_FINALIZER);
}

type OwnerState = "solid" | "dangling" | "waiting";

async function checkOwners(collection: Collection, found: Resource, owners: readonly OwnerReference[]): Promise<void> {
  const states = new Map<OwnerReference, OwnerState>();
  for (const owner of owners) states.set(owner, await readState(collection.store, found, owner));
  const solid = owners.filter((owner) => states.get(owner) === "solid");
  if (solid.length === owners.length) return;
  if (solid.length > 0) {
    await writeOwners(collection.store, found, solid);
    return;
  }
  const hasDependents = collection.graph.dependentsOf(found.metadata.uid ?? "").length > 0;
  const isAwaited = [...states.values()].includes("waiting") && hasDependents;
  const propagation = isAwaited ? "Foreground" : "Background";
  await deleteObject(collection, found, { propagation, isDryRun: false });
}

async function readState(store: Store, dependent: Resource, owner: OwnerReference): Promise<OwnerState> {
  const definition = findKind(owner.apiVersion, owner.kind);
  // Of what weft does not know nobody can say that it is gone.
  if (definition === null) return "solid";
  const { group, kind, namespaced } = definition;
  if (namespaced && dependent.metadata.namespace === "") return "solid";
  const namespace = namespaced ? dependent.metadata.namespace : "";
  const found = await store.get({ group, kind, namespace, name: owner.name });
  if (found === null || found.metadata.uid !== owner.uid) return "dangling";
  const { deletionTimestamp, finalizers = [] } = found.metadata;
  return deletionTimestamp !== undefined && finalizers.includes(FOREGROUND_FINALIZER) ? "waiting" : "solid";
}

async function readDependents({ store, graph }: Collection, owner: Resource): Promise<readonly Resource[]> {
  const { uid = "" } = owner.metadata;
  const found: Resource[] = [];
  for (const key of graph.dependentsOf(uid)) {
    if (!isNear(owner, key)) continue;
    const dependent = await store.get(key);
    const owners = dependent?.metadata.ownerReferences ?? [];
    if (dependent !== null && owners.some((reference) => reference.uid === uid)) found.push(dependent);
  }
  return found;
}

/** A reference into another namespace means nothing. */
function isNear({ metadata }: Resource, dependent: ResourceKey): boolean {
  return metadata.namespace === "" || metadata.namespace === dependent.namespace;
}

async function writeOwners(store: Store, resource: Resource, owners: readonly OwnerReference[]): Promise<void> {
  const { ownerReferences: _before, ...metadata } = resource.metadata;
  const left = owners.length === 0 ? metadata : { ...metadata, ownerReferences: owners };
  await store.put({ ...resource, metadata: left }, { ifVersion: metadata.resourceVersion ?? "absent" });
}

/** The resource goes with its last finalizer; a namespace only when it is empty, too. */
async function dropFinalizer(store: Store, resource: Resource, finalizer: string): Promise<void> {
  const { finalizers: before = [], ...metadata } = resource.metadata;
  const finalizers = before.filter((name) => name !== finalizer);
  const ifVersion = metadata.resourceVersion ?? "absent";
  if (finalizers.length === 0 && !isNamespace(resource)) {
    await store.delete(toResourceKey(resource), { ifVersion });
    return;
  }
  const left = finalizers.length === 0 ? metadata : { ...metadata, finalizers };
  await store.put({ ...resource, metadata: left }, { ifVersion });
}
