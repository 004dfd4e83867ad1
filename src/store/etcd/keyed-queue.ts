import { WeftError } from "../../lib/weft-error.ts";

/** Runs what concerns one key in the order it was asked for, and different keys at the same time. */
export class KeyedQueue {
  readonly #limit: number;
  readonly #tails: Map<string, Promise<unknown>> = new Map();
  #pending: number = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Rejects with WEFT_STORE_BUSY when as many wait already as may. */
  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    if (this.#pending >= this.#limit) {
      throw new WeftError("WEFT_STORE_BUSY", `Cannot write: found ${this.#limit} writes waiting; expected fewer`, {
        hint: "Wait for earlier writes before making more",
      });
    }
    this.#pending += 1;
    const before = this.#tails.get(key);
    const running = before === undefined ? task() : before.then(task, task);
    this.#tails.set(key, running);
    try {
      return await running;
    } finally {
      this.#pending -= 1;
      if (this.#tails.get(key) === running) this.#tails.delete(key);
    }
  }

  /** Resolves when nothing is left. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.allSettled(this.#tails.values());
  }
}
