import { findMergeTree } from "../../resources/merge-keys.ts";
import { formatApiVersion } from "../../resources/registry.ts";
import { fromEntries, isEqual, isObject, type JsonObject, measure, readField } from "../patch/json-value.ts";
import { findConflicts, type OwnershipConflict, withoutChanged } from "./change-owners.ts";
import type { Comparison } from "./compare-fields.ts";
import { completeObject } from "./complete-object.ts";
import { createConflictError } from "./conflict-error.ts";
import {
  differenceOf,
  EMPTY_SET,
  type FieldSet,
  intersectionOf,
  isEmptySet,
  isEqualSet,
  unionOf,
  withParentFields,
} from "./field-set.ts";
import { KUBECTL, readLastAppliedFields, withLastApplied } from "./last-applied.ts";
import { mergeApplied, removeFields } from "./merge-applied.ts";
import { readApplied } from "./read-applied.ts";
import { decodeOwners, encodeOwners, NO_OWNERS, type Owner, ownerId, type Owners } from "./owners.ts";
import { toOwnVersions, toVersion, type VersionedKind } from "./owners-in-version.ts";
import { formatOwnerTime } from "./owner-time.ts";
import { compareObjects, readManagedFields, takeOwnership } from "./record-update.ts";
import { toFieldSet } from "./to-field-set.ts";
import { filterWritable, UNOWNED_FIELDS } from "./tracked-fields.ts";

/** As in Kubernetes: who owns what was there before anybody was tracked. */
const BEFORE_FIRST_APPLY = "before-first-apply";

export interface ApplyOptions {
  /** The request's `fieldManager`; there is no default for an apply. */
  readonly manager: string;
  /** Take fields from other managers instead of answering Conflict. */
  readonly force: boolean;
  readonly wallMs: number;
  readonly kind: VersionedKind;
  /** "" for the object itself, else e.g. "status". */
  readonly subresource: string;
}

/**
 * Server-side apply: what `live` (null = there is none yet) becomes when `manager` wants `applied`, with
 * `metadata.managedFields` brought up to date. Not validated and without defaults: the caller does that afterwards, then
 * calls `settleManagedFields`. But a field counts as changed only when the stored value changes, not when the same is
 * written in another way (a default left out of an atomic list, a header in upper case). Changes neither argument.
 *
 * What `manager` applied last time and leaves out now goes away, unless somebody else owns it too. A null says the same
 * as leaving out. Throws StatusError Conflict (one cause of reason FieldManagerConflict per field and owner) when others
 * own fields that would change and `force` is not set; BadRequest when `applied` is not an object of this version, or
 * has managedFields; Invalid when a list in it has the same keys twice, or when there is no manager.
 */
export function applyConfiguration(live: unknown, applied: unknown, options: ApplyOptions): unknown {
  const wanted = readApplied(applied, options);
  measure(live, "the object");
  const before = withoutManagedFields(isObject(live) ? live : null);
  const owners = readOwners(live, before, options);
  const outcome = merge(before, wanted, owners, options);
  if (outcome.conflicts.length > 0 && !options.force) refuseConflicts(outcome.conflicts, live, wanted, options);
  const merged = options.manager === KUBECTL ? withLastApplied(outcome.merged, wanted) : outcome.merged;
  const managedFields = encodeOwners(toOwnVersions(outcome.owners, options.kind));
  const metadata = readField(merged, "metadata");
  return {
    ...merged,
    metadata: { ...(isObject(metadata) ? metadata : {}), ...(managedFields.length === 0 ? {} : { managedFields }) },
  };
}

function readOwners(live: unknown, before: JsonObject, options: ApplyOptions): Owners {
  const owners = toVersion(decodeOwners(readManagedFields(live)) ?? NO_OWNERS, options.kind);
  if (owners.size > 0 || !isObject(live)) return owners;
  return takeOwnership(owners, null, before, { ...options, manager: BEFORE_FIRST_APPLY, operation: "Update" });
}

