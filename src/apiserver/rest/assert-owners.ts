import { isDeepStrictEqual } from "node:util";
import { findKind, type KindDefinition } from "../../resources/registry.ts";
import type { OwnerReference, Resource } from "../../resources/resource.ts";
import type { Store } from "../../store/store.ts";
import { describeTarget, invalidDetailsOf, type ResourceTarget } from "../resource-target.ts";
import { type StatusCause, StatusError } from "../status.ts";

/**
 * Throws StatusError Invalid when an owner is in another namespace, or in one at all for a resource that is in none: the
 * garbage collector would find no owner and delete the resource. An owner that is not there (yet), or of a kind that weft
 * does not know, is nobody's mistake here. Looks only at what changed.
 */
export async function assertOwners(
  store: Store,
  target: ResourceTarget,
  live: Resource | null,
  written: Resource,
): Promise<void> {
  const owners = written.metadata.ownerReferences;
  if (owners === undefined || isDeepStrictEqual(owners, live?.metadata.ownerReferences)) return;
  const causes: StatusCause[] = [];
  for (const [index, owner] of owners.entries()) {
    const definition = findKind(owner.apiVersion, owner.kind);
    if (definition === null || !definition.namespaced) continue;
    const message = await describeMisplaced(store, target, owner, definition);
    if (message === null) continue;
    causes.push({ reason: "FieldValueInvalid", message, field: `metadata.ownerReferences[${index}]` });
  }
  if (causes.length === 0) return;
  const list = causes.map((cause) => `${cause.field ?? ""}: ${cause.message}`).join("; ");
  throw new StatusError("Invalid", `${describeTarget(target)} is invalid: ${list}`, {
    ...invalidDetailsOf(target),
    causes,
  });
}

async function describeMisplaced(
  store: Store,
  target: ResourceTarget,
  owner: OwnerReference,
  { group, kind }: KindDefinition,
): Promise<string | null> {
  if (target.namespace === "") {
    return `found ${kind} "${owner.name}", which belongs to a namespace; expected an owner that belongs to the whole mesh, too`;
  }
  const { items } = await store.list({ group, kind });
  const found = items.find(({ metadata }) => metadata.uid === owner.uid);
  if (found === undefined || found.metadata.namespace === target.namespace) return null;
  return `found ${kind} "${owner.name}" of namespace "${found.metadata.namespace}"; expected an owner of namespace "${target.namespace}", or of the whole mesh`;
}
