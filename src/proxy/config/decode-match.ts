import type { envoy } from "#gen/protos.js";
import type { HeaderMatch, PathMatch, RequestMatch } from "../snapshot.ts";
import { compilePattern } from "../../lib/pattern.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";

export const ANY_REQUEST: RequestMatch = { path: { kind: "any" }, methods: null, headers: [] };

/** One header condition as part of a match: `:method` becomes the method set, everything else a header. */
export function addHeaderMatcher(
  match: RequestMatch,
  matcher: envoy.config.route.v3.HeaderMatcher,
  path: string,
): RequestMatch {
  refuseUnknownFields(
    matcher,
    ["name", "stringMatch", "exactMatch", "safeRegexMatch", "presentMatch", "headerMatchSpecifier"],
    path,
  );
  const name = (matcher.name ?? "").toLowerCase();
  if (name === "") throw new ConfigRefusal(`${path}.name`, "an empty name", "a header name");
  const value = decodeHeaderValue(name, matcher, path);
  if (name !== ":method") return { ...match, headers: [...match.headers, value] };
  const methods = toMethods(value, path);
  return { ...match, methods: match.methods === null ? methods : intersect(match.methods, methods) };
}

export function decodeStringMatcher(
  matcher: envoy.type.matcher.v3.StringMatcher,
  name: string,
  path: string,
): HeaderMatch {
  refuseUnknownFields(matcher, ["exact", "prefix", "suffix", "contains", "safeRegex", "matchPattern"], path);
  if (matcher.exact != null) return { name, kind: "exact", value: matcher.exact, pattern: null };
  const source =
    matcher.prefix != null
      ? `(?s)${quote(matcher.prefix)}.*`
      : matcher.suffix != null
        ? `(?s).*${quote(matcher.suffix)}`
        : matcher.contains != null
          ? `(?s).*${quote(matcher.contains)}.*`
          : (matcher.safeRegex?.regex ?? null);
  if (source === null) throw new ConfigRefusal(path, "no pattern", "exact, prefix, suffix, contains or safe_regex");
  return { name, kind: "regex", value: "", pattern: compilePattern(source, "full") };
}

export function decodePathMatcher(matcher: envoy.type.matcher.v3.PathMatcher, path: string): PathMatch {
  const inner = matcher.path;
  if (inner == null) throw new ConfigRefusal(path, "no pattern", "a path");
  refuseUnknownFields(inner, ["exact", "prefix", "safeRegex", "matchPattern"], path);
  if (inner.exact != null) return { kind: "exact", value: inner.exact };
  if (inner.prefix != null)
    return inner.prefix === "/" || inner.prefix === "" ? { kind: "any" } : { kind: "prefix", value: inner.prefix };
  if (inner.safeRegex != null) return { kind: "regex", pattern: compilePattern(inner.safeRegex.regex ?? "", "full") };
  throw new ConfigRefusal(path, "no pattern", "exact, prefix or safe_regex");
}

export function decodeRouteMatch(match: envoy.config.route.v3.RouteMatch, path: string): RequestMatch {
  refuseUnknownFields(
    match,
    ["prefix", "pathSeparatedPrefix", "path", "safeRegex", "headers", "caseSensitive", "pathSpecifier"],
    path,
  );
  if (match.caseSensitive?.value === false) throw new ConfigRefusal(`${path}.case_sensitive`, "false", "true");
  let decoded: RequestMatch = { ...ANY_REQUEST, path: decodeRoutePath(match, path) };
  (match.headers ?? []).forEach((header, index) => {
    decoded = addHeaderMatcher(decoded, header, `${path}.headers[${index}]`);
  });
  return decoded;
}

function decodeRoutePath(match: envoy.config.route.v3.RouteMatch, path: string): PathMatch {
  if (match.prefix != null)
    return match.prefix === "/" || match.prefix === "" ? { kind: "any" } : { kind: "prefix", value: match.prefix };
  if (match.path != null) return { kind: "exact", value: match.path };
  if (match.pathSeparatedPrefix != null) return decodeSegments(match.pathSeparatedPrefix, path);
  if (match.safeRegex != null) return { kind: "regex", pattern: compilePattern(match.safeRegex.regex ?? "", "full") };
  throw new ConfigRefusal(path, "no path specifier", "prefix, path_separated_prefix, path or safe_regex");
}

/** Envoy wants it to begin with a slash and not to end with one. */
function decodeSegments(prefix: string, path: string): PathMatch {
  if (/^\/.*[^/]$/.test(prefix)) return { kind: "segments", value: prefix };
  const expected = "a path that begins with / and does not end with it";
  throw new ConfigRefusal(`${path}.path_separated_prefix`, JSON.stringify(prefix), expected);
}

function decodeHeaderValue(name: string, matcher: envoy.config.route.v3.HeaderMatcher, path: string): HeaderMatch {
  if (matcher.stringMatch != null) return decodeStringMatcher(matcher.stringMatch, name, `${path}.string_match`);
  if (matcher.exactMatch != null) return { name, kind: "exact", value: matcher.exactMatch, pattern: null };
  if (matcher.safeRegexMatch != null) {
    return { name, kind: "regex", value: "", pattern: compilePattern(matcher.safeRegexMatch.regex ?? "", "full") };
  }
  if (matcher.presentMatch === false) throw new ConfigRefusal(`${path}.present_match`, "false", "true");
  return { name, kind: "present", value: "", pattern: null };
}

/** Methods are exact names or an alternation of them; other patterns over methods are refused. */
function toMethods(value: HeaderMatch, path: string): ReadonlySet<string> {
  if (value.kind === "exact") return new Set([value.value]);
  const source = value.pattern?.source.replace(/^\(\?s\)/, "").replace(/^\^?\(\?:(.*)\)\$?$/, "$1") ?? "";
  if (value.kind === "regex" && /^[A-Za-z-]+(\|[A-Za-z-]+)*$/.test(source)) return new Set(source.split("|"));
  throw new ConfigRefusal(path, `method pattern "${source}"`, "method names separated by |");
}

function intersect(one: ReadonlySet<string>, other: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...one].filter((method) => other.has(method)));
}

function quote(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
