import type { Random } from "../../random/random.ts";
import type { AnswerSample, AppLimit } from "./app-limit.ts";

/** A window is judged when it has so many answers and lasted so long. */
const WINDOW_ANSWERS = 20;
const WINDOW_MS = 100;
/** One that took longer says more about its beginning than about now. */
const STALE_MS = 10_000;
/** How much slower than unloaded the app may be before the limit goes down. */
const TOLERANCE = 1.5;
/** A window may at most halve the limit. */
const LEAST_GRADIENT = 0.5;
/** Weight of a window's verdict on the way down; on the way up the allowance is a bound already. */
const DOWN_WEIGHT = 0.4;
/** Weight of a window in the unloaded latency. */
const CALM_WEIGHT = 0.2;
/** One odd answer counts at most as so many unloaded ones. */
const MAX_ANSWER = 8;
/** Where more callers give up than this share of the answers, latency says too little: the limit goes down by the factor. */
const LOST_RATIO = 0.25;
const LOST_FACTOR = 0.8;
/** An answer so much faster than unloaded is no accident. */
const FASTER = 0.8;
const FIRST_LIMIT = 20;

/** How often the unloaded latency is measured anew while the limit holds requests back: first, and later. */
const MEASURE_FIRST_MS = 2_000;
const MEASURE_EVERY_MS = 15_000;
/** A measurement that took long is not made again before so many times as long. */
const MEASURE_REST = 15;
/** What is measured against: so many windows in a row, all full. */
const SETTLED_WINDOWS = 3;
const LEVEL_ANSWERS = 50;
const LEVEL_LATENCIES = 3;
/** A slow app need not give as many. */
const LEVEL_ANSWERS_AFTER_MS = 4_000;
const FEW_ANSWERS = 20;
/** With half as many requests answers come so much faster: then half as many are enough to keep the app busy. */
const QUEUED_RATIO = 1.65;

/** Half the limit confirms what is known when its latency is so near it, by ratio: a few requests may wait in it. */
const SAME_FROM = 0.8;
const SAME_TO = 1.4;
/** After so many confirmations all of it is measured again. */
const MAX_CONFIRMED = 3;

export interface LimitBounds {
  readonly min: number;
  readonly max: number;
  /** Default 20. */
  readonly first?: number;
}

/**
 * How many requests an app works on at once without becoming slow, found by its answers alone. Window by window the limit
 * follows the gradient, the ratio of the unloaded latency to that of now, with an allowance of the square root of the limit
 * for a queue (as Netflix's Gradient2 and Envoy's adaptive concurrency do). It grows at most by the allowance, and only
 * while it is used.
 *
 * A gradient goes wrong when the unloaded latency is not known: measured under load it takes any queue for normal. So
 * while requests are held back it is measured now and then with half the limit (a level). Where that makes answers faster
 * in proportion, all that the other half did was wait in the app: the level becomes the limit, and half of it is tried,
 * until answers are no faster. The last level's latency is the unloaded one. Where the first level only confirms it,
 * nothing changes.
 */
export class AdaptiveLimit implements AppLimit {
  /** Whole; of the level while one is measured. */
  current: number;
  /** Of the app when requests do not wait in it; 0 = unknown. */
  unloadedMs: number = 0;
  /** It was measured where fewer requests were no faster, and may be confirmed so often. */
  #confirmable: number = 0;
  readonly #min: number;
  readonly #max: number;
  readonly #random: Random;
  #limit: number;
  // The window.
  #sumMs: number = 0;
  #answers: number = 0;
  /** Those that nobody waited for. */
  #gaveUp: number = 0;
  /** Those that came while the app was full. */
  #full: number = 0;
  #most: number = 0;
  #beganMs: number;
  /** Smoothed, of windows under load. */
  #loadedMs: number = 0;
  #fullWindows: number = 0;
  #measureAtMs: number;
  #everyMs: number = MEASURE_FIRST_MS;
  #measuringSinceMs: number = 0;
  /** What is measured; 0 = nothing. */
  #level: number = 0;
  /** Requests let in from then on met the level; -1 = there are still more in the app. */
  #levelFromMs: number = -1;
  #levelSinceMs: number = 0;

