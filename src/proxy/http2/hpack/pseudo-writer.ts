// hot
import { BODY_LENGTH, FIELD_CONTENT_LENGTH, type Head, METHOD_GET, METHOD_POST } from "../../head.ts";
import { copySpan } from "./byte-copy.ts";
import { writeInteger } from "./hpack-integer.ts";

// Indexes of the static table.
const INDEX_AUTHORITY = 1;
export const INDEX_METHOD = 2;
const INDEX_PATH = 4;
const INDEX_STATUS = 8;
const INDEX_CONTENT_LENGTH = 28;
export const INDEXED = 0x80;
const INDEXED_GET: number = INDEXED | 2;
const INDEXED_POST: number = INDEXED | 3;
const INDEXED_ROOT: number = INDEXED | 4;
export const INDEXED_HTTP: number = INDEXED | 6;
const SLASH = 0x2f;

/** HPACK index of the statuses in the static table; 0 for others. */
const STATUS_INDEX: Uint8Array = new Uint8Array(1_000);
for (const [offset, status] of [200, 204, 206, 304, 400, 404, 500].entries()) STATUS_INDEX[status] = 8 + offset;

export function writeMethod(head: Head, out: Uint8Array, offset: number): number {
  if (head.method === METHOD_GET) out[offset] = INDEXED_GET;
  else if (head.method === METHOD_POST) out[offset] = INDEXED_POST;
  else {
    out[offset] = INDEX_METHOD;
    return writeString(head.bytes, head.methodStart, head.methodEnd, out, offset + 1);
  }
  return offset + 1;
}

export function writePath(head: Head, out: Uint8Array, offset: number): number {
  const { targetStart, targetEnd } = head;
  if (targetEnd === targetStart + 1 && head.bytes[targetStart] === SLASH) {
    out[offset] = INDEXED_ROOT;
    return offset + 1;
  }
  out[offset] = INDEX_PATH;
  return writeString(head.bytes, targetStart, targetEnd, out, offset + 1);
}

export function writeAuthority(head: Head, out: Uint8Array, offset: number): number {
  out[offset] = INDEX_AUTHORITY;
  return writeString(head.bytes, head.authorityStart, head.authorityEnd, out, offset + 1);
}

/** The first of the protocols that an upgrade offers, in lower case as RFC 8441 has it. */
export function writeProtocol(head: Head, field: number, out: Uint8Array, offset: number): number {
  const start = head.spans[field * 4 + 2] as number; // an index of a field
  const end = head.spans[field * 4 + 3] as number;
  let to = start;
  while (to < end && head.bytes[to] !== 0x2c && head.bytes[to] !== 0x20 && head.bytes[to] !== 0x09) to += 1;
  let at = writeInteger(to - start, 0x7f, 0, out, offset);
  for (let from = start; from < to; from += 1) {
    const byte = head.bytes[from] as number; // below `end`
    out[at++] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
  }
  return at;
}

export function writeStatus(status: number, out: Uint8Array, offset: number): number {
  const index = STATUS_INDEX[status] ?? 0;
  if (index > 0) {
    out[offset] = INDEXED | index;
    return offset + 1;
  }
  out[offset] = INDEX_STATUS;
  out[offset + 1] = 3;
  return writeDecimal(status, out, offset + 2);
}

/**
 * Content-length of a body that has one. Not 0 when no field said so: the end of the stream does, and gRPC's answers
 * without a body (and so some clients) do not expect it.
 */
export function writeBodyLength(head: Head, out: Uint8Array, offset: number): number {
  if (head.bodyKind !== BODY_LENGTH) return offset;
  if (head.contentLength === 0 && head.find(FIELD_CONTENT_LENGTH) < 0) return offset;
  return writeLength(head.contentLength, out, offset);
}

export function writeLength(length: number, out: Uint8Array, offset: number): number {
  const at = writeInteger(INDEX_CONTENT_LENGTH, 0x0f, 0, out, offset);
  const end = writeDecimal(length, out, at + 1);
  out[at] = end - at - 1;
  return end;
}

function writeDecimal(value: number, out: Uint8Array, offset: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
  const end = offset + digits;
  for (let at = end - 1, rest = value; at >= offset; at -= 1) {
    const digit = rest % 10;
    out[at] = 0x30 + digit;
    rest = (rest - digit) / 10;
  }
  return end;
}

export function writeString(bytes: Uint8Array, start: number, end: number, out: Uint8Array, offset: number): number {
  return copySpan(bytes, start, end, out, writeInteger(end - start, 0x7f, 0, out, offset));
}
