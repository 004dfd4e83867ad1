// hot
import { Buffer } from "node:buffer";
import {
  BODY_CHUNKED,
  BODY_LENGTH,
  BODY_NONE,
  BODY_TUNNEL,
  BODY_UNTIL_CLOSE,
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_DROPPED,
  FIELD_HOST,
  FIELD_KEEP_ALIVE,
  FIELD_PROXY_AUTHORIZATION,
  FIELD_PROXY_CONNECTION,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
  METHOD_CONNECT,
  type FieldLines,
  type Head,
} from "../head.ts";
import { reasonPhrase } from "./reason-phrase.ts";

/** Adds `connection: close`. */
export const ENCODE_CLOSE = 1;
/** Adds `connection: keep-alive`, for HTTP/1.0 peers that asked for it. */
export const ENCODE_KEEP_ALIVE = 2;
/** Responses to HTTP/1.0 clients: a body of unknown length ends with the connection. Needs ENCODE_CLOSE. */
export const ENCODE_UNTIL_CLOSE = 4;

/** The bytes after the data of a chunk. */
export const CHUNK_END: Uint8Array = Buffer.from("\r\n", "latin1");

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const COLON = 0x3a;
/** Up to this a loop is faster than the native copy, and on Node 20 the native copy makes a view (measured in bench/micro). */
const LOOP_BYTES = 64;
// Offsets instead of a `subarray` for `set`: half the time on Bun.
const copyNatively = Buffer.prototype.copy;

const REQUEST_VERSION: Uint8Array = Buffer.from(" HTTP/1.1\r\n", "latin1");
const RESPONSE_VERSION: Uint8Array = Buffer.from("HTTP/1.1 ", "latin1");
const HOST: Uint8Array = Buffer.from("host: ", "latin1");
const CONTENT_LENGTH: Uint8Array = Buffer.from("content-length: ", "latin1");
const CHUNKED: Uint8Array = Buffer.from("transfer-encoding: chunked\r\n", "latin1");
const CLOSE: Uint8Array = Buffer.from("connection: close\r\n", "latin1");
const KEEP_ALIVE: Uint8Array = Buffer.from("connection: keep-alive\r\n", "latin1");
/** Written as most senders do: some servers compare the option with its capital. */
const UPGRADE: Uint8Array = Buffer.from("connection: Upgrade\r\n", "latin1");
const LAST_CHUNK: Uint8Array = Buffer.from("0\r\n", "latin1");

/** 1 for fields of one hop and of framing, which each hop writes anew. */
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
]) {
  SKIPPED[id] = 1;
}
/** As SKIPPED, for heads that ask for an upgrade or grant one. */
const SKIPPED_BUT_UPGRADE: Uint8Array = SKIPPED.slice();
SKIPPED_BUT_UPGRADE[FIELD_UPGRADE] = 0;

/**
 * Writes an HTTP/1.1 request head at `offset` of `out` and returns where it ends, or -1 when it does not fit. The target is
 * in origin form, Host is the head's authority, framing is written anew from `bodyKind`, fields of one hop are left out.
 * Only validated spans and pre-rendered lines are copied.
 */
export function encodeRequestHead(head: Head, out: Uint8Array, offset: number, flags: number = 0): number {
  const { bytes } = head;
  let at = copy(bytes, head.methodStart, head.methodEnd, out, offset);
  if (at < 0 || at === out.length) return -1;
  out[at] = SPACE;
  at = copy(bytes, head.targetStart, head.targetEnd, out, at + 1);
  at = append(REQUEST_VERSION, out, at);
  const hostAt = hostInPlace(head);
  if (hostAt < 0) {
    at = append(HOST, out, at);
    at = copy(bytes, head.authorityStart, head.authorityEnd, out, at);
    at = append(CHUNK_END, out, at);
  }
  at = encodeFields(head, out, at, hostAt);
  if (head.bodyKind === BODY_LENGTH) at = appendLength(head.contentLength, out, at);
  else if (head.bodyKind === BODY_CHUNKED) at = append(CHUNKED, out, at);
  return endHead(out, at, flags, asksUpgrade(head));
}

/**
 * Writes a response head as `encodeRequestHead` writes a request head. A response without a body keeps the length it
 * declares (HEAD, 304). A body of unknown length is announced as chunked, unless ENCODE_UNTIL_CLOSE is set: see
 * `isChunkedResponse`.
 */
