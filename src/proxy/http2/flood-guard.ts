/**
 * A budget of things that a peer may make us do for nothing: a burst, refilled over time and by useful work. The clock is
 * read only when the burst is used up.
 */
export class FloodGuard {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #nowMs: () => number;
  #left: number;
  #filledMs: number;

  constructor(burst: number, perSecond: number, nowMs: () => number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#nowMs = nowMs;
    this.#left = burst;
    this.#filledMs = nowMs();
  }

  /** False when the budget is used up: the peer floods. */
  spend(): boolean {
    this.#left -= 1;
    if (this.#left >= 0) return true;
    const now = this.#nowMs();
    this.#left = Math.min(this.#burst, this.#left + Math.floor(((now - this.#filledMs) / 1000) * this.#perSecond));
    this.#filledMs = now;
    return this.#left >= 0;
  }

  /** Useful work was done: what goes with it is no flood. */
  earn(count: number): void {
    if (this.#left < this.#burst) this.#left = Math.min(this.#burst, this.#left + count);
  }
}
