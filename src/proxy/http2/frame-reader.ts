// hot. Frames in: how bytes are taken apart.
import * as frames from "./frame.ts";
import {
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLAG_PRIORITY,
  FRAME_CONTINUATION,
  FRAME_DATA,
  FRAME_GOAWAY,
  FRAME_HEADER_BYTES,
  FRAME_HEADERS,
  FRAME_PING,
  FRAME_PRIORITY,
  FRAME_PUSH_PROMISE,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_WINDOW_UPDATE,
  readUint32,
} from "./frame.ts";
import type { DataReceiver } from "./data-receiver.ts";
import type { PeerSettings } from "./peer-settings.ts";
import type { Http2Limits } from "./session-contract.ts";

/** A header block longer than this many frames is an attack (CVE-2024-27316 and its like). */
const MAX_CONTINUATIONS = 64;
const EMPTY: Uint8Array = new Uint8Array(0);

/** Who learns what frames came: the session. A payload is `length` bytes at `at`. */
export interface FrameSink {
  /** A whole header block; `ends`: with it the stream. `block` is used again afterwards. */
  onHeaderBlock(id: number, block: Uint8Array, start: number, end: number, ends: boolean): void;
  onWindowUpdate(id: number, bytes: Uint8Array, at: number, length: number): void;
  onReset(id: number, bytes: Uint8Array, at: number, length: number): void;
  onSettings(flags: number, id: number, bytes: Uint8Array, at: number, length: number): void;
  onPing(flags: number, id: number, bytes: Uint8Array, at: number, length: number): void;
  onGoaway(id: number, bytes: Uint8Array, at: number, length: number): void;
  onPriority(id: number, bytes: Uint8Array, at: number, length: number): void;
  /** A frame that carries nothing came. False when that was one too many: the session failed. */
  spendControl(): boolean;
  /** The peer broke the rules: the session is over. */
  fail(code: number, message: string): void;
}