export function encodeResponseHead(head: Head, out: Uint8Array, offset: number, flags: number = 0): number {
  let at = append(RESPONSE_VERSION, out, offset);
  at = appendDecimal(head.status, out, at);
  if (at < 0 || at === out.length) return -1;
  out[at] = SPACE;
  at = copy(head.bytes, head.reasonStart, head.reasonEnd, out, at + 1);
  at = append(CHUNK_END, out, at);
  at = encodeFields(head, out, at, -1);
  if (head.bodyKind === BODY_LENGTH) at = appendLength(head.contentLength, out, at);
  else if (head.bodyKind === BODY_NONE) {
    if (head.declaredLength >= 0) at = appendLength(head.declaredLength, out, at);
  } else if (isChunkedResponse(head, flags)) at = append(CHUNKED, out, at);
  return endHead(out, at, flags, head.bodyKind === BODY_TUNNEL);
}

/** True when the body of a response encoded with these flags must be written as chunks. */
export function isChunkedResponse(head: Head, flags: number): boolean {
  return (flags & ENCODE_UNTIL_CLOSE) === 0 && (head.bodyKind === BODY_CHUNKED || head.bodyKind === BODY_UNTIL_CLOSE);
}

/** Writes the line before a chunk of `size` (at least 1) bytes; its data is followed by CHUNK_END. -1 when it does not fit. */
export function encodeChunkHeader(size: number, out: Uint8Array, offset: number): number {
  let digits = 1;
  for (let rest = size; rest >= 16; rest = Math.floor(rest / 16)) digits += 1;
  const end = offset + digits;
  if (offset < 0 || end + 2 > out.length) return -1;
  for (let at = end - 1, rest = size; at >= offset; at -= 1) {
    const digit = rest % 16;
    out[at] = digit < 10 ? 0x30 + digit : 0x57 + digit;
    rest = (rest - digit) / 16;
  }
  return append(CHUNK_END, out, end);
}

/** Writes the last chunk with its trailers. -1 when it does not fit. */
export function encodeLastChunk(trailers: Head | null, out: Uint8Array, offset: number): number {
  let at = append(LAST_CHUNK, out, offset);
  if (trailers !== null) at = encodeFields(trailers, out, at, -1);
  return append(CHUNK_END, out, at);
}

/** The head in bytes of its own, however long it is. Encodes into scratch space first: not re-entrant, no callback runs. */
export function copyEncoded(
  encode: (head: Head, out: Uint8Array, offset: number, flags: number) => number,
  head: Head,
  flags: number = 0,
): Uint8Array {
  for (;;) {
    const end = encode(head, scratch, 0, flags);
    if (end >= 0) return scratch.slice(0, end);
    scratch = new Uint8Array(scratch.length * 2);
  }
}

let scratch: Uint8Array = new Uint8Array(16_384);

export interface LocalResponse {
  readonly status: number;
  /** Lines made by `renderField`; not content-type, content-length or connection. */
  readonly fields: readonly Uint8Array[];
  /** Text; sent as UTF-8. */
  readonly body: string;
  /** Adds `connection: close`. */
  readonly close: boolean;
  /** The request is HEAD: everything but the body. */
  readonly toHead: boolean;
}

/** A whole answer made by weft: plain text with its length. For answers that are rare; it allocates. */
export function encodeLocalResponse(response: LocalResponse): Uint8Array {
  const body = Buffer.from(response.body, "utf8");
  const lines =
    `HTTP/1.1 ${response.status} ${reasonPhrase(response.status)}\r\n` +
    `content-type: text/plain; charset=utf-8\r\ncontent-length: ${body.length}\r\n` +
    (response.close ? "connection: close\r\n" : "");
  const end = Buffer.from("\r\n", "latin1");
  return Buffer.concat([Buffer.from(lines, "latin1"), ...response.fields, end, response.toHead ? EMPTY : body]);
}

const EMPTY: Uint8Array = new Uint8Array(0);

/** Index of the Host field whose value is the authority, so that it can be copied with its neighbours; -1 when none is. */
function hostInPlace(head: Head): number {
  for (let index = 0; index < head.count; index += 1) {
    if (head.ids[index] !== FIELD_HOST) continue;
    const same = head.spans[index * 4 + 2] === head.authorityStart && head.spans[index * 4 + 3] === head.authorityEnd;
    return same ? index : -1;
  }
  return -1;
}

