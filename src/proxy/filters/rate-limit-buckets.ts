// hot
/** One caller's share of a limit. */
export interface RateBucket {
  readonly key: string;
  /** When it will be full again, in clock milliseconds: GCRA's theoretical arrival time. In the past: it is full. */
  fullAtMs: number;
  /** Used after it / before it. */
  newer: RateBucket | null;
  older: RateBucket | null;
}

/**
 * Buckets by key, at most `maxBuckets`: a new one beyond that takes the place of the one used longest ago. Finding one
 * that is there allocates nothing.
 */
export class RateLimitBuckets {
  readonly #maxBuckets: number;
  readonly #byKey: Map<string, RateBucket> = new Map();
  #newest: RateBucket | null = null;
  #oldest: RateBucket | null = null;
  /** Buckets that made room for others although they were not full: their callers may come too often. */
  forgotten: number = 0;

  /** 1 or more. */
  constructor(maxBuckets: number) {
    this.#maxBuckets = maxBuckets;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** A key that is new, or was forgotten, begins with a full bucket. */
  take(key: string, nowMs: number): RateBucket {
    const known = this.#byKey.get(key);
    if (known === undefined) return this.#create(key, nowMs);
    if (known !== this.#newest) {
      this.#unlink(known);
      this.#linkNewest(known);
    }
    return known;
  }

  #create(key: string, nowMs: number): RateBucket {
    const oldest = this.#oldest;
    if (oldest !== null && this.#byKey.size >= this.#maxBuckets) {
      this.#unlink(oldest);
      this.#byKey.delete(oldest.key);
      if (oldest.fullAtMs > nowMs) this.forgotten += 1;
    }
    const bucket: RateBucket = { key, fullAtMs: nowMs, newer: null, older: null };
    this.#byKey.set(key, bucket);
    this.#linkNewest(bucket);
    return bucket;
  }

  #linkNewest(bucket: RateBucket): void {
    bucket.older = this.#newest;
    bucket.newer = null;
    if (this.#newest !== null) this.#newest.newer = bucket;
    this.#newest = bucket;
    this.#oldest ??= bucket;
  }

  #unlink(bucket: RateBucket): void {
    if (bucket.newer === null) this.#newest = bucket.older;
    else bucket.newer.older = bucket.older;
    if (bucket.older === null) this.#oldest = bucket.newer;
    else bucket.older.newer = bucket.newer;
  }
}
