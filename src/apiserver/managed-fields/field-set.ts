/**
 * Places in an object, as a tree. The key of a step is what FieldsV1 writes: `f:<field>`, `k:<JSON of the keys>` (entry of
 * a list that is a map), `v:<JSON>` (entry of a set), `i:<index>`. A place can be in the set without those below it, and
 * the other way round. Sets are made by the functions here and not changed after they were handed out.
 */
export interface FieldSet {
  readonly members: ReadonlySet<string>;
  readonly children: ReadonlyMap<string, FieldSet>;
}

export interface FieldSetBuilder extends FieldSet {
  readonly members: Set<string>;
  readonly children: Map<string, FieldSetBuilder>;
}

export const EMPTY_SET: FieldSet = { members: new Set(), children: new Map() };

export function createFieldSet(): FieldSetBuilder {
  return { members: new Set(), children: new Map() };
}

/** The empty path (the object itself) is in no set. */
export function addPath(set: FieldSetBuilder, path: readonly string[]): void {
  const last = path.at(-1);
  if (last === undefined) return;
  let at = set;
  for (const step of path.slice(0, -1)) {
    let child = at.children.get(step);
    if (child === undefined) {
      child = createFieldSet();
      at.children.set(step, child);
    }
    at = child;
  }
  at.members.add(last);
}

export function isEmptySet(set: FieldSet): boolean {
  return set.members.size === 0 && set.children.size === 0;
}

export function unionOf(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a)) return b;
  if (isEmptySet(b)) return a;
  const children = new Map(a.children);
  for (const [step, child] of b.children) {
    const other = children.get(step);
    children.set(step, other === undefined ? child : unionOf(other, child));
  }
  return { members: new Set([...a.members, ...b.members]), children };
}

export function intersectionOf(a: FieldSet, b: FieldSet): FieldSet {
  return combine(
    a,
    [...a.members].filter((step) => b.members.has(step)),
    (child, step) => intersectionOf(child, b.children.get(step) ?? EMPTY_SET),
  );
}

/** What is in `a` and not in `b`, place by place: a place in `b` does not take away those below it. */
export function differenceOf(a: FieldSet, b: FieldSet): FieldSet {
  return combine(
    a,
    [...a.members].filter((step) => !b.members.has(step)),
    (child, step) => {
      const other = b.children.get(step);
      return other === undefined ? child : differenceOf(child, other);
    },
  );
}

/** Only the places at and below the given first steps, or only the others. */
export function filterTopLevel(set: FieldSet, isKept: (step: string) => boolean): FieldSet {
  return combine(set, [...set.members].filter(isKept), (child, step) => (isKept(step) ? child : EMPTY_SET));
}

/** With every field that has a place below it. Entries of lists are not added: they are owned only when they say so. */
export function withParentFields(set: FieldSet): FieldSet {
  const parents = [...set.children.keys()].filter((step) => step.startsWith("f:"));
  return combine(set, [...set.members, ...parents], withParentFields);
}

export function isEqualSet(a: FieldSet, b: FieldSet): boolean {
  if (a.members.size !== b.members.size || a.children.size !== b.children.size) return false;
  for (const step of a.members) if (!b.members.has(step)) return false;
  for (const [step, child] of a.children) {
    const other = b.children.get(step);
    if (other === undefined || !isEqualSet(child, other)) return false;
  }
  return true;
}

/** In the order of the steps' text, so that messages are the same every time. */
export function listPaths(set: FieldSet, prefix: readonly string[] = []): readonly (readonly string[])[] {
  const steps = [...new Set([...set.members, ...set.children.keys()])].sort();
  return steps.flatMap((step) => {
    const path = [...prefix, step];
    const child = set.children.get(step);
    return [...(set.members.has(step) ? [path] : []), ...(child === undefined ? [] : listPaths(child, path))];
  });
}

function combine(
  set: FieldSet,
  members: readonly string[],
  combineChild: (child: FieldSet, step: string) => FieldSet,
): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const [step, child] of set.children) {
    const combined = combineChild(child, step);
    if (!isEmptySet(combined)) children.set(step, combined);
  }
  return { members: new Set(members), children };
}
