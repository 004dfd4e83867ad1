import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { WeftError } from "../lib/weft-error.ts";
import { checkReferences } from "../resources/check-references.ts";
import type { KnownResource } from "../resources/known-resource.ts";
import { parseResourceFile } from "../resources/parse-file.ts";
import type { Problem } from "../resources/problem.ts";
import type { Resource } from "../resources/resource.ts";
import { createProblem, type SchemaSource } from "../resources/schema-problems.ts";
import { noteSource } from "../resources/source-annotation.ts";
import { globPaths } from "./glob-paths.ts";
import { parseWeftYaml } from "./parse-weft-yaml.ts";
import type { WeftYaml } from "./weft-yaml.ts";
import { MANAGED_BY_LABEL, weftYamlToResources } from "./weft-yaml-resources.ts";

export interface LoadedWeftYaml {
  readonly config: WeftYaml;
  /** Absolute; commands run here and globs start here. */
  readonly folder: string;
  /** What weft.yaml stands for and what its `resources` files hold, each with the label that says weft wrote it. */
  readonly resources: readonly Resource[];
  readonly warnings: readonly Problem[];
}

/** Thrown when a file has errors: `problems` holds all problems of all files, in the order of the files. */
export class InvalidWeftYamlError extends WeftError {
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[]) {
    const count = problems.filter((problem) => problem.severity === "error").length;
    super("WEFT_YAML_INVALID", `Cannot use "${file}": found ${count} error${count === 1 ? "" : "s"}; expected none`, {
      hint: "Every key is described in docs/weft-yaml.md",
    });
    this.problems = problems;
  }
}

/**
 * Reads weft.yaml (`path` absolute, shown relative to `cwd`) and the files it names. Without `wallMs` (now) nothing is said of
 * faults that have ended. Throws `InvalidWeftYamlError`.
 */
export function loadWeftYaml(path: string, cwd: string, wallMs?: number): LoadedWeftYaml {
  const file = shorten(path, cwd);
  const { config, problems, source } = parseWeftYaml(readText(path, file), file);
  if (config === null) throw new InvalidWeftYamlError(file, problems);
  const folder = dirname(path);
  const own = weftYamlToResources(config).map((resource) => noteOwnSource(resource, source));
  const written = readResourceFiles(config, { folder, cwd, source });
  const clashes = findClashes(own, written.sources, file);
  const all = [...problems, ...written.problems, ...clashes];
  if (all.some((problem) => problem.severity === "error")) throw new InvalidWeftYamlError(file, all);
  const references = checkReferences([...written.sources.keys()], own, {
    sources: written.sources,
    ...(wallMs === undefined ? {} : { wallMs }),
  });
  return {
    config,
    folder,
    resources: [...own, ...[...written.sources].map(([resource, place]) => markManaged(noteSource(resource, place)))],
    warnings: [...all, ...references],
  };
}

/** Who may call whom is asked about: the line of weft.yaml that says so. */
function noteOwnSource(resource: Resource, source: SchemaSource): Resource {
  if (resource.kind !== "TrafficTarget") return resource;
  return noteSource(resource, { ...source, basePath: ["services", resource.metadata.name, "allow"] });
}

interface Place {
  readonly folder: string;
  readonly cwd: string;
  readonly source: SchemaSource;
}

interface WrittenResources {
  readonly sources: ReadonlyMap<KnownResource, SchemaSource>;
  readonly problems: readonly Problem[];
}

function readResourceFiles(config: WeftYaml, place: Place): WrittenResources {
  const sources = new Map<KnownResource, SchemaSource>();
  const problems: Problem[] = [];
  const seen = new Map<string, string>();
  const paths = new Set<string>();
  for (const [position, pattern] of config.resources.entries()) {
    const found = globPaths(place.folder, pattern);
    if (found.length === 0) {
      const isGlob = /[*?]/.test(pattern);
      const text = {
        found: `no file for ${JSON.stringify(pattern)}`,
        expected: `${isGlob ? "at least one" : "a"} file below ${shorten(place.folder, place.cwd) || "this folder"}`,
      };
      const severity = isGlob ? "warning" : "error";
      problems.push(createProblem(["resources", position], text, { ...place.source, severity }));
    }
    for (const path of found) paths.add(path.startsWith("/") ? path : join(place.folder, path));
  }
  for (const path of paths) {
    const shown = shorten(path, place.cwd);
    const parsed = parseResourceFile(readText(path, shown), shown);
    problems.push(...parsed.problems);
    for (const [resource, source] of parsed.sources) {
      const key = keyOf(resource);
      const earlier = seen.get(key);
      if (earlier !== undefined)
        problems.push(createClash(resource, source, `each resource once (another is in ${earlier})`));
      seen.set(key, shown);
      sources.set(resource, source);
    }
  }
  return { sources, problems };
}

/** A file may not quietly replace what weft.yaml itself says. */
function findClashes(
  own: readonly Resource[],
  sources: ReadonlyMap<KnownResource, SchemaSource>,
  file: string,
): readonly Problem[] {
  const taken = new Set(own.map(keyOf));
  const problems: Problem[] = [];
  for (const [resource, source] of sources) {
    if (taken.has(keyOf(resource)))
      problems.push(createClash(resource, source, `a name that ${file} does not use itself`));
  }
  return problems;
}

function createClash(resource: Resource, source: SchemaSource, expected: string): Problem {
  const text = { found: `a second ${resource.kind} ${JSON.stringify(resource.metadata.name)}`, expected };
  return createProblem(["metadata", "name"], text, source);
}

function keyOf(resource: Resource): string {
  return `${resource.kind} ${resource.metadata.namespace}/${resource.metadata.name}`;
}

function markManaged(resource: Resource): Resource {
  const labels = { ...resource.metadata.labels, [MANAGED_BY_LABEL]: "weft" };
  return { ...resource, metadata: { ...resource.metadata, labels } };
}

function readText(path: string, shown: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new WeftError(
      "WEFT_YAML_MISSING",
      `Cannot read "${shown}": found ${code}; expected a file this user can read`,
      {
        hint: "Give `weft up` the path of a weft.yaml, or go to its folder",
        cause: error,
      },
    );
  }
}

/** Relative when the file is below `cwd`. */
function shorten(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short.startsWith("..") ? path : short;
}
