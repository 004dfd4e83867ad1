// hot. DATA in, and the windows that we give.
import type { FloodGuard } from "./flood-guard.ts";
import * as frames from "./frame.ts";
import { FLAG_END_STREAM, FLAG_PADDED } from "./frame.ts";
import type { FrameWriter } from "./frame-writer.ts";
import type { Http2Stream } from "./http2-stream.ts";
import type { Http2Limits } from "./session-contract.ts";

/** What the session does for the data that comes. */
export interface DataOwner {
  isOver(): boolean;
  /** The peer broke the rules: the session is over. */
  fail(code: number, message: string): void;
  /** The peer broke a stream's rules: it ends on both sides. */
  streamError(stream: Http2Stream, code: number): void;
  /** Ends a stream: the peer is told `sent`, the stream `told`. */
  giveUp(stream: Http2Stream, sent: number, told: number): void;
  /** A frame for a stream that is not open. True: it is ignored; false: the session failed. */
  unknownStream(id: number, name: string): boolean;
  /** A frame that carries nothing came. False when that was one too many: the session failed. */
  spendControl(): boolean;
  /** All that the peer sends on the stream was passed on. */
  endRemote(stream: Http2Stream): void;
}

export interface DataReceiverOptions {
  readonly owner: DataOwner;
  /** The session's open streams, by id. */
  readonly streams: ReadonlyMap<number, Http2Stream>;
  readonly limits: Http2Limits;
  readonly writer: FrameWriter;
  /** Earns with every frame that carries data. */
  readonly controls: FloodGuard;
}

/**
 * DATA that comes: passed on as it comes, without waiting for the whole frame, or held while its stream is paused. Keeps the
 * windows that we give the peer, and gives them back as data is taken (RFC 9113 sections 5.2 and 6.1).
 */
export class DataReceiver {
  readonly #owner: DataOwner;
  readonly #streams: ReadonlyMap<number, Http2Stream>;
  readonly #limits: Http2Limits;
  readonly #writer: FrameWriter;
  readonly #controls: FloodGuard;
  // What we allow the peer on the whole connection.
  #receiveWindow: number;
  #uncredited: number = 0;
  #held: number = 0;
  // The frame that is not complete yet.
  #left: number = 0;
  #padding: number = 0;
  #stream: Http2Stream | null = null;
  #streamId: number = 0;
  #ends: boolean = false;

  constructor(options: DataReceiverOptions) {
    this.#owner = options.owner;
    this.#streams = options.streams;
    this.#limits = options.limits;
    this.#writer = options.writer;
    this.#controls = options.controls;
    this.#receiveWindow = options.limits.connectionWindowBytes;
  }

  /** The next bytes belong to the DATA frame that was begun: `take` them. */
  isInFrame(): boolean {
    return this.#left > 0 || this.#padding > 0;
  }

