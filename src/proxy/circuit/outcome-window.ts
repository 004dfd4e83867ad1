const BUCKETS = 10;

/**
 * How many of the last calls failed or were slow: exact counts in ten buckets of time, so that a burst and a trickle are
 * judged alike. Allocates nothing after it was made.
 */
export class OutcomeWindow {
  /** Of the window as of the last `add` or `advance`. */
  total: number = 0;
  failed: number = 0;
  slow: number = 0;
  readonly #bucketMs: number;
  readonly #totals: Float64Array = new Float64Array(BUCKETS);
  readonly #failures: Float64Array = new Float64Array(BUCKETS);
  readonly #slows: Float64Array = new Float64Array(BUCKETS);
  #current: number = 0;
  #currentEndMs: number = 0;

  constructor(windowMs: number) {
    this.#bucketMs = Math.max(1, windowMs) / BUCKETS;
  }

  add(failed: boolean, slow: boolean, nowMs: number): void {
    if (nowMs >= this.#currentEndMs) this.advance(nowMs);
    const at = this.#current;
    this.total += 1;
    this.#totals[at] = (this.#totals[at] as number) + 1; // `#current` is below BUCKETS, here and below
    if (failed) {
      this.failed += 1;
      this.#failures[at] = (this.#failures[at] as number) + 1;
    }
    if (slow) {
      this.slow += 1;
      this.#slows[at] = (this.#slows[at] as number) + 1;
    }
  }

  /** Forgets what is older than the window. */
  advance(nowMs: number): void {
    if (nowMs < this.#currentEndMs) return;
    const passed = Math.floor((nowMs - this.#currentEndMs) / this.#bucketMs) + 1;
    if (passed >= BUCKETS) {
      this.clear();
      this.#currentEndMs = nowMs + this.#bucketMs;
      return;
    }
    this.#currentEndMs += passed * this.#bucketMs;
    for (let step = 0; step < passed; step += 1) {
      this.#current = (this.#current + 1) % BUCKETS;
      const at = this.#current;
      this.total -= this.#totals[at] as number;
      this.failed -= this.#failures[at] as number;
      this.slow -= this.#slows[at] as number;
      this.#totals[at] = 0;
      this.#failures[at] = 0;
      this.#slows[at] = 0;
    }
  }

  clear(): void {
    this.total = 0;
    this.failed = 0;
    this.slow = 0;
    this.#totals.fill(0);
    this.#failures.fill(0);
    this.#slows.fill(0);
  }
}
