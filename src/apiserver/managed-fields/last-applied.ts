import { findMergeTree } from "../../resources/merge-keys.ts";
import { formatApiVersion } from "../../resources/registry.ts";
import { fromEntries, isObject, type JsonObject, measure, readField } from "../patch/json-value.ts";
import { completeObject } from "./complete-object.ts";
import { compareFields } from "./compare-fields.ts";
import type { ApplyOptions } from "./apply-configuration.ts";
import { differenceOf, EMPTY_SET, type FieldSet, unionOf } from "./field-set.ts";
import { toFieldSet } from "./to-field-set.ts";

/** What client-side `kubectl apply` leaves in an object: what it applied, as JSON. */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/**
 * The manager under which kubectl applies on the server, unless told otherwise. Only for it does the annotation count:
 * objects made by client-side apply move to server-side apply without conflicts.
 */
export const KUBECTL = "kubectl";

/** The places that client-side apply wrote last and nobody changed since; empty without the annotation. */
export function readLastAppliedFields(live: unknown, { kind }: ApplyOptions): FieldSet {
  const text = readLastApplied(live);
  if (text === null) return EMPTY_SET;
  const applied = parseApplied(text);
  if (!isObject(applied) || readField(applied, "apiVersion") !== formatApiVersion(kind.group, kind.version)) {
    return EMPTY_SET;
  }
  const tree = findMergeTree(kind);
  const { added, modified, removed } = compareFields(completeObject(applied) ?? applied, live, tree);
  return differenceOf(toFieldSet(applied, tree), unionOf(unionOf(added, modified), removed));
}

/** `merged` with the annotation, where there is one, telling of `applied`: client-side apply stays possible. */
export function withLastApplied(merged: JsonObject, applied: JsonObject): JsonObject {
  if (readLastApplied(merged) === null) return merged;
  const metadata = readField(merged, "metadata") as JsonObject;
  const annotations = readField(metadata, "annotations") as JsonObject;
  const text = `${JSON.stringify(withoutLastApplied(applied))}\n`;
  return { ...merged, metadata: { ...metadata, annotations: { ...annotations, [LAST_APPLIED]: text } } };
}

function withoutLastApplied(applied: JsonObject): JsonObject {
  if (readLastApplied(applied) === null) return applied;
  const metadata = readField(applied, "metadata") as JsonObject;
  const annotations = Object.entries(readField(metadata, "annotations") as JsonObject);
  return {
    ...applied,
    metadata: { ...metadata, annotations: fromEntries(annotations.filter(([name]) => name !== LAST_APPLIED)) },
  };
}

function readLastApplied(object: unknown): string | null {
  const metadata = isObject(object) ? readField(object, "metadata") : undefined;
  const annotations = isObject(metadata) ? readField(metadata, "annotations") : undefined;
  const text = isObject(annotations) ? readField(annotations, LAST_APPLIED) : undefined;
  return typeof text === "string" && text !== "" ? text : null;
}

/** Undefined when people or programs have spoilt the annotation: then it says nothing. */
function parseApplied(text: string): unknown {
  try {
    const applied: unknown = JSON.parse(text);
    measure(applied, "the annotation");
    return applied;
  } catch {
    return undefined;
  }
}
