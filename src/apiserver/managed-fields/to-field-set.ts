import { fieldNode, itemNode, type MergeNode } from "../../resources/merge-keys.ts";
import { isObject } from "../patch/json-value.ts";
import { addPath, createFieldSet, type FieldSet, type FieldSetBuilder } from "./field-set.ts";
import { indexEntries, isKeyedList } from "./list-steps.ts";

/** The places that who writes `value` owns: leaves, atomic lists and objects, and the entries of lists that are keyed. */
export function toFieldSet(value: unknown, node: MergeNode): FieldSet {
  const set = createFieldSet();
  walk(set, [], value, node);
  return set;
}

function walk(set: FieldSetBuilder, path: string[], value: unknown, node: MergeNode): void {
  if (isObject(value) && node.rule.mapType !== "atomic") {
    const fields = Object.entries(value);
    // An empty object says that it is to be there, and nothing else could say so.
    if (fields.length === 0) addPath(set, path);
    for (const [field, child] of fields) {
      path.push(`f:${field}`);
      walk(set, path, child, fieldNode(node, field));
      path.pop();
    }
  } else if (Array.isArray(value) && isKeyedList(node.rule)) {
    for (const [step, entry] of indexEntries(value, node.rule)) {
      path.push(step);
      addPath(set, path);
      walk(set, path, entry, itemNode(node));
      path.pop();
    }
  } else addPath(set, path);
}
