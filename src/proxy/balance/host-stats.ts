import {
  OUTCOME_ABANDONED,
  OUTCOME_OK,
  OUTCOME_THROTTLED,
  OUTCOME_TIMEOUT,
  isFailure,
} from "../upstream/attempt-outcome.ts";

/** How fast old latency is forgotten: Finagle's and Linkerd's peak-EWMA use the same. */
export const LATENCY_DECAY_MS = 10_000;
/** An idle instance of which nothing was heard for so long is tried again, however slow it was, and judged anew. */
export const FORGET_MS = 5_000;
/** How fast failures are forgotten while nothing new is known. */
export const FAILURE_DECAY_MS = 10_000;
/** Weight of the newest answer in the share of failures: three in a row count, one does not. */
const FAILURE_WEIGHT = 0.15;
/** An instance that sheds load is not broken, but it is no better than one that fails half of its answers. */
const THROTTLED_AS_FAILURE = 0.5;

/**
 * What this proxy measured of one instance. Errors never count as fast answers: an instance that fails at once would else
 * look like the best one.
 */
export class HostStats {
  /** Peak-EWMA of the time to a response head, as of `latencyAtMs`; -1 before the first. */
  latencyMs: number = -1;
  latencyAtMs: number = 0;
  /** Share of failures among recent answers, 0..1, as of `failuresAtMs`. */
  failureRatio: number = 0;
  failuresAtMs: number = 0;
  /** When it last answered, in whatever way. */
  answeredMs: number = 0;

  /** See `attempt-outcome.ts`; `latencyMs` -1 = not measured. */
  observe(outcome: number, latencyMs: number, nowMs: number): void {
    if (outcome === OUTCOME_ABANDONED) return;
    this.answeredMs = nowMs;
    this.#countFailure(outcome, nowMs);
    if (latencyMs < 0) return;
    if (outcome === OUTCOME_OK) this.#addLatency(latencyMs, nowMs);
    // It takes at least so long.
    else if (outcome === OUTCOME_TIMEOUT && latencyMs > this.latencyMs) this.#addLatency(latencyMs, nowMs);
  }

  /** The estimate at `nowMs`, which fades while nothing is heard, so that a slow instance is tried again; -1 = never measured. */
  latencyNow(nowMs: number): number {
    const ageMs = nowMs - this.latencyAtMs;
    return ageMs <= 0 || this.latencyMs <= 0 ? this.latencyMs : this.latencyMs * Math.exp(-ageMs / LATENCY_DECAY_MS);
  }

  failureRatioNow(nowMs: number): number {
    if (this.failureRatio === 0) return 0;
    return this.failureRatio * Math.exp(-(nowMs - this.failuresAtMs) / FAILURE_DECAY_MS);
  }

  #countFailure(outcome: number, nowMs: number): void {
    const found = isFailure(outcome) ? 1 : outcome === OUTCOME_THROTTLED ? THROTTLED_AS_FAILURE : 0;
    if (found === 0 && this.failureRatio === 0) return;
    const ratio = this.failureRatioNow(nowMs);
    const next = ratio + (found - ratio) * FAILURE_WEIGHT;
    this.failureRatio = next < 0.001 ? 0 : next;
    this.failuresAtMs = nowMs;
  }

  /** A slower answer counts at once and in full, a faster one by the time since the last. */
  #addLatency(latencyMs: number, nowMs: number): void {
    const before = this.latencyMs;
    const ageMs = nowMs - this.latencyAtMs;
    this.latencyAtMs = nowMs;
    if (latencyMs >= before || ageMs > FORGET_MS) this.latencyMs = latencyMs;
    else this.latencyMs = latencyMs + (before - latencyMs) * Math.exp(-ageMs / LATENCY_DECAY_MS);
  }
}
