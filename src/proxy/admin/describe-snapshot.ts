import type { Snapshot } from "../snapshot.ts";

/** The configuration in force as plain JSON: maps as objects, sets as lists, patterns as their source. */
export function describeSnapshot(snapshot: Snapshot | null): unknown {
  return snapshot === null
    ? null
    : toPlain({ ...snapshot, trustBundlePem: snapshot.trustBundlePem === null ? null : "(roots)" });
}

function toPlain(value: unknown): unknown {
  if (value instanceof Map)
    return Object.fromEntries(Array.from(value, ([key, inner]) => [String(key), toPlain(inner)]));
  if (value instanceof Set) return Array.from(value, toPlain);
  if (Array.isArray(value)) return value.map(toPlain);
  if (value === null || typeof value !== "object") return typeof value === "function" ? undefined : value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toPlain(inner)]));
}
