import type { ProxyCounters } from "../counters.ts";

// Why a request was refused.
/** As many wait as may. */
export const SHED_FULL = 0;
/** A more important or a later one took its place. */
export const SHED_PUSHED_OUT = 1;
/** Its turn did not come in time. */
export const SHED_WAITED = 2;
/** There was too little time left for it. */
export const SHED_LATE = 3;

/** Counts what one gate refuses: for its proxy by rank and by reason, and for itself by class. */
export class ShedCounts {
  readonly #names: readonly string[];
  readonly #counts: number[];
  readonly #middle: number;
  readonly #counters: ProxyCounters;

  constructor(priorities: readonly string[], counters: ProxyCounters) {
    this.#names = priorities;
    this.#counts = priorities.map(() => 0);
    this.#middle = priorities.length >> 1;
    this.#counters = counters;
  }

  count(priority: number, reason: number): void {
    const counters = this.#counters;
    this.#counts[priority] = (this.#counts[priority] ?? 0) + 1;
    if (priority < this.#middle) counters.overloadShedCritical += 1;
    else if (priority === this.#middle) counters.overloadShedNormal += 1;
    else counters.overloadShedSheddable += 1;
    if (reason === SHED_FULL) counters.overloadFull += 1;
    else if (reason === SHED_PUSHED_OUT) counters.overloadPushedOut += 1;
    else if (reason === SHED_WAITED) counters.overloadWaited += 1;
    else counters.overloadLate += 1;
  }

  describe(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#names.map((name, index) => [name, this.#counts[index] ?? 0]));
  }
}
