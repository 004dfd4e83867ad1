import { BYTE_HOST, BYTE_CLASS, HEX_VALUE } from "./http1/byte-class.ts";
import { BAD_ESCAPE, DOT_PARAMETER, ENCODED_SLASH } from "./http1/decode-failure.ts";
import type { DecodeFailure } from "./http1/decoder-contract.ts";
import type { Head } from "./head.ts";

const SLASH = 0x2f;
const BACKSLASH = 0x5c;
const DOT = 0x2e;
const PERCENT = 0x25;
const SEMICOLON = 0x3b;

/** `/` and `.`: may form an empty or a dot segment. */
const STRUCTURAL = 1;
/** `%` and `\`: to be looked at one by one. */
const SPECIAL = 2;
const KIND: Uint8Array = new Uint8Array(256);
KIND[SLASH] = STRUCTURAL;
KIND[DOT] = STRUCTURAL;
KIND[PERCENT] = SPECIAL;
KIND[BACKSLASH] = SPECIAL;

/**
 * The one form of a path that routing, access control and the upstream see (RFC 3986 section 6.2.2): unreserved characters
 * not percent-encoded, escapes in upper case, no dot segments, no empty segments. Returns "same" when the path has that
 * form already (the usual case; allocates nothing), the new bytes, never longer, when it has not, or the failure when
 * servers would read it in different ways: encoded slashes, backslashes, bad escapes, `%00`, `/..;/`.
 *
 * The span must start with `/`. `..` at the root stays at the root. Other escapes are left alone, so nothing is decoded twice.
 */
export function canonicalisePath(bytes: Uint8Array, start: number, end: number): Uint8Array | "same" | DecodeFailure {
  let previous = 0;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] as number; // `at` is inside the span
    const kind = KIND[byte] as number;
    // A dot or a slash matters only behind a slash; anything special is left to the slow path.
    if (kind === SPECIAL || (kind === STRUCTURAL && previous === SLASH)) return rewrite(bytes, start, end);
    previous = byte;
  }
  return "same";
}

/**
 * Makes the path of a request head canonical, once, before anything looks at it. Returns null, or one sentence that says why the path is
 * refused. Leaves `*` and CONNECT targets alone.
 */
export function canonicaliseTarget(head: Head): string | null {
  if (head.bytes[head.targetStart] !== SLASH) return null;
  const path = canonicalisePath(head.bytes, head.targetStart, head.pathEnd);
  if (path === "same") return null;
  if (path instanceof Uint8Array) {
    head.replacePath(path);
    return null;
  }
  return path.message;
}

function rewrite(bytes: Uint8Array, start: number, end: number): Uint8Array | "same" | DecodeFailure {
  const decoded = new Uint8Array(end - start);
  const length = decodeUnreserved(bytes, start, end, decoded);
  if (typeof length !== "number") return length;
  const path = removeSegments(decoded, length);
  if (!(path instanceof Uint8Array)) return path;
  if (path.length === end - start && path.every((byte, index) => byte === bytes[start + index])) return "same";
  return path;
}

/** Writes the path with unreserved characters decoded and escapes in upper case; returns its length. */
function decodeUnreserved(bytes: Uint8Array, start: number, end: number, out: Uint8Array): number | DecodeFailure {
  let to = 0;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] as number; // `at` is inside the span
    if (byte === BACKSLASH) return ENCODED_SLASH;
    if (byte !== PERCENT) {
      out[to++] = byte;
      continue;
    }
    const high = at + 2 < end ? (HEX_VALUE[bytes[at + 1] as number] as number) : 255;
    const low = at + 2 < end ? (HEX_VALUE[bytes[at + 2] as number] as number) : 255;
    const value = high * 16 + low;
    if (high > 15 || low > 15 || value === 0) return BAD_ESCAPE;
    if (value === SLASH || value === BACKSLASH) return ENCODED_SLASH;
    at += 2;
    // The host class is exactly RFC 3986's unreserved characters.
    if (((BYTE_CLASS[value] as number) & BYTE_HOST) !== 0) {
      out[to++] = value;
    } else {
      out[to++] = PERCENT;
      out[to++] = upperHex(high);
      out[to++] = upperHex(low);
    }
  }
  return to;
}

/** Removes empty and dot segments in place. */
function removeSegments(path: Uint8Array, length: number): Uint8Array | DecodeFailure {
  let to = 0;
  let at = 0;
  while (at < length) {
    // path[at] is a slash; the segment is what follows it.
    const segment = at + 1;
    let next = segment;
    while (next < length && path[next] !== SLASH) next += 1;
    const last = next === length;
    const dots = dotCount(path, segment, next);
    if (dots < 0) return DOT_PARAMETER;
    if (dots === 2) to = parentOf(path, to);
    if (dots > 0 || next === segment) {
      // A path that ends in such a segment names a directory: it keeps one slash.
      if (last) path[to++] = SLASH;
    } else {
      path.copyWithin(to, at, next);
      to += next - at;
    }
    at = next;
  }
  return path.slice(0, to);
}

/** 1 or 2 for `.` and `..`, 0 for another segment, -1 for a dot segment with parameters (`..;x`). */
function dotCount(path: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && path[at] === DOT) at += 1;
  const dots = at - start;
  if (dots === 0 || dots > 2) return 0;
  if (at === end) return dots;
  return path[at] === SEMICOLON ? -1 : 0;
}

/** End of the path without its last segment. */
function parentOf(path: Uint8Array, end: number): number {
  let at = end;
  while (at > 0) {
    at -= 1;
    if (path[at] === SLASH) return at;
  }
  return 0;
}

function upperHex(value: number): number {
  return value < 10 ? 0x30 + value : 0x37 + value;
}
