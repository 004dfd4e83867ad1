import type { Clock } from "../../time/clock.ts";

/** How busy this process is: the share of its core that it used between two readings. */
export class LoadMeter {
  readonly #clock: Clock;
  readonly #cpuMs: () => number;
  #atMs: number;
  #usedMs: number;
  #ratio: number = 0;

  constructor(clock: Clock, cpuMs: () => number) {
    this.#clock = clock;
    this.#cpuMs = cpuMs;
    this.#atMs = clock.nowMs();
    this.#usedMs = cpuMs();
  }

  /** Half of it is the time since the last reading, half what was read before, so that one pause does not show. */
  read(): number {
    const nowMs = this.#clock.nowMs();
    const usedMs = this.#cpuMs();
    const passedMs = nowMs - this.#atMs;
    if (passedMs > 0) this.#ratio = (this.#ratio + Math.min(1, (usedMs - this.#usedMs) / passedMs)) / 2;
    this.#atMs = nowMs;
    this.#usedMs = usedMs;
    return this.#ratio;
  }
}
