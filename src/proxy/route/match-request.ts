import type { HeaderMatch, PathMatch, RequestMatch } from "../snapshot.ts";
import { type Head, METHOD_OTHER } from "../head.ts";
import { METHOD_NAMES } from "../http1/method.ts";
import { hasFieldValue, isFieldPresent, joinFieldValues } from "./field-values.ts";

const SLASH = 0x2f;

/** What a match may look at: the canonical path, never the raw one, so routing and access control see the same. */
export interface MatchableRequest {
  /** The text of it, once somebody asked `pathOf`; "" before. */
  path: string;
  /** As the client wrote it, lower-case, without a trailing dot. */
  readonly authority: string;
  readonly request: Head | null;
}

/** True when path, method and every header agree. */
export function matchesRequest(match: RequestMatch, x: MatchableRequest): boolean {
  if (match.path.kind !== "any" && !matchesPath(match.path, x)) return false;
  if (match.methods !== null && (x.request === null || !match.methods.has(methodOf(x.request)))) return false;
  for (let i = 0; i < match.headers.length; i += 1) {
    const header = match.headers[i];
    if (header !== undefined && !matchesHeader(header, x)) return false;
  }
  return true;
}

function matchesPath(match: PathMatch, x: MatchableRequest): boolean {
  switch (match.kind) {
    case "any":
      return true;
    case "exact":
      return x.request !== null && isPath(x.request, match.value);
    case "prefix":
      return x.request !== null && startsWith(x.request, match.value);
    case "segments":
      return x.request !== null && startsWithSegments(x.request, match.value);
    case "regex":
      return match.pattern.matches(pathOf(x));
  }
}

/** The path's text for what cannot do without: it is made once per request. */
export function pathOf(x: MatchableRequest): string {
  if (x.path === "" && x.request !== null) x.path = x.request.pathText();
  return x.path;
}

/** True when the path is these characters; makes no text. */
function isPath(request: Head, path: string): boolean {
  return request.pathEnd - request.targetStart === path.length && startsWith(request, path);
}

/** True when the path begins with these characters; makes no text. */
function startsWith(request: Head, prefix: string): boolean {
  const { bytes, targetStart } = request;
  if (request.pathEnd - targetStart < prefix.length) return false;
  for (let at = 0; at < prefix.length; at += 1) if (bytes[targetStart + at] !== prefix.charCodeAt(at)) return false;
  return true;
}

/** True when the path is this prefix, or goes on behind it with a slash; makes no text. */
function startsWithSegments(request: Head, prefix: string): boolean {
  const end = request.targetStart + prefix.length;
  return startsWith(request, prefix) && (end === request.pathEnd || request.bytes[end] === SLASH);
}

/** No text is made for a method that is known. */
function methodOf(request: Head): string {
  return request.method === METHOD_OTHER ? request.methodText() : (METHOD_NAMES[request.method] as string); // all have one
}

/** A header that is absent never matches, whatever the pattern accepts. Several values are joined with ", ". */
function matchesHeader(match: HeaderMatch, x: MatchableRequest): boolean {
  // SMI names the authority "host"; a Host field that an absolute-form target replaced is not what was called.
  if (match.name === ":authority" || match.name === "host") return matchesText(match, x.authority);
  const request = x.request;
  if (request === null) return false;
  if (match.name === ":path") return matchesPathField(match, request, x);
  switch (match.kind) {
    case "present":
      return isFieldPresent(request, match.name);
    case "exact":
      return hasFieldValue(request, match.name, match.value);
    case "regex": {
      const value = joinFieldValues(request, match.name);
      return value !== null && matchesText(match, value);
    }
  }
}

/** A second condition on the canonical path, without its query. */
function matchesPathField(match: HeaderMatch, request: Head, x: MatchableRequest): boolean {
  switch (match.kind) {
    case "present":
      return true;
    case "exact":
      return isPath(request, match.value);
    case "regex":
      return match.pattern !== null && match.pattern.matches(pathOf(x));
  }
}

function matchesText(match: HeaderMatch, value: string): boolean {
  switch (match.kind) {
    case "present":
      return true;
    case "exact":
      return value === match.value;
    case "regex":
      return match.pattern !== null && match.pattern.matches(value);
  }
}
