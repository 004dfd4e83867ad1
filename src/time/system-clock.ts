import type { Clock, Timer } from "./clock.ts";

/** The machine's clock. Its timers never keep the process alive. */
export const systemClock: Clock = {
  nowMs(): number {
    return performance.now();
  },
  wallMs(): number {
    return Date.now();
  },
  after<T>(delayMs: number, run: (argument: T) => void, argument: T): Timer {
    return new SystemTimer(delayMs, 0, run as (argument: unknown) => void, argument);
  },
  every<T>(intervalMs: number, run: (argument: T) => void, argument: T): Timer {
    return new SystemTimer(intervalMs, Math.max(1, intervalMs), run as (argument: unknown) => void, argument);
  },
};

/** Timers of the platform hold 31 bits and fire at once when given more, so longer waits are made of several. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

class SystemTimer implements Timer {
  readonly #intervalMs: number;
  readonly #run: (argument: unknown) => void;
  readonly #argument: unknown;
  #dueAtMs: number;
  #handle: NodeJS.Timeout | null = null;

  constructor(delayMs: number, intervalMs: number, run: (argument: unknown) => void, argument: unknown) {
    this.#intervalMs = intervalMs;
    this.#run = run;
    this.#argument = argument;
    this.#dueAtMs = performance.now() + delayMs;
    this.#wait(delayMs);
  }

  clear(): void {
    if (this.#handle !== null) {
      clearTimeout(this.#handle);
      this.#handle = null;
    }
  }

  #wait(delayMs: number): void {
    const waitMs = delayMs > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : delayMs > 0 ? delayMs : 0;
    this.#handle = setTimeout(expire, waitMs, this);
    this.#handle.unref();
  }

  expire(): void {
    this.#handle = null;
    const nowMs = performance.now();
    // The platform may fire up to 1 ms early; only a wait that was cut short has more left.
    if (this.#dueAtMs - nowMs > 1) {
      this.#wait(this.#dueAtMs - nowMs);
      return;
    }
    if (this.#intervalMs > 0) {
      // Armed before the call, so that the callee can clear it. Missed beats are skipped, not caught up on.
      this.#dueAtMs = Math.max(this.#dueAtMs + this.#intervalMs, nowMs);
      this.#wait(this.#dueAtMs - nowMs);
    }
    this.#run(this.#argument);
  }
}

function expire(timer: SystemTimer): void {
  timer.expire();
}
