import type { Deadline, DeadlineOwner } from "../time/timer-wheel.ts";
import { Deadline as WheelDeadline } from "../time/timer-wheel.ts";
import type { EdgeStats } from "../observe/edge-stats.ts";
import type { Head } from "./head.ts";
import type { HttpHandlerConfig, Route, Snapshot } from "./snapshot.ts";
import type { ClusterState } from "./upstream/cluster-state.ts";
import type { EndpointState } from "./upstream/endpoint-state.ts";
import type { Stack } from "./stack.ts";
import { DOWNSTREAM_CLOSED, NO_FAILURE, TIMEOUT } from "./failures.ts";

/** Where answers go: the stream of one request, whatever the protocol of its connection. */
export interface DownstreamStream {
  /** Interim (1xx) head, passed on as it came. */
  sendInterim(head: Head): void;
  /** The final head. `replied` heads carry their own body framing. */
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

/** One attempt's stream to an endpoint. After `cancel` or its end, it makes no more calls. */
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
  /** Canonical path without the query, as routing and access control see it. */
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
  requestTrailers: Head | null = null;
  responseStarted: boolean = false;
  status: number = 0;
  failure: number = NO_FAILURE;
  /** More about this one failure than the table knows; null when there is nothing to add. */
  failureDetail: string | null = null;
  startedMs: number = 0;
  endedMs: number = 0;
  requestBytes: number = 0;
  responseBytes: number = 0;
  /** Body bytes to send when an attempt connects, or to send again; emptied once past REPLAY_BYTES. */
  readonly replay: Uint8Array[] = [];
  replayBytes: number = 0;
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
    this.requestBytes += bytes.length;
    if (!this.connected) {
      this.#keep(bytes);
      this.downstream.pauseReads();
      return;
    }
    if (this.replayable) this.#keep(bytes);
    if (this.replayBytes > REPLAY_BYTES) this.#forgetReplay();
    if (this.attempt !== null && !this.attempt.sendData(bytes)) this.downstream.pauseReads();
  }

  onRequestEnd(trailers: Head | null): void {
    this.requestEnded = true;
    this.requestTrailers = trailers;
    if (this.connected && this.attempt !== null) this.attempt.sendEnd(trailers);
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
    let writable = true;
    for (let i = 0; i < this.replay.length; i += 1) {
      const bytes = this.replay[i];
      if (bytes !== undefined) writable = attempt.sendData(bytes);
    }
    if (this.replayBytes > REPLAY_BYTES) this.#forgetReplay();
    if (this.requestEnded) attempt.sendEnd(this.requestTrailers);
    else if (writable) this.downstream.resumeReads();
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
    if (this.stack !== null && !this.stack.acceptResponse(this, head)) return;
    this.responseStarted = true;
    this.downstream.sendHead(this, head);
  }

  onResponseData(bytes: Uint8Array): void {
    this.responseBytes += bytes.length;
    if (!this.downstream.sendData(bytes)) this.attempt?.pauseReads();
  }

  onResponseEnd(trailers: Head | null): void {
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
    this.fail(TIMEOUT, null);
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
    this.requestTrailers = null;
    this.responseStarted = false;
    this.status = 0;
    this.failure = NO_FAILURE;
    this.failureDetail = null;
    this.endedMs = 0;
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.replayable = true;
    this.shadowDenied = false;
    this.edge = null;
    if (this.replay.length > 0) this.#clearReplay();
  }

  #finish(): void {
    if (!this.active) return;
    this.active = false;
    if (this.replay.length > 0) this.#clearReplay();
    this.stack?.ended(this);
  }

  #cancelAttempt(): void {
    const attempt = this.attempt;
    this.attempt = null;
    this.connected = false;
    attempt?.cancel();
  }

  #keep(bytes: Uint8Array): void {
    this.replay.push(bytes);
    this.replayBytes += bytes.length;
  }

  #forgetReplay(): void {
    this.replayable = false;
    this.#clearReplay();
  }

  #clearReplay(): void {
    this.replay.length = 0;
    this.replayBytes = 0;
  }
}
