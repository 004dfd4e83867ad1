import type { envoy } from "#gen/protos.js";
import type { HttpMatchModel } from "../model/mesh-model.ts";
import { toHeaderMatchers, toPathMatcher } from "./request-match.ts";

type RouteMatch = envoy.config.route.v3.RouteMatch;
type StringMatcher = envoy.type.matcher.v3.StringMatcher;
type HeaderMatcher = envoy.config.route.v3.HeaderMatcher;

/** What a request must be to fit all of these; none = any request. Null = no request can. */
export function toJointMatch(matches: readonly HttpMatchModel[]): RouteMatch | null {
  const methods = intersectMethods(matches);
  const path = intersectPaths(matches.map(({ pathRegex }) => toPathMatcher(pathRegex)));
  if (methods?.length === 0 || path === null) return null;
  const headers: HeaderMatcher[] = toHeaderMatchers({ pathRegex: "", methods, headers: mergeHeaders(matches) });
  headers.push(...path.others.map(toPathHeader));
  const { first } = path;
  if (first === null) return headers.length === 0 ? { prefix: "/" } : { prefix: "/", headers };
  if (first.exact != null) return { path: first.exact, headers };
  return first.prefix != null ? { prefix: first.prefix, headers } : { safeRegex: first.safeRegex ?? null, headers };
}

/** Null = any. */
function intersectMethods(matches: readonly HttpMatchModel[]): readonly string[] | null {
  let methods: readonly string[] | null = null;
  for (const { methods: more } of matches) {
    if (more === null) continue;
    methods = methods === null ? more : methods.filter((method) => more.includes(method));
  }
  return methods;
}

function mergeHeaders(matches: readonly HttpMatchModel[]): (readonly [string, string])[] {
  const headers: (readonly [string, string])[] = [];
  for (const header of matches.flatMap((match) => match.headers)) {
    if (!headers.some(([name, pattern]) => name === header[0] && pattern === header[1])) headers.push(header);
  }
  return headers;
}

interface JointPath {
  /** What the route compares; null = any path. */
  readonly first: StringMatcher | null;
  /** Regular expressions that must fit too. */
  readonly others: readonly StringMatcher[];
}

/** A route has one path. Texts are joined into one, and regular expressions are asked beside it. Null = no path fits. */
function intersectPaths(paths: readonly (StringMatcher | null)[]): JointPath | null {
  let text: StringMatcher | null = null;
  const patterns: StringMatcher[] = [];
  for (const path of paths) {
    if (path === null) continue;
    if (path.safeRegex == null) {
      text = text === null ? path : intersectTexts(text, path);
      if (text === null) return null;
    } else if (!patterns.some((known) => known.safeRegex?.regex === path.safeRegex?.regex)) {
      patterns.push(path);
    }
  }
  if (text !== null) return { first: text, others: patterns };
  return { first: patterns[0] ?? null, others: patterns.slice(1) };
}

function intersectTexts(one: StringMatcher, other: StringMatcher): StringMatcher | null {
  if (one.exact != null) return fits(one.exact, other) ? one : null;
  if (other.exact != null) return fits(other.exact, one) ? other : null;
  if (fits(one.prefix ?? "", other)) return one;
  return fits(other.prefix ?? "", one) ? other : null;
}

function fits(text: string, { exact, prefix }: StringMatcher): boolean {
  return exact == null ? text.startsWith(prefix ?? "") : text === exact;
}

/** Envoy's `:path` has the query, ours has not; the pattern is for both. */
function toPathHeader({ safeRegex }: StringMatcher): HeaderMatcher {
  return { name: ":path", stringMatch: { safeRegex: { regex: `(?:${safeRegex?.regex ?? ""})(?:\\?.*)?` } } };
}
