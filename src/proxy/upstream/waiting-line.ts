import type { ClusterLimits } from "../circuit/cluster-limits.ts";
import type { Exchange } from "../exchange.ts";
import type { EndpointState } from "./endpoint-state.ts";
import { NO_IDENTITY } from "../failures.ts";

interface Waiter {
  readonly x: Exchange;
  readonly generation: number;
  readonly attempt: number;
}

/** Of those that were refused at the limit, each so manieth has the line searched for waiters that left. */
const REFUSED_PER_SEARCH = 256;

/**
 * Exchanges that wait for a connection to one endpoint, in order. Those that ended meanwhile, or went elsewhere, are passed
 * over. Each holds one of the cluster's pending requests until it is taken out.
 */
export class WaitingLine {
  readonly #limits: ClusterLimits;
  #waiters: Waiter[] = [];
  #first: number = 0;
  #refused: number = 0;

  constructor(limits: ClusterLimits) {
    this.#limits = limits;
  }

  length(): number {
    return this.#waiters.length - this.#first;
  }

  /** False: as many wait as may. `http1`: each of them needs a connection of its own. */
  add(x: Exchange, http1: boolean): boolean {
    if (!this.#limits.hasPendingRoom(this.length(), http1) && !this.#makeRoom(http1)) return false;
    this.#limits.pendingRequests += 1;
    this.#waiters.push({ x, generation: x.generation, attempt: x.attemptCount });
    return true;
  }

  /** Takes out who waits longest; null when nobody does. */
  next(): Exchange | null {
    while (this.#first < this.#waiters.length) {
      const waiter = this.#waiters[this.#first];
      this.#first += 1;
      this.#limits.releasePending();
      if (this.#first > 1_024 || this.#first === this.#waiters.length) {
        this.#waiters.splice(0, this.#first);
        this.#first = 0;
      }
      if (waiter !== undefined && isWaiting(waiter)) return waiter.x;
    }
    return null;
  }

  /** As `next`, for a connection that it gets now. What it waited until then says nothing about how fast the instance answers. */
  nextToSend(nowMs: number): Exchange | null {
    const x = this.next();
    if (x !== null) x.attemptMs = nowMs;
    return x;
  }

  /** There is no certificate to dial with. */
  failNext(): void {
    this.next()?.onAttemptFailed(NO_IDENTITY, null);
  }

  /** Whoever left while it waited gives up its place. Looked for now and then only, as it takes as long as the line is. */
  #makeRoom(http1: boolean): boolean {
    this.#refused += 1;
    if (this.#refused % REFUSED_PER_SEARCH === 1) {
      const before = this.length();
      this.#waiters = this.#waiters.slice(this.#first).filter(isWaiting);
      this.#first = 0;
      for (let gone = before - this.length(); gone > 0; gone -= 1) this.#limits.releasePending();
      if (this.#limits.hasPendingRoom(this.length(), http1)) return true;
    }
    this.#limits.countPendingOverflow();
    return false;
  }
}

function isWaiting({ x, generation, attempt }: Waiter): boolean {
  return x.active && x.generation === generation && x.attemptCount === attempt && !x.connected;
}

/** Why nobody may wait for `endpoint` any more. */
export function describeOverflow(endpoint: EndpointState, waiting: number): string {
  const { pendingRequests } = endpoint.cluster.health.limits;
  return `${waiting} requests wait for a connection to ${endpoint.name()} already, and ${pendingRequests} to all instances`;
}
