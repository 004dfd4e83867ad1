// hot
import type { ProxyCounters } from "../counters.ts";
import type { Exchange } from "../exchange.ts";
import type { FieldLines, Head } from "../head.ts";
import type { RateLimitPolicy } from "../policy/route-policy.ts";
import { RATE_LIMITED } from "../failures.ts";
import { toFieldLines } from "../http1/field-line.ts";
import { ANSWERED, CONTINUE } from "./filter.ts";
import { countAvailable, type RateLimitAmount, waitMs } from "./rate-limit-amount.ts";
import type { RateBucket } from "./rate-limit-buckets.ts";
import { formatLimitPolicy, formatLimitState } from "./rate-limit-fields.ts";
import { callerOf, RateLimitState } from "./rate-limit-state.ts";

/** States that are kept for policies of a next snapshot, at most; the oldest goes first. */
const MAX_STATES = 4_096;

/**
 * Rate limits by GCRA, which is a token bucket that stores one number: a caller has `burst` requests at once and gets one
 * back in each `periodMs / requests`. What is refused counts for nothing, and with several limits a request counts in all
 * of them or in none.
 *
 * Limits hold for one proxy: they guard the app instance beside it, so a service of three instances takes three times as
 * many. Of a proxy with workers each worker counts for itself.
 */
export class RateLimitFilter {
  readonly #counters: ProxyCounters;
  readonly #states: WeakMap<RateLimitPolicy, RateLimitState> = new WeakMap();
  /** By what a limit says and where: a snapshot may bring the same limit as another object, and its buckets stay. */
  readonly #byMeaning: Map<string, RateLimitState> = new Map();
  // The limits that the present request comes under; nothing of it is read after `check`.
  readonly #asked: RateLimitState[] = [];
  readonly #buckets: RateBucket[] = [];
  readonly #amounts: RateLimitAmount[] = [];
  /** The lines that were put together last, and what they gave; null = not yet. */
  readonly #joinedLines: FieldLines[] = [];
  #joined: FieldLines | null = null;

  constructor(counters: ProxyCounters) {
    this.#counters = counters;
  }

  /**
   * ANSWERED when one of `policies` refuses the request: with RATE_LIMITED, `retry-after` and the fields of
   * draft-ietf-httpapi-ratelimit-headers-11. Otherwise `x.limitLines` is what the response says about them.
   */
  check(x: Exchange, policies: readonly RateLimitPolicy[], nowMs: number): number {
    let refusing = -1;
    let longestMs = 0;
    let count = 0;
    for (let i = 0; i < policies.length; i += 1) {
      const state = this.#find(x, policies[i] as RateLimitPolicy, nowMs); // below the length
      if (!state.appliesTo(x)) continue;
      const amount = state.amountFor(x);
      const bucket = this.#takeBucket(state, x, nowMs);
      const wait = waitMs(amount, bucket.fullAtMs, nowMs);
      this.#asked[count] = state;
      this.#amounts[count] = amount;
      this.#buckets[count] = bucket;
      if (wait > longestMs) {
        longestMs = wait;
        refusing = count;
      }
      count += 1;
    }
    if (refusing >= 0) {
      this.#refuse(x, refusing, longestMs);
      return ANSWERED;
    }
    for (let i = 0; i < count; i += 1) {
      const bucket = this.#buckets[i] as RateBucket; // as many as were asked
      const amount = this.#amounts[i] as RateLimitAmount;
      bucket.fullAtMs = Math.max(bucket.fullAtMs, nowMs) + amount.intervalMs;
    }
    if (count > 0) x.limitLines = this.#lines(count, nowMs);
    return CONTINUE;
  }

