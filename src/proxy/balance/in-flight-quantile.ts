/** Prequal's Q_RIF: 2^-0.25. One instance in six counts as hot. */
const QUANTILE = 0.84;
const WINDOW = 256;
const LARGEST = 1_023;
/** How often the quantile is worked out anew. */
const PERIOD = 32;

/** A running quantile of how many requests instances had in flight when they were last looked at. */
export class InFlightQuantile {
  readonly #window: Uint16Array = new Uint16Array(WINDOW);
  readonly #counts: Uint16Array = new Uint16Array(LARGEST + 1);
  #added: number = 0;
  #at: number = 0;
  /** What is above it is more than most have. The largest number there is until enough was seen. */
  threshold: number = LARGEST;

  /** An integer. */
  add(inFlight: number): void {
    const value = inFlight >= LARGEST ? LARGEST : inFlight;
    const at = this.#at;
    if (this.#added >= WINDOW)
      this.#counts[this.#window[at] as number] = (this.#counts[this.#window[at] as number] as number) - 1;
    this.#window[at] = value;
    this.#counts[value] = (this.#counts[value] as number) + 1;
    this.#at = (at + 1) % WINDOW;
    // Counted on within a range: the window is full from its first time on.
    this.#added = this.#added === 2 * WINDOW ? WINDOW + 1 : this.#added + 1;
    if (this.#added % PERIOD === 0) this.#refresh();
  }

  #refresh(): void {
    const wanted = Math.min(this.#added, WINDOW) * QUANTILE;
    let seen = 0;
    let value = -1;
    while (seen < wanted && value < LARGEST) {
      value += 1;
      seen += this.#counts[value] as number;
    }
    this.threshold = value;
  }
}
