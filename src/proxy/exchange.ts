import type { Deadline, DeadlineOwner } from "../time/timer-wheel.ts";
import { Deadline as WheelDeadline } from "../time/timer-wheel.ts";
import type { EdgeStats } from "../observe/edge-stats.ts";
import type { Head } from "./head.ts";
import type { HttpHandlerConfig, Route, Snapshot } from "./snapshot.ts";
import type { ClusterState } from "./upstream/cluster-state.ts";
import type { EndpointState } from "./upstream/endpoint-state.ts";
import type { Stack } from "./stack.ts";
import { NO_GRPC_STATUS, readGrpcStatus } from "./grpc-head.ts";
import { DOWNSTREAM_CLOSED, NO_FAILURE, TIMEOUT } from "./failures.ts";
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
  readonly deadline: Deadline;
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
  startedMs: number = 0;
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
    if (!this.connected || this.attempt === null || this.#isHeld()) return;
    this.attempt.sendEnd(trailers);
    if (!this.responseEnded) return;
    this.attempt = null;
    this.connected = false;
    this.#finish();
  }

  onDownstreamDrain(): void {
    this.attempt?.resumeReads();
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
    this.downstream.sendHead(this, head);
  }

  onResponseData(bytes: Uint8Array): void {
    this.responseBytes += bytes.length;
    if (!this.downstream.sendData(bytes)) this.attempt?.pauseReads();
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
    // Before sendEnd, as that may start the next request on this same object.
    this.attempt = null;
    this.connected = false;
    this.#finish();
    this.downstream.sendEnd(trailers);
  }

  /** The attempt ended without a complete response; it makes no more calls. */
  onAttemptFailed(code: number, detail: string | null): void {
    this.attempt = null;
    this.connected = false;
    if (!this.responseStarted && this.stack !== null && this.stack.retry(this, code)) return;
    this.fail(code, detail);
  }

  onDeadline(): void {
    if (!this.active) return;
    if (this.tunnel) this.stack?.checkTunnel(this);
    else this.fail(TIMEOUT, null);
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

  /** Ready for the next request of the same connection. */
  begin(stack: Stack, origin: HttpOrigin, request: Head): void {
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
    this.requestTrailers = null;
    this.responseStarted = false;
    this.status = 0;
    this.grpc = false;
    this.grpcStatus = NO_GRPC_STATUS;
    this.failure = NO_FAILURE;
    this.failureDetail = null;
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
    this.stack?.ended(this);
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
