// hot
import { Buffer } from "node:buffer";
import { BYTE_CLASS, BYTE_TOKEN } from "../../http1/byte-class.ts";
import { fieldId } from "../../http1/field-name.ts";
import { FIELD_OTHER } from "../../head.ts";

// What a name in a header block is: a FIELD_* of head.ts, or one of these.
export const NAME_COOKIE = 240;
/** Not lower-case token bytes. */
export const NAME_BAD = 241;
/** Starts with a colon and is none of the following. */
export const NAME_UNKNOWN_PSEUDO = 242;
// From here on: pseudo-fields that have a meaning.
export const NAME_AUTHORITY = 243;
export const NAME_METHOD = 244;
export const NAME_PATH = 245;
export const NAME_SCHEME = 246;
export const NAME_STATUS = 247;
export const NAME_PROTOCOL = 248;

const COLON = 0x3a;
const LOWER_C = 0x63;
const COOKIE: Uint8Array = Buffer.from("cookie", "latin1");
const PSEUDO: readonly (readonly [Uint8Array, number])[] = [
  [Buffer.from(":path", "latin1"), NAME_PATH],
  [Buffer.from(":authority", "latin1"), NAME_AUTHORITY],
  [Buffer.from(":method", "latin1"), NAME_METHOD],
  [Buffer.from(":scheme", "latin1"), NAME_SCHEME],
  [Buffer.from(":status", "latin1"), NAME_STATUS],
  [Buffer.from(":protocol", "latin1"), NAME_PROTOCOL],
];

/** 1 for bytes of a name in HTTP/2: tokens without upper-case letters (RFC 9113 section 8.2.1). */
const NAME_BYTE: Uint8Array = new Uint8Array(256);
for (let byte = 0; byte < 256; byte += 1) {
  const isUpper = byte >= 0x41 && byte <= 0x5a;
  NAME_BYTE[byte] = ((BYTE_CLASS[byte] as number) & BYTE_TOKEN) !== 0 && !isUpper ? 1 : 0;
}

/** FIELD_* or NAME_* of the name between `start` and `end`. */
export function nameKind(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return NAME_BAD;
  if (bytes[start] === COLON) return pseudoKind(bytes, start, end);
  for (let at = start; at < end; at += 1) if (NAME_BYTE[bytes[at] as number] === 0) return NAME_BAD; // `at` is below `end`
  const id = fieldId(bytes, start, end);
  if (id === FIELD_OTHER && bytes[start] === LOWER_C && equals(bytes, start, end, COOKIE)) return NAME_COOKIE;
  return id;
}

function pseudoKind(bytes: Uint8Array, start: number, end: number): number {
  for (let index = 0; index < PSEUDO.length; index += 1) {
    const entry = PSEUDO[index] as readonly [Uint8Array, number];
    if (equals(bytes, start, end, entry[0])) return entry[1];
  }
  return NAME_UNKNOWN_PSEUDO;
}

function equals(bytes: Uint8Array, start: number, end: number, name: Uint8Array): boolean {
  if (end - start !== name.length) return false;
  for (let index = 0; index < name.length; index += 1) if (bytes[start + index] !== name[index]) return false;
  return true;
}
