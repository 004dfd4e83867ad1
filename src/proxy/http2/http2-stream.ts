import { Head } from "../head.ts";
import { HeldBytes } from "../held-bytes.ts";
import type { DecodeFailure } from "../http1/decoder-contract.ts";

/**
 * One stream of a session: flow control, what waits to be sent, what waits to be taken. Only `Http2Session` writes these
 * fields. Its owner subclasses it with what to do on each event and may use it again for another stream after
 * `Http2Owner.releaseStream`; all fields are set in the constructor and by `reset`.
 */
export abstract class Http2Stream {
  /** Servers: the request's head. Clients: the response's. */
  readonly head: Head = new Head();
  /** 0 while it is no open stream of a session. */
  id: number = 0;
  localClosed: boolean = false;
  remoteClosed: boolean = false;
  /** Clients: the request is HEAD, whose response may announce a body and end without one. */
  bodyless: boolean = false;
  /** The final head came. */
  headSeen: boolean = false;
  sendWindow: number = 0;
  receiveWindow: number = 0;
  /** How large `receiveWindow` may be now; it grows while what comes is taken. */
  windowBytes: number = 0;
  /** Passed on, and not yet given back to the peer as window. */
  uncreditedBytes: number = 0;
  /** DATA that waits for window or for the connection. */
  readonly pending: Uint8Array[] = [];
  pendingBytes: number = 0;
  /** The end waits behind `pending`, with these trailers. */
  endPending: boolean = false;
  trailersPending: Head | null = null;
  /** In the session's list of streams whose sender was told to stop. */
  waiting: boolean = false;
  /** DATA that came while reads were paused. */
  readonly held: HeldBytes = new HeldBytes();
  heldEnd: boolean = false;
  paused: boolean = false;
  /** Body bytes still to come by the message's content-length; -1 when it did not say. */
  expectedBytes: number = -1;
  #trailers: Head | null = null;
  hasTrailers: boolean = false;

  /** `head` is complete and well-formed. */
  abstract onHead(endStream: boolean): void;
  /** Servers: the head is too large or not well-formed, and an answer may say so. */
  abstract onHeadRefused(failure: DecodeFailure | null): void;
  /** Clients: an interim (1xx) response is in `head`. */
  abstract onInterim(): void;
  abstract onData(bytes: Uint8Array): void;
  abstract onEnd(trailers: Head | null): void;
  /** The peer, or a broken connection, ended the stream; REFUSED_STREAM means that the peer never processed it. */
  abstract onReset(code: number): void;
  /** What was refused by `sendData` returning false is sent. */
  abstract onWritable(): void;

  trailersHead(): Head {
    this.#trailers ??= new Head();
    return this.#trailers;
  }

  reset(): void {
    this.id = 0;
    this.localClosed = false;
    this.remoteClosed = false;
    this.bodyless = false;
    this.headSeen = false;
    this.sendWindow = 0;
    this.receiveWindow = 0;
    this.uncreditedBytes = 0;
    if (this.pending.length > 0) this.pending.length = 0;
    this.pendingBytes = 0;
    this.endPending = false;
    this.trailersPending = null;
    this.waiting = false;
    if (this.held.bytes > 0) this.held.clear();
    this.heldEnd = false;
    this.paused = false;
    this.expectedBytes = -1;
    this.hasTrailers = false;
  }
}
