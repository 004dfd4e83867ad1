import type { Clock } from "../../time/clock.ts";

/** Retries allowed per first request, and per second whatever the traffic. Finagle's defaults: 20 % and 10/s. */
const RETRY_RATIO = 0.2;
const RETRIES_PER_SECOND = 10;
/** The balance never holds more than ten seconds' worth, so a quiet time does not save up for a storm. */
const MAX_BALANCE = 100;

/** Keeps retries a bounded share of the traffic to one cluster, so that they cannot keep an overload alive. */
export class RetryBudget {
  readonly #clock: Clock;
  #balance: number = RETRIES_PER_SECOND;
  #refilledMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#refilledMs = clock.nowMs();
  }

  /** A first attempt was made. */
  deposit(): void {
    if (this.#balance < MAX_BALANCE) this.#balance += RETRY_RATIO;
  }

  /** Takes one retry from the budget; false when there is none left. */
  withdraw(): boolean {
    const nowMs = this.#clock.nowMs();
    this.#balance = Math.min(MAX_BALANCE, this.#balance + ((nowMs - this.#refilledMs) / 1000) * RETRIES_PER_SECOND);
    this.#refilledMs = nowMs;
    if (this.#balance < 1) return false;
    this.#balance -= 1;
    return true;
  }
}
