import type { MergeRule } from "../../resources/merge-keys.ts";
import { isObject, readField } from "../patch/json-value.ts";
import { keyStep, valueStep } from "./fields-v1.ts";

/** The step of one entry of a list that is a map or a set; null when it has none of the keys, or is no scalar. */
export function stepOf(entry: unknown, rule: MergeRule): string | null {
  if (rule.listType === "set") return typeof entry === "object" || entry === undefined ? null : valueStep(entry);
  if (!isObject(entry)) return null;
  const keys: [string, unknown][] = [];
  for (const field of rule.listMapKeys ?? []) {
    const value = readField(entry, field) ?? rule.keyDefaults?.[field];
    if (value !== undefined && typeof value !== "object") keys.push([field, value]);
  }
  return keys.length === 0 ? null : keyStep(keys);
}

/** Entries of a stored list by their steps, in order. One that has none, or a step already taken, goes by its index. */
export function indexEntries(list: readonly unknown[], rule: MergeRule): Map<string, unknown> {
  const entries = new Map<string, unknown>();
  for (const [index, entry] of list.entries()) {
    const step = stepOf(entry, rule);
    entries.set(step === null || entries.has(step) ? `i:${index}` : step, entry);
  }
  return entries;
}

export function isKeyedList(rule: MergeRule): boolean {
  return rule.listType === "map" || rule.listType === "set";
}
