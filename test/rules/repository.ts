import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

export interface RepositoryFile {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** Folders that hold nothing written by hand; nor do those that start with a dot, but for .ci. */
const SKIPPED: ReadonlySet<string> = new Set(["coverage", "dist", "gen", "node_modules"]);
/** Shared by tests of one folder and kept beside them. */
const TEST_SUPPORT: ReadonlySet<string> = new Set([
  "src/apiserver/send-to-api.ts",
  "src/proxy/http1/codec-allocation.ts",
  "src/transport/transport-bench.ts",
]);
const TEXT = /\.(ts|cts|mts|mjs|js|json|md|yaml|yml|proto|html|css)$|(^|\/)(\.gitignore|run|LICENSE|NOTICE)$/;

/** The folder with package.json above this file, wherever the tests were compiled to. */
export function findRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(path.join(folder, "package.json"))) {
    const parent = path.dirname(folder);
    if (parent === folder) throw new Error(`no package.json above ${import.meta.dirname}`);
    folder = parent;
  }
  return folder;
}

/** All text files of the repository, or of one folder. */
export function readRepository(folder: string = ""): readonly RepositoryFile[] {
  const root = findRoot();
  const files: RepositoryFile[] = [];
  walk(root, folder, files);
  return files;
}

/** TypeScript below src/. */
export function readSources(): readonly RepositoryFile[] {
  return readRepository("src").filter((file) => /\.c?ts$/.test(file.path));
}

/** Tests and what only tests use: it may reach further than what ships. */
export function isTestCode(file: string): boolean {
  return (
    file.startsWith("test/") ||
    file.startsWith("src/testing/") ||
    /\.test\.c?ts$/.test(file) ||
    /(^|\/)(start-)?test-[^/]*\.ts$/.test(file) ||
    /^src\/(proxy|store|transport)\/.*-table\.ts$/.test(file) ||
    TEST_SUPPORT.has(file)
  );
}

function walk(root: string, folder: string, files: RepositoryFile[]): void {
  const entries = readdirSync(path.join(root, folder), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      const isSkipped = SKIPPED.has(entry.name) || (entry.name.startsWith(".") && entry.name !== ".ci");
      if (!isSkipped) walk(root, name, files);
    } else if (entry.isFile() && TEXT.test(name)) {
      files.push({ path: name, text: readFileSync(path.join(root, name), "utf8") });
    }
  }
}
