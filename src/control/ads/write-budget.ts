import type { Clock, Timer } from "../../time/clock.ts";

export interface WriteBudgetOptions {
  readonly clock: Clock;
  /** What may be under way to all proxies together. */
  readonly maxBytes: number;
  /** Smaller writes never wait. */
  readonly smallBytes: number;
  /** A write that has not left after this long no longer counts: slow proxies must not keep the others waiting. */
  readonly stallMs: number;
}

/** Writes with `done`, which is to be called when the bytes have left. */
export type AdmittedWrite = (done: () => void) => void;

/**
 * Bounds what large responses take in memory: a thousand proxies that connect at once would each have their first half
 * megabyte copied, framed and encrypted at the same time. Large writes pass in order, as many as there is room for.
 */
export class WriteBudget {
  readonly #options: WriteBudgetOptions;
  #usedBytes: number = 0;
  readonly #waiting: Set<{ readonly bytes: number; readonly write: AdmittedWrite }> = new Set();

  constructor(options: WriteBudgetOptions) {
    this.#options = options;
  }

  /** Calls `write` now and returns null, or later when there is room and returns a function that calls it off. */
  admit(bytes: number, write: AdmittedWrite): (() => void) | null {
    const { maxBytes, smallBytes } = this.#options;
    if (bytes < smallBytes) write(nothing);
    else if (this.#usedBytes === 0 || (this.#waiting.size === 0 && this.#usedBytes + bytes <= maxBytes)) {
      this.#start(bytes, write);
    } else {
      const waiter = { bytes, write };
      this.#waiting.add(waiter);
      return () => this.#waiting.delete(waiter);
    }
    return null;
  }

  #start(bytes: number, write: AdmittedWrite): void {
    this.#usedBytes += bytes;
    let timer: Timer | null = null;
    let isDone = false;
    const done = (): void => {
      if (isDone) return;
      isDone = true;
      timer?.clear();
      this.#usedBytes -= bytes;
      this.#admitNext();
    };
    write(done);
    // It may have left already.
    if (!isDone) timer = this.#options.clock.after(this.#options.stallMs, done, undefined);
  }

  #admitNext(): void {
    for (const waiter of this.#waiting) {
      if (this.#usedBytes > 0 && this.#usedBytes + waiter.bytes > this.#options.maxBytes) return;
      this.#waiting.delete(waiter);
      this.#start(waiter.bytes, waiter.write);
    }
  }
}

function nothing(): void {
  // Small writes are not counted.
}
