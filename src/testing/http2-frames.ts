/** HTTP/2 at the level of frames, for tests: builds any frame, right or wrong, and takes apart what comes back. */
import { Head } from "../proxy/head.ts";
import * as frames from "../proxy/http2/frame.ts";
import { HEAD_OK, HeadDecoder, KIND_REQUEST, KIND_RESPONSE, KIND_TRAILERS } from "../proxy/http2/hpack/head-decoder.ts";

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Uint8Array;
}

/** Name and value as they are to be sent: nothing is checked. Latin-1. */
export type Field = readonly [name: string, value: string];

const NAMES: readonly string[] = [
  "DATA",
  "HEADERS",
  "PRIORITY",
  "RST_STREAM",
  "SETTINGS",
  "PUSH_PROMISE",
  "PING",
  "GOAWAY",
  "WINDOW_UPDATE",
  "CONTINUATION",
];
const EMPTY: Uint8Array = new Uint8Array(0);

export function buildFrame(type: number, flags: number, id: number, payload: Uint8Array = EMPTY): Buffer {
  const bytes = Buffer.alloc(frames.FRAME_HEADER_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(id, 5);
  bytes.set(payload, frames.FRAME_HEADER_BYTES);
  return bytes;
}

export function buildSettings(...settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(settings.length * 6);
  for (const [index, [id, value]] of settings.entries()) {
    payload.writeUInt16BE(id, index * 6);
    payload.writeUInt32BE(value, index * 6 + 2);
  }
  return buildFrame(frames.FRAME_SETTINGS, 0, 0, payload);
}

export function buildSettingsAck(): Buffer {
  return buildFrame(frames.FRAME_SETTINGS, frames.FLAG_ACK, 0);
}

export function buildPing(flags: number = 0): Buffer {
  return buildFrame(frames.FRAME_PING, flags, 0, Buffer.from("12345678"));
}

export function buildGoaway(lastStream: number, code: number): Buffer {
  return buildFrame(frames.FRAME_GOAWAY, 0, 0, toUint32(lastStream, code));
}

export function buildWindowUpdate(id: number, increment: number): Buffer {
  return buildFrame(frames.FRAME_WINDOW_UPDATE, 0, id, toUint32(increment));
}

export function buildReset(id: number, code: number): Buffer {
  return buildFrame(frames.FRAME_RST_STREAM, 0, id, toUint32(code));
}

export function buildPriority(id: number, dependsOn: number): Buffer {
  return buildFrame(frames.FRAME_PRIORITY, 0, id, Buffer.concat([toUint32(dependsOn), Buffer.from([15])]));
}

export interface DataOptions {
  readonly end?: boolean;
  /** Adds padding of so many bytes. */
  readonly padding?: number;
}

export function buildData(id: number, body: string | Uint8Array, options: DataOptions = {}): Buffer {
  const content = typeof body === "string" ? Buffer.from(body, "latin1") : body;
  const { end = false, padding } = options;
  const flags = (end ? frames.FLAG_END_STREAM : 0) | (padding === undefined ? 0 : frames.FLAG_PADDED);
  const payload =
    padding === undefined ? content : Buffer.concat([Buffer.from([padding]), content, Buffer.alloc(padding)]);
  return buildFrame(frames.FRAME_DATA, flags, id, payload);
}

export interface HeadersOptions {
  readonly end?: boolean;
  /** False: CONTINUATION follows. Default true. */
  readonly endHeaders?: boolean;
}

export function buildHeaders(id: number, fields: readonly Field[], options: HeadersOptions = {}): Buffer {
  return buildHeadersBlock(id, buildBlock(fields), options);
}

/** HEADERS around a header block made by hand. */
export function buildHeadersBlock(id: number, block: Uint8Array, options: HeadersOptions = {}): Buffer {
  const { end = false, endHeaders = true } = options;
  const flags = (end ? frames.FLAG_END_STREAM : 0) | (endHeaders ? frames.FLAG_END_HEADERS : 0);
  return buildFrame(frames.FRAME_HEADERS, flags, id, block);
}

export function buildContinuation(id: number, block: Uint8Array, endHeaders: boolean): Buffer {
  return buildFrame(frames.FRAME_CONTINUATION, endHeaders ? frames.FLAG_END_HEADERS : 0, id, block);
}

/** HEADERS, and CONTINUATION as frames of 16,384 bytes need it. */
export function buildLongHeaders(id: number, fields: readonly Field[], end: boolean = false): Buffer {
  const block = buildBlock(fields);
  const size = frames.DEFAULT_FRAME_BYTES;
  const parts = [buildHeadersBlock(id, block.subarray(0, size), { end, endHeaders: block.length <= size })];
  for (let at = size; at < block.length; at += size) {
    parts.push(buildContinuation(id, block.subarray(at, at + size), at + size >= block.length));
  }
  return Buffer.concat(parts);
}

/** A header block of literals without indexing and without Huffman coding. */
export function buildBlock(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), toString(name), toString(value)]));
}

