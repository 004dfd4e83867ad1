import { DEADLINE_PASSED, STREAM_IDLE, TIMEOUT } from "../failures.ts";
import { ANSWERED, CONTINUE } from "../filters/filter.ts";
import { isEventStream } from "../event-stream.ts";
import { readGrpcTimeoutMs } from "../grpc-head.ts";
import { BODY_NONE, FIELD_GRPC_TIMEOUT, FIELD_REQUEST_TIMEOUT, type Head, NO_LINES } from "../head.ts";
import type { Exchange } from "../exchange.ts";
import type { ProxyRuntime } from "../runtime.ts";
import { DeadlineLines } from "./deadline-lines.ts";

/** A quiet stream is looked at so often within its limit, so that bytes need not touch a timer. */
const QUIET_CHECKS = 4;
/** Who has so little left when it asks has nothing left when it is answered. */
const SPENT_MS = 1;
/** `x-request-timeout-ms` has at most so many digits. */
const MAX_DIGITS = 9;
const ZERO = 0x30;

/**
 * How long a request may take. A caller gives it a deadline by `grpc-timeout` (gRPC over HTTP/2) or `x-request-timeout-ms`
 * (milliseconds left); a policy may shorten it. The time spent here is taken off before it is passed on, so that every hop
 * knows when nobody waits any more. A response that has begun may last as long as bytes come.
 */
export class DeadlineLayer {
  readonly #runtime: ProxyRuntime;
  readonly #httpLines: DeadlineLines = new DeadlineLines((leftMs) => `x-request-timeout-ms: ${leftMs}\r\n`);
  readonly #grpcLines: DeadlineLines = new DeadlineLines((leftMs) => `grpc-timeout: ${formatGrpcTimeout(leftMs)}\r\n`);

  constructor(runtime: ProxyRuntime) {
    this.#runtime = runtime;
  }

  /** ANSWERED when there is no time left at all. */
  begin(x: Exchange): number {
    const { request, route } = x;
    if (request === null || route === null) return CONTINUE;
    const { timeouts } = route.policy;
    const asked = x.grpc ? readGrpcTimeoutMs(request) : readRequestTimeoutMs(request);
    if (asked > 0 && asked <= SPENT_MS) {
      x.fail(DEADLINE_PASSED, `The caller gave it ${asked} ms`);
      return ANSWERED;
    }
    if (asked > 0) {
      x.deadlineMs = x.startedMs + asked;
      x.deadlineIsCallers = true;
    }
    const ruled = x.startedMs + timeouts.requestMs;
    if (timeouts.requestMs > 0 && (x.deadlineMs === 0 || ruled < x.deadlineMs)) {
      x.deadlineMs = ruled;
      x.deadlineIsCallers = false;
    }
    this.#arm(x, x.startedMs);
    return CONTINUE;
  }

  /** False when the deadline has passed; the exchange has ended then. */
  hasTime(x: Exchange, nowMs: number): boolean {
    if (x.deadlineMs === 0 || nowMs < x.deadlineMs) return true;
    this.#pass(x);
    return false;
  }

