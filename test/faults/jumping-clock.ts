import { systemClock } from "../../src/time/system-clock.ts";
import type { Clock, Timer } from "../../src/time/clock.ts";

/** The machine's clock, but the wall-clock time of one control plane can jump. */
export class JumpingClock implements Clock {
  #offsetMs: number = 0;

  jump(ms: number): void {
    this.#offsetMs += ms;
  }

  nowMs(): number {
    return systemClock.nowMs();
  }

  wallMs(): number {
    return systemClock.wallMs() + this.#offsetMs;
  }

  after<T>(delayMs: number, run: (argument: T) => void, argument: T): Timer {
    return systemClock.after(delayMs, run, argument);
  }

  every<T>(intervalMs: number, run: (argument: T) => void, argument: T): Timer {
    return systemClock.every(intervalMs, run, argument);
  }
}