/** Copies kept fields, as many as lie side by side in canonical form at a time, then the additions. */
function encodeFields(head: Head, out: Uint8Array, offset: number, hostAt: number): number {
  const { bytes, spans, ids, count } = head;
  const skipped = asksUpgrade(head) || head.bodyKind === BODY_TUNNEL ? SKIPPED_BUT_UPGRADE : SKIPPED;
  let at = offset;
  let runStart = -1;
  let runEnd = -1;
  for (let index = 0; index < count; index += 1) {
    const id = ids[index] as number; // below head.count, as are the spans
    if (skipped[id] === 1 || (id === FIELD_HOST && index !== hostAt)) continue;
    const base = index * 4;
    const nameStart = spans[base] as number;
    const nameEnd = spans[base + 1] as number;
    const valueStart = spans[base + 2] as number;
    const valueEnd = spans[base + 3] as number;
    const canonical =
      valueStart === nameEnd + 2 &&
      bytes[nameEnd] === COLON &&
      bytes[nameEnd + 1] === SPACE &&
      bytes[valueEnd] === CR &&
      bytes[valueEnd + 1] === LF;
    if (canonical && nameStart === runEnd) {
      runEnd = valueEnd + 2;
      continue;
    }
    if (runEnd > 0) at = copy(bytes, runStart, runEnd, out, at);
    if (canonical) {
      runStart = nameStart;
      runEnd = valueEnd + 2;
    } else {
      runEnd = -1;
      at = encodeField(head, base, out, at);
    }
  }
  if (runEnd > 0) at = copy(bytes, runStart, runEnd, out, at);
  for (let index = 0; index < head.additionCount; index += 1) {
    at = append((head.additions[index] as FieldLines).bytes, out, at); // additionCount of them are set
  }
  return at;
}

/** One field whose line had other white space, written with the usual one space. */
function encodeField(head: Head, base: number, out: Uint8Array, offset: number): number {
  const { bytes, spans } = head;
  const at = copy(bytes, spans[base] as number, spans[base + 1] as number, out, offset);
  if (at < 0 || at + 2 > out.length) return -1;
  out[at] = COLON;
  out[at + 1] = SPACE;
  return append(CHUNK_END, out, copy(bytes, spans[base + 2] as number, spans[base + 3] as number, out, at + 2));
}

function asksUpgrade(head: Head): boolean {
  return head.upgrade && head.method !== METHOD_CONNECT;
}

function endHead(out: Uint8Array, offset: number, flags: number, upgrade: boolean): number {
  let at = offset;
  if (upgrade) at = append(UPGRADE, out, at);
  else if ((flags & ENCODE_CLOSE) !== 0) at = append(CLOSE, out, at);
  else if ((flags & ENCODE_KEEP_ALIVE) !== 0) at = append(KEEP_ALIVE, out, at);
  return append(CHUNK_END, out, at);
}

function appendLength(length: number, out: Uint8Array, offset: number): number {
  return append(CHUNK_END, out, appendDecimal(length, out, append(CONTENT_LENGTH, out, offset)));
}

function appendDecimal(value: number, out: Uint8Array, offset: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
  const end = offset + digits;
  if (offset < 0 || end > out.length) return -1;
  for (let at = end - 1, rest = value; at >= offset; at -= 1) {
    const digit = rest % 10;
    out[at] = 0x30 + digit;
    rest = (rest - digit) / 10;
  }
  return end;
}

/** Copies a whole block. A negative offset (something did not fit) stays negative. */
function append(block: Uint8Array, out: Uint8Array, offset: number): number {
  const length = block.length;
  const end = offset + length;
  if (offset < 0 || end > out.length) return -1;
  if (length > LOOP_BYTES) out.set(block, offset);
  else for (let index = 0; index < length; index += 1) out[offset + index] = block[index] as number;
  return end;
}

function copy(bytes: Uint8Array, start: number, end: number, out: Uint8Array, offset: number): number {
  const length = end - start;
  const last = offset + length;
  if (offset < 0 || last > out.length) return -1;
  if (length > LOOP_BYTES) copyNatively.call(bytes, out, offset, start, end);
  else for (let from = start, to = offset; from < end; from += 1, to += 1) out[to] = bytes[from] as number;
  return last;
}
