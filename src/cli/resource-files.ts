import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { WeftError } from "../lib/weft-error.ts";
import type { KnownResource } from "../resources/known-resource.ts";
import { parseResourceFile } from "../resources/parse-file.ts";
import type { Problem } from "../resources/problem.ts";
import { createProblem, type SchemaSource } from "../resources/schema-problems.ts";
import type { CliContext } from "./context.ts";

/** Resources of files, and everything wrong with any of them. */
export interface ReadResources {
  readonly resources: readonly KnownResource[];
  readonly sources: ReadonlyMap<KnownResource, SchemaSource>;
  readonly problems: readonly Problem[];
}

const EXTENSIONS = /\.(ya?ml|json)$/i;
/** Beyond this it is not a folder of resources; a wrong path should not read a disk. */
const MAX_FILES = 10_000;
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/**
 * Reads `-f` arguments: files, folders (every .yaml, .yml and .json below, in order of name; hidden and node_modules
 * left out) and `-` for standard input. Throws WEFT_CLI_FILE when a path cannot be read; content is never thrown but
 * reported.
 */
export async function readResourceFiles(context: CliContext, paths: readonly string[]): Promise<ReadResources> {
  const resources: KnownResource[] = [];
  const sources = new Map<KnownResource, SchemaSource>();
  const problems: Problem[] = [];
  const places = new Map<string, string>();
  for (const path of paths) {
    for (const { file, text } of await readPath(context, path)) {
      const parsed = parseResourceFile(text, file);
      problems.push(...parsed.problems);
      for (const resource of parsed.resources) {
        const source = parsed.sources.get(resource) ?? { file };
        const repeated = describeRepeat(resource, source, places);
        if (repeated !== null) problems.push(repeated);
        resources.push(resource);
        sources.set(resource, source);
      }
    }
  }
  return { resources, sources, problems };
}

interface NamedText {
  readonly file: string;
  readonly text: string;
}

async function readPath(context: CliContext, path: string): Promise<readonly NamedText[]> {
  if (path === "-") return [{ file: "stdin", text: await context.readStdin() }];
  const absolute = resolve(context.cwd, path);
  const isFolder = guardRead(path, () => statSync(absolute).isDirectory());
  const files = isFolder ? listFiles(absolute) : [absolute];
  if (files.length === 0) {
    throw new WeftError(
      "WEFT_CLI_FILE",
      `Cannot read resources from "${path}": found no .yaml, .yml or .json file; expected at least one`,
      {
        hint: "Name the files themselves, or another folder",
      },
    );
  }
  return files.map((file) => ({ file: displayPath(context.cwd, file), text: guardRead(path, () => readText(file)) }));
}

/** Relative to the working folder unless that leads far up. */
function displayPath(cwd: string, file: string): string {
  const short = relative(cwd, file);
  return short.startsWith("../../..") ? file : short;
}

function readText(file: string): string {
  const { size } = statSync(file);
  if (size > MAX_FILE_BYTES) throw new Error(`${size} bytes; expected at most ${MAX_FILE_BYTES}`);
  return readFileSync(file, "utf8");
}

function listFiles(folder: string): readonly string[] {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  if (entries.length > MAX_FILES)
    throw new WeftError(
      "WEFT_CLI_FILE",
      `Cannot read resources from "${folder}": found more than ${MAX_FILES} files; expected a folder of resources`,
    );
  return entries
    .filter((entry) => entry.isFile() && EXTENSIONS.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter(
      (file) =>
        !relative(folder, file)
          .split("/")
          .some((part) => part.startsWith(".") || part === "node_modules"),
    )
    .sort();
}

function guardRead<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof WeftError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    const found =
      code === "ENOENT" ? "no such file or folder" : code === "EACCES" ? "permission denied" : (error as Error).message;
    throw new WeftError(
      "WEFT_CLI_FILE",
      `Cannot read "${path}": found ${found}; expected a file or folder with resources`,
      { cause: error },
    );
  }
}

function describeRepeat(resource: KnownResource, source: SchemaSource, places: Map<string, string>): Problem | null {
  const { namespace, name } = resource.metadata;
  const key = `${resource.kind} ${namespace}/${name}`;
  const earlier = places.get(key);
  const text = {
    found: `a second ${resource.kind} "${name}"`,
    expected: `each resource once (the first is at ${earlier ?? ""})`,
  };
  const problem = createProblem(["metadata", "name"], text, source);
  if (earlier !== undefined) return problem;
  places.set(key, problem.line === 0 ? source.file : `${source.file}:${problem.line}`);
  return null;
}
