import type { EdgeStats } from "../observe/edge-stats.ts";
import type { HttpOrigin, UpstreamStream } from "./exchange.ts";
import type { RequestTap, ResponsePacer, ResponseTap } from "./exchange-tap.ts";
import { NO_FAILURE } from "./failures.ts";
import type { Holder } from "./filters/filter.ts";
import { NO_GRPC_STATUS } from "./grpc-head.ts";
import type { FieldLines, Head } from "./head.ts";
import { HeldBytes } from "./held-bytes.ts";
import type { HttpHandlerConfig, Route, Snapshot } from "./snapshot.ts";
import type { OverloadGate } from "./overload/overload-gate.ts";
import type { Stack } from "./stack.ts";
import type { ClusterState } from "./upstream/cluster-state.ts";
import type { EndpointState } from "./upstream/endpoint-state.ts";

/**
 * What is known of one request and its response. Layers, filters and taps read and write it; only `Exchange` acts on it.
 * Everything is back to its first value when the next request of the same connection begins.
 */
export abstract class ExchangeState {
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
  /** Which gate in front of the app let it in, and when; null = none, or it has left. */
  gate: OverloadGate | null = null;
  gateMs: number = 0;
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
  /** Permissive access let it pass, and strict access would not have. */
  shadowDenied: boolean = false;
  /** The key under which that is counted (`observe/would-deny.ts`); "" = it is not. */
  deniedCall: string = "";
  edge: EdgeStats | null = null;

  /** As at first, for the next request. */
  protected renew(stack: Stack | null, origin: HttpOrigin | null, request: Head): void {
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
    this.gate = null;
    this.gateMs = 0;
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
    this.deniedCall = "";
    this.edge = null;
    if (this.replay.bytes > 0) this.replay.clear();
  }
}
