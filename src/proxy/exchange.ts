import type { Deadline, DeadlineOwner } from "../time/timer-wheel.ts";
import { Deadline as WheelDeadline } from "../time/timer-wheel.ts";
import type { EdgeStats } from "../observe/edge-stats.ts";
import type { Head } from "./head.ts";
import type { Stack } from "./stack.ts";
import { readGrpcStatus } from "./grpc-head.ts";
import type { ResponseTap } from "./exchange-tap.ts";
import { DOWNSTREAM_CLOSED, type FailureReport } from "./failures.ts";
import { BODY_TUNNEL } from "./head.ts";
import { ExchangeState } from "./exchange-state.ts";

/** Where answers go: the stream of one request, whatever the protocol of its connection. */
export interface DownstreamStream {
  /** Interim (1xx) head, passed on as it came. */
  sendInterim(head: Head): void;
  /**
   * The final head. With BODY_TUNNEL it is the 101 to the request's upgrade: from then on data and end are those of the
   * tunnel, each way, and `sendEnd` closes only the way to the caller.
   */
  sendHead(x: Exchange, head: Head): void;
  /** False: stop until the exchange hears `onDownstreamDrain`. */
  sendData(bytes: Uint8Array): boolean;
  sendEnd(trailers: Head | null): void;
  /** A complete answer made by weft for `x.failure`. Only before `sendHead`. */
  sendFailure(x: Exchange): void;
  /** The response cannot be completed: end the stream so that the caller can tell. Only after `sendHead`. */
  abort(): void;
  /** Ends it without any answer, whatever was sent: a caller sees a reset. */
  breakOff(): void;
  pauseReads(): void;
  resumeReads(): void;
}

/**
 * One attempt's stream to an endpoint. After `cancel` or its end, it makes no more calls; a tunnel ends when both ways have
 * ended. A request that asks for an upgrade leaves the stream open for data. An answer other than 101 with BODY_TUNNEL ends
 * the request: the stream sees to that by itself.
 */
export interface UpstreamStream {
  /** False: stop until the exchange hears `onUpstreamDrain`. */
  sendData(bytes: Uint8Array): boolean;
  sendEnd(trailers: Head | null): void;
  cancel(): void;
  /** Like cancel, for an answer that is not wanted: the connection may read it to its end and live on. */
  discard(): void;
  pauseReads(): void;
  resumeReads(): void;
}

/** What an exchange knows about the place it came in. Frozen for a connection's life, except what a snapshot brings. */
export interface HttpOrigin {
  /** Name of the listener; its configuration is looked up in each request's snapshot. */
  readonly listener: string;
  readonly direction: "outbound" | "inbound" | "ingress";
  /** The caller: "<namespace>/<service account>", or "" when unknown. */
  readonly source: string;
  /** The caller's SPIFFE ID when proved by mutual TLS, else null. */
  readonly peerId: string | null;
  /** The caller's address, for logs and X-Forwarded-For. */
  readonly peerAddress: string;
  /** `name:port` that the connection was made to, when a PROXY header told; else null and the Host field decides. */
  readonly authority: string | null;
  /** Of the requests that come here. Default "http". */
  readonly scheme?: "http" | "https";
  /** Counters of this connection's inbound edge; null when another rule picks the edge. */
  edge: EdgeStats | null;
}

/** Request bodies up to this many bytes can be sent again to another instance. */
export const REPLAY_BYTES: number = 64 * 1024;

/**
 * One request and its response. It mediates between the downstream stream, the stack of layers and the current attempt,
 * and ends exactly once. One object serves all requests of an HTTP/1.1 connection, one after the other; `generation`
 * tells late events of an earlier request apart.
 *
 *   idle --begin--> routing --dispatch--> waiting --connected--> sending --response head--> responding --end--> idle
 *                      \______________________ fail(code) ______________________/
 */
export class Exchange extends ExchangeState implements DeadlineOwner {
  readonly downstream: DownstreamStream;
  /** Of the response, the whole exchange, or a quiet stream, whichever is next: `layers/deadline-layer.ts`. */
  readonly deadline: Deadline;
  /** Of one attempt, or of the wait before the next; made when first needed. */
  tryDeadline: Deadline | null = null;

  constructor(downstream: DownstreamStream) {
    super();
    this.downstream = downstream;
    this.deadline = new WheelDeadline(this, 0);
  }

  // Events from downstream.

  onRequestData(bytes: Uint8Array): void {
    // What follows a refused upgrade belongs to nothing.
    if (this.requestEnded) return;
    this.requestBytes += bytes.length;
    this.requestTap?.onRequestData(this, bytes);
    if (!this.connected || this.#isHeld()) {
      this.replay.push(bytes);
      this.downstream.pauseReads();
      return;
    }
    if (this.replayable) this.replay.push(bytes);
    if (this.replay.bytes > REPLAY_BYTES) this.#forgetReplay();
    if (this.attempt !== null && !this.attempt.sendData(bytes)) this.downstream.pauseReads();
  }

