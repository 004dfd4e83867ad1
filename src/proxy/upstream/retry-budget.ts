import type { Clock } from "../../time/clock.ts";
import type { RetryBudgetPolicy } from "../policy/cluster-policy.ts";

/** The balance never holds more than so many seconds' worth, so that a quiet time does not save up for a storm. */
const MAX_BALANCE_SECONDS = 10;

/**
 * Keeps retries a bounded share of the traffic to one cluster, so that they cannot keep an overload alive: `ratio` for each
 * first request, and `minPerSecond` whatever the traffic.
 */
export class RetryBudget {
  readonly #clock: Clock;
  #policy: RetryBudgetPolicy;
  #balance: number;
  #maxBalance: number;
  #refilledMs: number;

  constructor(clock: Clock, policy: RetryBudgetPolicy) {
    this.#clock = clock;
    this.#policy = policy;
    this.#balance = policy.minPerSecond;
    this.#maxBalance = maxBalance(policy);
    this.#refilledMs = clock.nowMs();
  }

  /** What was saved up stays, as far as the new policy allows. */
  setPolicy(policy: RetryBudgetPolicy): void {
    if (policy === this.#policy) return;
    this.#refill();
    this.#policy = policy;
    this.#maxBalance = maxBalance(policy);
    this.#balance = Math.min(this.#balance, this.#maxBalance);
  }

  /** A first attempt was made. */
  deposit(): void {
    if (this.#balance < this.#maxBalance) this.#balance += this.#policy.ratio;
  }

  /** Takes one retry from the budget; false when there is none left. */
  withdraw(): boolean {
    this.#refill();
    if (this.#balance < 1) return false;
    this.#balance -= 1;
    return true;
  }

  #refill(): void {
    const nowMs = this.#clock.nowMs();
    const earned = ((nowMs - this.#refilledMs) / 1000) * this.#policy.minPerSecond;
    this.#balance = Math.min(this.#maxBalance, this.#balance + earned);
    this.#refilledMs = nowMs;
  }
}

/** With a ratio alone: what ten retries cost, so that busy callers need not wait for each. */
function maxBalance(policy: RetryBudgetPolicy): number {
  if (policy.minPerSecond > 0) return policy.minPerSecond * MAX_BALANCE_SECONDS;
  return policy.ratio > 0 ? MAX_BALANCE_SECONDS : 0;
}
