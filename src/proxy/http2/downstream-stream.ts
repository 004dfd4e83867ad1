import type { Deadline, DeadlineOwner } from "../../time/timer-wheel.ts";
import type { DownstreamStream, HttpOrigin } from "../exchange.ts";
import type { DecodeFailure } from "../http1/decoder-contract.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { Stack } from "../stack.ts";
import type { Http2Session } from "./session.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";
import { Exchange } from "../exchange.ts";
import {
  DOWNSTREAM_CLOSED,
  DOWNSTREAM_TIMEOUT,
  type FailureReport,
  OVERFLOW,
  reportFailure,
  toDecodeFailureCode,
} from "../failures.ts";
import { BODY_LENGTH, BODY_NONE, type Head, METHOD_HEAD } from "../head.ts";
import { describeFailure } from "../http1/render-failure.ts";
import { CANCEL, INTERNAL_ERROR, NOT_TAKEN, NO_ERROR } from "./frame.ts";
import { Http2Stream } from "./http2-stream.ts";
import { toLocalHead } from "./local-head.ts";
import { renderGrpcFailure, renderGrpcTrailers } from "./render-grpc-failure.ts";

/** Silence while a request body is awaited; calls that stream both ways may be silent for as long as they like. */
const BODY_MS = 60_000;
/** A caller that takes nothing of what waits for it. */
const STALL_MS = 60_000;
/** After an early answer the rest of a request is read so long, or so much, before the stream is ended. */
const LINGER_MS = 1_000;
const MAX_DISCARD_BYTES = 1024 * 1024;

/** What a stream needs of its connection. */
export interface DownstreamStreamOwner {
  readonly runtime: ProxyRuntime;
  readonly stack: Stack;
  readonly origin: HttpOrigin;
  readonly session: Http2Session;
  /** Lines to add to a final response, or nothing. */
  decorate(head: Head): void;
}

/** One request on an HTTP/2 connection, and its answer. Used again for later requests of the connection. */
export class Http2DownstreamStream extends Http2Stream implements DownstreamStream, DeadlineOwner {
  readonly #owner: DownstreamStreamOwner;
  readonly #exchange: Exchange;
  readonly #deadline: Deadline;
  #watched: boolean = false;
  #requestEnded: boolean = false;
  #responseStarted: boolean = false;
  #responseEnded: boolean = false;
  #responseLeft: number = -1;
  #discarded: number = 0;
  #stalledBytes: number = 0;

  constructor(owner: DownstreamStreamOwner) {
    super();
    this.#owner = owner;
    this.#exchange = new Exchange(this);
    this.#deadline = new WheelDeadline(this, 0);
  }

  override reset(): void {
    super.reset();
    this.#unwatch();
  }

  // Http2Stream

  override onHead(endStream: boolean): void {
    const { stack, origin } = this.#owner;
    const x = this.#exchange;
    this.#requestEnded = endStream;
    this.#responseStarted = false;
    this.#responseEnded = false;
    this.#responseLeft = -1;
    this.#discarded = 0;
    this.head.mayHaveTrailers = !endStream;
    x.begin(stack, origin, this.head);
    const id = this.id;
    stack.dispatch(x);
    if (this.id !== id || !x.active) return;
    if (endStream) x.onRequestEnd(null);
    else this.#watchBody();
  }

  override onHeadRefused(failure: DecodeFailure | null): void {
    const { runtime } = this.#owner;
    runtime.counters.malformed += 1;
    this.#requestEnded = this.remoteClosed;
    this.#answer(reportFailure(toDecodeFailureCode(failure?.status ?? 431), failure?.message ?? null), false);
  }

  override onInterim(): void {
    // Requests have no interim heads.
  }

