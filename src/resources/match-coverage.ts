import { parseSimplePattern } from "../lib/pattern.ts";
import { readHeaderPatterns } from "./header-patterns.ts";
import type { HttpMatch } from "./http-route-group.ts";

/**
 * Whether every request that fits one of `later` fits one of `earlier`, as far as that can be seen from the text: equal
 * regular expressions, or any path. False when in doubt.
 */
export function covers(earlier: readonly HttpMatch[], later: readonly HttpMatch[]): boolean {
  return later.length > 0 && later.every((match) => earlier.some((other) => coversMatch(other, match)));
}

/** Why no request can fit a match: what of its path is wrong. Null when one may. */
export function describeImpossible({ pathRegex }: HttpMatch): string | null {
  const simple = parseSimplePattern(pathRegex);
  const first = simple === null ? findFirstLetter(pathRegex) : simple.literal.charAt(0);
  // "*" is the path of `OPTIONS *`.
  if (first !== "" && first !== "/" && first !== "*") return "a path that begins with /, as all do";
  const query = simple === null ? -1 : simple.literal.search(/[?#]/);
  return query === -1 ? null : "a path alone: what stands behind ? or # is no part of it";
}

function coversMatch(earlier: HttpMatch, later: HttpMatch): boolean {
  const isPathCovered = earlier.pathRegex === ".*" || earlier.pathRegex === later.pathRegex;
  const isMethodCovered =
    earlier.methods.includes("*") || later.methods.every((method) => earlier.methods.includes(method));
  const headers = [...readHeaderPatterns(earlier.headers)];
  const others = readHeaderPatterns(later.headers);
  return isPathCovered && isMethodCovered && headers.every(([name, regex]) => others.get(name) === regex);
}

/** The letter or digit that every text which fits begins with; "" when there may be others. */
function findFirstLetter(source: string): string {
  const found = /^\^?([A-Za-z0-9_-])(?![*?{])/.exec(source);
  return found === null || source.includes("|") || source.startsWith("(?") ? "" : (found[1] ?? "");
}