/** A literal that goes into the dynamic table. */
export function buildIndexedLiteral(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40]), toString(name), toString(value)]);
}

/** An ordinary request head: GET / to `app` unless told otherwise. */
export function requestFields(path: string = "/", method: string = "GET", more: readonly Field[] = []): Field[] {
  return [[":method", method], [":scheme", "http"], [":authority", "app"], [":path", path], ...more];
}

/** The client's preface and its SETTINGS. */
export function buildClientStart(...settings: readonly (readonly [id: number, value: number])[]): Buffer {
  return Buffer.concat([frames.PREFACE, buildSettings(...settings)]);
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** The frames that are complete with these bytes. Copies. */
  read(bytes: Uint8Array): Frame[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const found: Frame[] = [];
    for (;;) {
      const rest = this.#rest;
      if (rest.length < frames.FRAME_HEADER_BYTES) return found;
      const end = frames.FRAME_HEADER_BYTES + rest.readUIntBE(0, 3);
      if (rest.length < end) return found;
      found.push({
        type: rest[3] ?? 0,
        flags: rest[4] ?? 0,
        id: rest.readUInt32BE(5),
        payload: rest.subarray(frames.FRAME_HEADER_BYTES, end),
      });
      this.#rest = rest.subarray(end);
    }
  }

  restBytes(): number {
    return this.#rest.length;
  }
}

/** Turns what a peer sends into lines of text: one per frame, heads and trailers decoded. */
export class FrameTexts {
  /** KIND_RESPONSE: the peer is a server. */
  readonly #kind: number;
  readonly #decoder: HeadDecoder = new HeadDecoder({
    maxHeadBytes: 1_000_000,
    maxTargetBytes: 1_000_000,
    maxFields: 128,
    maxTableBytes: 65_536,
  });
  readonly #headSeen: Set<number> = new Set();

  constructor(kind: number = KIND_RESPONSE) {
    this.#kind = kind;
  }

  /** HEADERS as `HEADERS 1 :status=200 name=value; END`, DATA as `DATA 1 text; END`, others with their numbers. */
  format({ type, flags, id, payload }: Frame): string {
    const name = NAMES[type] ?? `type ${type}`;
    const end = (flags & frames.FLAG_END_STREAM) !== 0 ? "; END" : "";
    switch (type) {
      case frames.FRAME_DATA:
        return `${name} ${id} ${Buffer.from(payload).toString("latin1")}${end}`;
      case frames.FRAME_HEADERS:
        return `${name} ${id} ${this.#head(id, payload, end !== "")}${end}`;
      case frames.FRAME_RST_STREAM:
        return `${name} ${id} ${frames.errorName(frames.readUint32(payload, 0))}`;
      case frames.FRAME_GOAWAY:
        return `${name} ${frames.readUint32(payload, 0)} ${frames.errorName(frames.readUint32(payload, 4))}`;
      case frames.FRAME_WINDOW_UPDATE:
        return `${name} ${id} ${frames.readUint32(payload, 0)}`;
      case frames.FRAME_SETTINGS:
      case frames.FRAME_PING:
        return `${name}${(flags & frames.FLAG_ACK) !== 0 ? " ACK" : ""}`;
      default:
        return `${name} ${id}`;
    }
  }

  #head(id: number, block: Uint8Array, ends: boolean): string {
    const head = new Head();
    const kind = this.#headSeen.has(id) ? KIND_TRAILERS : this.#kind;
    const verdict = this.#decoder.decode(kind, block, 0, block.length, ends, head);
    if (verdict !== HEAD_OK) return `malformed: ${this.#decoder.failure?.detail ?? verdict}`;
    if (kind !== KIND_RESPONSE || head.status >= 200) this.#headSeen.add(id);
    const fields = Array.from({ length: head.count }, (_, index) => `${head.nameText(index)}=${head.valueText(index)}`);
    const target = Buffer.from(head.bytes.subarray(head.targetStart, head.targetEnd)).toString("latin1");
    if (kind === KIND_RESPONSE) fields.unshift(`:status=${head.status}`);
    else if (kind === KIND_REQUEST) fields.unshift(`${head.methodText()} ${target}`);
    return fields.join(" ");
  }
}

function toUint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4);
  return bytes;
}

/** An HPACK string without Huffman coding. */
function toString(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([buildInteger(bytes.length, 7, 0), bytes]);
}

/** An HPACK integer whose first byte has `bits` bits of it below `high`. */
export function buildInteger(value: number, bits: number, high: number): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.from([high | value]);
  const out = [high | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  out.push(rest);
  return Buffer.from(out);
}
