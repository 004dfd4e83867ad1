import { StatusError } from "../status.ts";
import { describeShape, fromEntries, isObject, type JsonObject, measure, readField } from "./json-value.ts";

/**
 * Applies an RFC 7396 document to `live` and returns the outcome; changes neither. Throws StatusError BadRequest when
 * the patch is not an object (an API object cannot be replaced by a list or a number).
 */
export function applyMergePatch(live: unknown, patch: unknown): unknown {
  if (!isObject(patch)) {
    throw new StatusError(
      "BadRequest",
      `Cannot apply a merge patch: found ${describeShape(patch)}; expected an object`,
    );
  }
  measure(patch, "the patch");
  measure(live, "the object");
  return merge(live, patch);
}

function merge(target: unknown, patch: JsonObject): JsonObject {
  const base: JsonObject = isObject(target) ? target : {};
  const merged = new Map(Object.entries(base));
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) merged.delete(field);
    else merged.set(field, isObject(value) ? merge(readField(base, field), value) : value);
  }
  return fromEntries(merged);
}
