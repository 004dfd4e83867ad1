import assert from "node:assert/strict";
import type { Clock, Timer } from "../time/clock.ts";
import { nextTurn } from "../time/next-turn.ts";

/**
 * A clock that stands still until a test moves it. Timers run in the order they are due, those due together in the
 * order they were set. An error thrown by a timer's function reaches whoever moved the clock.
 */
export class FakeClock implements Clock {
  #nowMs: number = 0;
  readonly #wallStartMs: number;
  #count: number = 0;
  readonly #timers: Set<FakeTimer> = new Set();

  /** `wallMs` is what the wall clock shows at the start; default 2026-01-01T00:00:00Z. */
  constructor(wallMs: number = 1_767_225_600_000) {
    this.#wallStartMs = wallMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#wallStartMs + this.#nowMs;
  }

  after<T>(delayMs: number, run: (argument: T) => void, argument: T): Timer {
    return this.#add(delayMs, 0, run as (argument: unknown) => void, argument);
  }

  every<T>(intervalMs: number, run: (argument: T) => void, argument: T): Timer {
    return this.#add(intervalMs, Math.max(1, intervalMs), run as (argument: unknown) => void, argument);
  }

  /** Moves time forward, running what falls due on the way at its own time. Promises do not run in between. */
  advance(ms: number): void {
    assert.ok(ms >= 0, `FakeClock cannot go back: ${ms} ms`);
    const endMs = this.#nowMs + ms;
    for (let timer = this.#next(endMs); timer !== null; timer = this.#next(endMs)) {
      this.#fire(timer);
    }
    this.#nowMs = endMs;
  }

  /** Like `advance`, and lets promises and microtasks settle before and after each timer. */
  async elapse(ms: number): Promise<void> {
    assert.ok(ms >= 0, `FakeClock cannot go back: ${ms} ms`);
    const endMs = this.#nowMs + ms;
    await nextTurn();
    for (let timer = this.#next(endMs); timer !== null; timer = this.#next(endMs)) {
      this.#fire(timer);
      await nextTurn();
    }
    this.#nowMs = endMs;
  }

  /** Runs microtasks, and timers already due, until none is left. Time does not move. */
  async runUntilIdle(): Promise<void> {
    await this.elapse(0);
  }

  /** Timers that are set and have not run. A test that ends with some has found a leak. */
  pendingTimers(): number {
    return this.#timers.size;
  }

  #add(delayMs: number, intervalMs: number, run: (argument: unknown) => void, argument: unknown): Timer {
    this.#count += 1;
    const dueAtMs = this.#nowMs + (delayMs > 0 ? delayMs : 0);
    const timer = new FakeTimer(this.#timers, { dueAtMs, sequence: this.#count, intervalMs, run, argument });
    this.#timers.add(timer);
    return timer;
  }

  #next(endMs: number): FakeTimer | null {
    let first: FakeTimer | null = null;
    for (const timer of this.#timers) {
      if (timer.dueAtMs <= endMs && (first === null || timer.isBefore(first))) {
        first = timer;
      }
    }
    return first;
  }

  #fire(timer: FakeTimer): void {
    this.#nowMs = Math.max(this.#nowMs, timer.dueAtMs);
    if (timer.intervalMs > 0) {
      this.#count += 1;
      timer.dueAtMs += timer.intervalMs;
      timer.sequence = this.#count;
    } else {
      timer.clear();
    }
    timer.run(timer.argument);
  }
}

interface FakeTimerOptions {
  readonly dueAtMs: number;
  readonly sequence: number;
  readonly intervalMs: number;
  readonly run: (argument: unknown) => void;
  readonly argument: unknown;
}

class FakeTimer implements Timer {
  readonly #owner: Set<FakeTimer>;
  readonly intervalMs: number;
  readonly run: (argument: unknown) => void;
  readonly argument: unknown;
  dueAtMs: number;
  sequence: number;

  constructor(owner: Set<FakeTimer>, options: FakeTimerOptions) {
    this.#owner = owner;
    this.intervalMs = options.intervalMs;
    this.run = options.run;
    this.argument = options.argument;
    this.dueAtMs = options.dueAtMs;
    this.sequence = options.sequence;
  }

  isBefore(other: FakeTimer): boolean {
    return this.dueAtMs < other.dueAtMs || (this.dueAtMs === other.dueAtMs && this.sequence < other.sequence);
  }

  clear(): void {
    this.#owner.delete(this);
  }
}
