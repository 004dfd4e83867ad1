import type { Exchange } from "../exchange.ts";
import type { Head } from "../head.ts";
import type { RetryPolicy } from "../policy/route-policy.ts";
import type { ProxyRuntime } from "../runtime.ts";
import { NO_FAILURE, OVERFLOW, TRY_TIMEOUT, UPSTREAM_REFUSED, getFailure, parseFailureName } from "../failures.ts";
import { NO_GRPC_STATUS, readGrpcStatus } from "../grpc-head.ts";
import {
  BODY_NONE,
  FIELD_IDEMPOTENCY_KEY,
  FIELD_RETRY_AFTER,
  FIELD_WEFT_FAILURE,
  METHOD_DELETE,
  METHOD_GET,
  METHOD_HEAD,
  METHOD_OPTIONS,
  METHOD_PUT,
  METHOD_TRACE,
} from "../head.ts";
import {
  DEFAULT_RETRY,
  RETRY_ON_5XX,
  RETRY_ON_CONNECT,
  RETRY_ON_GATEWAY_ERROR,
  RETRY_ON_GRPC_STATUS,
  RETRY_ON_RESET,
  RETRY_ON_STATUS,
  RETRY_ON_TIMEOUT,
} from "../policy/route-policy.ts";
import { Deadline } from "../../time/timer-wheel.ts";
import { parseWallTime } from "../../time/wall-time.ts";

/**
 * Tries again where that is safe: always when the request surely did not reach the app; for idempotent methods (RFC 9110
 * §9.2.2), requests with an `Idempotency-Key`, and where the route says so, when it may have. Another instance is
 * preferred, and the cluster's budget bounds the sum. Where a connection failed the first retry follows at once, as it goes
 * elsewhere; every other wait is random, up to a bound that doubles each time.
 */
export class RetryLayer {
  readonly #runtime: ProxyRuntime;

  constructor(runtime: ProxyRuntime) {
    this.#runtime = runtime;
  }

  /**
   * Whether another attempt may be made for `x` after failure `code`: the milliseconds to wait before it, or -1. The
   * budget has been charged when it is not -1.
   */
  delayAfterFailure(x: Exchange, code: number): number {
    const policy = x.route?.policy.retry ?? DEFAULT_RETRY;
    const safety = getFailure(code).retry;
    if (safety === "never" || code === OVERFLOW || !this.#mayTryAgain(x, policy)) return -1;
    if (safety === "reused") {
      const wanted = code === TRY_TIMEOUT ? RETRY_ON_TIMEOUT : RETRY_ON_RESET;
      if ((policy.on & wanted) === 0 || !isRepeatable(x.request, policy)) return -1;
    }
    if (x.cluster?.config.kind === "static" && safety === "unsent") {
      // Beside the only app there is nowhere else to go; the caller's proxy knows other instances. But an app that refuses a
      // stream (Node does while its memory for a connection is full) usually takes it a little later.
      return code === UPSTREAM_REFUSED ? this.#charge(x, this.#backoff(policy, x.attemptCount)) : -1;
    }
    if (safety === "unsent" && (policy.on & RETRY_ON_CONNECT) === 0) return -1;
    return this.#charge(x, x.attemptCount === 1 ? 0 : this.#backoff(policy, x.attemptCount - 1));
  }

  /** The same after a response head. */
  delayAfterAnswer(x: Exchange, head: Head): number {
    const code = this.#failureInAnswer(x, head);
    // Another instance may have room for what this one sheds.
    if (code !== NO_FAILURE) return this.delayAfterFailure(x, code);
    const policy = x.route?.policy.retry ?? DEFAULT_RETRY;
    if ((policy.on & ON_ANSWERS) === 0 || !isRetriedAnswer(x, head, policy)) return -1;
    if (!isRepeatable(x.request, policy) || !this.#mayTryAgain(x, policy)) return -1;
    const askedMs = readRetryAfterMs(head, this.#runtime.clock.wallMs());
    if (askedMs > policy.maxRetryAfterMs) return -1;
    return this.#charge(x, Math.max(askedMs, this.#backoff(policy, x.attemptCount)));
  }

  /** Calls `x.onDeadline(x.tryDeadline)` after `delayMs`. */
  wait(x: Exchange, delayMs: number): void {
    x.backingOff = true;
    this.#arm(x, delayMs);
  }

  /** An attempt was begun. */
  watchAttempt(x: Exchange): void {
    const perTryMs = x.route?.policy.timeouts.perTryMs ?? 0;
    if (perTryMs > 0) this.#arm(x, perTryMs);
  }

  /** The attempt has a response head, or failed. */
  unwatch(x: Exchange): void {
    x.backingOff = false;
    if (x.tryDeadline !== null) this.#runtime.wheel.clear(x.tryDeadline);
  }

  #arm(x: Exchange, delayMs: number): void {
    x.tryDeadline ??= new Deadline(x, 1);
    this.#runtime.wheel.arm(x.tryDeadline, delayMs);
  }

  /** A peer proxy's answer says by its failure code when the request never reached the app behind it. */
  #failureInAnswer(x: Exchange, head: Head): number {
    // A gRPC call's failure comes with status 200.
    if ((head.status < 500 && !x.grpc) || x.cluster === null || x.cluster.config.peerIdentities === null)
      return NO_FAILURE;
    const index = head.find(FIELD_WEFT_FAILURE);
    return index < 0 ? NO_FAILURE : parseFailureName(head.valueText(index));
  }

  #mayTryAgain(x: Exchange, policy: RetryPolicy): boolean {
    return x.replayable && x.attemptCount <= policy.attempts && x.cluster !== null && x.endpoint !== null;
  }