  #takeBucket(state: RateLimitState, x: Exchange, nowMs: number): RateBucket {
    const { buckets } = state;
    const before = buckets.forgotten;
    const bucket = state.findBucket(x, nowMs);
    this.#counters.rateBucketsForgotten += buckets.forgotten - before;
    return bucket;
  }

  /** One line for each limit, which is the same list as all in one line. */
  #lines(count: number, nowMs: number): FieldLines {
    if (count === 1) return this.#line(0, nowMs);
    let isSame = this.#joinedLines.length === count;
    this.#joinedLines.length = count;
    for (let i = 0; i < count; i += 1) {
      const line = this.#line(i, nowMs);
      if (this.#joinedLines[i] === line) continue;
      this.#joinedLines[i] = line;
      isSame = false;
    }
    if (isSame && this.#joined !== null) return this.#joined;
    this.#joined = toFieldLines(Buffer.concat(this.#joinedLines.map(({ bytes }) => bytes)));
    return this.#joined;
  }

  #line(index: number, nowMs: number): FieldLines {
    const { lines } = this.#asked[index] as RateLimitState;
    return lines.find(this.#available(index, nowMs), this.#seconds(index, nowMs));
  }

  #available(index: number, nowMs: number): number {
    const bucket = this.#buckets[index] as RateBucket;
    return countAvailable(this.#amounts[index] as RateLimitAmount, bucket.fullAtMs, nowMs);
  }

  /** Until one request more than now is available. */
  #seconds(index: number, nowMs: number): number {
    const amount = this.#amounts[index] as RateLimitAmount;
    const aheadMs = (this.#buckets[index] as RateBucket).fullAtMs - nowMs;
    const nextMs = aheadMs - amount.capacityMs + (this.#available(index, nowMs) + 1) * amount.intervalMs;
    return toSeconds(nextMs);
  }

  #refuse(x: Exchange, index: number, wait: number): void {
    const { policy } = this.#asked[index] as RateLimitState;
    const amount = this.#amounts[index] as RateLimitAmount;
    const seconds = toSeconds(wait);
    x.failureFields =
      `retry-after: ${seconds}\r\n` +
      `ratelimit-policy: ${formatLimitPolicy(policy.name, amount)}\r\n` +
      `ratelimit: ${formatLimitState(policy.name, 0, seconds)}\r\n`;
    x.fail(RATE_LIMITED, explain(policy, amount, x, seconds));
  }

  #find(x: Exchange, policy: RateLimitPolicy, nowMs: number): RateLimitState {
    const generation = x.snapshot?.generation ?? 0;
    const state = this.#states.get(policy) ?? this.#adopt(x, policy, generation, nowMs);
    state.generation = generation;
    state.askedMs = nowMs;
    return state;
  }

  /** The state of an equal policy that the snapshot before had in this place, or a new one. */
  #adopt(x: Exchange, policy: RateLimitPolicy, generation: number, nowMs: number): RateLimitState {
    const key = meaningOf(x, policy);
    this.#forgetFull(nowMs);
    const known = this.#byMeaning.get(key);
    // One that requests of this very snapshot ask is another limit that says the same.
    const state = known !== undefined && known.generation < generation ? known : new RateLimitState(policy);
    this.#byMeaning.delete(key);
    this.#byMeaning.set(key, state);
    this.#states.set(policy, state);
    return state;
  }

  #forgetFull(nowMs: number): void {
    for (const [key, state] of this.#byMeaning) {
      if (nowMs - state.askedMs > state.memoryMs || this.#byMeaning.size >= MAX_STATES) this.#byMeaning.delete(key);
    }
  }
}

/** Adds what is to be said about the limits that the request passed. */
export function addLimitFields(x: Exchange, response: Head): void {
  if (x.limitLines !== null) response.add(x.limitLines);
}

function toSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000 - 1e-6));
}

function meaningOf(x: Exchange, policy: RateLimitPolicy): string {
  const place = [x.origin?.listener ?? "", x.route?.name ?? ""];
  const { name, by, header, requests, periodMs, burst, maxBuckets } = policy;
  const methods = policy.match?.methods ?? null;
  const match = { ...policy.match, methods: methods === null ? null : [...methods] };
  const numbers = [requests, periodMs, burst, maxBuckets, ...policy.overrides];
  return JSON.stringify([place, name, by, header, numbers, policy.match === null ? null : match]);
}

function explain(policy: RateLimitPolicy, amount: RateLimitAmount, x: Exchange, seconds: number): string {
  const allowed =
    amount.requests === 0
      ? "no requests"
      : `${amount.requests} requests in ${formatPeriod(amount.periodMs)}, ${amount.burst} at once`;
  return `Rate limit "${policy.name}" allows ${describeWhom(policy, x)} ${allowed}; try again in ${seconds} s`;
}

/** A header's value may be a secret, such as a key: it is not repeated. */
function describeWhom(policy: RateLimitPolicy, x: Exchange): string {
  if (policy.by === "route") return "all callers together";
  return policy.by === "caller" ? `"${callerOf(x)}"` : `each value of "${policy.header}"`;
}

function formatPeriod(ms: number): string {
  return ms % 1_000 === 0 ? `${ms / 1_000} s` : `${ms} ms`;
}
