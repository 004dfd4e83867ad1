import type { KnownResource } from "./known-resource.ts";
import type { Problem } from "./problem.ts";
import { createProblem, type SchemaSource, sortProblems } from "./schema-problems.ts";
import { validateResource } from "./validate.ts";
import { parseYamlDocuments, type YamlDocument } from "./yaml-document.ts";

export interface ParsedFile {
  /** Those without errors, in order. */
  readonly resources: readonly KnownResource[];
  /** Where each of them stands, for problems found later (`checkReferences`). */
  readonly sources: ReadonlyMap<KnownResource, SchemaSource>;
  /** All problems of the file, in order. */
  readonly problems: readonly Problem[];
}

/**
 * Reads the resources of one YAML or JSON text: one or more documents, each a resource or a `v1` List of them. All
 * problems are reported together; a bad resource does not hide its neighbours. `file` is only named, never opened.
 */
export function parseResourceFile(text: string, file: string): ParsedFile {
  const { documents, problems: syntaxProblems } = parseYamlDocuments(text, file);
  const problems: Problem[] = [...syntaxProblems];
  const sources = new Map<KnownResource, SchemaSource>();
  const places = new Map<string, string>();
  if (documents.length === 0 && problems.length === 0) {
    const found = text.trim() === "" ? "an empty file" : "only comments";
    problems.push({ severity: "error", file, line: 1, column: 1, path: "", found, expected: "at least one resource" });
  }
  for (const { input, source } of documents.flatMap((document) => listObjects(document, file, problems))) {
    const result = validateResource(input, source);
    problems.push(...result.problems);
    if (result.resource === null) continue;
    const { kind, metadata } = result.resource;
    const key = `${kind} ${metadata.namespace}/${metadata.name}`;
    const earlier = places.get(key);
    if (earlier !== undefined) {
      const text = {
        found: `a second ${kind} "${metadata.name}"`,
        expected: `each resource once (the first is at ${earlier})`,
      };
      problems.push(createProblem(["metadata", "name"], text, source));
      continue;
    }
    places.set(key, formatPlace(source));
    sources.set(result.resource, source);
  }
  return { resources: [...sources.keys()], sources, problems: sortProblems(problems) };
}

interface WrittenObject {
  readonly input: unknown;
  readonly source: SchemaSource;
}

function listObjects(document: YamlDocument, file: string, problems: Problem[]): WrittenObject[] {
  const { value, locate } = document;
  if (!isList(value)) return [{ input: value, source: { file, locate } }];
  const items = value.items;
  if (!Array.isArray(items)) {
    const text = { found: items === undefined ? "nothing" : "no list", expected: "a list of resources" };
    problems.push(createProblem(["items"], text, { file, locate }));
    return [];
  }
  return items.map((input: unknown, index) => ({ input, source: { file, locate, basePath: ["items", index] } }));
}

function isList(value: unknown): value is { readonly items?: unknown } {
  if (typeof value !== "object" || value === null) return false;
  const { apiVersion, kind } = value as Readonly<Record<string, unknown>>;
  return apiVersion === "v1" && kind === "List";
}

function formatPlace(source: SchemaSource): string {
  const position = source.locate?.([...(source.basePath ?? []), "metadata", "name"], "value");
  return position === undefined ? "an earlier place" : `line ${position.line}`;
}
