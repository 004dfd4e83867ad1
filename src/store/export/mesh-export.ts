import { WeftError } from "../../lib/weft-error.ts";
import type { Resource } from "../../resources/resource.ts";
import { encodeKey, toResourceKey } from "../store-key.ts";

/** All resources of a mesh, as they move from one store to another. */
export interface MeshExport {
  readonly mesh: string;
  /** e.g. `2026-01-01T00:00:00Z`. */
  readonly exportedAt: string;
  readonly resources: readonly Resource[];
}

interface Header {
  readonly weftExport: number;
  readonly mesh: string;
  readonly exportedAt: string;
  readonly resources: number;
}

/** Changes when an older weft would misread it. */
const FORMAT = 1;

/**
 * JSON lines: a header that says how many resources follow, then one resource a line, by kind, namespace and name, so that
 * two exports can be compared. Versions are left out, as they mean something in their own store only, and so is status,
 * which those who watch the resources say again.
 */
export function formatExport({ mesh, exportedAt, resources }: MeshExport): string {
  const header: Header = { weftExport: FORMAT, mesh, exportedAt, resources: resources.length };
  const byKey = resources.map((resource) => ({ key: encodeKey(toResourceKey(resource)), resource }));
  byKey.sort((a, b) => (a.key < b.key ? -1 : 1));
  const lines = byKey.map(({ resource }) => {
    const { status: _, ...rest } = resource;
    const { resourceVersion: _v, ...metadata } = resource.metadata;
    return JSON.stringify({ ...rest, metadata });
  });
  return `${[JSON.stringify(header), ...lines].join("\n")}\n`;
}

/** Throws WEFT_STORE_EXPORT with the line: for something else, for a file that was cut, and for a resource listed twice. */
export function parseExport(text: string, file: string): MeshExport {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const header = parseHeader(lines[0] ?? "", file);
  const resources = lines.slice(1).map((line, index) => parseResource(line, file, index + 2));
  if (resources.length !== header.resources) {
    throw exportError(file, lines.length, `${resources.length} resources`, `${header.resources}, as the header says`);
  }
  const seen = new Map<string, number>();
  for (const [index, resource] of resources.entries()) {
    const key = keyOf(resource, file, index + 2);
    const before = seen.get(key);
    if (before !== undefined) throw exportError(file, index + 2, `the resource of line ${before} again`, "each once");
    seen.set(key, index + 2);
  }
  return { mesh: header.mesh, exportedAt: header.exportedAt, resources };
}

function parseHeader(line: string, file: string): Header {
  const header = parseJson(line, file, 1);
  const expected = `the header of an export of weft: {"weftExport":${FORMAT},"mesh":…,"exportedAt":…,"resources":…}`;
  if (!isRecord(header) || typeof header["weftExport"] !== "number") throw exportError(file, 1, "no header", expected);
  if (header["weftExport"] !== FORMAT) {
    throw exportError(file, 1, `format ${header["weftExport"]}`, `format ${FORMAT}: it was written by another version`);
  }
  const { mesh, exportedAt, resources } = header;
  if (typeof mesh === "string" && typeof exportedAt === "string" && typeof resources === "number") {
    return { weftExport: FORMAT, mesh, exportedAt, resources };
  }
  throw exportError(file, 1, "a header with parts missing", expected);
}

function parseResource(line: string, file: string, number: number): Resource {
  const value = parseJson(line, file, number);
  if (isRecord(value) && typeof value["apiVersion"] === "string" && typeof value["kind"] === "string") {
    const { metadata } = value;
    if (isRecord(metadata) && typeof metadata["name"] === "string" && typeof metadata["namespace"] === "string") {
      return value as unknown as Resource;
    }
  }
  throw exportError(file, number, "no resource", "apiVersion, kind, metadata.name and metadata.namespace");
}

function keyOf(resource: Resource, file: string, number: number): string {
  try {
    return encodeKey(toResourceKey(resource));
  } catch (error) {
    throw exportError(file, number, error instanceof Error ? error.message : String(error), "a key that a store takes");
  }
}

function parseJson(line: string, file: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw exportError(
      file,
      number,
      line === "" ? "an empty line" : "a line that is not JSON",
      "one JSON object a line",
    );
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function exportError(file: string, line: number, found: string, expected: string): WeftError {
  return new WeftError("WEFT_STORE_EXPORT", `Cannot read ${file}:${line}: found ${found}; expected ${expected}`, {
    hint: "Import a whole file that `weft store export` wrote",
    details: { file, line },
  });
}
