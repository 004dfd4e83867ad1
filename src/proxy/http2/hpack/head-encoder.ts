// hot
import { Buffer } from "node:buffer";
import {
  BODY_LENGTH,
  BODY_NONE,
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_DROPPED,
  FIELD_HOST,
  FIELD_KEEP_ALIVE,
  FIELD_PROXY_AUTHORIZATION,
  FIELD_PROXY_CONNECTION,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
  type FieldLines,
  type Head,
  METHOD_CONNECT,
} from "../../head.ts";

export interface HeadEncoderOptions {
  readonly tableBytes: number;
}

const SKIPPED: Uint8Array = new Uint8Array(256);
for (const id of [
  FIELD_DROPPED,
  FIELD_CONNECTION,
  FIELD_KEEP_ALIVE,
  FIELD_PROXY_CONNECTION,
  FIELD_TRANSFER_ENCODING,
  FIELD_CONTENT_LENGTH,
  FIELD_UPGRADE,
  FIELD_PROXY_AUTHORIZATION,
  FIELD_HOST,
]) {
  SKIPPED[id] = 1;
}
const NAME_PROTOCOL_BYTES: Uint8Array = Buffer.from(":protocol", "latin1");
const CONNECT: Uint8Array = Buffer.from("CONNECT", "latin1");

export class HeadEncoder {
  #table: number = 0;
  constructor(options: HeadEncoderOptions) {
    this.#table = options.tableBytes;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; the next block says so when the size changes. */
  setPeerTableBytes(bytes: number): void {
    this.#table = Math.min(bytes, this.#table);
  }

  /** Upper bound of bytes that the encoded head needs. */
  static bound(head: Head): number {
    let bytes = 128 + head.end + (head.authorityEnd - head.authorityStart) + head.count * 16;
    for (let index = 0; index < head.additionCount; index += 1) {
      const lines = head.additions[index] as FieldLines;
      bytes += lines.bytes.length + lines.count * 16;
    }
    return bytes;
  }

  encodeRequest(head: Head, out: Uint8Array, offset: number): number {
    let at = offset;
    const upgrade = head.upgrade && head.method !== METHOD_CONNECT ? head.find(FIELD_UPGRADE) : -1;
    out[at++] = 0x02;
    at = upgrade >= 0 ? string(CONNECT, 0, 7, out, at) : string(head.bytes, head.methodStart, head.methodEnd, out, at);
    if (upgrade >= 0) {
      out[at++] = 0;
      at = string(NAME_PROTOCOL_BYTES, 0, 9, out, at);
      at = string(head.bytes, head.spans[upgrade * 4 + 2] as number, head.spans[upgrade * 4 + 3] as number, out, at);
    }
    out[at++] = 0x01;
    at = string(head.bytes, head.authorityStart, head.authorityEnd, out, at);
    if (head.method !== METHOD_CONNECT) {
      out[at++] = 0x86;
      out[at++] = 0x04;
      at = string(head.bytes, head.targetStart, head.targetEnd, out, at);
    }
    at = fields(head, out, at);
    if (head.bodyKind === BODY_LENGTH) at = length(head.contentLength, out, at);
    return at;
  }

  encodeResponse(head: Head, out: Uint8Array, offset: number): number {
    let at = offset;
    const status = head.status === 101 ? 200 : head.status;
    out[at++] = 0x08;
    out[at++] = 3;
    out[at++] = 0x30 + Math.floor(status / 100);
    out[at++] = 0x30 + (Math.floor(status / 10) % 10);
    out[at++] = 0x30 + (status % 10);
    at = fields(head, out, at);
    if (head.bodyKind === BODY_LENGTH) at = length(head.contentLength, out, at);
    else if (head.bodyKind === BODY_NONE && head.declaredLength >= 0) at = length(head.declaredLength, out, at);
    return at;
  }

  encodeTrailers(head: Head, out: Uint8Array, offset: number): number {
    return fields(head, out, offset);
  }
}

function fields(head: Head, out: Uint8Array, offset: number): number {
  let at = offset;
  const { bytes, spans, ids } = head;
  for (let index = 0; index < head.count; index += 1) {
    if (SKIPPED[ids[index] as number] === 1) continue;
    at = line(bytes, spans, index * 4, out, at);
  }
  for (let index = 0; index < head.additionCount; index += 1) {
    const lines = head.additions[index] as FieldLines;
    for (let field = 0; field < lines.count; field += 1) at = line(lines.bytes, lines.spans, field * 4, out, at);
  }
  return at;
}

function line(bytes: Uint8Array, spans: Int32Array, base: number, out: Uint8Array, offset: number): number {
  out[offset] = 0;
  const start = spans[base] as number;
  const end = spans[base + 1] as number;
  let at = integer(end - start, 0x7f, 0, out, offset + 1);
  for (let from = start; from < end; from += 1) {
    const byte = bytes[from] as number;
    out[at++] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
  }
  return string(bytes, spans[base + 2] as number, spans[base + 3] as number, out, at);
}

function length(value: number, out: Uint8Array, offset: number): number {
  const digits = Buffer.from(String(value), "latin1");
  out[offset] = 0x0f;
  out[offset + 1] = 28 - 15;
  return string(digits, 0, digits.length, out, offset + 2);
}

function string(bytes: Uint8Array, start: number, end: number, out: Uint8Array, offset: number): number {
  const at = integer(end - start, 0x7f, 0, out, offset);
  Buffer.prototype.copy.call(bytes, out, at, start, end);
  return at + end - start;
}

function integer(value: number, mask: number, flags: number, out: Uint8Array, offset: number): number {
  if (value < mask) {
    out[offset] = flags | value;
    return offset + 1;
  }
  out[offset] = flags | mask;
  let rest = value - mask;
  let at = offset + 1;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) out[at++] = (rest & 0x7f) | 0x80;
  out[at++] = rest;
  return at;
}
