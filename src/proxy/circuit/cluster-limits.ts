import type { ProxyCounters } from "../counters.ts";
import { DEFAULT_LIMITS, type LimitPolicy } from "../policy/cluster-policy.ts";

/** Waiting for one endpoint of HTTP/1.1, where the policy does not say otherwise: each needs a connection of its own. */
const HTTP1_PENDING = 1_024;

/**
 * What one proxy has at work in one cluster, and whether there may be more. Each `try…` that is true is followed by one
 * `release…`; each that is false was counted. Bounds that shrink let what is there go on.
 */
export class ClusterLimits {
  policy: LimitPolicy;
  connections: number = 0;
  pendingRequests: number = 0;
  requests: number = 0;
  retries: number = 0;
  readonly #counters: ProxyCounters;

  constructor(policy: LimitPolicy, counters: ProxyCounters) {
    this.policy = policy;
    this.#counters = counters;
  }

  /** A request passes here once, however many attempts it takes. */
  tryRequest(): boolean {
    const limit = this.policy.requests;
    if (limit > 0 && this.requests >= limit) {
      this.#counters.overflowRequests += 1;
      return false;
    }
    this.requests += 1;
    return true;
  }

  releaseRequest(): void {
    this.requests -= 1;
  }

  /** Retries under way at once; from before the wait to the end of the attempt. */
  tryRetry(): boolean {
    const limit = this.policy.retries;
    if (limit > 0 && this.retries >= limit) {
      this.#counters.overflowRetries += 1;
      return false;
    }
    this.retries += 1;
    return true;
  }

  releaseRetry(): void {
    this.retries -= 1;
  }

  /**
   * `own`: connections that the endpoint has. Its first is always allowed, as nobody would ever give one back to those
   * that wait for it.
   */
  tryConnection(own: number): boolean {
    const { connections, instanceConnections } = this.policy;
    const full = connections > 0 && this.connections >= connections && own > 0;
    if (full || (instanceConnections > 0 && own >= instanceConnections)) {
      this.#counters.overflowConnections += 1;
      return false;
    }
    this.connections += 1;
    return true;
  }

  /** For one that nobody waits for. */
  hasConnectionRoom(): boolean {
    const limit = this.policy.connections;
    return limit === 0 || this.connections < limit;
  }

  releaseConnection(): void {
    this.connections -= 1;
  }

  /** May one more wait? `waiting`: those for the same endpoint; `http1`: over HTTP/1.1. Who is let in adds itself. */
  hasPendingRoom(waiting: number, http1: boolean): boolean {
    const limit = this.policy.pendingRequests;
    if (limit > 0 && this.pendingRequests >= limit) return false;
    return !http1 || limit !== DEFAULT_LIMITS.pendingRequests || waiting < HTTP1_PENDING;
  }

  countPendingOverflow(): void {
    this.#counters.overflowPending += 1;
  }

  releasePending(): void {
    this.pendingRequests -= 1;
  }

  /** `inFlight`: requests that the instance works on for this proxy. Nothing to release. */
  hasInstanceRoom(inFlight: number): boolean {
    const limit = this.policy.instanceRequests;
    if (limit === 0 || inFlight < limit) return true;
    this.#counters.overflowRequests += 1;
    return false;
  }
}