  /** A DATA frame begins: its payload is `length` bytes at `payload`, not all of them here. Returns where its data begins. */
  start(bytes: Uint8Array, payload: number, length: number, flags: number, id: number): number {
    let at = payload;
    let padding = 0;
    if (id === 0) {
      this.#owner.fail(frames.PROTOCOL_ERROR, "DATA came on stream 0");
      return bytes.length;
    }
    if ((flags & FLAG_PADDED) !== 0) {
      padding = length === 0 ? 0 : (bytes[at] as number);
      if (length === 0 || padding >= length) {
        const code = length === 0 ? frames.FRAME_SIZE_ERROR : frames.PROTOCOL_ERROR;
        this.#owner.fail(code, "DATA has more padding than payload");
        return bytes.length;
      }
      at += 1;
    }
    const data = length - padding - (at - payload);
    if (!this.#chargeConnection(length)) return bytes.length;
    const ends = (flags & FLAG_END_STREAM) !== 0;
    const stream = this.#streams.get(id) ?? null;
    if (stream === null) {
      if (!this.#owner.unknownStream(id, "DATA")) return bytes.length;
      // Not for anybody: the connection's window goes back at once.
      this.#uncredited += length;
      this.#creditConnection();
    } else if (!this.#acceptData(stream, data, length, ends)) {
      if (this.#owner.isOver()) return bytes.length;
      this.#uncredited += length;
      this.#creditConnection();
    }
    if (data === 0 && !ends && !this.#owner.spendControl()) return bytes.length;
    this.#stream = stream !== null && stream.id === id ? stream : null;
    if (data > 0 && this.#stream !== null) this.#controls.earn(1);
    this.#streamId = id;
    this.#ends = ends;
    this.#left = data;
    this.#padding = padding;
    // Padding, and the byte that says how much, are never passed on: they count as taken.
    if (this.#stream !== null && length > data) {
      this.#uncredited += length - data;
      this.#credit(this.#stream, length - data);
    }
    if (data === 0) this.#endOfData();
    return at;
  }

  /** What is here of the frame that was begun; returns where the rest of the bytes begins. */
  take(bytes: Uint8Array, at: number): number {
    const available = bytes.length - at;
    if (this.#left === 0) {
      const padding = Math.min(this.#padding, available);
      this.#padding -= padding;
      return at + padding;
    }
    const take = this.#left < available ? this.#left : available;
    this.#left -= take;
    const stream = this.#stream;
    if (stream !== null && stream.id === this.#streamId) {
      const whole = take === bytes.length;
      this.#deliver(stream, whole ? bytes : bytes.subarray(at, at + take));
    } else if (stream !== null) {
      // The stream ended within its frame: what is left is for nobody, and its window goes back.
      this.#stream = null;
      this.#uncredited += take + this.#left;
      this.#creditConnection();
    }
    if (this.#left === 0) this.#endOfData();
    return at + take;
  }

  /** Delivers what was held, for as long as the stream is not paused again. */
  resume(stream: Http2Stream): void {
    if (!stream.paused) return;
    stream.paused = false;
    const id = stream.id;
    while (!stream.paused) {
      const bytes = stream.held.shift();
      if (bytes === undefined) break;
      this.#held -= bytes.length;
      stream.onData(bytes);
      if (stream.id !== id) return;
      this.#credit(stream, bytes.length);
    }
    if (stream.heldEnd && !stream.paused) {
      stream.heldEnd = false;
      this.#owner.endRemote(stream);
    }
    this.#creditConnection();
  }

  /** A stream is gone that held so many bytes: what may be held is free for others. */
  release(heldBytes: number): void {
    this.#held -= heldBytes;
    this.#creditConnection();
  }

  /** Checks a DATA frame against its stream. False: it is not for the stream (which may be gone by now). */
  #acceptData(stream: Http2Stream, data: number, length: number, ends: boolean): boolean {
    if (stream.remoteClosed || stream.heldEnd) {
      this.#owner.streamError(stream, frames.STREAM_CLOSED);
      return false;
    }
    if (!stream.headSeen) {
      this.#owner.fail(frames.PROTOCOL_ERROR, "DATA came before the head of its stream");
      return false;
    }
    stream.receiveWindow -= length;
    if (stream.receiveWindow < 0) {
      this.#owner.streamError(stream, frames.FLOW_CONTROL_ERROR);
      return false;
    }
    if (stream.expectedBytes >= 0) {
      stream.expectedBytes -= data;
      if (stream.expectedBytes < 0 || (ends && stream.expectedBytes > 0)) {
        this.#owner.streamError(stream, frames.PROTOCOL_ERROR);
        return false;
      }
    }
    return true;
  }

  #endOfData(): void {
    const stream = this.#stream;
    this.#stream = null;
    if (!this.#ends || stream === null || stream.id !== this.#streamId) return;
    this.#ends = false;
    if (stream.held.bytes > 0) stream.heldEnd = true;
    else this.#owner.endRemote(stream);
  }

  #deliver(stream: Http2Stream, bytes: Uint8Array): void {
    const length = bytes.length;
    this.#uncredited += length;
    if (stream.paused) {
      stream.held.push(bytes);
      this.#held += length;
      this.#shed();
    } else {
      const id = stream.id;
      stream.onData(bytes);
      if (stream.id === id) this.#credit(stream, length);
    }
    this.#creditConnection();
  }

  /**
   * Where many callers share a connection, the one who takes nothing must not stop the others: before what is held narrows
   * the connection's window, the stream that holds most is given up.
   */
  #shed(): void {
    const { shedsHeld, maxHeldBytes, connectionWindowBytes } = this.#limits;
    if (!shedsHeld || this.#held <= maxHeldBytes - connectionWindowBytes) return;
    let largest: Http2Stream | null = null;
    for (const stream of this.#streams.values()) {
      if (largest === null || stream.held.bytes > largest.held.bytes) largest = stream;
    }
    if (largest === null) return;
    this.#owner.giveUp(largest, frames.CANCEL, frames.NOT_TAKEN);
  }

  #chargeConnection(length: number): boolean {
    this.#receiveWindow -= length;
    if (this.#receiveWindow >= 0) return true;
    this.#owner.fail(frames.FLOW_CONTROL_ERROR, "DATA exceeds the window of the connection");
    return false;
  }

  /**
   * The connection's window comes back on receipt, so that one slow stream stops no other, until what is held and what may
   * still come would be more than may be held.
   */
  #creditConnection(): void {
    const { connectionWindowBytes, maxHeldBytes } = this.#limits;
    if (this.#uncredited < connectionWindowBytes / 2) return;
    const bytes = Math.min(this.#uncredited, maxHeldBytes - this.#held - this.#left - this.#receiveWindow);
    // No crumbs, but for who has nothing left.
    if (bytes <= 0 || (bytes < connectionWindowBytes / 8 && this.#receiveWindow > 0)) return;
    this.#uncredited -= bytes;
    this.#receiveWindow += bytes;
    if (!this.#owner.isOver()) this.#writer.windowUpdate(0, bytes);
  }

  #credit(stream: Http2Stream, bytes: number): void {
    stream.uncreditedBytes += bytes;
    if (stream.remoteClosed || stream.uncreditedBytes < stream.windowBytes / 2 || this.#owner.isOver()) return;
    let increment = stream.uncreditedBytes;
    stream.uncreditedBytes = 0;
    // Who takes what comes may be sent more at once.
    if (!stream.paused && stream.windowBytes < this.#limits.maxStreamWindowBytes) {
      increment += stream.windowBytes;
      stream.windowBytes *= 2;
    }
    stream.receiveWindow += increment;
    this.#writer.windowUpdate(stream.id, increment);
  }
}
