import { Exchange, type DownstreamStream } from "../exchange.ts";
import type { RequestTap } from "../exchange-tap.ts";
import { DOWNSTREAM_CLOSED } from "../failures.ts";
import type { Head } from "../head.ts";
import { HeldBytes } from "../held-bytes.ts";

/** Of a body, so much may wait for a mirror that is slower than the real request; beyond it the mirror is given up. */
const MAX_WAITING_BYTES = 64 * 1024;

export interface MirrorOwner {
  onMirrorEnded(): void;
  onMirrorCut(): void;
}

/**
 * The caller of a mirrored request: passes the real request's body on as it comes, and takes nothing of the answer. The real
 * request never waits for it.
 */
export class MirrorStream implements DownstreamStream, RequestTap {
  readonly exchange: Exchange;
  /** Another mirror of the same request. */
  readonly #next: RequestTap | null;
  readonly #owner: MirrorOwner;
  #paused: boolean = false;
  readonly #waiting: HeldBytes = new HeldBytes();
  #ended: boolean = false;
  #trailers: Head | null = null;
  #over: boolean = false;

  constructor(owner: MirrorOwner, next: RequestTap | null) {
    this.#owner = owner;
    this.#next = next;
    this.exchange = new Exchange(this);
  }

  // RequestTap: the real request

  onRequestData(x: Exchange, bytes: Uint8Array): void {
    this.#next?.onRequestData(x, bytes);
    this.accept(bytes);
  }

  onRequestEnd(x: Exchange, trailers: Head | null): void {
    this.#next?.onRequestEnd(x, trailers);
    this.complete(trailers);
  }

  onRequestAbort(x: Exchange): void {
    this.#next?.onRequestAbort(x);
    this.exchange.onDownstreamClosed(DOWNSTREAM_CLOSED);
    this.#end();
  }

  /** A part of the real request's body. Valid during the call only. */
  accept(bytes: Uint8Array): void {
    if (this.#over) return;
    // The codec uses its bytes again.
    const copy = Buffer.from(bytes);
    if (!this.#paused) {
      this.exchange.onRequestData(copy);
      return;
    }
    this.#waiting.push(copy);
    if (this.#waiting.bytes > MAX_WAITING_BYTES) this.#cut();
  }

  /** The real request is complete. */
  complete(trailers: Head | null): void {
    if (this.#over) return;
    this.#ended = true;
    this.#trailers = trailers?.clone() ?? null;
    if (!this.#paused) this.exchange.onRequestEnd(this.#trailers);
  }

  // DownstreamStream: the mirror's answer

  sendInterim(): void {
    // Nobody reads it.
  }

  sendHead(x: Exchange): void {
    // It would go on for as long as somebody listened, and nobody does.
    if (x.endless) x.onDownstreamClosed(DOWNSTREAM_CLOSED);
    if (!x.active) this.#end();
  }

  sendData(): boolean {
    return true;
  }

  sendEnd(): void {
    this.#end();
  }

  sendFailure(): void {
    this.#end();
  }

  abort(): void {
    this.#end();
  }

  breakOff(): void {
    this.#end();
  }

  pauseReads(): void {
    this.#paused = true;
  }

  resumeReads(): void {
    this.#paused = false;
    while (!this.#paused && !this.#over) {
      const bytes = this.#waiting.shift();
      if (bytes === undefined) break;
      this.exchange.onRequestData(bytes);
    }
    if (this.#ended && !this.#paused && !this.#over && this.exchange.active && !this.exchange.requestEnded)
      this.exchange.onRequestEnd(this.#trailers);
  }

  #cut(): void {
    this.#owner.onMirrorCut();
    this.exchange.onDownstreamClosed(DOWNSTREAM_CLOSED);
    this.#end();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#waiting.clear();
    this.#owner.onMirrorEnded();
  }
}
