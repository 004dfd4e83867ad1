import {
  FIELD_CONNECTION,
  FIELD_DROPPED,
  FIELD_KEEP_ALIVE,
  FIELD_OTHER,
  FIELD_PROXY_AUTHORIZATION,
  FIELD_PROXY_CONNECTION,
  FIELD_TE,
  FIELD_TRAILER,
  FIELD_UPGRADE,
  type Head,
} from "../head.ts";
import { BYTE_CLASS, BYTE_TOKEN } from "./byte-class.ts";
import { BAD_CONNECTION, PROTECTED_NOMINATION } from "./decode-failure.ts";
import type { DecodeFailure } from "./decoder-contract.ts";
import { equalsIgnoreCase, fieldId, sameIgnoreCase, startsWithIgnoreCase } from "./field-name.ts";

export const OPTION_CLOSE = 1;
export const OPTION_KEEP_ALIVE = 2;
export const OPTION_UPGRADE = 4;
/** Some other field is nominated: `dropNominated` has work to do. */
export const OPTION_NOMINATES = 8;
/** Not a list of tokens. */
export const OPTION_BAD = 16;

const MAX_OPTIONS = 16;
const COMMA = 0x2c;
const SPACE = 0x20;
const TAB = 0x09;
const CLOSE: Uint8Array = Buffer.from("close", "latin1");
const KEEP_ALIVE: Uint8Array = Buffer.from("keep-alive", "latin1");
const UPGRADE: Uint8Array = Buffer.from("upgrade", "latin1");

// Known fields that a peer may nominate; every other known field is end-to-end.
const NOMINABLE: ReadonlySet<number> = new Set([
  FIELD_OTHER,
  FIELD_CONNECTION,
  FIELD_KEEP_ALIVE,
  FIELD_PROXY_CONNECTION,
  FIELD_TE,
  FIELD_UPGRADE,
  FIELD_TRAILER,
  FIELD_PROXY_AUTHORIZATION,
]);

// What someone in the middle would like to have stripped on the way: credentials, origin and caching facts, tracing.
const PROTECTED_NAMES: readonly Uint8Array[] = [
  "authorization",
  "cookie",
  "set-cookie",
  "forwarded",
  "via",
  "origin",
  "referer",
  "range",
  "vary",
  "cache-control",
  "location",
  "tracestate",
  "baggage",
  "x-real-ip",
].map((name) => Buffer.from(name, "latin1"));

const PROTECTED_PREFIXES: readonly Uint8Array[] = [
  "x-forwarded-",
  "x-b3-",
  "x-weft-",
  "x-envoy-",
  "content-",
  "grpc-",
  "if-",
  "sec-",
  "access-control-",
].map((prefix) => Buffer.from(prefix, "latin1"));

/** The OPTION_* bits of one Connection value. */
export function connectionOptions(bytes: Uint8Array, start: number, end: number): number {
  if (equalsIgnoreCase(bytes, start, end, KEEP_ALIVE)) return OPTION_KEEP_ALIVE;
  if (equalsIgnoreCase(bytes, start, end, CLOSE)) return OPTION_CLOSE;
  let bits = 0;
  let count = 0;
  for (let at = nextToken(bytes, start, end); at < end;) {
    const tokenEnd = endOfToken(bytes, at, end);
    if (tokenEnd === at) return OPTION_BAD;
    count += 1;
    if (equalsIgnoreCase(bytes, at, tokenEnd, CLOSE)) bits |= OPTION_CLOSE;
    else if (equalsIgnoreCase(bytes, at, tokenEnd, KEEP_ALIVE)) bits |= OPTION_KEEP_ALIVE;
    else if (equalsIgnoreCase(bytes, at, tokenEnd, UPGRADE)) bits |= OPTION_UPGRADE;
    else bits |= OPTION_NOMINATES;
    at = skipSpace(bytes, tokenEnd, end);
    if (at < end && bytes[at] !== COMMA) return OPTION_BAD;
    at = nextToken(bytes, at, end);
  }
  return count > MAX_OPTIONS ? OPTION_BAD : bits;
}

/**
 * Drops every field that a Connection field of `head` nominates (RFC 9110 section 7.6.1), or says why that is refused:
 * fields that must reach the far end cannot be taken out by naming them.
 */
export function dropNominated(head: Head): DecodeFailure | null {
  const { bytes, spans } = head;
  let count = 0;
  for (let field = 0; field < head.count; field += 1) {
    if (head.ids[field] !== FIELD_CONNECTION) continue;
    const end = spans[field * 4 + 3] as number; // below head.count
    for (let at = nextToken(bytes, spans[field * 4 + 2] as number, end); at < end;) {
      const tokenEnd = endOfToken(bytes, at, end);
      count += 1;
      if (count > MAX_OPTIONS) return BAD_CONNECTION;
      if (isProtected(bytes, at, tokenEnd)) return PROTECTED_NOMINATION;
      dropNamed(head, at, tokenEnd);
      at = nextToken(bytes, tokenEnd, end);
    }
  }
  return null;
}

function isProtected(bytes: Uint8Array, start: number, end: number): boolean {
  if (!NOMINABLE.has(fieldId(bytes, start, end))) return true;
  for (const name of PROTECTED_NAMES) if (equalsIgnoreCase(bytes, start, end, name)) return true;
  for (const prefix of PROTECTED_PREFIXES) if (startsWithIgnoreCase(bytes, start, end, prefix)) return true;
  return false;
}

function dropNamed(head: Head, start: number, end: number): void {
  const { bytes, spans, ids } = head;
  for (let field = 0; field < head.count; field += 1) {
    const id = ids[field];
    // Connection and Upgrade stay findable: encoders write their own. TE is only ever `trailers` here, which is passed on.
    if (id === FIELD_CONNECTION || id === FIELD_TE || id === FIELD_UPGRADE) continue;
    if (sameIgnoreCase(bytes, start, end, spans[field * 4] as number, spans[field * 4 + 1] as number)) {
      ids[field] = FIELD_DROPPED;
    }
  }
}

/** Skips white space and commas (empty list elements are allowed, RFC 9110 section 5.6.1.2). */
function nextToken(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB || bytes[at] === COMMA)) at += 1;
  return at;
}

function skipSpace(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at += 1;
  return at;
}

function endOfToken(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && ((BYTE_CLASS[bytes[at] as number] as number) & BYTE_TOKEN) !== 0) at += 1;
  return at;
}
