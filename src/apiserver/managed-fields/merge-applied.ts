import { fieldNode, itemNode, type MergeNode } from "../../resources/merge-keys.ts";
import { fromEntries, isObject, type JsonObject, readField } from "../patch/json-value.ts";
import { type FieldSet, isEmptySet } from "./field-set.ts";
import { indexEntries, isKeyedList } from "./list-steps.ts";

/** `live` with everything that `applied` says; what it does not mention stays. Undefined = not there. */
export function mergeApplied(live: unknown, applied: unknown, node: MergeNode): unknown {
  if (applied === undefined) return live;
  if (isObject(live) && isObject(applied) && node.rule.mapType !== "atomic") return mergeObjects(live, applied, node);
  if (Array.isArray(live) && Array.isArray(applied) && isKeyedList(node.rule)) return mergeLists(live, applied, node);
  return applied;
}

function mergeObjects(live: JsonObject, applied: JsonObject, node: MergeNode): JsonObject {
  const fields = new Set([...Object.keys(live), ...Object.keys(applied)]);
  return fromEntries(
    [...fields].map((field) => [
      field,
      mergeApplied(readField(live, field), readField(applied, field), fieldNode(node, field)),
    ]),
  );
}

/**
 * Applied entries come in their own order. An entry that is only live keeps its place among those that are both, as far
 * as the applied order leaves it one.
 */
function mergeLists(live: readonly unknown[], applied: readonly unknown[], node: MergeNode): unknown[] {
  const old = indexEntries(live, node.rule);
  const wanted = indexEntries(applied, node.rule);
  const shared = [...wanted.keys()].filter((step) => old.has(step));
  const merged: unknown[] = [];
  const oldSteps = [...old.keys()];
  let next = 0;
  let nextShared = 0;
  for (const [step, entry] of wanted) {
    for (; next < oldSteps.length && oldSteps[next] !== shared[nextShared]; next += 1) {
      const oldStep = oldSteps[next] ?? "";
      if (!wanted.has(oldStep)) merged.push(old.get(oldStep));
    }
    merged.push(mergeApplied(old.get(step), entry, itemNode(node)));
    if (step === shared[nextShared]) nextShared += 1;
  }
  for (const step of oldSteps.slice(next)) if (!wanted.has(step)) merged.push(old.get(step));
  return merged;
}

/** `value` without the places of `set` and what is below them. Undefined when that leaves nothing of it. */
export function removeFields(value: unknown, set: FieldSet, node: MergeNode): unknown {
  if (isEmptySet(set)) return value;
  if (isObject(value) && node.rule.mapType !== "atomic") {
    const left = Object.entries(value).flatMap(([field, child]) =>
      removeStep(`f:${field}`, child, set, fieldNode(node, field)).map((kept) => [field, kept] as const),
    );
    return left.length === 0 ? undefined : fromEntries(left);
  }
  if (Array.isArray(value) && isKeyedList(node.rule)) {
    const entries = [...indexEntries(value, node.rule)];
    const left = entries.flatMap(([step, entry]) => removeStep(step, entry, set, itemNode(node)));
    return left.length === 0 ? undefined : left;
  }
  return value;
}

/** [] or [what is left]. */
function removeStep(step: string, value: unknown, set: FieldSet, node: MergeNode): unknown[] {
  if (set.members.has(step)) return [];
  const below = set.children.get(step);
  if (below === undefined) return [value];
  const left = removeFields(value, below, node);
  return left === undefined ? [] : [left];
}
