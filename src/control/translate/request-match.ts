import type { envoy } from "#gen/protos.js";
import { parseSimplePattern } from "../../lib/pattern.ts";
import type { HttpMatchModel } from "../model/mesh-model.ts";

// SMI's patterns fit from the start of a path and anywhere in a header's value; xDS's safe_regex fits a whole text. What is
// plain text is said without a regular expression, so that a proxy compares strings. Neither paths nor header values hold
// line feeds, so `.*` is anything at all.

/** What a path must be; null = any. */
export function toPathMatcher(pathRegex: string): envoy.type.matcher.v3.StringMatcher | null {
  const simple = parseSimplePattern(pathRegex);
  if (simple === null) return { safeRegex: { regex: `${group(pathRegex)}(?s:.*)` } };
  if (simple.atEnd && !simple.open) return { exact: simple.literal };
  return simple.literal === "" ? null : { prefix: simple.literal };
}

/** Method and headers; all must hold. */
export function toHeaderMatchers(match: HttpMatchModel): envoy.config.route.v3.HeaderMatcher[] {
  const matchers = match.headers.map(([name, pattern]) => toHeaderMatcher(name, pattern));
  if (match.methods === null) return matchers;
  const [first = "", ...rest] = match.methods;
  const stringMatch = rest.length === 0 ? { exact: first } : { safeRegex: { regex: match.methods.join("|") } };
  return [{ name: ":method", stringMatch }, ...matchers];
}

export function toRouteMatch(match: HttpMatchModel): envoy.config.route.v3.RouteMatch {
  const headers = toHeaderMatchers(match);
  const path = toPathMatcher(match.pathRegex);
  if (path === null) return { prefix: "/", headers };
  if (path.exact != null) return { path: path.exact, headers };
  if (path.prefix != null) return { prefix: path.prefix, headers };
  return { safeRegex: path.safeRegex ?? null, headers };
}

function toHeaderMatcher(writtenName: string, pattern: string): envoy.config.route.v3.HeaderMatcher {
  // SMI's "host" is what was called; HTTP/2 and absolute-form requests have no such header.
  const name = writtenName === "host" ? ":authority" : writtenName;
  const simple = parseSimplePattern(pattern);
  if (simple === null) return { name, stringMatch: { safeRegex: { regex: `(?s:.*)${group(pattern)}(?s:.*)` } } };
  const { atStart, literal } = simple;
  const atEnd = simple.atEnd && !simple.open;
  if (atStart && atEnd) return { name, stringMatch: { exact: literal } };
  if (literal === "") return { name, presentMatch: true };
  if (atStart) return { name, stringMatch: { prefix: literal } };
  return { name, stringMatch: atEnd ? { suffix: literal } : { contains: literal } };
}

/** `\Q` without `\E` quotes to the end and would swallow the closing bracket. */
function group(pattern: string): string {
  let isQuoted = false;
  for (let i = 0; i < pattern.length - 1; i += 1) {
    if (pattern[i] !== "\\") continue;
    if (isQuoted) {
      if (pattern[i + 1] !== "E") continue;
      isQuoted = false;
    } else if (pattern[i + 1] === "Q") {
      isQuoted = true;
    }
    i += 1;
  }
  return isQuoted ? `(?:${pattern}\\E)` : `(?:${pattern})`;
}