  onRequestEnd(trailers: Head | null): void {
    this.requestEnded = true;
    this.requestTrailers = trailers;
    if (this.requestBytes > 0) this.stack?.requestEnded(this);
    if (this.requestTap !== null) this.#endRequestTap(trailers);
    if (!this.connected || this.attempt === null || this.#isHeld()) return;
    this.attempt.sendEnd(trailers);
    if (!this.responseEnded) return;
    this.attempt = null;
    this.connected = false;
    this.#finish();
  }

  onDownstreamDrain(): void {
    if (this.pacer === null) this.attempt?.resumeReads();
    else this.pacer.onDownstreamDrain(this);
  }

  /** The caller is gone, or its stream broke. */
  onDownstreamClosed(code: number = DOWNSTREAM_CLOSED): void {
    if (!this.active) return;
    this.failure = code;
    this.#cancelAttempt();
    this.#finish();
  }

  // Events from the attempt.

  /** The attempt has a connection and has sent its head: send the body so far and let more come. */
  onConnected(attempt: UpstreamStream): void {
    this.attempt = attempt;
    this.connected = true;
    if (!this.#isHeld()) this.#sendKept(attempt);
  }

  onUpstreamDrain(): void {
    if (!this.requestEnded) this.downstream.resumeReads();
  }

  onInterim(head: Head): void {
    this.downstream.sendInterim(head);
  }

  onResponseHead(head: Head): void {
    this.response = head;
    this.status = head.status;
    if (this.grpc) this.grpcStatus = readGrpcStatus(head);
    if (this.stack !== null && !this.stack.acceptResponse(this, head)) return;
    this.responseStarted = true;
    if (head.bodyKind === BODY_TUNNEL) this.#openTunnel();
    else if (this.#isHeld()) this.#refuseTunnel();
    for (let i = 0; i < this.taps.length; i += 1) this.taps[i]?.onResponseHead(this, head);
    this.downstream.sendHead(this, head);
  }

  onResponseData(bytes: Uint8Array): void {
    this.responseBytes += bytes.length;
    for (let i = 0; i < this.taps.length; i += 1) this.taps[i]?.onResponseData(this, bytes);
    const goOn = this.pacer === null ? this.downstream.sendData(bytes) : this.pacer.onResponseData(this, bytes);
    if (!goOn) this.attempt?.pauseReads();
  }

  onResponseEnd(trailers: Head | null): void {
    if (this.tunnel && !this.requestEnded) {
      this.responseEnded = true;
      this.downstream.sendEnd(null);
      return;
    }
    if (trailers !== null) {
      if (this.grpc) this.grpcStatus = readGrpcStatus(trailers);
      this.stack?.acceptTrailers(this, trailers);
    }
    this.attempt = null;
    this.connected = false;
    if (this.taps.length > 0) this.#endTaps(trailers);
    if (this.pacer === null) this.passEnd(trailers);
    else this.pacer.onResponseEnd(this, trailers);
  }

  // What a pacer, a filter or a store does with the response.

  /** Response bytes go downstream. False: downstream has enough for now. */
  passData(bytes: Uint8Array): boolean {
    return this.downstream.sendData(bytes);
  }

  passEnd(trailers: Head | null): void {
    // Before sendEnd, as that may start the next request on this same object.
    this.#finish();
    this.downstream.sendEnd(trailers);
  }

  /** The pacer has room again. */
  resumeResponse(): void {
    this.attempt?.resumeReads();
  }

  addResponseTap(tap: ResponseTap): void {
    this.taps.push(tap);
  }

  /** Ends the exchange with a whole answer that is no failure. `head` has the body's length; null = no body. */
  answer(head: Head, body: Uint8Array | null): void {
    if (!this.active) return;
    this.#cancelAttempt();
    this.response = head;
    this.status = head.status;
    this.responseStarted = true;
    this.stack?.decorateAnswer(this, head);
    this.downstream.sendHead(this, head);
    if (body !== null && body.length > 0) {
      this.responseBytes += body.length;
      this.downstream.sendData(body);
    }
    this.passEnd(null);
  }

  /** Ends the exchange with a failure and without any answer. */
  reset(code: number): void {
    if (!this.active) return;
    this.failure = code;
    this.#cancelAttempt();
    this.responseStarted = true;
    this.#finish();
    this.downstream.breakOff();
  }

  failureReport(): FailureReport {
    return {
      code: this.failure,
      detail: this.failureDetail,
      status: this.failureStatus,
      grpcStatus: this.failureGrpcStatus,
      fields: this.failureFields,
    };
  }

  /** The attempt ended without a complete response; it makes no more calls. */
  onAttemptFailed(code: number, detail: string | null): void {
    this.attempt = null;
    this.connected = false;
    if (!this.responseStarted && this.stack !== null && this.stack.retry(this, code)) return;
    this.fail(code, detail);
  }

  onDeadline(deadline: Deadline): void {
    if (!this.active) return;
    if (deadline === this.tryDeadline) this.stack?.onTryDeadline(this);
    else this.stack?.onDeadline(this);
  }

  /** The attempt is given up; another may be made. */
  failAttempt(code: number, detail: string | null): void {
    const attempt = this.attempt;
    this.attempt = null;
    this.connected = false;
    attempt?.cancel();
    this.onAttemptFailed(code, detail);
  }

  /** Ends the exchange with a failure: an answer when none was begun, else a broken-off response. */
  fail(code: number, detail: string | null): void {
    if (!this.active) return;
    // Whatever failed: no instance, no answer in time, an open circuit.
    if (this.taps.length > 0 && this.stack !== null && this.stack.answerStale(this, code)) return;
    this.failure = code;
    this.failureDetail = detail;
    this.#cancelAttempt();
    const started = this.responseStarted;
    this.responseStarted = true;
    this.#finish();
    if (started) this.downstream.abort();
    else this.downstream.sendFailure(this);
  }

  /** Ends both ways of a tunnel as if both sides had ended, for a reason of ours. What was sent is delivered. */
  endTunnel(code: number): void {
    if (!this.active || !this.tunnel) return;
    this.failure = code;
    const { attempt, requestEnded, responseEnded } = this;
    this.attempt = null;
    this.connected = false;
    this.#finish();
    if (!requestEnded) attempt?.sendEnd(null);
    attempt?.discard();
    if (!responseEnded) this.downstream.sendEnd(null);
  }

  /** Ready for the next request of the same connection. Without a stack it is one attempt that no layer sees. */
  begin(stack: Stack | null, origin: HttpOrigin | null, request: Head): void {
    this.renew(stack, origin, request);
  }

  #finish(): void {
    if (!this.active) return;
    this.active = false;
    if (this.replay.bytes > 0) this.replay.clear();
    if (this.#isWatched()) this.#releaseWatchers();
    this.stack?.ended(this);
  }

  #isWatched(): boolean {
    return this.holder !== null || this.pacer !== null || this.taps.length > 0 || this.requestTap !== null;
  }

  /** Whoever follows this exchange learns that it is over. */
  #releaseWatchers(): void {
    const { holder, pacer, requestTap } = this;
    this.holder = null;
    this.pacer = null;
    this.requestTap = null;
    holder?.onEndedWhileHeld(this);
    pacer?.onEnded(this);
    requestTap?.onRequestAbort(this);
    while (this.taps.length > 0) this.taps.pop()?.onResponseAbort(this);
  }

  #endTaps(trailers: Head | null): void {
    for (const tap of this.taps.splice(0)) tap.onResponseEnd(this, trailers);
  }

