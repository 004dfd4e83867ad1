import type { Comparison } from "./compare-fields.ts";
import { differenceOf, type FieldSet, intersectionOf, isEmptySet, unionOf } from "./field-set.ts";
import type { Owner, Owners } from "./owners.ts";

export interface OwnershipConflict {
  readonly owner: Owner;
  /** What it owns and would lose. */
  readonly set: FieldSet;
}

/** Whom a change takes something from. `exceptId` is who makes the change. */
export function findConflicts(
  owners: Owners,
  change: Comparison,
  exceptId: string | null,
): readonly OwnershipConflict[] {
  const written = unionOf(change.modified, change.added);
  return [...owners].flatMap(([id, owner]) => {
    const set = id === exceptId ? null : intersectionOf(owner.set, written);
    return set === null || isEmptySet(set) ? [] : [{ owner, set }];
  });
}

/** The owners after a change that somebody else (not `exceptId`) made: what was written or removed is no longer theirs. */
export function withoutChanged(owners: Owners, change: Comparison, exceptId: string | null): Owners {
  const changed = unionOf(unionOf(change.modified, change.added), change.removed);
  const left = new Map<string, Owner>();
  for (const [id, owner] of owners) {
    const set = id === exceptId ? owner.set : differenceOf(owner.set, changed);
    // An applier that never owned anything stays: it says that the object is tracked.
    if (!isEmptySet(set) || (owner.operation === "Apply" && isEmptySet(owner.set)))
      left.set(id, set === owner.set ? owner : { ...owner, set });
  }
  return left;
}