/**
 * Takes what comes apart into frames, and puts header blocks together. It checks what can be seen without knowing
 * streams: the largest frame, the order, the padding of HEADERS. What is not complete is kept until the rest comes; DATA goes on to `DataReceiver` as it comes.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #data: DataReceiver;
  readonly #peer: PeerSettings;
  readonly #maxFrameBytes: number;
  readonly #maxBlockBytes: number;
  /** Servers: bytes of the preface still to come. */
  #prefaceLeft: number;
  /** Frames and header blocks that came to their end; of DATA, that began. */
  #completed: number = 0;
  // A frame or header block that is not complete yet.
  #stash: Uint8Array = EMPTY;
  #stashLength: number = 0;
  #stashNeed: number = 0;
  #skipLeft: number = 0;
  #block: Uint8Array = EMPTY;
  #blockLength: number = 0;
  #blockStream: number = 0;
  #blockEnds: boolean = false;
  #blockFrames: number = 0;

  /** `isServer`: a preface comes first. */
  constructor(
    sink: FrameSink,
    data: DataReceiver,
    peer: PeerSettings,
    options: { isServer: boolean; limits: Http2Limits },
  ) {
    const { isServer, limits } = options;
    this.#sink = sink;
    this.#data = data;
    this.#peer = peer;
    this.#maxFrameBytes = limits.maxFrameBytes;
    // Compressed blocks are hardly larger than what they stand for. Up to twice the limit, the stream alone is refused.
    this.#maxBlockBytes = limits.maxHeadBytes * 2;
    this.#prefaceLeft = isServer ? frames.PREFACE.length : 0;
  }

  /** A frame or header block has begun and is not complete. */
  isMidFrame(): boolean {
    return this.#stashLength > 0 || this.#blockStream !== 0 || this.#prefaceLeft > 0;
  }

  /** Grows with every frame and header block. */
  completedFrames(): number {
    return this.#completed;
  }

  /** Takes one frame, or as much of it as there is, from `at`; returns where the rest begins. */
  read(bytes: Uint8Array, at: number): number {
    if (this.#data.isInFrame()) return this.#data.take(bytes, at);
    if (this.#skipLeft > 0) return this.#skip(bytes, at);
    if (this.#stashNeed > 0) return this.#fillStash(bytes, at);
    if (this.#prefaceLeft > 0) return this.#takePreface(bytes);
    return this.#takeFrame(bytes, at, bytes.length);
  }

  #takePreface(bytes: Uint8Array): number {
    const from = frames.PREFACE.length - this.#prefaceLeft;
    const take = Math.min(this.#prefaceLeft, bytes.length);
    for (let index = 0; index < take; index += 1) {
      if (bytes[index] !== frames.PREFACE[from + index]) {
        this.#sink.fail(frames.PROTOCOL_ERROR, "The connection does not begin with the HTTP/2 preface");
        return bytes.length;
      }
    }
    this.#prefaceLeft -= take;
    return take;
  }

  /** One frame, or the beginning of one, from `at`; returns where the next begins. */
  #takeFrame(bytes: Uint8Array, at: number, end: number): number {
    if (end - at < FRAME_HEADER_BYTES) return this.#startStash(bytes, at, end, FRAME_HEADER_BYTES);
    const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    const type = bytes[at + 3] as number;
    const flags = bytes[at + 4] as number;
    const id = readUint32(bytes, at + 5) & 0x7fffffff;
    if (length > this.#maxFrameBytes) {
      this.#sink.fail(frames.FRAME_SIZE_ERROR, `A frame has ${length} bytes; expected at most ${this.#maxFrameBytes}`);
      return end;
    }
    if (this.#blockStream !== 0 && (type !== FRAME_CONTINUATION || id !== this.#blockStream)) {
      this.#sink.fail(frames.PROTOCOL_ERROR, "A header block is interrupted by another frame");
      return end;
    }
    if (!this.#peer.seen && type !== FRAME_SETTINGS) {
      this.#sink.fail(frames.PROTOCOL_ERROR, "The first frame is not SETTINGS");
      return end;
    }
    const payload = at + FRAME_HEADER_BYTES;
    if (type === FRAME_DATA) {
      if ((flags & FLAG_PADDED) !== 0 && length > 0 && end === payload) {
        return this.#startStash(bytes, at, end, FRAME_HEADER_BYTES + 1);
      }
      this.#completed += 1;
      return this.#data.start(bytes, payload, length, flags, id);
    }
    if (type > FRAME_CONTINUATION) {
      // Unknown types are ignored (RFC 9113 §5.5), however long, but not for ever.
      if (!this.#sink.spendControl()) return end;
      this.#skipLeft = length;
      return payload;
    }
    if (end - payload < length) return this.#startStash(bytes, at, end, FRAME_HEADER_BYTES + length);
    this.#frame(type, flags, id, bytes, payload, length);
    if (this.#blockStream === 0) this.#completed += 1;
    return payload + length;
  }

  #frame(type: number, flags: number, id: number, bytes: Uint8Array, at: number, length: number): void {
    switch (type) {
      case FRAME_HEADERS:
        this.#headers(flags, id, bytes, at, length);
        break;
      case FRAME_CONTINUATION:
        this.#continuation(flags, id, bytes, at, length);
        break;
      case FRAME_WINDOW_UPDATE:
        this.#sink.onWindowUpdate(id, bytes, at, length);
        break;
      case FRAME_RST_STREAM:
        this.#sink.onReset(id, bytes, at, length);
        break;
      case FRAME_SETTINGS:
        this.#sink.onSettings(flags, id, bytes, at, length);
        break;
      case FRAME_PING:
        this.#sink.onPing(flags, id, bytes, at, length);
        break;
      case FRAME_GOAWAY:
        this.#sink.onGoaway(id, bytes, at, length);
        break;
      case FRAME_PRIORITY:
        this.#sink.onPriority(id, bytes, at, length);
        break;
      case FRAME_PUSH_PROMISE:
      default:
        this.#sink.fail(frames.PROTOCOL_ERROR, "PUSH_PROMISE came although push is off");
        break;
    }
  }

  #startStash(bytes: Uint8Array, at: number, end: number, need: number): number {
    this.#stash = new Uint8Array(need);
    this.#stashNeed = need;
    this.#stashLength = end - at;
    this.#stash.set(bytes.subarray(at, end));
    return end;
  }

  #fillStash(bytes: Uint8Array, at: number): number {
    const take = Math.min(this.#stashNeed - this.#stashLength, bytes.length - at);
    this.#stash.set(bytes.subarray(at, at + take), this.#stashLength);
    this.#stashLength += take;
    if (this.#stashLength === this.#stashNeed) {
      const whole = this.#stash;
      this.#stash = EMPTY;
      this.#stashNeed = 0;
      this.#stashLength = 0;
      this.#takeFrame(whole, 0, whole.length);
    }
    return at + take;
  }

  #skip(bytes: Uint8Array, at: number): number {
    const take = Math.min(this.#skipLeft, bytes.length - at);
    this.#skipLeft -= take;
    return at + take;
  }

  // HEADERS and CONTINUATION

  #headers(flags: number, id: number, bytes: Uint8Array, payload: number, length: number): void {
    let at = payload;
    let end = payload + length;
    if (id === 0) {
      this.#sink.fail(frames.PROTOCOL_ERROR, "HEADERS came on stream 0");
      return;
    }
    const extra = ((flags & FLAG_PADDED) !== 0 ? 1 : 0) + ((flags & FLAG_PRIORITY) !== 0 ? 5 : 0);
    if (length < extra) {
      this.#sink.fail(frames.FRAME_SIZE_ERROR, "HEADERS is shorter than its flags need");
      return;
    }
    if ((flags & FLAG_PADDED) !== 0) {
      end -= bytes[at] as number;
      at += 1;
    }
    if ((flags & FLAG_PRIORITY) !== 0) {
      if ((readUint32(bytes, at) & 0x7fffffff) === id) {
        this.#sink.fail(frames.PROTOCOL_ERROR, "A stream depends on itself");
        return;
      }
      at += 5;
    }
    if (end < at) {
      this.#sink.fail(frames.PROTOCOL_ERROR, "HEADERS has more padding than payload");
      return;
    }
    const ends = (flags & FLAG_END_STREAM) !== 0;
    if ((flags & FLAG_END_HEADERS) !== 0) {
      this.#sink.onHeaderBlock(id, bytes, at, end, ends);
      return;
    }
    this.#blockStream = id;
    this.#blockEnds = ends;
    this.#blockLength = 0;
    this.#blockFrames = 0;
    this.#appendBlock(bytes, at, end);
  }

  #continuation(flags: number, id: number, bytes: Uint8Array, at: number, length: number): void {
    if (this.#blockStream === 0) {
      this.#sink.fail(frames.PROTOCOL_ERROR, "CONTINUATION came without HEADERS before it");
      return;
    }
    this.#blockFrames += 1;
    if (this.#blockFrames > MAX_CONTINUATIONS) {
      this.#sink.fail(frames.ENHANCE_YOUR_CALM, "A header block has too many CONTINUATION frames");
      return;
    }
    if (!this.#appendBlock(bytes, at, at + length) || (flags & FLAG_END_HEADERS) === 0) return;
    const block = this.#block;
    this.#blockStream = 0;
    this.#sink.onHeaderBlock(id, block, 0, this.#blockLength, this.#blockEnds);
    this.#block = EMPTY;
  }

  #appendBlock(bytes: Uint8Array, at: number, end: number): boolean {
    const length = this.#blockLength + (end - at);
    const limit = this.#maxBlockBytes;
    if (length > limit) {
      this.#sink.fail(frames.ENHANCE_YOUR_CALM, `A header block has more than ${limit} bytes`);
      return false;
    }
    if (length > this.#block.length) {
      const larger = new Uint8Array(Math.max(length, this.#block.length * 2));
      larger.set(this.#block.subarray(0, this.#blockLength));
      this.#block = larger;
    }
    this.#block.set(bytes.subarray(at, end), this.#blockLength);
    this.#blockLength = length;
    return true;
  }
}
