import type { Random } from "../../random/random.ts";
import { isObject, readField } from "../patch/json-value.ts";

/** As in Kubernetes: no vowels, so that no words come out, and nothing that looks like something else. */
const LETTERS = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH = 5;
const MAX_BASE_LENGTH = 63 - SUFFIX_LENGTH;

/** Whether an object leaves its name to the server. */
export function wantsName(object: unknown): boolean {
  const metadata = isObject(object) ? readField(object, "metadata") : undefined;
  if (!isObject(metadata)) return false;
  const name = readField(metadata, "name");
  const base = readField(metadata, "generateName");
  return (name === undefined || name === "" || name === null) && typeof base === "string" && base !== "";
}

/** `object`, which `wantsName`, with a name made of its `generateName`. */
export function withGeneratedName(object: unknown, random: Random): unknown {
  const { metadata } = object as { readonly metadata: { readonly generateName: string } };
  let suffix = "";
  while (suffix.length < SUFFIX_LENGTH) suffix += LETTERS.charAt(random.below(LETTERS.length));
  const name = `${metadata.generateName.slice(0, MAX_BASE_LENGTH)}${suffix}`;
  return { ...(object as object), metadata: { ...metadata, name } };
}
