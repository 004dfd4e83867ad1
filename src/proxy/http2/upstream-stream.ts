import type { Deadline, DeadlineOwner, TimerWheel } from "../../time/timer-wheel.ts";
import type { Exchange, UpstreamStream } from "../exchange.ts";
import type { Head } from "../head.ts";
import type { Http2Session } from "./session.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";
import { OVERFLOW, UPSTREAM_PROTOCOL, UPSTREAM_REFUSED, UPSTREAM_RESET } from "../failures.ts";
import { BODY_LENGTH, BODY_NONE, BODY_TUNNEL, METHOD_CONNECT, METHOD_HEAD } from "../head.ts";
import { CANCEL, NOT_TAKEN, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, errorName } from "./frame.ts";
import { Http2Stream } from "./http2-stream.ts";

/** The other way of a tunnel that nobody wants any more is read so long, for the sake of what was sent. */
const DISCARD_MS = 1_000;

/** What a stream needs of its connection. */
export interface UpstreamStreamOwner {
  readonly session: Http2Session;
  readonly wheel: TimerWheel;
  /** Looks at a response head before the exchange does: load reports. */
  onResponse(head: Head): void;
  /** Why the connection broke, when it did. */
  readonly closeDetail: string | null;
}

/** One attempt on an HTTP/2 connection to an endpoint. Used again for later attempts of the connection. */
export class Http2UpstreamStream extends Http2Stream implements UpstreamStream, DeadlineOwner {
  readonly #owner: UpstreamStreamOwner;
  #exchange: Exchange | null = null;
  #requestLeft: number = -1;
  #tunnel: boolean = false;
  /** Made when a tunnel is discarded. */
  #discard: Deadline | null = null;

  constructor(owner: UpstreamStreamOwner) {
    super();
    this.#owner = owner;
  }

  /** Sends the head of `x`, and what is there of its body. Only when the session can open a stream. */
  start(x: Exchange, request: Head): void {
    const { session } = this.#owner;
    this.#exchange = x;
    this.#tunnel = request.upgrade || request.method === METHOD_CONNECT;
    this.bodyless = request.method === METHOD_HEAD;
    const sized = request.bodyKind === BODY_LENGTH && !request.mayHaveTrailers;
    this.#requestLeft = sized ? request.contentLength : -1;
    const empty = request.bodyKind === BODY_NONE || (sized && request.contentLength === 0);
    session.openStream(this, request, empty && !this.#tunnel);
    x.onConnected(this);
  }

  override reset(): void {
    super.reset();
    this.#exchange = null;
    if (this.#discard?.isArmed() === true) this.#owner.wheel.clear(this.#discard);
  }

  // UpstreamStream

  sendData(bytes: Uint8Array): boolean {
    let end = false;
    if (this.#requestLeft >= 0) {
      this.#requestLeft -= bytes.length;
      end = this.#requestLeft === 0;
    }
    return this.#owner.session.sendData(this, bytes, end);
  }

  sendEnd(trailers: Head | null): void {
    // Of a tunnel, this was the other way's end.
    if (this.remoteClosed) this.#exchange = null;
    this.#owner.session.sendEnd(this, trailers);
  }

  cancel(): void {
    this.#exchange = null;
    this.#owner.session.sendReset(this, CANCEL);
  }

  discard(): void {
    if (!this.#tunnel || (!this.localClosed && !this.endPending)) {
      this.cancel();
      return;
    }
    this.#exchange = null;
    this.#owner.session.resumeStream(this);
    if (this.id === 0) return;
    this.#discard ??= new WheelDeadline(this, 0);
    this.#owner.wheel.arm(this.#discard, DISCARD_MS);
  }

  onDeadline(): void {
    this.#owner.session.sendReset(this, CANCEL);
  }

  pauseReads(): void {
    this.#owner.session.pauseStream(this);
  }

  resumeReads(): void {
    this.#owner.session.resumeStream(this);
  }

  // Http2Stream

  override onInterim(): void {
    this.#exchange?.onInterim(this.head);
  }

  override onHead(endStream: boolean): void {
    const { head } = this;
    const x = this.#exchange;
    if (x === null) return;
    head.mayHaveTrailers = !endStream;
    if (this.bodyless || head.status === 304 || head.status === 204) {
      if (head.bodyKind === BODY_LENGTH) head.declaredLength = head.contentLength;
      head.bodyKind = BODY_NONE;
      // Bytes all the same would be read as the next answer by an HTTP/1.1 caller.
      this.expectedBytes = 0;
    } else if (endStream && head.declaredLength > 0) {
      this.#fail(UPSTREAM_PROTOCOL, "The response has no body although its content-length says so");
      return;
    } else if (this.#tunnel && head.status >= 200 && head.status < 300 && !endStream) {
      head.bodyKind = BODY_TUNNEL;
      this.expectedBytes = -1;
      if (x.request?.upgrade === true) head.status = 101;
    }
    this.#owner.onResponse(head);
    x.onResponseHead(head);
  }

  override onHeadRefused(): void {
    // Only servers answer a refused head.
  }

  override onData(bytes: Uint8Array): void {
    this.#exchange?.onResponseData(bytes);
  }

  override onEnd(trailers: Head | null): void {
    const x = this.#exchange;
    const id = this.id;
    const isOpen = this.head.bodyKind === BODY_TUNNEL && !this.localClosed && !this.endPending;
    if (!isOpen) this.#exchange = null;
    // The rest of the request is wanted by nobody, unless it is the other way of a tunnel.
    const unfinished = !this.localClosed && this.head.bodyKind !== BODY_TUNNEL;
    x?.onResponseEnd(trailers);
    if (unfinished && this.id === id) this.#owner.session.sendReset(this, NO_ERROR);
  }

  override onReset(code: number): void {
    const x = this.#exchange;
    this.#exchange = null;
    if (x === null) return;
    if (code === NOT_TAKEN) {
      x.onAttemptFailed(OVERFLOW, "The caller does not read its response, and too much waits in the proxy");
      return;
    }
    if (code === PROTOCOL_ERROR && this.#owner.closeDetail === null) {
      x.onAttemptFailed(UPSTREAM_PROTOCOL, "The response is malformed, or the instance took the request for malformed");
      return;
    }
    const detail = this.#owner.closeDetail ?? `The instance reset the stream (${errorName(code)})`;
    x.onAttemptFailed(code === REFUSED_STREAM ? UPSTREAM_REFUSED : UPSTREAM_RESET, detail);
  }

  override onWritable(): void {
    this.#exchange?.onUpstreamDrain();
  }

  #fail(code: number, detail: string): void {
    const x = this.#exchange;
    this.#exchange = null;
    this.#owner.session.sendReset(this, PROTOCOL_ERROR);
    x?.onAttemptFailed(code, detail);
  }
}