  #backoff(policy: RetryPolicy, attempt: number): number {
    return this.#runtime.random.next() * Math.min(policy.backoffMaxMs, policy.backoffBaseMs * 2 ** (attempt - 1));
  }

  /** Nothing is begun that could not be answered in time, or that the budget does not allow. */
  #charge(x: Exchange, delayMs: number): number {
    const { clock, counters } = this.#runtime;
    if (x.deadlineMs > 0 && clock.nowMs() + delayMs >= x.deadlineMs) return -1;
    const { cluster } = x;
    if (cluster === null) return -1;
    if (!cluster.retryBudget.withdraw()) {
      counters.retriesOverBudget += 1;
      return -1;
    }
    if (!x.isRetryCounted) {
      if (!cluster.health.limits.tryRetry()) return -1;
      x.isRetryCounted = true;
    }
    counters.retries += 1;
    return delayMs;
  }
}

const ON_ANSWERS = RETRY_ON_GATEWAY_ERROR | RETRY_ON_5XX | RETRY_ON_STATUS | RETRY_ON_GRPC_STATUS;

function isRetriedAnswer(x: Exchange, head: Head, policy: RetryPolicy): boolean {
  const { on } = policy;
  if (x.grpc) {
    // Only trailers alone: once messages came, the caller has seen a part of the answer.
    if ((on & RETRY_ON_GRPC_STATUS) === 0 || head.bodyKind !== BODY_NONE) return false;
    const status = readGrpcStatus(head);
    return status !== NO_GRPC_STATUS && policy.grpcStatuses.has(status);
  }
  const { status } = head;
  if ((on & RETRY_ON_5XX) !== 0 && status >= 500) return true;
  if ((on & RETRY_ON_GATEWAY_ERROR) !== 0 && status >= 502 && status <= 504) return true;
  return (on & RETRY_ON_STATUS) !== 0 && policy.statuses.has(status);
}

/** Whether the same request may be sent twice, although the first may have done its work. */
function isRepeatable(request: Head | null, policy: RetryPolicy): boolean {
  if (policy.anyMethod) return true;
  switch (request?.method) {
    case METHOD_GET:
    case METHOD_HEAD:
    case METHOD_OPTIONS:
    case METHOD_PUT:
    case METHOD_DELETE:
    case METHOD_TRACE:
      return true;
    default:
      // The app knows a repeated key (draft-ietf-httpapi-idempotency-key-header).
      return request !== null && request.find(FIELD_IDEMPOTENCY_KEY) >= 0;
  }
}

/** RFC 9110 §10.2.3: seconds or a date; 0 when there is none or it cannot be read. */
function readRetryAfterMs(head: Head, wallMs: number): number {
  const index = head.find(FIELD_RETRY_AFTER);
  if (index < 0) return 0;
  const text = head.valueText(index);
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  const date = parseWallTime(text);
  return Number.isNaN(date) ? 0 : Math.max(0, date - wallMs);
}
