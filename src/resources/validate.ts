import { deepFreeze } from "../lib/deep-freeze.ts";
import type { KnownResource } from "./known-resource.ts";
import type { Problem } from "./problem.ts";
import { findKind, formatApiVersion, KINDS, SERVED_KINDS } from "./registry.ts";
import { checkSchema, createProblem, describeFound, type SchemaSource } from "./schema-problems.ts";

export interface ValidationResult {
  /** As it is stored, whichever version was written: frozen, with every default. Null when there is an error. */
  readonly resource: KnownResource | null;
  readonly problems: readonly Problem[];
}

/**
 * Checks one object of any kind: fields, names, defaults (namespace "default" included). Whether the things it names
 * exist is not asked here (`check-references.ts`). Never throws; does not change `input`.
 */
export function validateResource(input: unknown, source: SchemaSource): ValidationResult {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    const text = { found: describeFound(input), expected: "an object with apiVersion, kind and metadata" };
    return { resource: null, problems: [createProblem([], text, source)] };
  }
  const { apiVersion, kind } = input as Readonly<Record<string, unknown>>;
  const definition = typeof apiVersion === "string" && typeof kind === "string" ? findKind(apiVersion, kind) : null;
  if (definition === null) return { resource: null, problems: describeUnknownKind(apiVersion, kind, source) };
  const { value, problems } = checkSchema(definition.schema, input, {
    ...source,
    secretFields: definition.secretFields ?? [],
  });
  if (value === null) return { resource: null, problems };
  // A copy: what a schema does not look into is passed on as it is, and freezing it would freeze the caller's.
  const copy = structuredClone(value);
  // Of the stored version's schema; which kind it is, `definition` says.
  const resource = definition.conversion?.toStored(copy) ?? (copy as KnownResource);
  return { resource: deepFreeze(resource), problems };
}

function describeUnknownKind(apiVersion: unknown, kind: unknown, source: SchemaSource): Problem[] {
  const sameKind = SERVED_KINDS.filter((candidate) => candidate.kind === kind);
  if (sameKind.length > 0) {
    const expected = sameKind.map((candidate) => formatApiVersion(candidate.group, candidate.version)).join(" or ");
    return [createProblem(["apiVersion"], { found: describeFound(apiVersion), expected }, source)];
  }
  const kinds = `one of ${KINDS.map((candidate) => candidate.kind).join(", ")}`;
  const problems = [createProblem(["kind"], { found: describeFound(kind), expected: kinds }, source)];
  if (typeof apiVersion !== "string") {
    const text = { found: describeFound(apiVersion), expected: "an apiVersion, e.g. v1" };
    problems.unshift(createProblem(["apiVersion"], text, source));
  }
  return problems;
}
