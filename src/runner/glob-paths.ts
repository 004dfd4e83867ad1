import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * Files below `folder` that a pattern names, sorted, as paths relative to it: `*` and `?` within one name, `**` for any
 * number of folders. Hidden names need their dot written. A pattern without these characters names one file.
 */
export function globPaths(folder: string, pattern: string): readonly string[] {
  const found: string[] = [];
  expand(
    folder,
    "",
    pattern.split("/").filter((part, i) => part !== "" || i === 0),
    found,
  );
  return [...new Set(found)].sort();
}

function expand(folder: string, prefix: string, parts: readonly string[], found: string[]): void {
  const [part, ...rest] = parts;
  if (part === undefined) return;
  if (part === "**") {
    expand(folder, prefix, rest.length === 0 ? ["*"] : rest, found);
    for (const name of listNames(folder, prefix)) {
      const path = joinRelative(prefix, name);
      if (!name.startsWith(".") && name !== "node_modules" && isFolder(folder, path))
        expand(folder, path, parts, found);
    }
    return;
  }
  const names = /[*?]/.test(part) ? listNames(folder, prefix).filter((name) => matchesName(name, part)) : [part];
  for (const name of names) {
    const path = prefix === "" && parts.length > 1 && name === "" ? "/" : joinRelative(prefix, name);
    if (rest.length > 0) expand(folder, path, rest, found);
    else if (isFile(folder, path)) found.push(path);
  }
}

function matchesName(name: string, pattern: string): boolean {
  if (name.startsWith(".") && !pattern.startsWith(".")) return false;
  return matchesWild(name, pattern);
}

/** Greedy with one step back, so the time is at most length × length. */
function matchesWild(name: string, pattern: string): boolean {
  let n = 0;
  let p = 0;
  let starAt = -1;
  let starName = 0;
  while (n < name.length) {
    if (pattern[p] === "*") {
      starAt = p;
      starName = n;
      p += 1;
    } else if (pattern[p] === "?" || pattern[p] === name[n]) {
      n += 1;
      p += 1;
    } else if (starAt !== -1) {
      starName += 1;
      n = starName;
      p = starAt + 1;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p += 1;
  return p === pattern.length;
}

function joinRelative(prefix: string, name: string): string {
  if (prefix === "") return name;
  return prefix.endsWith("/") ? `${prefix}${name}` : `${prefix}/${name}`;
}

function listNames(folder: string, prefix: string): readonly string[] {
  try {
    return readdirSync(resolvePath(folder, prefix)).sort();
  } catch {
    return [];
  }
}

function isFolder(folder: string, path: string): boolean {
  return statSync(resolvePath(folder, path), { throwIfNoEntry: false })?.isDirectory() === true;
}

function isFile(folder: string, path: string): boolean {
  return statSync(resolvePath(folder, path), { throwIfNoEntry: false })?.isFile() === true;
}

function resolvePath(folder: string, path: string): string {
  return path.startsWith("/") ? path : join(folder, path);
}
