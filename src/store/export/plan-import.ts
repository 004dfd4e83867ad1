import { isDeepStrictEqual } from "node:util";
import { WeftError } from "../../lib/weft-error.ts";
import { formatProblem, type Problem } from "../../resources/problem.ts";
import { kindOf, KINDS } from "../../resources/registry.ts";
import type { Resource } from "../../resources/resource.ts";
import { validateResource } from "../../resources/validate.ts";
import { encodeKey, formatKey, toResourceKey } from "../store-key.ts";

export interface ImportPlan {
  /** In the order in which they have to be there. */
  readonly create: readonly Resource[];
  /** With what is there now. */
  readonly change: readonly { readonly resource: Resource; readonly existing: Resource }[];
  readonly remove: readonly Resource[];
  readonly unchanged: number;
}

export interface ImportOptions {
  /** For messages. */
  readonly file: string;
  /** The mesh becomes what the file says: what differs is changed, what the file does not have is deleted. */
  readonly replace: boolean;
}

const MAX_NAMED = 10;

/**
 * What has to be done so that a mesh holds what an export holds. Throws before anything is written: WEFT_STORE_EXPORT for
 * resources that are not valid, WEFT_STORE_IMPORT when something else is there and `replace` was not asked for.
 */
export function planImport(
  imported: readonly Resource[],
  existing: readonly Resource[],
  options: ImportOptions,
): ImportPlan {
  assertValid(imported, options.file);
  const there = new Map(existing.map((resource) => [encodeKey(toResourceKey(resource)), resource]));
  const create: Resource[] = [];
  const change: { resource: Resource; existing: Resource }[] = [];
  let unchanged = 0;
  for (const resource of imported.toSorted((a, b) => rank(a) - rank(b))) {
    const key = encodeKey(toResourceKey(resource));
    const found = there.get(key);
    there.delete(key);
    if (found === undefined) create.push(resource);
    else if (isSame(resource, found)) unchanged += 1;
    else change.push({ resource, existing: found });
  }
  if (!options.replace && change.length > 0)
    throw differsError(
      change.map((pair) => pair.resource),
      options.file,
    );
  const remove = options.replace ? [...there.values()].toSorted((a, b) => rank(b) - rank(a)) : [];
  return { create, change, remove, unchanged };
}

/** The settings of the mesh first, then as the registry lists kinds; what others own after all that can own. */
function rank(resource: Resource): number {
  if (resource.kind === "Mesh") return -1;
  const owned = (resource.metadata.ownerReferences ?? []).length > 0 ? KINDS.length + 1 : 0;
  const kind = kindOf(resource);
  return owned + (kind === null ? KINDS.length : KINDS.indexOf(kind));
}

/** But for what a store gives. */
function isSame(a: Resource, b: Resource): boolean {
  return isDeepStrictEqual(withoutServerFields(a), withoutServerFields(b));
}

function withoutServerFields(resource: Resource): unknown {
  const { uid: _u, resourceVersion: _r, generation: _g, creationTimestamp: _c, ...metadata } = resource.metadata;
  const { managedFields: _m, ...rest } = metadata as Readonly<Record<string, unknown>>;
  const { status: _s, ...content } = resource;
  // As a file would give it back.
  return JSON.parse(JSON.stringify({ ...content, metadata: rest }));
}

function assertValid(resources: readonly Resource[], file: string): void {
  const problems: Problem[] = [];
  for (const resource of resources) {
    // Kinds that weft does not know are kept as they are.
    if (kindOf(resource) === null) continue;
    const found = validateResource(resource, { file: `${file}: ${formatKey(toResourceKey(resource))}` }).problems;
    problems.push(...found.filter((problem) => problem.severity === "error"));
  }
  if (problems.length === 0) return;
  const listed = problems.slice(0, MAX_NAMED).map(formatProblem).join("; ");
  throw new WeftError(
    "WEFT_STORE_EXPORT",
    `Cannot import ${file}: found ${problems.length} problems: ${listed}; expected resources that this version of weft takes`,
    { hint: "Nothing was written. Correct the lines, or export again" },
  );
}

function differsError(resources: readonly Resource[], file: string): WeftError {
  const names = resources.slice(0, MAX_NAMED).map((resource) => formatKey(toResourceKey(resource)));
  const more = resources.length > names.length ? ` and ${resources.length - names.length} more` : "";
  return new WeftError(
    "WEFT_STORE_IMPORT",
    `Cannot import ${file}: found other content of ${names.join(", ")}${more} in the mesh; expected the same or nothing`,
    { hint: "Nothing was written. With --replace the mesh becomes what the file says, and the rest is deleted" },
  );
}
