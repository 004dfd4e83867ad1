/** What one limit allows one caller. Frozen. */
export interface RateLimitAmount {
  readonly requests: number;
  /** So many at once; at least 1, unless none are allowed at all. */
  readonly burst: number;
  readonly periodMs: number;
  /** In the long run one request is allowed in each of these; Infinity = none at all. */
  readonly intervalMs: number;
  /** A full bucket is so far ahead of its caller: `burst` intervals. */
  readonly capacityMs: number;
}

/** Clocks have fractions: who comes exactly at the rate is not refused for the last bit of one. */
export const ROUNDING_MS: number = 1e-4;

export function createRateLimitAmount(requests: number, periodMs: number, burst: number): RateLimitAmount {
  if (requests <= 0) return { requests: 0, burst: 0, periodMs, intervalMs: Infinity, capacityMs: 0 };
  const intervalMs = periodMs / requests;
  const whole = Math.max(1, Math.round(burst));
  return { requests, burst: whole, periodMs, intervalMs, capacityMs: whole * intervalMs };
}

/** How long until one more request is allowed by a bucket that is full again at `fullAtMs`; 0 = it is now. */
export function waitMs(amount: RateLimitAmount, fullAtMs: number, nowMs: number): number {
  if (amount.intervalMs === Infinity) return amount.periodMs;
  const missing = Math.max(0, fullAtMs - nowMs) + amount.intervalMs - amount.capacityMs;
  return missing <= ROUNDING_MS ? 0 : missing;
}

/** How many requests a bucket allows at once. */
export function countAvailable(amount: RateLimitAmount, fullAtMs: number, nowMs: number): number {
  if (amount.intervalMs === Infinity) return 0;
  const left = amount.capacityMs - Math.max(0, fullAtMs - nowMs) + ROUNDING_MS;
  return Math.min(amount.burst, Math.max(0, Math.floor(left / amount.intervalMs)));
}
