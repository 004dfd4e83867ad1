import type { RepositoryFile } from "./repository.ts";

/** The lines between `<!-- NAME: generated -->` and `<!-- NAME: end -->`, without the two lines of a table's head. */
export function readGeneratedRows(text: string, name: string): readonly string[] {
  const start = text.indexOf(`<!-- ${name}: generated -->`);
  const end = text.indexOf(`<!-- ${name}: end -->`);
  if (start < 0 || end < start) throw new Error(`no generated section "${name}"`);
  return text.slice(start, end).trimEnd().split("\n").slice(3);
}

/** The first cells of all tables that are one word of code, such as `weft_request_total`. */
export function readFirstCells(text: string, pattern: RegExp): readonly string[] {
  const cells = [...text.matchAll(/^\|\s*`([^`]+)`\s*\|/gm)].map((match) => match[1] ?? "");
  return cells.filter((cell) => pattern.test(cell));
}

/** Names that the sources use and the page lacks, and the other way round, one line each. */
export function compareNames(used: Iterable<string>, documented: Iterable<string>, page: string): string[] {
  const inSources = new Set(used);
  const onPage = new Set(documented);
  const missing = [...inSources].filter((name) => !onPage.has(name)).map((name) => `${page} lacks ${name}`);
  const stale = [...onPage]
    .filter((name) => !inSources.has(name))
    .map((name) => `${page} has ${name}, which nothing uses`);
  return [...missing, ...stale].sort();
}

/** All strings of sources that match `pattern`, which must be anchored; of "NAME: what happened" only the name counts. */
export function listStrings(files: readonly RepositoryFile[], pattern: RegExp): readonly string[] {
  const found = new Set<string>();
  for (const file of files) {
    for (const match of file.text.matchAll(/["'`]([^"'`\n\s:]+)(?=["'`]|: )/g)) {
      const text = match[1] ?? "";
      if (pattern.test(text)) found.add(text);
    }
  }
  return [...found].sort();
}
