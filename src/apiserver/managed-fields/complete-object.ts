import { validateResource } from "../../resources/validate.ts";

/** The object as it would be stored: validated, with its defaults; null when it is invalid. */
export function completeObject(object: unknown): unknown {
  return validateResource(object, { file: "body" }).resource;
}
