import { lineAt } from "./code-text.ts";
import type { RepositoryFile } from "./repository.ts";

/** Things of one machine, or of how the work was organised, that mean nothing to a reader of the repository. */
const BANNED: readonly [RegExp, string][] = [
  [/(?<![\w.])\/(work|root|home\/\w+|Users\/\w+)\//g, "a path of somebody's machine"],
  [/https?:\/\/registry\.[\w.-]+|"resolved":\s*"https?:/g, "the address of a package registry"],
  [/\bshared\/(research|design|style)\b/g, "a document outside the repository"],
];

export function checkWorkplaceWords(files: readonly RepositoryFile[]): string[] {
  const problems: string[] = [];
  for (const file of files) {
    if (file.path.startsWith("test/rules/")) continue;
    for (const [pattern, what] of BANNED) {
      for (const match of file.text.matchAll(pattern)) {
        problems.push(`${file.path}:${lineAt(file.text, match.index)}: "${match[0]}" is ${what}`);
      }
    }
  }
  return problems;
}
