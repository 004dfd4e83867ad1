import { findKind, toServedVersion } from "../../resources/registry.ts";
import { validateResource } from "../../resources/validate.ts";
import { isObject, readField } from "../patch/json-value.ts";

/** The object as it would be stored, in its own version: validated, with its defaults; null when it is invalid. */
export function completeObject(object: unknown): unknown {
  const stored = validateResource(object, { file: "body" }).resource;
  if (stored === null || !isObject(object)) return null;
  const definition = findKind(String(readField(object, "apiVersion")), stored.kind);
  const served = definition === null ? null : toServedVersion(definition, stored);
  return served === null || served.loss !== null ? null : served.object;
}
