import { StatusError } from "../status.ts";

/** What JSON.parse makes. Never changed once made: patches build new values and share what stays. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Deeper than anything a schema of ours accepts, and far from what overflows a stack. */
export const MAX_DEPTH = 128;

/** More values than fit in the largest body. */
const MAX_VALUES = 2_000_000;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Undefined when `object` itself has no such field; what it inherits (`constructor`) does not count. */
export function readField(object: JsonObject, field: string): unknown {
  return Object.hasOwn(object, field) ? object[field] : undefined;
}

/** Also for "__proto__", which becomes a field like any other. */
export function fromEntries(entries: Iterable<readonly [string, unknown]>): JsonObject {
  return Object.fromEntries(entries);
}

/** Of an object nobody else holds. "__proto__" becomes a field like any other. */
export function writeField(object: Record<string, unknown>, field: string, value: unknown): void {
  if (field !== "__proto__") object[field] = value;
  else Object.defineProperty(object, field, { value, writable: true, enumerable: true, configurable: true });
}

/** Only of what `measure` let pass. */
export function clone(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clone);
  if (!isObject(value)) return value;
  const copy: Record<string, unknown> = {};
  for (const [field, child] of Object.entries(value)) writeField(copy, field, clone(child));
  return copy;
}

/** For messages. */
export function describeShape(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** Equal as JSON: the order of fields does not count, that of list entries does. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((value, index) => isEqual(value, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const fields = Object.keys(a);
  if (fields.length !== Object.keys(b).length) return false;
  return fields.every((field) => Object.hasOwn(b, field) && isEqual(a[field], b[field]));
}

/**
 * Refuses what would cost too much to walk: more than MAX_DEPTH levels, or more values than any body has. Does not
 * recurse, so it is safe on anything; everything else here may recurse after it. Returns a size: characters and values.
 */
export function measure(value: unknown, what: string): number {
  let size = 0;
  let values = 0;
  const stack: { readonly value: unknown; readonly depth: number }[] = [{ value, depth: 1 }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    values += 1;
    size += typeof next.value === "string" ? next.value.length + 1 : 1;
    if (next.depth > MAX_DEPTH) {
      throw new StatusError("Invalid", `Cannot take ${what}: found more than ${MAX_DEPTH} levels; expected fewer`);
    }
    if (values > MAX_VALUES) {
      throw new StatusError("RequestEntityTooLarge", `Cannot take ${what}: found too many values; expected fewer`);
    }
    if (typeof next.value !== "object" || next.value === null) continue;
    const depth = next.depth + 1;
    if (!Array.isArray(next.value)) for (const field of Object.keys(next.value)) size += field.length;
    for (const child of Object.values(next.value)) stack.push({ value: child, depth });
  }
  return size;
}
