import type { FakeClock } from "../../src/testing/fake-clock.ts";

interface Event {
  readonly atMs: number;
  /** Of two at the same time the one that was added first comes first. */
  readonly order: number;
  readonly run: () => void;
}

/** What happens in simulated time, in its order: a binary heap over a clock that stands still in between. */
export class EventQueue {
  readonly clock: FakeClock;
  readonly #heap: Event[] = [];
  #order: number = 0;

  constructor(clock: FakeClock) {
    this.clock = clock;
  }

  add(delayMs: number, run: () => void): void {
    this.#order += 1;
    this.#heap.push({ atMs: this.clock.nowMs() + delayMs, order: this.#order, run });
    this.#rise(this.#heap.length - 1);
  }

  /** Until nothing is left, or simulated time is `untilMs`. */
  run(untilMs: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#removeFirst();
      const wait = next.atMs - this.clock.nowMs();
      if (wait > 0) this.clock.advance(wait);
      next.run();
    }
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    let at = 0;
    for (;;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (this.#isBefore(child, least)) least = child;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #rise(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #isBefore(one: number, other: number): boolean {
    const first = this.#heap[one];
    const second = this.#heap[other];
    if (first === undefined || second === undefined) return false;
    return first.atMs < second.atMs || (first.atMs === second.atMs && first.order < second.order);
  }

  #swap(one: number, other: number): void {
    const kept = this.#heap[one] as Event; // both are in the heap
    this.#heap[one] = this.#heap[other] as Event;
    this.#heap[other] = kept;
  }
}
