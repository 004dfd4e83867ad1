import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { Principal } from "./access/principal.ts";
import type { RouteAccess } from "./access/route-access.ts";
import type { Media } from "./negotiation.ts";
import { StatusError } from "./status.ts";

/** One line of the routing table. */
export interface ApiRoute {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Segments are literal or a `{parameter}`, e.g. `/api/v1/namespaces/{namespace}/{plural}`. */
  readonly path: string;
  /** Of GET: HEAD is answered as well, without a body. Default false. */
  readonly takesHead?: boolean;
  readonly access: RouteAccess;
  /** The forms in which its answers can be had; default: OBJECT_MEDIA. "any": it has one for all, or chooses itself. */
  readonly produces?: readonly Media[] | "any";
  readonly answer: (call: ApiCall) => ApiAnswer | Promise<ApiAnswer>;
}

/** One request, its path matched and its sender allowed to make it. */
export interface ApiCall {
  readonly method: string;
  readonly path: string;
  /** Decoded path parameters by name. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Who asks; NOBODY on open routes. */
  readonly principal: Principal;
  /** The JSON body; null when there is none. Throws StatusError when it is not JSON or too large. */
  readonly readBody: () => Promise<unknown>;
  /** The body as it was sent; either this or `readBody`, and once. Throws StatusError when it is too large or not UTF-8. */
  readonly readText: () => Promise<BodyText>;
  /** Says something to the user that does not stop the request: a `Warning` header of the answer. */
  readonly warn: (text: string) => void;
  /** Call when something stored was changed: the audit log says so. */
  readonly noteWrite: () => void;
}

export interface BodyText {
  /** Without parameters, in lower case; "application/json" when the request does not say. */
  readonly type: string;
  /** "" when there is no body, or it is protobuf. */
  readonly text: string;
  readonly bytes: Uint8Array;
}

export type ApiAnswer =
  | { readonly kind: "json"; readonly statusCode: number; readonly body: unknown }
  | { readonly kind: "text"; readonly statusCode: number; readonly body: string }
  /** The route writes the response itself, and ends it. */
  | { readonly kind: "stream"; readonly start: (response: ServerResponse) => void };

export interface MatchedRoute {
  readonly route: ApiRoute;
  readonly parameters: Readonly<Record<string, string>>;
}

export interface Router {
  /** Throws StatusError NotFound or MethodNotAllowed. */
  match(method: string, path: string): MatchedRoute;
}

interface CompiledRoute {
  readonly route: ApiRoute;
  readonly segments: readonly string[];
}

/** The first route that fits wins, so a literal path stands before one with parameters. */
export function createRouter(routes: readonly ApiRoute[]): Router {
  const compiled: readonly CompiledRoute[] = routes.map((route) => ({ route, segments: splitPath(route.path) }));
  return {
    match(method, path) {
      const segments = splitPath(path);
      const allowed = new Set<string>();
      for (const candidate of compiled) {
        const parameters = matchSegments(candidate.segments, segments);
        if (parameters === null) continue;
        if (takes(candidate.route, method)) return { route: candidate.route, parameters };
        allowed.add(candidate.route.method);
      }
      if (allowed.size === 0)
        throw new StatusError("NotFound", `Cannot find the path "${path}"; expected one that /apis or /weft/v1 has`);
      throw new StatusError(
        "MethodNotAllowed",
        `Cannot ${method} "${path}"; expected ${[...allowed].sort().join(" or ")}`,
      );
    },
  };
}

function takes(route: ApiRoute, method: string): boolean {
  return route.method === method || (method === "HEAD" && route.takesHead === true);
}

export function json(body: unknown, statusCode = 200): ApiAnswer {
  return { kind: "json", statusCode, body };
}

function splitPath(path: string): readonly string[] {
  const trimmed = path.endsWith("/") && path.length > 1 ? path.slice(1, -1) : path.slice(1);
  return trimmed.split("/");
}

function matchSegments(pattern: readonly string[], segments: readonly string[]): Record<string, string> | null {
  if (pattern.length !== segments.length) return null;
  const parameters: Record<string, string> = {};
  for (let i = 0; i < pattern.length; i += 1) {
    const expected = pattern[i] ?? "";
    const found = segments[i] ?? "";
    if (expected.startsWith("{")) {
      const value = decodeSegment(found);
      if (value === "") return null;
      parameters[expected.slice(1, -1)] = value;
    } else if (expected !== found) {
      return null;
    }
  }
  return parameters;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new StatusError(
      "BadRequest",
      `Cannot read the path: found the segment "${segment}"; expected valid percent-encoding`,
    );
  }
}