  override onData(bytes: Uint8Array): void {
    const x = this.#exchange;
    if (x.active && (x.tunnel || !this.#responseEnded)) {
      this.#watchBody();
      x.onRequestData(bytes);
      return;
    }
    this.#discarded += bytes.length;
    if (this.#discarded > MAX_DISCARD_BYTES) this.#owner.session.sendReset(this, NO_ERROR);
  }

  override onEnd(trailers: Head | null): void {
    this.#requestEnded = true;
    this.#unwatch();
    if (this.#exchange.active) this.#exchange.onRequestEnd(trailers);
  }

  override onReset(code: number): void {
    this.#exchange.onDownstreamClosed(code === NOT_TAKEN ? OVERFLOW : DOWNSTREAM_CLOSED);
  }

  override onWritable(): void {
    if (this.localClosed) {
      this.#linger();
      return;
    }
    if (this.#requestEnded) this.#unwatch();
    if (this.#exchange.active) this.#exchange.onDownstreamDrain();
  }

  onDeadline(): void {
    this.#watched = false;
    const x = this.#exchange;
    if (this.pendingBytes > 0) {
      // It took something meanwhile: slow is not stalled.
      if (this.pendingBytes === this.#stalledBytes) {
        this.#owner.session.sendReset(this, CANCEL);
        x.onDownstreamClosed(DOWNSTREAM_TIMEOUT);
        return;
      }
      this.#watchStall();
    } else if (x.active && !this.#requestEnded) {
      x.fail(DOWNSTREAM_TIMEOUT, "The request body stopped coming");
    } else if (this.localClosed) {
      this.#owner.session.sendReset(this, NO_ERROR);
    }
  }

  // DownstreamStream

  sendInterim(head: Head): void {
    this.#owner.session.sendResponse(this, head, false);
  }

  sendHead(_x: Exchange, head: Head): void {
    const empty = head.bodyKind === BODY_NONE || (head.bodyKind === BODY_LENGTH && head.contentLength === 0);
    const end = empty && !head.mayHaveTrailers;
    this.#responseStarted = true;
    if (this.pendingBytes === 0) this.#unwatch();
    this.#responseLeft = head.bodyKind === BODY_LENGTH && !head.mayHaveTrailers ? head.contentLength : -1;
    this.#owner.decorate(head);
    this.#owner.session.sendResponse(this, head, end);
  }

  sendData(bytes: Uint8Array): boolean {
    let end = false;
    if (this.#responseLeft >= 0) {
      this.#responseLeft -= bytes.length;
      end = this.#responseLeft === 0;
    }
    const writable = this.#owner.session.sendData(this, bytes, end);
    if (!writable && this.pendingBytes > 0) this.#watchStall();
    return writable;
  }

  sendEnd(trailers: Head | null): void {
    this.#responseEnded = true;
    const { session } = this.#owner;
    session.sendEnd(this, trailers);
    if (this.localClosed) this.#linger();
    else if (this.id !== 0) this.#watchStall();
  }

  sendFailure(x: Exchange): void {
    this.#answer(x.failureReport(), x.grpc);
  }

  abort(): void {
    this.#responseEnded = true;
    const { session } = this.#owner;
    const x = this.#exchange;
    if (x.grpc && this.pendingBytes === 0) {
      // A gRPC client learns more from a status than from a reset.
      session.sendEnd(this, renderGrpcTrailers(x.failureReport()));
      if (this.localClosed) this.#linger();
      return;
    }
    session.sendReset(this, INTERNAL_ERROR);
  }

  pauseReads(): void {
    this.#owner.session.pauseStream(this);
    if (this.pendingBytes === 0) this.#unwatch();
  }

  resumeReads(): void {
    if (!this.paused) return;
    if (!this.#requestEnded && !this.#responseEnded) this.#watchBody();
    this.#owner.session.resumeStream(this);
  }

  breakOff(): void {
    this.#responseEnded = true;
    this.#owner.session.sendReset(this, INTERNAL_ERROR);
  }

  #answer(report: FailureReport, grpc: boolean): void {
    const { session } = this.#owner;
    this.#responseEnded = true;
    if (grpc) {
      session.sendResponse(this, renderGrpcFailure(report), true);
    } else {
      const answer = describeFailure(report);
      const body = Buffer.from(answer.body, "utf8");
      const toHead = this.head.method === METHOD_HEAD;
      session.sendResponse(this, toLocalHead(answer.status, answer.fields, body.length), toHead);
      if (!toHead) session.sendData(this, body, true);
    }
    if (this.localClosed) this.#linger();
  }

  /** The answer is out. What is still to come of the request is read for a while, so that nothing of the answer is lost. */
  #linger(): void {
    // Of a tunnel that has ended one way the other is as wanted as before.
    if (this.id === 0 || this.remoteClosed || this.#exchange.active) return;
    this.#watch(LINGER_MS);
    this.#owner.session.resumeStream(this);
  }

  #watchBody(): void {
    // Who asks for an upgrade is silent until it is granted.
    if (!this.#responseStarted && !this.#exchange.grpc && !this.head.upgrade) this.#watch(BODY_MS);
  }

  #watchStall(): void {
    // A tunnel has its own limit: its ends may pause as long as they are not idle for too long.
    if (this.#exchange.active && this.#exchange.tunnel) return;
    this.#stalledBytes = this.pendingBytes;
    this.#watch(STALL_MS);
  }

  #watch(ms: number): void {
    this.#watched = true;
    this.#owner.runtime.wheel.arm(this.#deadline, ms);
  }

  #unwatch(): void {
    if (!this.#watched) return;
    this.#watched = false;
    this.#owner.runtime.wheel.clear(this.#deadline);
  }
}
