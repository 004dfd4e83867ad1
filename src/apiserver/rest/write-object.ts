import type { Resource } from "../../resources/resource.ts";
import { createStamp } from "../../store/create-stamp.ts";
import { planPut } from "../../store/plan-write.ts";
import { admitResource } from "../admission.ts";
import { completeNamespace, enterNamespace, isNamespace } from "../life-cycle/namespaces.ts";
import { recordUpdate } from "../managed-fields/record-update.ts";
import { settleManagedFields } from "../managed-fields/settle-managed-fields.ts";
import type { ResourceTarget } from "../resource-target.ts";
import { readInVersion } from "../served-version.ts";
import { toWire } from "../wire-resource.ts";
import { assertFinalizers } from "./assert-finalizers.ts";
import { assertOwners } from "./assert-owners.ts";
import { toKey } from "./read-target.ts";
import type { RestContext } from "./rest-context.ts";
import { takeServerFields } from "./server-fields.ts";
import { warnOf } from "./warn-of.ts";
import type { WriteOptions } from "./write-options.ts";

/** One write of one object, after its body was read. */
export interface ObjectWrite {
  readonly target: ResourceTarget;
  /** What is stored now; null: it is created. */
  readonly live: Resource | null;
  /** The whole object as it is wanted. */
  readonly input: unknown;
  readonly subresource: "" | "status";
  /** "Apply": `input` has its managedFields already. */
  readonly operation: "Update" | "Apply";
  readonly options: WriteOptions;
  readonly warn: (text: string) => void;
}

/**
 * Checks and stores an object; resolves with what is stored then, or in a dry run would be. An object that is being
 * deleted goes with its last finalizer. Throws StatusError: Invalid with all problems at once, Conflict when another
 * object or version is meant; and WEFT_STORE_CONFLICT when somebody else wrote since `live` was read (see
 * `lost-race.ts`).
 */
export async function writeObject(context: RestContext, write: ObjectWrite): Promise<Resource> {
  const { live, target, options } = write;
  const resource = await prepare(context, write);
  if (live === null && target.namespace !== "") {
    await enterNamespace(context.store, target.namespace, options.isDryRun);
  }
  const settled = settleManagedFields(live, resource);
  if (write.subresource === "") await warnOf(context, settled, write.warn);
  if (options.isDryRun) return pretend(context, target, live, settled);
  if (isFinished(settled)) return finish(context, target, settled);
  return context.store.put(settled, { ifVersion: live?.metadata.resourceVersion ?? "absent" });
}

async function prepare(context: RestContext, write: ObjectWrite): Promise<Resource> {
  const { live, target, subresource, options } = write;
  const { definition } = target;
  // Who writes in a version that cannot say what is stored would undo what it cannot see.
  const served = live === null ? null : readInVersion(definition, live);
  const admitted = admitResource(takeServerFields(write.input, { ...write, live: served }), target);
  assertFinalizers(target, live, admitted);
  await assertOwners(context.store, target, live, admitted);
  const resource = isNamespace(admitted) ? completeNamespace(admitted) : admitted;
  if (write.operation === "Apply") return resource;
  const after = toWire(readInVersion(definition, resource));
  const managedFields = recordUpdate(served === null ? null : toWire(served), after, {
    manager: options.manager,
    operation: "Update",
    wallMs: context.clock.wallMs(),
    kind: definition,
    subresource,
  });
  const { managedFields: _sent, ...metadata } = resource.metadata;
  const tracked = managedFields.length === 0 ? metadata : { ...metadata, managedFields: [...managedFields] };
  return { ...resource, metadata: tracked as Resource["metadata"] };
}

/** A namespace goes when it is empty, which its own controller sees to. */
function isFinished({ metadata, ...resource }: Resource): boolean {
  return metadata.deletionTimestamp !== undefined && metadata.finalizers === undefined && !isNamespace(resource);
}

async function finish({ store }: RestContext, target: ResourceTarget, resource: Resource): Promise<Resource> {
  const deleted = await store.delete(toKey(target), { ifVersion: resource.metadata.resourceVersion ?? "absent" });
  return { ...resource, metadata: { ...resource.metadata, ...versionOf(deleted) } };
}

function versionOf(resource: Resource | null): { readonly resourceVersion?: string } {
  const version = resource?.metadata.resourceVersion;
  return version === undefined ? {} : { resourceVersion: version };
}

/** What the store would make of it, and say to it. A new object has no version yet, a changed one keeps its own. */
async function pretend(
  context: RestContext,
  target: ResourceTarget,
  live: Resource | null,
  resource: Resource,
): Promise<Resource> {
  const found = await context.store.get(toKey({ ...target, name: resource.metadata.name }));
  const ifVersion = live?.metadata.resourceVersion ?? "absent";
  const { outcome } = planPut(found, resource, { ifVersion }, () => createStamp(context, 0));
  const { resourceVersion: _version, ...metadata } = (outcome ?? resource).metadata;
  return { ...(outcome ?? resource), metadata: { ...metadata, ...versionOf(live) } };
}
