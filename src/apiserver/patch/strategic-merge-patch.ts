import { fieldNode, findMergeTree, itemNode, type MergeKind, type MergeNode } from "../../resources/merge-keys.ts";
import { StatusError } from "../status.ts";
import { describeShape, fromEntries, isObject, type JsonObject, measure, readField } from "./json-value.ts";
import { orderEntries } from "./order-entries.ts";

const DIRECTIVE = "$patch";
const RETAIN_KEYS = "$retainKeys";
const DELETE_FROM = "$deleteFromPrimitiveList/";
const ORDER_OF = "$setElementOrder/";

/**
 * Applies a Kubernetes strategic merge patch to `live` and returns the outcome; changes neither. Lists that have a merge
 * key (src/resources/merge-keys.ts) are merged entry by entry; the directives `$patch`, `$retainKeys`,
 * `$deleteFromPrimitiveList/…` and `$setElementOrder/…` are obeyed. Every kind of weft takes such patches, also those
 * that stand for custom resources, which Kubernetes answers with 415: so `kubectl patch` needs no `--type`. Throws
 * StatusError BadRequest when the patch is malformed.
 */
export function applyStrategicMergePatch(live: unknown, patch: unknown, kind: MergeKind): unknown {
  if (!isObject(patch)) throw malformed("the patch", describeShape(patch), "an object");
  measure(patch, "the patch");
  measure(live, "the object");
  return mergeObject(isObject(live) ? live : {}, patch, findMergeTree(kind));
}

function mergeObject(original: JsonObject, patch: JsonObject, node: MergeNode): JsonObject {
  const directive = readField(patch, DIRECTIVE);
  if (directive === "replace") return withoutDirectives(fromEntries(withoutField(patch, DIRECTIVE))) as JsonObject;
  if (directive === "delete") return {};
  if (directive !== undefined) throw malformed(DIRECTIVE, JSON.stringify(directive), '"replace" or "delete"');
  const merged = new Map(Object.entries(original));
  retainKeys(merged, patch);
  for (const [field, values] of Object.entries(patch)) {
    if (field.startsWith(DELETE_FROM)) deleteScalars(merged, field.slice(DELETE_FROM.length), values);
  }
  const orders = new Map<string, unknown>();
  for (const [field, value] of Object.entries(patch)) {
    if (field.startsWith(ORDER_OF)) orders.set(field.slice(ORDER_OF.length), value);
    else if (!field.startsWith("$")) mergeField(merged, field, value, fieldNode(node, field));
    else if (field !== RETAIN_KEYS && !field.startsWith(DELETE_FROM)) {
      throw malformed("the patch", `the directive "${field}"`, "one that strategic merge patches have");
    }
  }
  for (const [field, order] of orders) {
    const before = readField(original, field);
    const sorted = sortList(field, { merged: merged.get(field), before, order, patch: readField(patch, field) }, node);
    if (sorted !== null) merged.set(field, sorted);
  }
  return fromEntries(merged);
}

function mergeField(merged: Map<string, unknown>, field: string, value: unknown, node: MergeNode): void {
  const found = merged.get(field);
  if (value === null) merged.delete(field);
  else if (isObject(value) && isObject(found)) merged.set(field, mergeObject(found, value, node));
  else if (Array.isArray(value) && Array.isArray(found) && node.rule.patchStrategy === "merge") {
    merged.set(field, mergeList(field, found, value, node));
  } else {
    const fresh = withoutDirectives(value);
    if (fresh === undefined) merged.delete(field);
    else merged.set(field, fresh);
  }
}

/** Entries that the patch names come in its order, the others where they stood between those. */
function mergeList(field: string, before: readonly unknown[], patch: readonly unknown[], node: MergeNode): unknown[] {
  const mergeKey = node.rule.patchMergeKey;
  if (mergeKey === undefined) {
    if (patch.some((entry) => typeof entry === "object")) throw malformed(field, "an object", "strings or numbers");
    return orderEntries([...new Set([...before, ...patch])], { wanted: patch, before, keyOf: scalarKey });
  }
  const keyOf = (entry: unknown): string => entryKey(field, mergeKey, entry);
  const plain = patch.filter((entry) => !isObject(entry) || !Object.hasOwn(entry, DIRECTIVE));
  const kept = obeyListDirectives(before, patch, keyOf);
  const merged = [...kept];
  const places = new Map<string, number>();
  for (const [index, entry] of merged.entries()) {
    const key = keyOf(entry);
    if (!places.has(key)) places.set(key, index);
  }
  for (const entry of plain) {
    const key = keyOf(entry);
    const place = places.get(key);
    if (place === undefined) {
      places.set(key, merged.length);
      merged.push(withoutDirectives(entry));
    } else merged[place] = mergeObject(merged[place] as JsonObject, entry as JsonObject, itemNode(node));
  }
  return orderEntries(merged, { wanted: plain, before: kept, keyOf });
}

