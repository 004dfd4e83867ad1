// hot
import { createHash } from "node:crypto";
import type { Exchange } from "../exchange.ts";
import type { RateLimitPolicy } from "../policy/route-policy.ts";
import { matchesRequest } from "../route/match-request.ts";
import { joinFieldValues } from "../route/field-values.ts";
import { createRateLimitAmount, type RateLimitAmount } from "./rate-limit-amount.ts";
import { type RateBucket, RateLimitBuckets } from "./rate-limit-buckets.ts";
import { LimitLines } from "./rate-limit-fields.ts";

/** A longer key is kept as its digest, so that a bucket has a size. */
const MAX_KEY_CHARACTERS = 128;

/** What is remembered of one limit: its buckets, and what it allows whom. */
export class RateLimitState {
  readonly policy: RateLimitPolicy;
  readonly buckets: RateLimitBuckets;
  readonly lines: LimitLines;
  /** Of the snapshot whose request asked last. */
  generation: number = 0;
  /** When somebody asked last. */
  askedMs: number = 0;
  readonly #amount: RateLimitAmount;
  readonly #overrides: ReadonlyMap<string, RateLimitAmount>;

  constructor(policy: RateLimitPolicy) {
    this.policy = policy;
    this.buckets = new RateLimitBuckets(policy.by === "route" ? 1 : Math.max(1, policy.maxBuckets));
    this.lines = new LimitLines(policy.name);
    this.#amount = createRateLimitAmount(policy.requests, policy.periodMs, policy.burst);
    this.#overrides = new Map(
      [...policy.overrides].map(([caller, requests]) => {
        // Who may come twice as often may come twice as many at once.
        const burst = policy.requests > 0 ? (policy.burst * requests) / policy.requests : requests;
        return [caller, createRateLimitAmount(requests, policy.periodMs, burst)];
      }),
    );
  }

  appliesTo(x: Exchange): boolean {
    return this.policy.match === null || matchesRequest(this.policy.match, x);
  }

  findBucket(x: Exchange, nowMs: number): RateBucket {
    return this.buckets.take(this.#keyOf(x), nowMs);
  }

  amountFor(x: Exchange): RateLimitAmount {
    if (this.#overrides.size === 0 || x.origin === null || x.origin.peerId === null) return this.#amount;
    return this.#overrides.get(x.origin.source) ?? this.#amount;
  }

  /** After so long without a request every bucket is full, and this state as good as a new one. */
  get memoryMs(): number {
    let longest = this.#amount.capacityMs;
    for (const amount of this.#overrides.values()) longest = Math.max(longest, amount.capacityMs);
    return longest;
  }

  #keyOf(x: Exchange): string {
    switch (this.policy.by) {
      case "route":
        return "";
      case "caller":
        return callerOf(x);
      case "header": {
        // Those without the header share one bucket: leaving it out is no way around the limit.
        const value = x.request === null ? null : joinFieldValues(x.request, this.policy.header);
        return value === null ? "" : boundKey(value);
      }
    }
  }
}

/** "<namespace>/<service account>" when it is proved, else the address. */
export function callerOf(x: Exchange): string {
  const { origin } = x;
  if (origin === null) return "";
  if (origin.peerId === null) return origin.peerAddress;
  return origin.source === "" ? origin.peerId : origin.source;
}

function boundKey(value: string): string {
  if (value.length <= MAX_KEY_CHARACTERS) return value;
  return createHash("sha256").update(value, "latin1").digest("base64");
}
