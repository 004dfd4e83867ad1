import type { DownstreamStream } from "../exchange.ts";
import type { Deadline, DeadlineOwner } from "../../time/timer-wheel.ts";
import type { Head } from "../head.ts";
import type { HealthCheckPolicy } from "../policy/cluster-policy.ts";
import type { CheckRequest } from "./check-request.ts";
import type { ProbeTarget } from "./probe-target.ts";
import type { Probe, ProbeListener, ProbeResult } from "./prober.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";
import { Exchange } from "../exchange.ts";
import {
  ACCESS_DENIED,
  NOT_READY,
  NO_FAILURE,
  NO_IDENTITY,
  OVERFLOW,
  OVERLOADED,
  RATE_LIMITED,
  getFailure,
  parseFailureName,
} from "../failures.ts";
import { NO_GRPC_STATUS, readGrpcStatus } from "../grpc-head.ts";
import { FIELD_WEFT_FAILURE } from "../head.ts";
import { refuseHealthResponse } from "./grpc-health-message.ts";

/** A gRPC answer is a few bytes; the body of any other answer is not looked at. */
const MAX_BODY_BYTES = 64 * 1024;
/** What is left of an answer is read so long, for the sake of the connection. */
const LINGER_MS = 1_000;

const GRPC_OK = 0;
const GRPC_UNIMPLEMENTED = 12;

/** Failures that this proxy's own state explains. */
const OWN_FAILURES: ReadonlySet<number> = new Set([NO_IDENTITY, NOT_READY, OVERFLOW]);
/** Answers of the instance's proxy by which it protects the app: they say nothing about its health. */
const PROTECTIVE: ReadonlySet<number> = new Set([RATE_LIMITED, OVERLOADED]);

/**
 * One check by a request, over the connection that requests to the instance use: the same mutual TLS, the same streams. It
 * passes no layer, so it is neither retried nor counted as traffic of this proxy.
 */
export class ExchangeProbe implements DownstreamStream, Probe, DeadlineOwner {
  readonly #target: ProbeTarget;
  readonly #policy: HealthCheckPolicy;
  readonly #request: CheckRequest;
  readonly #listener: ProbeListener;
  readonly #x: Exchange = new Exchange(this);
  readonly #linger: Deadline = new WheelDeadline(this, 0);
  #isOver: boolean = false;
  #status: number = 0;
  #grpcStatus: number = NO_GRPC_STATUS;
  #peerFailure: number = NO_FAILURE;
  readonly #body: Uint8Array[] = [];
  #bodyBytes: number = 0;

  constructor(target: ProbeTarget, policy: HealthCheckPolicy, request: CheckRequest, listener: ProbeListener) {
    this.#target = target;
    this.#policy = policy;
    this.#request = request;
    this.#listener = listener;
  }

