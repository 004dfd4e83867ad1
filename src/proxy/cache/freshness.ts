import { ABSENT, type CacheControl } from "./cache-control.ts";
import type { RequestFacts, ResponseFacts } from "./message-facts.ts";

/** When and how a stored response came; RFC 9111 §4.2.3 calls them request_time and response_time. */
export interface ResponseTimes {
  /** Monotonic. */
  readonly requestMs: number;
  readonly responseMs: number;
  /** Wall clock at `responseMs`. */
  readonly responseWallMs: number;
}

/** Of the time since Last-Modified, what a heuristic may take at most (§4.2.2). */
const HEURISTIC_SHARE = 0.1;

/** Statuses that may be kept without being told so (RFC 9110 §15.1), but for 206. */
const HEURISTIC_STATUSES: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);

/** How old the response was when it came, in ms (§4.2.3, corrected_initial_age). */
export function initialAgeMs(facts: ResponseFacts, times: ResponseTimes): number {
  const apparentMs = Math.max(0, times.responseWallMs - (facts.dateMs ?? times.responseWallMs));
  const correctedMs = facts.ageS * 1_000 + (times.responseMs - times.requestMs);
  return Math.max(apparentMs, correctedMs);
}

/**
 * How long after it was made the response is fresh in a shared cache, in ms (§4.2.1), or -1 when nothing says. `defaultTtlMs`
 * 0 = no heuristic.
 */
export function lifetimeMs(facts: ResponseFacts, responseWallMs: number, defaultTtlMs: number): number {
  const { control } = facts;
  if (control.sMaxAgeS !== ABSENT) return control.sMaxAgeS * 1_000;
  if (control.maxAgeS !== ABSENT) return control.maxAgeS * 1_000;
  const madeMs = facts.dateMs ?? responseWallMs;
  if (facts.expiresMs !== null) return Number.isNaN(facts.expiresMs) ? 0 : Math.max(0, facts.expiresMs - madeMs);
  if (defaultTtlMs <= 0 || !(HEURISTIC_STATUSES.has(facts.status) || control.isPublic)) return ABSENT;
  const { lastModifiedMs } = facts;
  if (lastModifiedMs === null || Number.isNaN(lastModifiedMs) || lastModifiedMs > madeMs) return defaultTtlMs;
  return Math.min(defaultTtlMs, (madeMs - lastModifiedMs) * HEURISTIC_SHARE);
}

/** True when nothing that is said about freshness is the sender's own word. */
export function isHeuristic(facts: ResponseFacts): boolean {
  const { control } = facts;
  return control.sMaxAgeS === ABSENT && control.maxAgeS === ABSENT && facts.expiresMs === null;
}

/** How a stored response may be used now. */
export type Reuse =
  | "fresh"
  /** Stale, and the request takes it so (max-stale). */
  | "stale"
  /** Stale, may be used, and is fetched anew meanwhile (RFC 5861 §3). */
  | "refresh"
  /** Only once the origin has said that it still holds. */
  | "validate";

export interface Age {
  /** Age now, in ms. */
  readonly ageMs: number;
  readonly lifetimeMs: number;
}

/** Decides by §4.2 and §5.2. `defaultSwrMs`: stale-while-revalidate of responses that do not say. */
export function decideReuse(
  request: CacheControl,
  response: CacheControl,
  { ageMs, lifetimeMs: freshMs }: Age,
  defaultSwrMs: number,
): Reuse {
  if (response.noCache || request.noCache) return "validate";
  const staleMs = ageMs - freshMs;
  const tooOld = request.maxAgeS !== ABSENT && ageMs > request.maxAgeS * 1_000;
  const leftMs = request.minFreshS === ABSENT ? 0 : request.minFreshS * 1_000;
  if (staleMs < 0 && !tooOld && -staleMs >= leftMs) return "fresh";
  if (forbidsStale(response)) return "validate";
  const said = response.staleWhileRevalidateS;
  const swrMs = said === ABSENT ? defaultSwrMs : said * 1_000;
  const mayRefresh = staleMs >= 0 && swrMs > 0 && staleMs <= swrMs;
  // What is fresh for us but too old for this caller counts from the age it asked for.
  const beyondMs = Math.max(staleMs, tooOld ? ageMs - request.maxAgeS * 1_000 : 0);
  if (request.maxStaleS !== ABSENT && leftMs === 0 && beyondMs <= request.maxStaleS * 1_000) {
    return mayRefresh ? "refresh" : "stale";
  }
  // A caller that says how old an answer may be does not want a stale one (§5.2.1.1).
  return mayRefresh && request.maxAgeS === ABSENT && request.minFreshS === ABSENT ? "refresh" : "validate";
}

/** True when a stale response may be used in place of an error, or of no answer (RFC 5861 §4). */
export function mayUseOnError(request: CacheControl, response: CacheControl, age: Age): boolean {
  if (request.noCache || response.noCache || forbidsStale(response)) return false;
  const allowedS = Math.max(request.staleIfErrorS, response.staleIfErrorS);
  return allowedS > 0 && age.ageMs - age.lifetimeMs <= allowedS * 1_000;
}

/** §4.2.4: s-maxage means the same as proxy-revalidate (§5.2.2.10). */
function forbidsStale(response: CacheControl): boolean {
  return response.mustRevalidate || response.proxyRevalidate || response.sMaxAgeS !== ABSENT;
}

/** Whether what nobody vouches for may be kept: not where a user may be meant. */
export function allowsHeuristic(request: RequestFacts, response: ResponseFacts): boolean {
  return response.control.isPublic || (!request.hasCookie && !request.hasAuthorization);
}
