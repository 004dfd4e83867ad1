import type { OverloadPolicy } from "../policy/cluster-policy.ts";

/** A window is judged when it has so many answers and lasted so long. */
const WINDOW_ANSWERS = 20;
const WINDOW_MS = 100;
/** How much slower than unloaded the app may be: about as many requests wait inside it as it works on. */
const TOLERANCE = 2;
/** A window may at most halve the limit. */
const LEAST_GRADIENT = 0.5;
/** Weight of a window's verdict. */
const SMOOTHING = 0.2;
/** How often the unloaded latency is measured anew, with half as many requests for one window. */
const MEASURE_EVERY_MS = 30_000;
const FIRST_LIMIT = 20;

/**
 * How many requests an app works on at once without becoming slow. Found by its answers: the limit follows the ratio of the
 * latency when it was not loaded to the latency now (as Envoy's adaptive concurrency and Netflix's gradient limit do), and
 * grows only while it is used.
 */
export class ConcurrencyLimit {
  current: number;
  /** Mean latency of the last window; 0 before the first. */
  latencyMs: number = 0;
  readonly #min: number;
  readonly #max: number;
  readonly #fixed: boolean;
  #baseMs: number = 0;
  #sumMs: number = 0;
  #answers: number = 0;
  #most: number = 0;
  #beganMs: number;
  #measuredMs: number;
  /** The limit to go back to after a measurement; 0 = none is under way. */
  #kept: number = 0;

  constructor(policy: OverloadPolicy["concurrency"], nowMs: number) {
    this.#fixed = policy.kind === "fixed";
    this.#min = policy.kind === "fixed" ? policy.limit : policy.min;
    this.#max = policy.kind === "fixed" ? policy.limit : policy.max;
    this.current = Math.max(this.#min, Math.min(this.#max, FIRST_LIMIT));
    this.#beganMs = nowMs;
    this.#measuredMs = nowMs;
  }

  /** A request was answered after `latencyMs` in the app, with `inFlight` others there when it came. */
  add(latencyMs: number, inFlight: number, nowMs: number): void {
    this.#sumMs += latencyMs;
    this.#answers += 1;
    if (inFlight > this.#most) this.#most = inFlight;
    if (this.#answers < WINDOW_ANSWERS || nowMs - this.#beganMs < WINDOW_MS) return;
    this.latencyMs = this.#sumMs / this.#answers;
    if (!this.#fixed) this.#judge(this.latencyMs, nowMs);
    this.#sumMs = 0;
    this.#answers = 0;
    this.#most = 0;
    this.#beganMs = nowMs;
  }

  #judge(latencyMs: number, nowMs: number): void {
    if (this.#kept > 0) {
      // What came before the limit was halved is still among the answers of the first window.
      if (nowMs - this.#measuredMs < 2 * WINDOW_MS) return;
      this.#baseMs = latencyMs;
      this.current = this.#kept;
      this.#kept = 0;
      return;
    }
    if (this.#baseMs === 0 || latencyMs < this.#baseMs) this.#baseMs = latencyMs;
    const gradient = Math.max(LEAST_GRADIENT, Math.min(1, (TOLERANCE * this.#baseMs) / latencyMs));
    // A limit that nobody reaches says nothing about what the app can do.
    if (gradient === 1 && this.#most * 2 < this.current) return;
    const wanted = this.current * gradient + Math.sqrt(this.current);
    this.current = this.#clamp(this.current * (1 - SMOOTHING) + wanted * SMOOTHING);
    if (nowMs - this.#measuredMs >= MEASURE_EVERY_MS && gradient < 1) this.#measure(nowMs);
  }

  /** The app may have become slower for good, which looks like load. */
  #measure(nowMs: number): void {
    this.#measuredMs = nowMs;
    this.#kept = this.current;
    this.current = this.#clamp(this.current / 2);
  }

  #clamp(limit: number): number {
    return Math.max(this.#min, Math.min(this.#max, limit));
  }
}
