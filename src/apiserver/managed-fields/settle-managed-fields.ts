import { fromEntries, isEqual, isObject, readField } from "../patch/json-value.ts";

/**
 * `after`, or `before` itself when they differ in nothing but the times in managedFields: a write that changes nothing
 * must not be told from none. Call it last, with the object as it would be stored.
 */
export function settleManagedFields<T>(before: T | null, after: T): T {
  return before !== null && isEqual(withoutTimes(before), withoutTimes(after)) ? before : after;
}

function withoutTimes(object: unknown): unknown {
  const metadata = isObject(object) ? readField(object, "metadata") : undefined;
  const managedFields = isObject(metadata) ? readField(metadata, "managedFields") : undefined;
  if (!isObject(object) || !isObject(metadata) || !Array.isArray(managedFields)) return object;
  // By owner, because their order goes by the times.
  const entries = managedFields.map((entry: unknown) => [nameOwner(entry), withoutTime(entry)] as const);
  return { ...object, metadata: { ...metadata, managedFields: fromEntries(entries) } };
}

function nameOwner(entry: unknown): string {
  if (!isObject(entry)) return "";
  return JSON.stringify(["operation", "manager", "apiVersion", "subresource"].map((field) => readField(entry, field)));
}

function withoutTime(entry: unknown): unknown {
  return isObject(entry) ? fromEntries(Object.entries(entry).filter(([field]) => field !== "time")) : entry;
}
