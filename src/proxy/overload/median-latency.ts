const SAMPLES = 64;
/** The median is worked out anew after so many. */
const STEP = 8;
/** Fewer say nothing. */
const ENOUGH = 8;

/** The median of the last 64 latencies; a look costs nothing. */
export class MedianLatency {
  /** 0 = not known yet. */
  ms: number = 0;
  readonly #kept: Float64Array = new Float64Array(SAMPLES);
  readonly #sorted: Float64Array = new Float64Array(SAMPLES);
  #count: number = 0;

  add(latencyMs: number): void {
    this.#kept[this.#count % SAMPLES] = latencyMs;
    this.#count += 1;
    if (this.#count % STEP !== 0 || this.#count < ENOUGH) return;
    const known = Math.min(this.#count, SAMPLES);
    this.#sorted.set(this.#kept);
    this.ms = this.#sorted.subarray(0, known).sort()[known >> 1] ?? 0;
  }
}
