import { isListed } from "./entity-tag.ts";
import { parseHttpDate } from "./http-date.ts";
import type { RequestFacts } from "./message-facts.ts";

/** The validators of a stored response. */
export interface Validators {
  readonly etag: string | null;
  /** Null = none. */
  readonly lastModifiedMs: number | null;
  /** Date, or when it came: what If-Modified-Since is compared with where there is no Last-Modified. */
  readonly madeMs: number;
}

/**
 * True when a caller has what is stored already, by the conditions of its own request: 304 is the answer (RFC 9111 §4.3.2).
 * Only for stored responses with status 200.
 */
export function isKnownToCaller(request: RequestFacts, stored: Validators, nowWallMs: number): boolean {
  // If-None-Match wins over If-Modified-Since (RFC 9110 §13.2.2).
  if (request.ifNoneMatch !== null) return isListed(request.ifNoneMatch, stored.etag);
  if (request.ifModifiedSince === null) return false;
  const sinceMs = parseHttpDate(request.ifModifiedSince, nowWallMs);
  const modifiedMs = stored.lastModifiedMs ?? stored.madeMs;
  return !Number.isNaN(sinceMs) && modifiedMs <= sinceMs;
}