/** What `{$patch: delete, <key>: …}` and `{$patch: replace}` among the entries leave of the list. */
function obeyListDirectives(
  before: readonly unknown[],
  patch: readonly unknown[],
  keyOf: (entry: unknown) => string,
): readonly unknown[] {
  const deleted = new Set<string>();
  let isReplaced = false;
  for (const entry of patch) {
    const directive = isObject(entry) ? readField(entry, DIRECTIVE) : undefined;
    if (directive === undefined) continue;
    if (directive === "delete") deleted.add(keyOf(entry));
    else if (directive === "replace") isReplaced = true;
    else throw malformed(DIRECTIVE, JSON.stringify(directive), '"replace" or "delete"');
  }
  return isReplaced ? [] : before.filter((entry) => deleted.size === 0 || !deleted.has(keyOf(entry)));
}

interface ListToSort {
  readonly merged: unknown;
  readonly before: unknown;
  readonly order: unknown;
  readonly patch: unknown;
}

/** Null when there is nothing to sort. */
function sortList(field: string, { merged, before, order, patch }: ListToSort, parent: MergeNode): unknown[] | null {
  if (!Array.isArray(order)) throw malformed(`${ORDER_OF}${field}`, describeShape(order), "a list");
  if (!Array.isArray(merged)) return null;
  const mergeKey = fieldNode(parent, field).rule.patchMergeKey;
  const keyOf = (entry: unknown): string =>
    mergeKey === undefined || !isObject(entry) ? scalarKey(entry) : entryKey(field, mergeKey, entry);
  let position = 0;
  for (const entry of Array.isArray(patch) ? patch : []) {
    if (isObject(entry) && Object.hasOwn(entry, DIRECTIVE)) continue;
    while (position < order.length && keyOf(order[position]) !== keyOf(entry)) position += 1;
    if (position === order.length) throw malformed(`${ORDER_OF}${field}`, "another order than in the list", "the same");
  }
  return orderEntries(merged, { wanted: order, before: Array.isArray(before) ? before : [], keyOf });
}

function retainKeys(merged: Map<string, unknown>, patch: JsonObject): void {
  const keys = readField(patch, RETAIN_KEYS);
  if (keys === undefined) return;
  if (!Array.isArray(keys)) throw malformed(RETAIN_KEYS, describeShape(keys), "a list of names of fields");
  const retained = new Set<unknown>(keys);
  const extra = Object.entries(patch).find(
    ([field, value]) => value !== null && !field.startsWith("$") && !retained.has(field),
  );
  if (extra !== undefined) throw malformed(RETAIN_KEYS, `no "${extra[0]}"`, "every field that the patch sets");
  for (const field of merged.keys()) if (!retained.has(field)) merged.delete(field);
}

function deleteScalars(merged: Map<string, unknown>, field: string, values: unknown): void {
  if (!Array.isArray(values)) throw malformed(`${DELETE_FROM}${field}`, describeShape(values), "a list");
  const found = merged.get(field);
  if (!Array.isArray(found)) return;
  const deleted = new Set<unknown>(values);
  merged.set(
    field,
    found.filter((entry) => !deleted.has(entry)),
  );
}

/** A value that has no counterpart in the object: as it is, but directives and nulls say nothing there. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDirectives).filter((entry) => entry !== undefined);
  if (!isObject(value)) return value;
  if (Object.hasOwn(value, DIRECTIVE)) return undefined;
  const fields = Object.entries(value).filter(([field, child]) => child !== null && !isDirective(field));
  return fromEntries(
    fields
      .map(([field, child]) => [field, withoutDirectives(child)] as const)
      .filter(([, child]) => child !== undefined),
  );
}

function isDirective(field: string): boolean {
  return field === RETAIN_KEYS || field.startsWith(DELETE_FROM) || field.startsWith(ORDER_OF);
}

function withoutField(object: JsonObject, field: string): (readonly [string, unknown])[] {
  return Object.entries(object).filter(([name]) => name !== field);
}

function entryKey(field: string, mergeKey: string, entry: unknown): string {
  const value = isObject(entry) ? readField(entry, mergeKey) : undefined;
  if (value === undefined) throw malformed(field, `an entry without "${mergeKey}"`, "one in each entry");
  return scalarKey(value);
}

function scalarKey(value: unknown): string {
  return JSON.stringify(value) ?? "";
}

function malformed(what: string, found: string, expected: string): StatusError {
  return new StatusError(
    "BadRequest",
    `Cannot apply a strategic merge patch: in ${what}, found ${found}; expected ${expected}`,
  );
}
