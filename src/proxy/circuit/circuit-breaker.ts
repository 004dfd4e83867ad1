import type { Random } from "../../random/random.ts";
import type { TripPolicy } from "../policy/cluster-policy.ts";
import { OUTCOME_ABANDONED, isFailure } from "../upstream/attempt-outcome.ts";
import { OutcomeWindow } from "./outcome-window.ts";

export type CircuitState = "closed" | "open" | "halfOpen";

/** Told of every change of a breaker's state; `reason` is for people. */
export interface CircuitWatcher {
  onCircuit(circuit: CircuitBreaker, reason: string): void;
}

/** The open time doubles with each trip in a row up to so many times the first... */
const MAX_OPEN_FACTOR = 10;
/** ...and is random by a tenth either way, so that the breakers of many proxies do not all try at once. */
const OPEN_JITTER = 0.1;

/**
 * A circuit breaker over a sliding window of outcomes.
 *
 *   closed --too many failed or slow--> open --its time is over--> half-open --`probes` successes--> closed
 *                                         ^-------a probe failed or was slow-------/
 *
 * Whoever `admit` let through calls `record` exactly once, whatever became of the call. A probe of which nothing is heard
 * for as long as the circuit was open gives up its place, so that a call that hangs cannot keep the circuit half open.
 */
export class CircuitBreaker {
  state: CircuitState = "closed";
  /** When the next probe may go, while open; clock milliseconds. */
  openUntilMs: number = 0;
  /** Times it opened, since it was made. */
  trips: number = 0;
  /** Calls it did not let through, since it was made. */
  rejected: number = 0;
  /** Why it is open or half open; "" while closed. */
  reason: string = "";
  readonly policy: TripPolicy;
  readonly #random: Random;
  readonly #watcher: CircuitWatcher;
  readonly #window: OutcomeWindow;
  /** In a row: without having been closed in between. */
  #openings: number = 0;
  #openedMs: number = 0;
  #openMs: number = 0;
  #probesOut: number = 0;
  #lastProbeMs: number = 0;
  #successes: number = 0;

  constructor(policy: TripPolicy, random: Random, watcher: CircuitWatcher) {
    this.policy = policy;
    this.#random = random;
    this.#watcher = watcher;
    this.#window = new OutcomeWindow(policy.windowMs);
  }

  /** May a call be made now? What is let through must be recorded. */
  admit(nowMs: number): boolean {
    if (this.state === "closed") return true;
    if (this.state === "open") {
      if (nowMs < this.openUntilMs) {
        this.rejected += 1;
        return false;
      }
      this.tryAgain(nowMs);
    }
    if (!this.hasRoom(nowMs)) {
      this.rejected += 1;
      return false;
    }
    this.#probesOut += 1;
    this.#lastProbeMs = nowMs;
    return true;
  }

  /** What became of a call that was let through `latencyMs` ago: an OUTCOME_*. */
  record(outcome: number, latencyMs: number, nowMs: number): void {
    if (this.state === "closed") {
      if (outcome === OUTCOME_ABANDONED) return;
      const { policy } = this;
      this.#window.add(isFailure(outcome), policy.slowPercent > 0 && latencyMs >= policy.slowMs, nowMs);
      this.#judge(nowMs);
      return;
    }
    // A call from before the circuit opened is no probe. None was let through in the second half of the open time.
    if (this.state === "open" || nowMs - latencyMs <= this.#openedMs + this.#openMs / 2) return;
    this.#recordProbe(outcome, latencyMs, nowMs);
  }

  /** Half open as soon as the open time is over. True when that changed the state. */
  tryAgain(nowMs: number): boolean {
    if (this.state !== "open" || nowMs < this.openUntilMs) return false;
    this.state = "halfOpen";
    this.#probesOut = 0;
    this.#successes = 0;
    this.#watcher.onCircuit(this, `${this.policy.probes} at a time are let through to try`);
    return true;
  }

  /** `admit` would let a call through, in the state it has now. */
  hasRoom(nowMs: number): boolean {
    if (this.state === "closed") return true;
    if (this.state === "open") return false;
    if (this.#probesOut < this.policy.probes) return true;
    if (nowMs - this.#lastProbeMs < this.#openMs) return false;
    this.#probesOut = 0;
    return true;
  }

  /** When a probe that is not heard of gives up its place; only in half-open with no room. */
  roomAtMs(): number {
    return this.#lastProbeMs + this.#openMs;
  }

  #recordProbe(outcome: number, latencyMs: number, nowMs: number): void {
    const { policy } = this;
    if (this.#probesOut > 0) this.#probesOut -= 1;
    if (outcome === OUTCOME_ABANDONED) return;
    const failed = policy.failurePercent > 0 && isFailure(outcome);
    if (failed || (policy.slowPercent > 0 && latencyMs >= policy.slowMs)) {
      this.#open(failed ? "a trial call failed" : `a trial call took ${Math.round(latencyMs)} ms`, nowMs);
      return;
    }
    this.#successes += 1;
    if (this.#successes >= policy.probes) this.#close();
  }

  #judge(nowMs: number): void {
    const { policy } = this;
    const { total, failed, slow } = this.#window;
    if (total < policy.minRequests || total === 0) return;
    if (policy.failurePercent > 0 && failed * 100 >= policy.failurePercent * total)
      this.#open(`${failed} of the last ${total} calls failed`, nowMs);
    else if (policy.slowPercent > 0 && slow * 100 >= policy.slowPercent * total)
      this.#open(`${slow} of the last ${total} calls took ${policy.slowMs} ms or longer`, nowMs);
  }

  #open(reason: string, nowMs: number): void {
    const factor = Math.min(MAX_OPEN_FACTOR, 2 ** this.#openings);
    this.#openings += 1;
    this.#openMs = this.policy.openMs * factor * (1 - OPEN_JITTER + 2 * OPEN_JITTER * this.#random.next());
    this.#openedMs = nowMs;
    this.openUntilMs = nowMs + this.#openMs;
    this.state = "open";
    this.reason = reason;
    this.trips += 1;
    this.#window.clear();
    this.#watcher.onCircuit(this, reason);
  }

  #close(): void {
    this.state = "closed";
    this.reason = "";
    this.#openings = 0;
    this.#window.clear();
    this.#watcher.onCircuit(this, `${this.#successes} trial calls succeeded`);
  }
}
