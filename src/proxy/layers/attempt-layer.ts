import type { Exchange } from "../exchange.ts";
import type { Head } from "../head.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { EndpointState } from "../upstream/endpoint-state.ts";
import { CIRCUIT_OPEN, NO_FAILURE, OVERFLOW } from "../failures.ts";
import { NO_GRPC_STATUS } from "../grpc-head.ts";
import { classifyFailure, classifyGrpc, classifyHead } from "../upstream/classify-outcome.ts";
import { OUTCOME_ABANDONED } from "../upstream/attempt-outcome.ts";

/**
 * Stands between a request and the instances: lets it pass only within the limits and circuits of its cluster, and tells
 * balancing, outlier ejection and circuits how each attempt went.
 */
export class AttemptLayer {
  readonly #runtime: ProxyRuntime;

  constructor(runtime: ProxyRuntime) {
    this.#runtime = runtime;
  }

  /** Once for each request, with its cluster chosen. False when the exchange has ended. */
  admit(x: Exchange): boolean {
    const health = x.cluster?.health;
    if (health === undefined) return true;
    if (!health.limits.tryRequest()) {
      const { requests } = health.limits.policy;
      x.fail(OVERFLOW, `${requests} requests of this proxy to "${x.cluster?.config.service}" are under way`);
      return false;
    }
    x.admittedMs = health.circuit === null ? x.startedMs : this.#runtime.clock.nowMs();
    if (health.circuit !== null && !health.circuit.admit(x.admittedMs)) {
      health.limits.releaseRequest();
      x.fail(CIRCUIT_OPEN, `The circuit of "${x.cluster?.config.service}" is ${health.circuit.state}`);
      return false;
    }
    x.isCounted = true;
    return true;
  }

  /** Once for each attempt, before its connection is taken. False when the exchange has ended. */
  began(x: Exchange, endpoint: EndpointState): boolean {
    const { limits } = endpoint.cluster.health;
    // The time of the first attempt is that of the request, which is known.
    x.attemptMs = x.attemptCount === 1 && !x.wasHeld ? x.startedMs : this.#runtime.clock.nowMs();
    if (!endpoint.health.admit(x.attemptMs)) {
      x.fail(CIRCUIT_OPEN, `The circuit of instance ${endpoint.name()} is open`);
      return false;
    }
    if (!limits.hasInstanceRoom(endpoint.inFlight)) {
      endpoint.attemptAnswered(OUTCOME_ABANDONED, -1);
      x.fail(OVERFLOW, `${endpoint.inFlight} requests of this proxy to ${endpoint.name()} are under way`);
      return false;
    }
    endpoint.attemptBegan();
    x.attemptOpen = true;
    x.attemptJudged = false;
    return true;
  }

  /** A final response head came. */
  answered(x: Exchange, head: Head): void {
    if (!x.attemptOpen || x.attemptJudged) return;
    // A gRPC call says how it went in its last words.
    if (x.grpc && head.status === 200 && x.grpcStatus === NO_GRPC_STATUS) {
      x.headMs = this.#runtime.clock.nowMs();
      return;
    }
    this.#judge(x, classifyHead(x, head), this.#runtime.clock.nowMs() - x.attemptMs);
  }

  /** The attempt is over: its response has ended, or it failed with `code`, or nobody wants it any more. */
  ended(x: Exchange, code: number): void {
    if (!x.attemptOpen) return;
    x.attemptOpen = false;
    if (!x.attemptJudged) {
      const outcome = code === NO_FAILURE ? classifyGrpc(x.grpcStatus) : classifyFailure(x, code);
      const untilMs = x.headMs > 0 ? x.headMs : this.#runtime.clock.nowMs();
      this.#judge(x, outcome, untilMs - x.attemptMs);
    }
    x.headMs = 0;
    x.endpoint?.attemptEnded();
  }

  /** The exchange is over. */
  finished(x: Exchange): void {
    const health = x.cluster?.health;
    if (health === undefined) return;
    if (x.isRetryCounted) health.limits.releaseRetry();
    if (!x.isCounted) return;
    x.isCounted = false;
    health.limits.releaseRequest();
    health.circuit?.record(x.outcome, x.endedMs - x.admittedMs, x.endedMs);
  }

  #judge(x: Exchange, outcome: number, latencyMs: number): void {
    x.attemptJudged = true;
    x.outcome = outcome;
    x.endpoint?.attemptAnswered(outcome, latencyMs);
  }
}
