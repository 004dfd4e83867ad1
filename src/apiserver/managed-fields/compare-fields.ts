import { fieldNode, itemNode, type MergeNode } from "../../resources/merge-keys.ts";
import { isEqual, isObject, readField } from "../patch/json-value.ts";
import { addPath, createFieldSet, type FieldSet, type FieldSetBuilder } from "./field-set.ts";
import { indexEntries, isKeyedList } from "./list-steps.ts";

/** No place is in two of them. */
export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

/** What it takes to make `after` of `before`, in places. */
export function compareFields(before: unknown, after: unknown, node: MergeNode): Comparison {
  const walker = new Walker();
  walker.compare(before, after, node);
  return walker;
}

class Walker implements Comparison {
  readonly added: FieldSetBuilder = createFieldSet();
  readonly modified: FieldSetBuilder = createFieldSet();
  readonly removed: FieldSetBuilder = createFieldSet();
  readonly #path: string[] = [];

  /** Undefined = not there. */
  compare(before: unknown, after: unknown, node: MergeNode): void {
    if (before === after) return;
    const shape = shapeOf(before ?? after, node);
    if (before !== undefined && after !== undefined && shape !== shapeOf(after, node)) {
      this.compare(before, undefined, node);
      this.compare(undefined, after, node);
      return;
    }
    if (shape === "leaf" || (isBare(before) && isBare(after))) {
      this.#compareLeaf(before, after);
      return;
    }
    if (shape === "object") this.#compareObjects(before ?? {}, after ?? {}, node);
    else this.#compareLists(before ?? [], after ?? [], node);
    if (before === undefined) addPath(this.added, this.#path);
    else if (after === undefined) addPath(this.removed, this.#path);
  }

  #compareLeaf(before: unknown, after: unknown): void {
    if (before === undefined) addPath(this.added, this.#path);
    else if (after === undefined) addPath(this.removed, this.#path);
    else if (!isEqual(before, after)) addPath(this.modified, this.#path);
  }

  #compareObjects(before: unknown, after: unknown, node: MergeNode): void {
    if (!isObject(before) || !isObject(after)) return;
    for (const field of new Set([...Object.keys(before), ...Object.keys(after)])) {
      this.#step(`f:${field}`, readField(before, field), readField(after, field), fieldNode(node, field));
    }
  }

  #compareLists(before: unknown, after: unknown, node: MergeNode): void {
    if (!Array.isArray(before) || !Array.isArray(after)) return;
    const old = indexEntries(before, node.rule);
    const current = indexEntries(after, node.rule);
    for (const step of new Set([...old.keys(), ...current.keys()])) {
      this.#step(step, old.get(step), current.get(step), itemNode(node));
    }
  }

  #step(step: string, before: unknown, after: unknown, node: MergeNode): void {
    this.#path.push(step);
    this.compare(before, after, node);
    this.#path.pop();
  }
}

function shapeOf(value: unknown, node: MergeNode): "object" | "list" | "leaf" {
  if (isObject(value)) return node.rule.mapType === "atomic" ? "leaf" : "object";
  return Array.isArray(value) && isKeyedList(node.rule) ? "list" : "leaf";
}

/** Not there, or with nothing in it. */
function isBare(value: unknown): boolean {
  return value === undefined || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
}
