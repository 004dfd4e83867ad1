import type { Exchange } from "../exchange.ts";
import type { Head } from "../head.ts";
import type { ProxyRuntime } from "../runtime.ts";
import { NO_FAILURE, OVERFLOW, getFailure, parseFailureName } from "../failures.ts";
import {
  FIELD_WEFT_FAILURE,
  METHOD_DELETE,
  METHOD_GET,
  METHOD_HEAD,
  METHOD_OPTIONS,
  METHOD_PUT,
  METHOD_TRACE,
} from "../head.ts";

/** First attempt and two more. Envoy and Istio try 1 + 1 and 1 + 2. */
const MAX_ATTEMPTS = 3;

/**
 * Tries again where that is safe: always when the request surely did not reach the app, for idempotent methods (RFC 9110
 * §9.2.2) when it may have. Another instance is preferred, and the cluster's budget bounds the sum.
 */
export class RetryLayer {
  readonly #runtime: ProxyRuntime;

  constructor(runtime: ProxyRuntime) {
    this.#runtime = runtime;
  }

  /** True when another attempt may be made for `x` after `code`; the budget has then been charged. */
  allows(x: Exchange, code: number): boolean {
    const safety = getFailure(code).retry;
    if (safety === "never" || code === OVERFLOW) return false;
    if (safety === "reused" && !isIdempotent(x.request)) return false;
    if (!x.replayable || x.attemptCount >= MAX_ATTEMPTS || x.cluster === null || x.endpoint === null) return false;
    // Beside the only app there is nowhere else to go; the caller's proxy knows other instances.
    if (x.cluster.config.kind === "static" && safety === "unsent") return false;
    if (!x.cluster.retryBudget.withdraw()) {
      this.#runtime.counters.retriesOverBudget += 1;
      return false;
    }
    this.#runtime.counters.retries += 1;
    return true;
  }

  /** A peer proxy's answer says by its failure code when the request never reached the app behind it. */
  failureInAnswer(x: Exchange, head: Head): number {
    // A gRPC call's failure comes with status 200.
    if ((head.status < 500 && !x.grpc) || x.cluster === null || x.cluster.config.peerIdentities === null)
      return NO_FAILURE;
    const index = head.find(FIELD_WEFT_FAILURE);
    return index < 0 ? NO_FAILURE : parseFailureName(head.valueText(index));
  }
}

function isIdempotent(request: Head | null): boolean {
  switch (request?.method) {
    case METHOD_GET:
    case METHOD_HEAD:
    case METHOD_OPTIONS:
    case METHOD_PUT:
    case METHOD_DELETE:
    case METHOD_TRACE:
      return true;
    default:
      return false;
  }
}
