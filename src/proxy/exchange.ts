import type { Deadline, DeadlineOwner } from "../time/timer-wheel.ts";
import { Deadline as WheelDeadline } from "../time/timer-wheel.ts";
import type { EdgeStats } from "../observe/edge-stats.ts";
import type { FieldLines, Head } from "./head.ts";
import type { HttpHandlerConfig, Route, Snapshot } from "./snapshot.ts";
import type { ClusterState } from "./upstream/cluster-state.ts";
import type { EndpointState } from "./upstream/endpoint-state.ts";
import type { Stack } from "./stack.ts";
import { NO_GRPC_STATUS, readGrpcStatus } from "./grpc-head.ts";
import type { RequestTap, ResponsePacer, ResponseTap } from "./exchange-tap.ts";
import type { Holder } from "./filters/filter.ts";
import { DOWNSTREAM_CLOSED, type FailureReport, NO_FAILURE } from "./failures.ts";
import { BODY_TUNNEL } from "./head.ts";
import { HeldBytes } from "./held-bytes.ts";

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
export class Exchange implements DeadlineOwner {
  readonly downstream: DownstreamStream;
  /** Of the response, the whole exchange, or a quiet stream, whichever is next: `layers/deadline-layer.ts`. */
  readonly deadline: Deadline;
  /** Of one attempt, or of the wait before the next; made when first needed. */
  tryDeadline: Deadline | null = null;
  generation: number = 0;
  active: boolean = false;
  stack: Stack | null = null;
  snapshot: Snapshot | null = null;
  origin: HttpOrigin | null = null;
  handler: HttpHandlerConfig | null = null;
  request: Head | null = null;
  response: Head | null = null;
  /** Canonical path without the query, as routing and access control see it; "" until `pathOf` is asked or it is to be logged. */
  path: string = "";
  /** Lower-case host with port as routed, for logs. */
  authority: string = "";
  route: Route | null = null;
  cluster: ClusterState | null = null;
  endpoint: EndpointState | null = null;
  /** Endpoint of the last failed attempt, avoided by the next pick. */
  avoided: EndpointState | null = null;
  attempt: UpstreamStream | null = null;
  attemptCount: number = 0;
  /** The attempt's connection is open and its head was sent. */
  connected: boolean = false;
  requestEnded: boolean = false;
  /** When nobody waits for the answer any more, in clock milliseconds; 0 = never. */
  deadlineMs: number = 0;
  /** The deadline is the caller's, and not one of this mesh's policies. */
  deadlineIsCallers: boolean = false;
  /** The response lasts for as long as somebody listens, however quiet it is. */
  endless: boolean = false;
  /** Which of the request's additions says how much time is left; -1 = none. */
  deadlineLines: number = -1;
  /** When the attempt under way was begun. */
  attemptMs: number = 0;
  /** When its cluster's circuit let it pass. */
  admittedMs: number = 0;
  /** When its response head came, where only the end says how it went; 0 = not yet. */
  headMs: number = 0;
  /** An instance works on it. */
  attemptOpen: boolean = false;
  /** Balancing knows how it went. */
  attemptJudged: boolean = false;
  /** How the last attempt went: `upstream/attempt-outcome.ts`. */
  outcome: number = 0;
  /** It is one of the requests, or of the retries, under way in its cluster. */
  isCounted: boolean = false;
  isRetryCounted: boolean = false;
  /** It has waited in this proxy. */
  wasHeld: boolean = false;
  /** `tryDeadline` is the end of the wait before the next attempt. */
  backingOff: boolean = false;
  /** What session affinity goes by; 0 = nothing. */
  hash: number = 0;
  /** What keeps its caller on one backend of a split; 0 = nothing. */
  splitHash: number = 0;
  /** Set-Cookie lines of an affinity that this request began; "" = none. */
  affinityCookies: string = "";
  /** Index of its class in the overload policy. */
  priority: number = 0;
  /** Where in the stack a request goes on after it was held. */
  step: number = 0;
  /** Who holds the request now. */
  holder: Holder | null = null;
  readonly taps: ResponseTap[] = [];
  requestTap: RequestTap | null = null;
  pacer: ResponsePacer | null = null;
  /** Names of the faults that were injected, for the log; "" = none. */
  faults: string = "";
  /** The answer was made or stored by this proxy: "" = no; otherwise by what, for the log. */
  answeredBy: string = "";
  /** The answer was 101: both ways carry bytes of another protocol, each until its sender ends. */
  tunnel: boolean = false;
  /** Of a tunnel whose other way is still open. */
  responseEnded: boolean = false;
  /** Bytes of a tunnel when it was last looked at, and how often they had not changed. */
  tunnelBytes: number = 0;
  quietChecks: number = 0;
  /** Made for an upstream over HTTP/1.1 when the request came without one (RFC 8441); null when none was needed. */
  websocketKey: string | null = null;
  requestTrailers: Head | null = null;
  responseStarted: boolean = false;
  status: number = 0;
  /** The request is a gRPC call: `grpcStatus` says how it ended. */
  grpc: boolean = false;
  /** Of the response's trailers, or of its head when there is nothing else; NO_GRPC_STATUS when none came. */
  grpcStatus: number = NO_GRPC_STATUS;
  failure: number = NO_FAILURE;
  /** More about this one failure than the table knows; null when there is nothing to add. */
  failureDetail: string | null = null;
  /** In place of the failure table's; 0 and -1 = the table's. */
  failureStatus: number = 0;
  failureGrpcStatus: number = -1;
  /** More header lines for the failure's answer, each ended by CRLF. */
  failureFields: string = "";
  /** What the response says about the rate limits that the request passed; null = it passed none. */
  limitLines: FieldLines | null = null;
  startedMs: number = 0;
  /** When the request was complete; 0 = not yet, or it had no body. */
  requestEndMs: number = 0;
  /** Of an inbound request: how many others the app was working on when it came. */
  met: number = 0;
  endedMs: number = 0;
  requestBytes: number = 0;
  responseBytes: number = 0;
  /** Body bytes to send when an attempt connects, or to send again; emptied once past REPLAY_BYTES. */
  readonly replay: HeldBytes = new HeldBytes();
  replayable: boolean = true;
  /** What permissive access would have denied: the policy's explanation, for the access log. */
  shadowDenied: boolean = false;
  edge: EdgeStats | null = null;

