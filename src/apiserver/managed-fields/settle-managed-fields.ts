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
  const entries = managedFields.map((entry: unknown) =>
    isObject(entry) ? fromEntries(Object.entries(entry).filter(([field]) => field !== "time")) : entry,
  );
  return { ...object, metadata: { ...metadata, managedFields: entries } };
}
