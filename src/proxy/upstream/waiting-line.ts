import type { Exchange } from "../exchange.ts";
import { NO_IDENTITY } from "../failures.ts";

interface Waiter {
  readonly x: Exchange;
  readonly generation: number;
  readonly attempt: number;
}

/** Exchanges that wait for a connection, in order. Those that ended meanwhile, or went elsewhere, are passed over. */
export class WaitingLine {
  readonly #waiters: Waiter[] = [];
  #first: number = 0;

  length(): number {
    return this.#waiters.length - this.#first;
  }

  add(x: Exchange): void {
    this.#waiters.push({ x, generation: x.generation, attempt: x.attemptCount });
  }

  /** Takes out who waits longest; null when nobody does. */
  next(): Exchange | null {
    while (this.#first < this.#waiters.length) {
      const waiter = this.#waiters[this.#first];
      this.#first += 1;
      if (this.#first > 1_024 || this.#first === this.#waiters.length) {
        this.#waiters.splice(0, this.#first);
        this.#first = 0;
      }
      if (waiter === undefined) continue;
      const x = waiter.x;
      if (x.active && x.generation === waiter.generation && x.attemptCount === waiter.attempt && !x.connected) return x;
    }
    return null;
  }

  /** There is no certificate to dial with. */
  failNext(): void {
    this.next()?.onAttemptFailed(NO_IDENTITY, null);
  }
}
