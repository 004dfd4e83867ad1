import path from "node:path";
import type { RepositoryFile } from "./repository.ts";

const MAX_LINES = 400;
/** For a codec, a state machine or a list of cases that says in its first lines why it is long. */
const MAX_LINES_WITH_REASON = 600;
const REASON = /\b(long(er)?\b|one state machine|one table|list of cases)/i;

/** Data: as long as there are cases. */
const CASE_TABLES: ReadonlySet<string> = new Set(["test/conformance/http1/cases.ts"]);

const BANNED_NAMES: ReadonlySet<string> = new Set(
  "utils util helpers helper common misc types constants manager index".split(" "),
);

/** Names and lengths of files that the house style refuses, one line each. */
export function checkFileShape(files: readonly RepositoryFile[]): string[] {
  const problems: string[] = [];
  for (const file of files) {
    if (!/^(src|test|bench|scripts)\/.*\.(c?ts|mjs)$/.test(file.path)) continue;
    const name = path.posix.basename(file.path).replace(/(\.test)?\.(c?ts|mjs)$/, "");
    if (BANNED_NAMES.has(name)) problems.push(`${file.path}: "${name}" says nothing; name the one thing it exports`);
    if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9-]+)?$/.test(name))
      problems.push(`${file.path}: expected a kebab-case name`);
    const lines = file.text.split("\n");
    const count = lines.length - 1;
    const isExplained = REASON.test(lines.slice(0, 8).join("\n"));
    const limit = isExplained ? MAX_LINES_WITH_REASON : MAX_LINES;
    if (count > limit && !CASE_TABLES.has(file.path))
      problems.push(`${file.path}: ${count} lines; expected at most ${limit}: look for a seam`);
  }
  return problems;
}