  /** It begins with `first`. */
  constructor(bounds: LimitBounds, random: Random, nowMs: number) {
    this.#min = bounds.min;
    this.#max = bounds.max;
    this.#random = random;
    this.#limit = Math.max(bounds.min, Math.min(bounds.max, bounds.first ?? FIRST_LIMIT));
    this.current = Math.floor(this.#limit);
    this.#beganMs = nowMs;
    this.#measureAtMs = nowMs;
  }

  add({ latencyMs, admittedMs, met, gaveUp }: AnswerSample, nowMs: number): void {
    if (this.#level > 0 && !this.#followLevel(admittedMs, met, nowMs)) return;
    const isStale = this.#answers > 0 && nowMs - this.#beganMs > STALE_MS && this.#level === 0;
    if (this.#answers === 0 || isStale) this.#openWindow(nowMs);
    // Waiting for answers is part of the window, from the one before on.
    const reference = this.#level > 0 ? this.#loadedMs : this.unloadedMs;
    this.#sumMs += reference > 0 ? Math.min(latencyMs, reference * MAX_ANSWER) : latencyMs;
    this.#answers += 1;
    if (gaveUp) this.#gaveUp += 1;
    if (met >= this.current) this.#full += 1;
    if (met > this.#most) this.#most = met;
    if (this.#level > 0) this.#judgeLevel(nowMs);
    else if (this.#answers >= WINDOW_ANSWERS && nowMs - this.#beganMs >= WINDOW_MS) this.#judgeWindow(nowMs);
  }

  onFull(nowMs: number): void {
    if (this.#level > 0 && nowMs - this.#levelSinceMs > STALE_MS) this.#endMeasuring(nowMs);
  }

  #openWindow(nowMs: number): void {
    this.#sumMs = 0;
    this.#answers = 0;
    this.#gaveUp = 0;
    this.#full = 0;
    this.#most = 0;
    this.#beganMs = nowMs;
  }

  #judgeWindow(nowMs: number): void {
    const latencyMs = this.#sumMs / this.#answers;
    const isUsed = this.#most * 2 >= this.current;
    const isFull = this.#full * 2 >= this.#answers;
    // How long it would have taken nobody knows: surely too long.
    const isLost = this.#isLost();
    this.#openWindow(nowMs);
    if (isLost) {
      this.#fullWindows = 0;
      this.#setLimit(this.#limit * LOST_FACTOR);
      return;
    }
    if (this.unloadedMs === 0) this.unloadedMs = latencyMs;
    // Under load it is never lower than unloaded, unless the app has become faster.
    if (!isUsed || latencyMs < this.unloadedMs * FASTER) this.unloadedMs += (latencyMs - this.unloadedMs) * CALM_WEIGHT;
    // A limit that nobody reaches says nothing about what the app can do.
    if (!isUsed) return;
    this.#loadedMs = this.#loadedMs === 0 ? latencyMs : (this.#loadedMs + latencyMs) / 2;
    this.#fullWindows = isFull ? this.#fullWindows + 1 : 0;
    const gradient = Math.max(LEAST_GRADIENT, Math.min(1, (TOLERANCE * this.unloadedMs) / latencyMs));
    this.#follow(gradient);
    // Much slower than it was: by load, or for good?
    if (latencyMs > 2 * TOLERANCE * this.unloadedMs && this.#limit > this.#min) this.#everyMs = MEASURE_FIRST_MS;
    if (this.#fullWindows < SETTLED_WINDOWS || nowMs < this.#measureAtMs) return;
    this.#measuringSinceMs = nowMs;
    this.#measure(this.#limit / 2, nowMs);
  }

  #isLost(): boolean {
    return this.#gaveUp > this.#answers * LOST_RATIO;
  }

  #follow(gradient: number): void {
    const wanted = this.#limit * gradient + Math.sqrt(this.#limit);
    const weight = wanted < this.#limit ? DOWN_WEIGHT : 1;
    this.#setLimit(this.#limit + (wanted - this.#limit) * weight);
  }

  #measure(level: number, nowMs: number): void {
    this.#level = Math.max(1, Math.floor(level));
    this.#levelFromMs = -1;
    this.#levelSinceMs = nowMs;
    this.current = this.#level;
    this.#openWindow(nowMs);
  }

  /** False for an answer that says nothing about the level. */
  #followLevel(admittedMs: number, met: number, nowMs: number): boolean {
    if (nowMs - this.#levelSinceMs > 3 * STALE_MS) {
      this.#endMeasuring(nowMs);
      return false;
    }
    if (this.#levelFromMs < 0) {
      if (met > this.#level) return false;
      this.#levelFromMs = nowMs;
    }
    return admittedMs >= this.#levelFromMs;
  }

  #judgeLevel(nowMs: number): void {
    const lastedMs = nowMs - this.#levelFromMs;
    // The first answers are those of the fastest requests: to judge by them alone would flatter the level.
    if (lastedMs < Math.max(WINDOW_MS, LEVEL_LATENCIES * this.#loadedMs)) return;
    if (this.#answers < (lastedMs >= LEVEL_ANSWERS_AFTER_MS ? FEW_ANSWERS : LEVEL_ANSWERS)) return;
    // There was too little to do to tell.
    if (this.#full * 2 < this.#answers) {
      this.#endMeasuring(nowMs);
      return;
    }
    if (this.#isLost()) {
      this.#takeLevel(nowMs);
      return;
    }
    const latencyMs = this.#sumMs / this.#answers;
    const ratio = latencyMs / this.unloadedMs;
    if (this.#confirmable > 0 && ratio > SAME_FROM && ratio < SAME_TO) {
      this.#confirmable -= 1;
      if (ratio < 1) this.unloadedMs = (this.unloadedMs + latencyMs) / 2;
      this.#endMeasuring(nowMs);
      return;
    }
    this.unloadedMs = latencyMs;
    const isFastest = this.#loadedMs < latencyMs * QUEUED_RATIO;
    this.#confirmable = isFastest || this.#level === 1 ? MAX_CONFIRMED : 0;
    if (isFastest) {
      this.#endMeasuring(nowMs);
      return;
    }
    this.#loadedMs = latencyMs;
    this.#takeLevel(nowMs);
  }

  /** It is enough to keep the app busy: is less? */
  #takeLevel(nowMs: number): void {
    const level = this.#level;
    this.#setLimit(level);
    if (level > 1) this.#measure(level / 2, nowMs);
    else this.#endMeasuring(nowMs);
  }

  #endMeasuring(nowMs: number): void {
    this.#level = 0;
    this.#loadedMs = 0;
    this.#fullWindows = 0;
    const waitMs = Math.max(this.#everyMs, (nowMs - this.#measuringSinceMs) * MEASURE_REST);
    this.#everyMs = Math.min(MEASURE_EVERY_MS, this.#everyMs * 2);
    // Instances that began together do not all slow down together.
    this.#measureAtMs = nowMs + waitMs * (0.75 + this.#random.next() / 2);
    this.#setLimit(this.#limit);
    this.#openWindow(nowMs);
  }

  #setLimit(limit: number): void {
    this.#limit = Math.max(this.#min, Math.min(this.#max, limit));
    this.current = Math.floor(this.#limit);
  }
}