  #endRequestTap(trailers: Head | null): void {
    const tap = this.requestTap;
    this.requestTap = null;
    tap?.onRequestEnd(this, trailers);
  }

  #cancelAttempt(): void {
    const attempt = this.attempt;
    this.attempt = null;
    this.connected = false;
    attempt?.cancel();
  }

  /** Until an upgrade is granted nothing that follows it is passed on: it could be read as the next request. */
  #isHeld(): boolean {
    return this.request !== null && this.request.upgrade && !this.tunnel;
  }

  #sendKept(attempt: UpstreamStream): void {
    let writable = true;
    const { list } = this.replay;
    for (let i = 0; i < list.length; i += 1) {
      const bytes = list[i];
      if (bytes !== undefined) writable = attempt.sendData(bytes);
    }
    if (this.replay.bytes > REPLAY_BYTES) this.#forgetReplay();
    if (this.requestEnded) attempt.sendEnd(this.requestTrailers);
    else if (writable) this.downstream.resumeReads();
  }

  #openTunnel(): void {
    this.tunnel = true;
    // It may last for days: only its own objects stay in memory.
    this.snapshot = null;
    this.handler = null;
    this.stack?.tunnelOpened(this);
    if (this.attempt !== null) this.#sendKept(this.attempt);
    this.#forgetReplay();
  }

  /** An ordinary answer to an upgrade request, which is complete with its head. */
  #refuseTunnel(): void {
    this.requestEnded = true;
    this.#forgetReplay();
    this.downstream.resumeReads();
  }

  #forgetReplay(): void {
    this.replayable = false;
    this.replay.clear();
  }
}
