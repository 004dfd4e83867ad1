import { findMergeTree } from "../../resources/merge-keys.ts";
import { formatApiVersion } from "../../resources/registry.ts";
import { isObject, readField } from "../patch/json-value.ts";
import { capUpdaters } from "./cap-updaters.ts";
import { withoutChanged } from "./change-owners.ts";
import { type Comparison, compareFields } from "./compare-fields.ts";
import { differenceOf, isEmptySet, unionOf } from "./field-set.ts";
import { formatOwnerTime } from "./owner-time.ts";
import type { ManagedFieldsEntry } from "./managed-fields-entry.ts";
import { decodeOwners, encodeOwners, NO_OWNERS, type Owner, ownerId, type Owners } from "./owners.ts";
import { toOwnVersions, toVersion, type VersionedKind } from "./owners-in-version.ts";
import { filterWritable, UNOWNED_FIELDS } from "./tracked-fields.ts";

export interface UpdateOptions {
  /** The request's `fieldManager`, else the User-Agent up to its first "/" (Kubernetes' rule); "" = "unknown". */
  readonly manager: string;
  readonly operation: "Update";
  readonly wallMs: number;
  readonly kind: VersionedKind;
  /** "" for the object itself, else e.g. "status". */
  readonly subresource: string;
}

/**
 * The managedFields of `after`, an object about to be stored by create, replace or a patch that is not an apply (`before`
 * null: create). Pass `after` with the managedFields the client sent: none or undecodable ones mean those of `before`,
 * `[]` or `[{}]` remove all. [] = store none: from then on nobody is tracked until the next apply. Changes neither
 * argument. Throws StatusError only when they are too deep for anything of ours.
 */
export function recordUpdate(before: unknown, after: unknown, options: UpdateOptions): readonly ManagedFieldsEntry[] {
  const owners = readOwners(before, after, options.subresource);
  if (before !== null && owners.size === 0) return [];
  const { kind } = options;
  const taken = takeOwnership(toVersion(owners, kind), before, after, options);
  return encodeOwners(toOwnVersions(capUpdaters(taken), kind));
}

/** `owners`, with places as `options.kind` has them, after the change: what was written is owned by `options.manager`. */
export function takeOwnership(owners: Owners, before: unknown, after: unknown, options: UpdateOptions): Owners {
  const apiVersion = formatApiVersion(options.kind.group, options.kind.version);
  const change = compareObjects(before ?? { metadata: {} }, after, options);
  const others = new Map(withoutChanged(owners, change, null));
  const written = differenceOf(unionOf(change.modified, change.added), UNOWNED_FIELDS);
  if (isEmptySet(written)) return others;
  const { operation, subresource, wallMs } = options;
  const manager = options.manager === "" ? "unknown" : options.manager;
  const who: Omit<Owner, "time" | "set"> = { manager, operation, apiVersion, subresource };
  const own = others.get(ownerId(who));
  const set = own === undefined ? written : unionOf(own.set, written);
  others.set(ownerId(who), { ...who, time: formatOwnerTime(wallMs), set });
  return others;
}

/** What a write through `subresource` changes; managedFields are not among it. */
export function compareObjects(
  before: unknown,
  after: unknown,
  { kind, subresource }: Pick<UpdateOptions, "kind" | "subresource">,
): Comparison {
  const { added, modified, removed } = compareFields(before, after, findMergeTree(kind));
  return {
    added: filterWritable(added, subresource),
    modified: filterWritable(modified, subresource),
    removed: filterWritable(removed, subresource),
  };
}

function readOwners(before: unknown, after: unknown, subresource: string): Owners {
  const kept = decodeOwners(readManagedFields(before)) ?? NO_OWNERS;
  // Through a subresource nobody changes managedFields by hand.
  if (subresource !== "") return kept;
  const sent = readManagedFields(after);
  if (isReset(sent)) return NO_OWNERS;
  const owners = decodeOwners(sent);
  return owners === null || owners.size === 0 ? kept : owners;
}

export function readManagedFields(object: unknown): unknown {
  const metadata = isObject(object) ? readField(object, "metadata") : undefined;
  return isObject(metadata) ? readField(metadata, "managedFields") : undefined;
}

function isReset(sent: unknown): boolean {
  if (!Array.isArray(sent)) return false;
  return sent.length === 0 || (sent.length === 1 && isObject(sent[0]) && Object.keys(sent[0]).length === 0);
}
