import { ABSENT } from "./cache-control.ts";
import { allowsHeuristic, isHeuristic, lifetimeMs } from "./freshness.ts";
import type { RequestFacts, ResponseFacts } from "./message-facts.ts";

/** Why a response is not stored. */
export type Refusal =
  /** The request says no-store. */
  | "request"
  | "status"
  | "no-store"
  | "private"
  /** The request was authorised for one user, and the response does not say that others may have it (RFC 9111 §3.5). */
  | "authorization"
  | "set-cookie"
  | "vary"
  /** weft made it in the app's place. */
  | "failure"
  /** Nothing says how long it is fresh. */
  | "unknown"
  /** It is stale from the first moment and cannot be validated. */
  | "useless";

/** Final statuses of RFC 9110 §15 that ask nothing of a cache but to be given again: for must-understand (§5.2.2.3). */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  ...[200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 305, 307, 308],
  ...[400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 426],
  ...[500, 501, 502, 503, 504, 505],
]);

/** What the proxy itself writes into each request: the store is asked before, and cannot tell by them. */
const OF_THE_PROXY: ReadonlySet<string> = new Set([
  ...["x-forwarded-for", "x-request-id", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-request-timeout-ms"],
]);

/**
 * Whether a shared cache stores this complete response to a GET (RFC 9111 §3): null, or why not. Stricter than it must be in
 * one point: a response that sets a cookie is for one user, whatever else it says.
 */
export function refuseStoring(request: RequestFacts, response: ResponseFacts, policy: StoringPolicy): Refusal | null {
  const { control, status } = response;
  if (request.control.noStore) return "request";
  if (response.isFailure) return "failure";
  if (status < 200 || status === 206 || status === 304) return "status";
  if (control.mustUnderstand && !UNDERSTOOD.has(status)) return "status";
  // Who understands must-understand and the status passes over the no-store that comes with it (§5.2.2.3).
  if (control.noStore && !control.mustUnderstand) return "no-store";
  if (control.isPrivate) return "private";
  if (request.hasAuthorization && !isMeantForOthers(response)) return "authorization";
  if (response.hasSetCookie) return "set-cookie";
  if (response.vary[0] === "*" || response.vary.some((name) => OF_THE_PROXY.has(name))) return "vary";
  return refuseUseless(request, response, policy);
}

export interface StoringPolicy {
  readonly defaultTtlMs: number;
  readonly staleWhileRevalidateMs: number;
}

/** A request with Authorization may be answered by it for others as well (§3.5). */
export function isMeantForOthers({ control }: ResponseFacts): boolean {
  return control.isPublic || control.mustRevalidate || control.sMaxAgeS !== ABSENT;
}

function refuseUseless(request: RequestFacts, response: ResponseFacts, policy: StoringPolicy): Refusal | null {
  const { control } = response;
  const canValidate = response.etag !== null || isTime(response.lastModifiedMs);
  // It says that it may be stored, and how it is used.
  if (control.noCache) return canValidate ? null : "useless";
  const ttlMs = allowsHeuristic(request, response) ? policy.defaultTtlMs : 0;
  // The wall clock counts only where there is no Date, and then as the Date.
  const freshMs = lifetimeMs(response, response.dateMs ?? 0, ttlMs);
  if (freshMs === ABSENT && isHeuristic(response)) return "unknown";
  if (freshMs > 0 || canValidate) return null;
  const staleMs = control.staleWhileRevalidateS === ABSENT ? policy.staleWhileRevalidateMs : 1;
  return staleMs > 0 || control.staleIfErrorS > 0 ? null : "useless";
}

function isTime(wallMs: number | null): boolean {
  return wallMs !== null && !Number.isNaN(wallMs);
}