  start(): void {
    const x = this.#x;
    // Encoders add to a head and drop from it, so each check has its own.
    x.begin(null, null, this.#request.head.clone());
    x.grpc = this.#policy.kind === "grpc";
    x.attemptCount = 1;
    this.#target.checkout(x);
    // It may have failed at once.
    if (x.active && this.#request.body !== null) x.onRequestData(this.#request.body);
    if (x.active) x.onRequestEnd(null);
  }

  cancel(): void {
    this.#isOver = true;
    this.#breakOffExchange();
  }

  onDeadline(): void {
    this.#breakOffExchange();
  }

  // DownstreamStream

  sendInterim(): void {
    // Only the final answer counts.
  }

  sendHead(_x: Exchange, head: Head): void {
    this.#status = head.status;
    this.#readEnd(head);
    if (this.#policy.kind === "grpc") return;
    // The status is all that counts; a body may be without end.
    this.#target.runtime.wheel.arm(this.#linger, LINGER_MS);
    this.#finish(this.#judgeStatus());
  }

  sendData(bytes: Uint8Array): boolean {
    this.#bodyBytes += bytes.length;
    if (this.#bodyBytes > MAX_BODY_BYTES) {
      this.#breakOffExchange();
      this.#finish({ verdict: "failed", detail: `the answer is longer than ${MAX_BODY_BYTES} bytes` });
    } else if (!this.#isOver) {
      this.#body.push(Uint8Array.prototype.slice.call(bytes));
    }
    return true;
  }

  sendEnd(trailers: Head | null): void {
    this.#target.runtime.wheel.clear(this.#linger);
    if (trailers !== null) this.#readEnd(trailers);
    if (!this.#isOver) this.#finish(this.#judgeGrpc());
  }

  sendFailure(x: Exchange): void {
    const { name, explanation } = getFailure(x.failure);
    const detail = `${name}: ${x.failureDetail ?? explanation}`;
    this.#finish({ verdict: OWN_FAILURES.has(x.failure) ? "unknown" : "failed", detail });
  }

  abort(): void {
    this.#target.runtime.wheel.clear(this.#linger);
    this.#finish({ verdict: "failed", detail: "the answer broke off" });
  }

  breakOff(): void {
    this.abort();
  }

  pauseReads(): void {
    // The request is complete at once.
  }

  resumeReads(): void {
    // The request is complete at once.
  }

  #readEnd(head: Head): void {
    const status = readGrpcStatus(head);
    if (status !== NO_GRPC_STATUS) this.#grpcStatus = status;
    // An app could write the field too; between proxies it is taken off.
    if (this.#target.cluster.config.peerIdentities === null) return;
    const index = head.find(FIELD_WEFT_FAILURE);
    if (index >= 0) this.#peerFailure = parseFailureName(head.valueText(index));
  }

  #judgeStatus(): ProbeResult {
    const byProxy = this.#judgePeerFailure();
    if (byProxy !== null) return byProxy;
    const status = this.#status;
    const detail = `${this.#request.name} was answered with ${status}`;
    const isExpected = this.#policy.statuses.some(([from, to]) => status >= from && status <= to);
    if (isExpected) return { verdict: "passed", detail };
    return { verdict: "failed", detail: `${detail}; expected ${formatRanges(this.#policy.statuses)}` };
  }

  #judgeGrpc(): ProbeResult {
    const byProxy = this.#judgePeerFailure();
    if (byProxy !== null) return byProxy;
    if (this.#status !== 200) return { verdict: "failed", detail: `gRPC was answered with HTTP ${this.#status}` };
    if (this.#grpcStatus === GRPC_UNIMPLEMENTED)
      return { verdict: "failed", detail: "the app does not serve grpc.health.v1.Health (UNIMPLEMENTED)" };
    if (this.#grpcStatus !== GRPC_OK) {
      const found = this.#grpcStatus === NO_GRPC_STATUS ? "no gRPC status" : `gRPC status ${this.#grpcStatus}`;
      return { verdict: "failed", detail: `the check of "${this.#policy.service}" ended with ${found}` };
    }
    const refusal = refuseHealthResponse(Buffer.concat(this.#body));
    if (refusal === null) return { verdict: "passed", detail: "it says SERVING" };
    return { verdict: "failed", detail: refusal };
  }

  /** An answer that the instance's proxy made in the app's place; null when the app has answered. */
  #judgePeerFailure(): ProbeResult | null {
    if (this.#peerFailure === NO_FAILURE) return null;
    const { name, explanation } = getFailure(this.#peerFailure);
    if (this.#peerFailure === ACCESS_DENIED) {
      const { self } = this.#target.runtime;
      const detail = `no policy allows ${self} to ask ${this.#request.name}; a TrafficTarget with this request and ${self} as a source would`;
      return { verdict: "unknown", detail };
    }
    return { verdict: PROTECTIVE.has(this.#peerFailure) ? "unknown" : "failed", detail: `${name}: ${explanation}` };
  }

  /** The instance's proxy, or its app, learns that nobody wants the rest. */
  #breakOffExchange(): void {
    this.#target.runtime.wheel.clear(this.#linger);
    this.#x.onDownstreamClosed();
  }

  #finish(result: ProbeResult): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#body.length = 0;
    this.#listener.onProbeResult(result);
  }
}

function formatRanges(ranges: readonly (readonly [from: number, to: number])[]): string {
  return ranges.map(([from, to]) => (from === to ? String(from) : `${from} to ${to}`)).join(" or ");
}
