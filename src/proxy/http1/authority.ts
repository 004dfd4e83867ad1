import { BYTE_CLASS, BYTE_HEX, BYTE_HOST } from "./byte-class.ts";

const COLON = 0x3a;
const DOT = 0x2e;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const MAX_HOST_BYTES = 255;

/**
 * Checks `host` or `host:port` and returns where it ends, without an empty port's colon; -1 when it is neither. A host is
 * letters, digits, `.`, `-`, `_` and `~`, or an IPv6 address in brackets without a zone. Userinfo, percent-encoding and
 * sub-delims are refused: resolvers and proxies disagree about them.
 */
export function authorityEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  if (at < end && bytes[at] === OPEN_BRACKET) {
    at = addressEnd(bytes, at + 1, end);
    if (at < 0) return -1;
  } else {
    while (at < end && ((BYTE_CLASS[bytes[at] as number] as number) & BYTE_HOST) !== 0) at += 1; // `at` is below `end`
    if (at === start || at - start > MAX_HOST_BYTES) return -1;
  }
  if (at === end) return end;
  if (bytes[at] !== COLON) return -1;
  const hostEnd = at;
  let port = 0;
  for (at += 1; at < end; at += 1) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    port = port * 10 + digit;
    if (port > 65_535) return -1;
  }
  return end === hostEnd + 1 ? hostEnd : end;
}

/** Length of the authority in a Host value; 0 when the value is empty, -1 when it is no authority. */
export function hostLength(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return 0;
  const authority = authorityEnd(bytes, start, end);
  return authority < 0 ? -1 : authority - start;
}

/** True when a checked authority has a port. */
export function hasPort(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = end - 1; at >= start; at -= 1) {
    const byte = bytes[at] as number;
    if (byte === COLON) return true;
    if (byte < 0x30 || byte > 0x39) return false;
  }
  return false;
}

/** Where an IPv6 address ends, just after its bracket; -1 when it is no plausible address. */
function addressEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  let colons = 0;
  for (; at < end && bytes[at] !== CLOSE_BRACKET; at += 1) {
    const byte = bytes[at] as number;
    if (byte === COLON) colons += 1;
    else if (byte !== DOT && ((BYTE_CLASS[byte] as number) & BYTE_HEX) === 0) return -1;
  }
  if (at === end || colons < 2 || colons > 8 || at - start > 45) return -1;
  return at + 1;
}