  /** Writes into the request how much is left, for an attempt that leaves at `nowMs`. */
  passOn(x: Exchange, nowMs: number): void {
    const { request } = x;
    if (x.deadlineMs === 0 || request === null) return;
    const left = Math.max(1, Math.floor(x.deadlineMs - nowMs));
    const field = x.grpc ? FIELD_GRPC_TIMEOUT : FIELD_REQUEST_TIMEOUT;
    const index = request.find(field);
    // What came is as good as ever when less than a millisecond went by.
    if (index >= 0 && x.deadlineIsCallers && nowMs - x.startedMs < 1) return;
    if (index >= 0) request.drop(index);
    if (x.deadlineLines < 0) {
      x.deadlineLines = request.additionCount;
      request.add(NO_LINES);
    }
    request.additions[x.deadlineLines] = (x.grpc ? this.#grpcLines : this.#httpLines).find(left);
  }

  /** The response has begun: events are sent for as long as anybody listens. */
  responseBegan(x: Exchange, head: Head): void {
    if (!isEventStream(head)) return;
    x.endless = true;
    if (x.deadlineMs === 0) this.#runtime.wheel.clear(x.deadline);
  }

  onDeadline(x: Exchange): void {
    const nowMs = this.#runtime.clock.nowMs();
    const timeouts = x.route?.policy.timeouts;
    if (timeouts === undefined) return;
    if (x.deadlineMs > 0 && nowMs >= x.deadlineMs) {
      this.#pass(x);
    } else if (!x.responseStarted && this.#waitsForHead(x) && nowMs >= headDueMs(x, nowMs)) {
      x.fail(TIMEOUT, `No response head came within ${timeouts.responseMs} ms`);
    } else if (x.responseStarted && !x.grpc && !x.endless && this.#isQuiet(x)) {
      x.fail(STREAM_IDLE, `No byte came for ${timeouts.streamIdleMs} ms`);
    } else {
      this.#arm(x, nowMs);
    }
  }

  #pass(x: Exchange): void {
    const allowed = Math.round(x.deadlineMs - x.startedMs);
    if (x.deadlineIsCallers) x.fail(DEADLINE_PASSED, `The caller gave it ${allowed} ms`);
    else x.fail(TIMEOUT, `The policy of its route gives it ${allowed} ms`);
  }

  /** A gRPC call lasts as long as its caller says: a stream of it may be quiet for days. */
  #waitsForHead(x: Exchange): boolean {
    return !x.grpc && (x.route?.policy.timeouts.responseMs ?? 0) > 0;
  }

  #arm(x: Exchange, nowMs: number): void {
    const timeouts = x.route?.policy.timeouts;
    if (timeouts === undefined) return;
    let due = x.deadlineMs > 0 ? x.deadlineMs : Infinity;
    if (!x.responseStarted && this.#waitsForHead(x)) due = Math.min(due, headDueMs(x, nowMs));
    else if (!x.grpc && !x.endless && timeouts.streamIdleMs > 0)
      due = Math.min(due, nowMs + timeouts.streamIdleMs / QUIET_CHECKS);
    if (due !== Infinity) this.#runtime.wheel.arm(x.deadline, due - nowMs, nowMs);
  }

  #isQuiet(x: Exchange): boolean {
    if ((x.route?.policy.timeouts.streamIdleMs ?? 0) === 0) return false;
    const bytes = x.requestBytes + x.responseBytes;
    x.quietChecks = bytes === x.tunnelBytes ? x.quietChecks + 1 : 0;
    x.tunnelBytes = bytes;
    return x.quietChecks >= QUIET_CHECKS;
  }
}

/** When its response head is due: the time runs from the complete request, whose own pace is limited elsewhere. */
function headDueMs(x: Exchange, nowMs: number): number {
  const from = x.requestEndMs > 0 ? x.requestEndMs : x.requestEnded || isEmpty(x) ? x.startedMs : nowMs;
  return from + (x.route?.policy.timeouts.responseMs ?? 0);
}

function isEmpty(x: Exchange): boolean {
  return x.request?.bodyKind === BODY_NONE;
}

/** Milliseconds that the caller gives the request, at least 1 (for 0 too); 0 when it does not say, or not in digits. */
export function readRequestTimeoutMs(request: Head): number {
  const index = request.find(FIELD_REQUEST_TIMEOUT);
  if (index < 0) return 0;
  const start = request.spans[index * 4 + 2] as number; // four for each field
  const end = request.spans[index * 4 + 3] as number;
  if (start === end || end - start > MAX_DIGITS) return 0;
  let ms = 0;
  for (let at = start; at < end; at += 1) {
    const digit = (request.bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return 0;
    ms = ms * 10 + digit;
  }
  return Math.max(1, ms);
}

/** At most eight digits and a unit (gRPC over HTTP/2, Requests). */
function formatGrpcTimeout(ms: number): string {
  return ms < 100_000_000 ? `${ms}m` : `${Math.floor(ms / 1_000)}S`;
}
