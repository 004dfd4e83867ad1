/** Latencies are kept by how many other requests they met: 0 to 7 one by one, from there in steps of a half. */
const FIRST_STEPS = 8;
const BUCKETS = 48;
const SAMPLES = 16;
/** Fewer than this say too little: those that met nearly as many are asked too. */
const ENOUGH = 8;
const VALID_MS = 5_000;

/**
 * How long answers took lately, by how busy the app was when the request came: so the answer for now is not the mean of a
 * calm and a busy time. As in Prequal; a median, so that one odd request changes nothing.
 */
export class RecentLatency {
  readonly #latencyMs: Float64Array = new Float64Array(BUCKETS * SAMPLES);
  readonly #atMs: Float64Array = new Float64Array(BUCKETS * SAMPLES).fill(Number.NEGATIVE_INFINITY);
  readonly #next: Uint8Array = new Uint8Array(BUCKETS);
  readonly #found: Float64Array = new Float64Array(ENOUGH + 2 * SAMPLES);

  /** `met`: requests that were in flight when this one came. */
  add(met: number, latencyMs: number, nowMs: number): void {
    const bucket = bucketOf(met);
    const slot = this.#next[bucket] as number; // one for each bucket
    this.#latencyMs[bucket * SAMPLES + slot] = latencyMs;
    this.#atMs[bucket * SAMPLES + slot] = nowMs;
    this.#next[bucket] = (slot + 1) % SAMPLES;
  }

  /** The median of those of the last 5 s that met about `met` others; -1 when there are none. */
  median(met: number, nowMs: number): number {
    const bucket = bucketOf(met);
    let count = this.#collect(bucket, 0, nowMs);
    for (let away = 1; away < BUCKETS && count < ENOUGH; away += 1) {
      count = this.#collect(bucket - away, count, nowMs);
      count = this.#collect(bucket + away, count, nowMs);
    }
    if (count === 0) return -1;
    return this.#found.subarray(0, count).sort()[count >> 1] ?? -1;
  }

  #collect(bucket: number, from: number, nowMs: number): number {
    if (bucket < 0 || bucket >= BUCKETS) return from;
    let count = from;
    for (let at = bucket * SAMPLES; at < (bucket + 1) * SAMPLES; at += 1) {
      if (nowMs - (this.#atMs[at] as number) > VALID_MS) continue;
      this.#found[count] = this.#latencyMs[at] as number;
      count += 1;
    }
    return count;
  }
}

function bucketOf(met: number): number {
  if (met < FIRST_STEPS) return met;
  const log = 31 - Math.clz32(met);
  return Math.min(BUCKETS - 1, FIRST_STEPS + (log - 3) * 2 + ((met >>> (log - 1)) & 1));
}
