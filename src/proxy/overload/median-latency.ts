const SAMPLES = 64;
/** The median is worked out anew when so many came since. */
const STEP = 8;
/** The median of the last 64 latencies, worked out when somebody asks. */
export class MedianLatency {
  readonly #kept: Float64Array = new Float64Array(SAMPLES);
  readonly #sorted: Float64Array = new Float64Array(SAMPLES);
  #count: number = 0;
  #medianOf: number = 0;
  #medianMs: number = 0;

  add(latencyMs: number): void {
    this.#kept[this.#count % SAMPLES] = latencyMs;
    this.#count += 1;
  }

  /** 0 = not known yet. */
  get ms(): number {
    if (this.#count - this.#medianOf >= STEP) {
      this.#medianOf = this.#count;
      this.#sorted.set(this.#kept);
      const known = Math.min(this.#count, SAMPLES);
      this.#medianMs = this.#sorted.subarray(0, known).sort()[known >> 1] ?? 0;
    }
    return this.#medianMs;
  }
}
