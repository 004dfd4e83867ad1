import type { Random } from "../../random/random.ts";
import { AdaptiveLimit } from "./adaptive-limit.ts";
import type { AnswerSample, AppLimit } from "./app-limit.ts";

/** As many as come. */
export const NO_LIMIT: number = Number.MAX_SAFE_INTEGER;

/** A window is judged when it has so many answers and lasted so long. */
const WINDOW_ANSWERS = 20;
const WINDOW_MS = 100;
/** Where more callers give up than this share of the answers, the app works for nobody. */
const LOST_RATIO = 0.25;
/** Up to this share a window says how many requests are usual. */
const CALM_RATIO = 0.05;
/** What is usual follows calm windows this slowly: the rush before a collapse must not pass for usual. */
const USUAL_MS = 30_000;
/** Taken for usual as long as nothing is known. */
const FIRST_USUAL = 16;
/** It never lets in fewer than so many times what is usual, and so many: with these the app did well. */
const FLOOR_FACTOR = 2;
const LEAST_FLOOR = 8;
/** A crowd: so many times the floor are at the app. Callers that leave where there are fewer leave for another reason. */
const CROWD_FACTOR = 2;
/** A crowd grows without end where it is so many times as large as after a second, and answers take so many times as long. */
const GROWING_MS = 1_000;
const GROWN_FACTOR = 1.5;
const SLOW_FACTOR = 8;
/** Who leaves an app that answers the others as fast as usual, within this factor, waits for something behind it. */
const KEEPS_UP_FACTOR = 2;
/** It steps back when nobody had to wait for so long. */
const CALM_MS = 10_000;
const MAX_LIMIT = 1_000_000;

/**
 * The default: no limit as long as the app keeps up. It steps in when a crowd is at the app (several times as many requests
 * as usual) and either a quarter of the callers give up while the others wait longer than usual, or the crowd goes on growing while
 * answers take many times as long as usual. Such an app works, or soon will, for callers that have left, and goes on doing so as long as they come again (a
 * metastable failure). Then the adaptive limit holds, but never below twice what is usual, until nobody has had to wait for
 * 10 s. An app that waits for something slow has a crowd too, but one that stays as large as it is, and its other answers stay as fast.
 */
export class GuardLimit implements AppLimit {
  readonly #random: Random;
  /** Null = not stepped in. */
  #limit: AdaptiveLimit | null = null;
  #fullAtMs: number = 0;
  /** Requests at the app when an answer came, smoothed over calm windows; 0 = not known. */
  #usual: number = 0;
  #answers: number = 0;
  #gaveUp: number = 0;
  #met: number = 0;
  #sumMs: number = 0;
  /** The part of `#sumMs` of those whose callers saw the end. */
  #answeredMs: number = 0;
  /** Of an answer, as `#usual`. */
  #usualMs: number = 0;
  /** The first crowded and slow window of a row, and how many met in the first second; 0 = none. */
  #crowdedAtMs: number = 0;
  #crowd: number = 0;
  #beganMs: number = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  get current(): number {
    return this.#limit === null ? NO_LIMIT : this.#limit.current;
  }

  get unloadedMs(): number {
    return this.#limit === null ? 0 : this.#limit.unloadedMs;
  }

  add(sample: AnswerSample, nowMs: number): void {
    if (this.#limit !== null) {
      this.#limit.add(sample, nowMs);
      if (nowMs - this.#fullAtMs > CALM_MS) this.#stepBack(nowMs);
      return;
    }
    if (this.#answers === 0) this.#beganMs = nowMs;
    this.#answers += 1;
    this.#met += sample.met;
    this.#sumMs += sample.latencyMs;
    if (sample.gaveUp) this.#gaveUp += 1;
    else this.#answeredMs += sample.latencyMs;
    if (this.#answers >= WINDOW_ANSWERS && nowMs - this.#beganMs >= WINDOW_MS) this.#judgeWindow(nowMs);
  }

  onFull(nowMs: number): void {
    this.#fullAtMs = nowMs;
    this.#limit?.onFull(nowMs);
  }

  #judgeWindow(nowMs: number): void {
    const met = this.#met / this.#answers;
    const lost = this.#gaveUp / this.#answers;
    const latencyMs = this.#sumMs / this.#answers;
    const keepsUp = this.#keepsUp();
    const weight = Math.min(1, (nowMs - this.#beganMs) / USUAL_MS);
    this.#openWindow();
    const floor = Math.max(LEAST_FLOOR, Math.ceil(FLOOR_FACTOR * (this.#usual === 0 ? FIRST_USUAL : this.#usual)));
    const isCrowded = met >= CROWD_FACTOR * floor;
    const isSlow = this.#usualMs > 0 && latencyMs >= SLOW_FACTOR * this.#usualMs;
    const isGrowing = isCrowded && isSlow && this.#isGrowing(met, nowMs);
    if (!isCrowded || !isSlow) this.#crowd = 0;
    if (isCrowded && ((lost > LOST_RATIO && !keepsUp) || isGrowing)) this.#stepIn(floor, nowMs);
    else if (lost <= CALM_RATIO) {
      this.#usual = this.#usual === 0 ? met : this.#usual + (met - this.#usual) * weight;
      this.#usualMs = this.#usualMs === 0 ? latencyMs : this.#usualMs + (latencyMs - this.#usualMs) * weight;
    }
  }

  /** Those who stay get their answers as fast as usual. With nobody left, or nothing known, there is no telling. */
  #keepsUp(): boolean {
    const answered = this.#answers - this.#gaveUp;
    return answered > 0 && this.#answeredMs <= KEEPS_UP_FACTOR * this.#usualMs * answered;
  }

  /** Measured from what the crowd was after its first second: it takes so long to gather. */
  #isGrowing(met: number, nowMs: number): boolean {
    if (this.#crowd === 0) this.#crowdedAtMs = nowMs;
    if (nowMs - this.#crowdedAtMs >= GROWING_MS) return met >= this.#crowd * GROWN_FACTOR;
    this.#crowd = Math.max(this.#crowd, met);
    return false;
  }

  #stepIn(floor: number, nowMs: number): void {
    this.#fullAtMs = nowMs;
    const bounds = { min: Math.ceil(floor / FLOOR_FACTOR), max: MAX_LIMIT, first: floor };
    this.#limit = new AdaptiveLimit(bounds, this.#random, nowMs);
  }

  #stepBack(nowMs: number): void {
    this.#limit = null;
    this.#crowd = 0;
    this.#openWindow();
    this.#beganMs = nowMs;
  }

  #openWindow(): void {
    this.#answers = 0;
    this.#gaveUp = 0;
    this.#met = 0;
    this.#sumMs = 0;
    this.#answeredMs = 0;
  }
}
