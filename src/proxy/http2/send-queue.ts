// hot. Heads and DATA out, within the windows that we are given.
import type { Head } from "../head.ts";
import type { FloodGuard } from "./flood-guard.ts";
import { DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES } from "./frame.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { KIND_TRAILERS } from "./hpack/head-decoder.ts";
import type { Http2Stream } from "./http2-stream.ts";
import type { PeerSettings } from "./peer-settings.ts";

/** What a peer may send for each DATA frame that it gets, at least its WINDOW_UPDATEs. Envoy allows 10 of those. */
const CONTROLS_PER_DATA = 10;
/** DATA that a window cut to less than this was not worth the WINDOW_UPDATE (CVE-2019-9511). */
const DRIBBLE_BYTES = 1_024;
const EMPTY: Uint8Array = new Uint8Array(0);

/** What the session does for what is sent. */
export interface SendOwner {
  isOver(): boolean;
  /** Our side of the stream has ended. */
  closeLocal(stream: Http2Stream): void;
}

/**
 * Messages that go out: DATA at once where windows and output allow it, else queued at its stream, and the streams that wait
 * are served in turn (RFC 9113 section 5.2). Who calls it has checked that the stream is open on our side.
 */
export class SendQueue {
  readonly #owner: SendOwner;
  readonly #writer: FrameWriter;
  readonly #peer: PeerSettings;
  readonly #controls: FloodGuard;
  /** What the peer allows us on the whole connection. */
  #sendWindow: number = DEFAULT_WINDOW_BYTES;
  /** Streams whose senders were told to stop, in the order in which they are served. */
  readonly #waiting: Http2Stream[] = [];

  /** `controls` earns with every frame that is worth an answer. */
  constructor(owner: SendOwner, writer: FrameWriter, peer: PeerSettings, controls: FloodGuard) {
    this.#owner = owner;
    this.#writer = writer;
    this.#peer = peer;
    this.#controls = controls;
  }

  /** `kind`: KIND_… of the decoder. `end`: with it our side ends. */
  sendHead(stream: Http2Stream, kind: number, head: Head, end: boolean): void {
    this.#writer.headers(kind, stream.id, head, end);
    this.#controls.earn(1);
    if (end) this.#owner.closeLocal(stream);
  }

  /** False: stop until `stream.onWritable`. What is given is taken in any case. */
  sendData(stream: Http2Stream, bytes: Uint8Array, end: boolean): boolean {
    const length = bytes.length;
    if (length === 0 && !end) return true;
    if (
      stream.pendingBytes === 0 &&
      !this.#writer.blocked &&
      length <= stream.sendWindow &&
      length <= this.#sendWindow &&
      length <= this.#peer.frameBytes
    ) {
      this.#writeData(stream, bytes, end);
      if (!this.#writer.blocked || stream.id === 0) return true;
      this.#wait(stream);
      return false;
    }
    if (length > 0) {
      stream.pending.push(bytes);
      stream.pendingBytes += length;
    }
    if (end) stream.endPending = true;
    this.#wait(stream);
    if (!this.#writer.blocked) this.#flush(stream);
    return stream.pendingBytes === 0 && !this.#writer.blocked;
  }

  /** Ends our side, with trailers or without. */
  sendEnd(stream: Http2Stream, trailers: Head | null): void {
    if (stream.pendingBytes > 0) {
      stream.endPending = true;
      stream.trailersPending = trailers?.clone() ?? null;
      return;
    }
    this.#writeEnd(stream, trailers);
  }

  /** The peer widened the connection's window; `pump` uses it. False: beyond what a window may be. */
  widen(increment: number): boolean {
    this.#sendWindow += increment;
    return this.#sendWindow <= MAX_WINDOW_BYTES;
  }

  /** Serves every waiting stream once, in order, for as long as the connection takes bytes. */
  pump(): void {
    for (let turns = this.#waiting.length; turns > 0 && !this.#writer.blocked && !this.#owner.isOver(); turns -= 1) {
      const stream = this.#waiting[0];
      if (stream === undefined) return;
      this.serve(stream);
      // Still waiting: its turn comes again behind the others.
      if (this.#waiting[0] === stream) {
        this.#waiting.shift();
        this.#waiting.push(stream);
      }
    }
  }

  /** One stream that waits: sends what may be sent, and says so when all of it was. */
  serve(stream: Http2Stream): void {
    const id = stream.id;
    this.#flush(stream);
    if (stream.id !== id || stream.pendingBytes > 0 || this.#writer.blocked) return;
    const index = this.#waiting.indexOf(stream);
    if (index >= 0) this.#waiting.splice(index, 1);
    stream.waiting = false;
    stream.onWritable();
  }

  /** The stream is gone. */
  forget(stream: Http2Stream): void {
    if (!stream.waiting) return;
    const index = this.#waiting.indexOf(stream);
    if (index >= 0) this.#waiting.splice(index, 1);
  }

  /** All streams are gone at once: one by one costs the square of how many there are. */
  clear(): void {
    for (const stream of this.#waiting) stream.waiting = false;
    this.#waiting.length = 0;
  }

  /** Sends of a stream's pending data what the windows allow. */
  #flush(stream: Http2Stream): void {
    const { pending } = stream;
    while (pending.length > 0 && !this.#writer.blocked) {
      const bytes = pending[0] as Uint8Array; // its length was just seen to be above 0
      const room = Math.min(stream.sendWindow, this.#sendWindow, this.#peer.frameBytes);
      if (room <= 0) return;
      const take = Math.min(room, bytes.length);
      const rest = bytes.length - take;
      if (rest === 0) pending.shift();
      else pending[0] = bytes.subarray(take);
      stream.pendingBytes -= take;
      const last = stream.pendingBytes === 0 && stream.endPending && stream.trailersPending === null;
      if (last) stream.endPending = false;
      const piece = rest === 0 ? bytes : bytes.subarray(0, take);
      this.#writeData(stream, piece, last, rest === 0 || take >= DRIBBLE_BYTES);
      if (last) return;
    }
    if (stream.pendingBytes === 0 && stream.endPending && stream.id !== 0 && !this.#writer.blocked) {
      const trailers = stream.trailersPending;
      stream.endPending = false;
      this.#writeEnd(stream, trailers);
    }
  }

  /** `worth`: it is no crumb that a peer asked for by opening its window a little. */
  #writeData(stream: Http2Stream, bytes: Uint8Array, end: boolean, worth: boolean = true): void {
    const length = bytes.length;
    stream.sendWindow -= length;
    this.#sendWindow -= length;
    this.#writer.data(stream.id, bytes, end);
    if (worth) this.#controls.earn(CONTROLS_PER_DATA);
    if (end) this.#owner.closeLocal(stream);
  }

  #writeEnd(stream: Http2Stream, trailers: Head | null): void {
    if (trailers !== null) this.sendHead(stream, KIND_TRAILERS, trailers, true);
    else this.#writeData(stream, EMPTY, true);
  }

  #wait(stream: Http2Stream): void {
    if (stream.waiting || stream.id === 0) return;
    stream.waiting = true;
    this.#waiting.push(stream);
  }
}
