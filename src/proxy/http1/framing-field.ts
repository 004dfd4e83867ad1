import { BYTE_CLASS, BYTE_TOKEN } from "./byte-class.ts";
import { BAD_TRANSFER_ENCODING, UNKNOWN_TRANSFER_ENCODING } from "./decode-failure.ts";
import type { DecodeFailure } from "./decoder-contract.ts";
import { equalsIgnoreCase } from "./field-name.ts";

const COMMA = 0x2c;
const SPACE = 0x20;
const TAB = 0x09;
const CHUNKED: Uint8Array = Buffer.from("chunked", "latin1");

/** The number in a Content-Length value; -1 when it is not 1 to 16 digits or not below 2^53. */
export function parseContentLength(bytes: Uint8Array, start: number, end: number): number {
  if (start === end || end - start > 16) return -1;
  let length = 0;
  for (let at = start; at < end; at += 1) {
    const digit = (bytes[at] as number) - 0x30; // `at` is inside the span
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length <= Number.MAX_SAFE_INTEGER ? length : -1;
}

/**
 * Null when the value is `chunked` and nothing else. A list that ends in one `chunked` is well-formed and not supported
 * (501, RFC 9112 section 6.1); anything else leaves the body's end unknown.
 */
export function checkTransferEncoding(bytes: Uint8Array, start: number, end: number): DecodeFailure | null {
  if (equalsIgnoreCase(bytes, start, end, CHUNKED)) return null;
  let at = start;
  let chunked = 0;
  let lastIsChunked = false;
  while (at <= end) {
    while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at += 1;
    const codingStart = at;
    while (at < end && ((BYTE_CLASS[bytes[at] as number] as number) & BYTE_TOKEN) !== 0) at += 1;
    if (at === codingStart) return BAD_TRANSFER_ENCODING;
    lastIsChunked = equalsIgnoreCase(bytes, codingStart, at, CHUNKED);
    if (lastIsChunked) chunked += 1;
    while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at += 1;
    if (at < end && bytes[at] !== COMMA) return BAD_TRANSFER_ENCODING;
    at += 1;
  }
  return lastIsChunked && chunked === 1 ? UNKNOWN_TRANSFER_ENCODING : BAD_TRANSFER_ENCODING;
}