  constructor(downstream: DownstreamStream) {
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
    if (this.stack !== null && this.stack.answerStale(this, code)) return;
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
    this.generation += 1;
    this.active = true;
    this.stack = stack;
    this.snapshot = null;
    this.origin = origin;
    this.handler = null;
    this.request = request;
    this.response = null;
    this.path = "";
    this.authority = "";
    this.route = null;
    this.cluster = null;
    this.endpoint = null;
    this.avoided = null;
    this.attempt = null;
    this.attemptCount = 0;
    this.connected = false;
    this.requestEnded = false;
    this.tunnel = false;
    this.responseEnded = false;
    this.tunnelBytes = 0;
    this.quietChecks = 0;
    this.websocketKey = null;
    this.deadlineMs = 0;
    this.deadlineIsCallers = false;
    this.endless = false;
    this.deadlineLines = -1;
    this.attemptMs = 0;
    this.admittedMs = 0;
    this.headMs = 0;
    this.attemptOpen = false;
    this.attemptJudged = false;
    this.outcome = 0;
    this.isCounted = false;
    this.isRetryCounted = false;
    this.wasHeld = false;
    this.backingOff = false;
    this.hash = 0;
    this.splitHash = 0;
    this.affinityCookies = "";
    this.priority = 0;
    this.step = 0;
    this.holder = null;
    if (this.taps.length > 0) this.taps.length = 0;
    this.requestTap = null;
    this.pacer = null;
    this.faults = "";
    this.answeredBy = "";
    this.requestTrailers = null;
    this.responseStarted = false;
    this.status = 0;
    this.grpc = false;
    this.grpcStatus = NO_GRPC_STATUS;
    this.failure = NO_FAILURE;
    this.failureDetail = null;
    this.failureStatus = 0;
    this.failureGrpcStatus = -1;
    this.failureFields = "";
    this.limitLines = null;
    this.requestEndMs = 0;
    this.endedMs = 0;
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.replayable = true;
    this.shadowDenied = false;
    this.edge = null;
    if (this.replay.bytes > 0) this.replay.clear();
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