interface Outcome {
  readonly merged: JsonObject;
  readonly owners: Owners;
  readonly conflicts: readonly OwnershipConflict[];
}

function merge(before: JsonObject, wanted: JsonObject, owners: Owners, options: ApplyOptions): Outcome {
  const { manager, subresource, kind } = options;
  const tree = findMergeTree(kind);
  const apiVersion = formatApiVersion(kind.group, kind.version);
  const who: Omit<Owner, "time" | "set"> = { manager, operation: "Apply", apiVersion, subresource };
  const id = ownerId(who);
  const last = owners.get(id);
  const set = filterWritable(toFieldSet(wanted, tree), subresource);
  const others = new Map(owners);
  others.delete(id);
  const dropped = droppedFields(last?.set ?? EMPTY_SET, set, others);
  // Removed first: what is applied with nothing in it ({}) would otherwise go with the last thing that was in it.
  const merged = onlyWritable(before, mergeApplied(removeFields(before, dropped, tree), wanted, tree), subresource);
  const change = findChange(before, merged, others, options);
  const left = new Map(withoutChanged(others, change, null));
  const owned = differenceOf(set, UNOWNED_FIELDS);
  const isSame = last !== undefined && isEqualSet(last.set, owned) && isEqual(before, merged);
  // Alone, it stays without a field: else the next apply would take the object for one that nobody tracked.
  if (!isEmptySet(owned) || left.size === 0) {
    left.set(id, { ...who, time: isSame ? last.time : formatOwnerTime(options.wallMs), set: owned });
  }
  return { merged, owners: left, conflicts: findConflicts(others, change, null) };
}

/** Only what others own is worth a validation: whether its stored value would change, or is merely written differently. */
function findChange(before: JsonObject, merged: JsonObject, others: Owners, options: ApplyOptions): Comparison {
  const change = compareObjects(before, merged, options);
  if (findConflicts(others, change, null).length === 0) return change;
  return compareObjects(before, completeObject(merged) ?? merged, options);
}

/** What was applied last time, is not now, and nobody else owns. */
function droppedFields(last: FieldSet, now: FieldSet, others: Owners): FieldSet {
  let kept = now;
  for (const owner of others.values()) kept = unionOf(kept, owner.set);
  return differenceOf(withParentFields(last), withParentFields(unionOf(kept, UNOWNED_FIELDS)));
}

/** A write to `status` changes nothing else, and no other write changes `status`. */
function onlyWritable(before: JsonObject, merged: unknown, subresource: string): JsonObject {
  const all = isObject(merged) ? merged : {};
  const [base, status] = subresource === "status" ? [before, all] : [all, before];
  const fields = Object.entries(base).filter(([field]) => field !== "status");
  const value = readField(status, "status");
  return fromEntries(value === undefined ? fields : [...fields, ["status", value]]);
}

/** Fields that client-side apply wrote may be taken by its successor; what is left over is refused. */
function refuseConflicts(
  conflicts: readonly OwnershipConflict[],
  live: unknown,
  wanted: JsonObject,
  options: ApplyOptions,
): void {
  const { manager, kind } = options;
  const allowed = manager === KUBECTL ? readLastAppliedFields(live, options) : EMPTY_SET;
  const refused = conflicts.flatMap(({ owner, set }) => {
    const left = differenceOf(set, intersectionOf(set, allowed));
    return isEmptySet(left) ? [] : [{ owner, set: left }];
  });
  if (refused.length === 0) return;
  const metadata = readField(wanted, "metadata");
  const name = isObject(metadata) ? readField(metadata, "name") : undefined;
  throw createConflictError(refused, { name: typeof name === "string" ? name : "", group: kind.group });
}

function withoutManagedFields(live: JsonObject | null): JsonObject {
  if (live === null) return {};
  const metadata = readField(live, "metadata");
  if (!isObject(metadata)) return live;
  return { ...live, metadata: fromEntries(Object.entries(metadata).filter(([field]) => field !== "managedFields")) };
}
