import { isObject, type JsonObject, fromEntries } from "../patch/json-value.ts";
import { addPath, createFieldSet, type FieldSet, type FieldSetBuilder } from "./field-set.ts";

/** The FieldsV1 form of a set: an object per place; "." says that a place with others below it is in the set itself. */
export function encodeFieldsV1(set: FieldSet): JsonObject {
  const steps = [...new Set([...set.members, ...set.children.keys()])].sort();
  return fromEntries(
    steps.map((step) => {
      const child = set.children.get(step);
      if (child === undefined) return [step, {}];
      const below = encodeFieldsV1(child);
      return [step, set.members.has(step) ? { ".": {}, ...below } : below];
    }),
  );
}

/** Null when `json` is not FieldsV1. Only for what `measure` let pass. Steps of a kind unknown here are left out. */
export function decodeFieldsV1(json: unknown): FieldSet | null {
  const set = createFieldSet();
  return isObject(json) && decodeInto(set, json) ? set : null;
}

function decodeInto(set: FieldSetBuilder, json: JsonObject): boolean {
  for (const [written, below] of Object.entries(json)) {
    if (written === ".") continue;
    const step = normalizeStep(written);
    if (step === null || !isObject(below)) return false;
    if (step === "") continue;
    const fields = Object.keys(below);
    if (fields.length === 0 || Object.hasOwn(below, ".")) addPath(set, [step]);
    if (fields.length === 0 || (fields.length === 1 && fields[0] === ".")) continue;
    const child = createFieldSet();
    if (!decodeInto(child, below)) return false;
    if (child.members.size > 0 || child.children.size > 0) set.children.set(step, child);
  }
  return true;
}

/** The one spelling of a step; null when it is malformed, "" when weft does not know its kind. */
function normalizeStep(written: string): string | null {
  if (written.startsWith("f:")) return written;
  const text = written.slice(2);
  if (written.startsWith("i:")) return /^(?:0|[1-9]\d{0,9})$/.test(text) ? written : null;
  if (!written.startsWith("k:") && !written.startsWith("v:")) return "";
  const value = parseJson(text);
  if (written.startsWith("v:")) return isScalar(value) ? valueStep(value) : null;
  if (!isObject(value)) return null;
  const keys = Object.entries(value);
  return keys.length > 0 && keys.every(([, key]) => isScalar(key)) ? keyStep(keys) : null;
}

/** The step of an entry of a list that is a map. */
export function keyStep(keys: readonly (readonly [string, unknown])[]): string {
  return `k:${JSON.stringify(fromEntries(keys.toSorted(([a], [b]) => (a < b ? -1 : 1))))}`;
}

/** The step of an entry of a set. */
export function valueStep(value: unknown): string {
  return `v:${JSON.stringify(value)}`;
}

/** `.spec.ports[port=80,protocol="TCP"].name`, as Kubernetes writes it. */
export function formatPath(path: readonly string[]): string {
  return path.map(formatStep).join("");
}

function formatStep(step: string): string {
  const text = step.slice(2);
  if (step.startsWith("f:")) return `.${text}`;
  if (step.startsWith("i:")) return `[${text}]`;
  if (step.startsWith("v:")) return `[=${text}]`;
  const keys = Object.entries(parseJson(text) as JsonObject);
  return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
}

function isScalar(value: unknown): boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

/** Undefined when it is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
