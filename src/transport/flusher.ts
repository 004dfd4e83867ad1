import { afterTurn } from "../time/next-turn.ts";

/** What a `Flusher` flushes: a connection with something to send, to end or to destroy. */
export interface Flushable {
  /** Runs no more than once per `Flusher.add`, never inside a method that the connection's user called. */
  flush(): void;
  /** The turn that it was added to is over: adds itself with `add`, unless it is there already. Runs nothing else. */
  endTurn(): void;
}

/**
 * Decides when connections hand their bytes to the kernel: once, when the outermost callback returns, or at the end of
 * the microtask queue when a write came from elsewhere. So all that one callback writes to a connection leaves together,
 * whichever connection the callback belongs to. What is added to the turn leaves when all callbacks of the turn have
 * run. One per transport.
 */
export class Flusher {
  /** The first `#dirtyCount` wait. Never truncated: setting an array's length is slow on V8. */
  readonly #dirty: (Flushable | null)[] = [];
  #dirtyCount: number = 0;
  /** What leaves when the turn is over. */
  readonly #turn: (Flushable | null)[] = [];
  #turnCount: number = 0;
  readonly #afterTurn: (run: () => void) => void;
  #depth: number = 0;
  #flushing: boolean = false;
  #scheduled: boolean = false;
  readonly #run: () => void = () => {
    this.#scheduled = false;
    if (this.#depth === 0) this.#flush();
  };
  readonly #endTurn: () => void = () => {
    const count = this.#turnCount;
    this.#turnCount = 0;
    this.enter();
    for (let index = 0; index < count; index += 1) {
      const connection = this.#turn[index] as Flushable; // the first `count` are set
      this.#turn[index] = null;
      connection.endTurn();
    }
    this.leave();
  };

  /** `after` calls its argument, always the same function, when the callbacks of this turn have run. */
  constructor(after: (run: () => void) => void = afterTurn) {
    this.#afterTurn = after;
  }

  /** Every callback of the platform starts with this and ends with `leave`, also when it throws. */
  enter(): void {
    this.#depth += 1;
  }

  leave(): void {
    this.#depth -= 1;
    if (this.#depth === 0 && this.#dirtyCount > 0) this.#flush();
  }

  /** The connection must not be added again until its `flush` has been called. */
  add(connection: Flushable): void {
    this.#dirty[this.#dirtyCount] = connection;
    this.#dirtyCount += 1;
    if (this.#depth === 0 && !this.#flushing && !this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(this.#run);
    }
  }

  /** The connection must not be added to the turn again until its `endTurn` has been called. */
  addToTurn(connection: Flushable): void {
    this.#turn[this.#turnCount] = connection;
    this.#turnCount += 1;
    if (this.#turnCount === 1) this.#afterTurn(this.#endTurn);
  }

  #flush(): void {
    // A flush may run a callback (`onDrain`, `onClose`) that ends here again, or adds more: the loop below sees it.
    if (this.#flushing) return;
    this.#flushing = true;
    const dirty = this.#dirty;
    let next = 0;
    try {
      while (next < this.#dirtyCount) {
        const connection = dirty[next] as Flushable; // below the count
        dirty[next] = null;
        next += 1;
        connection.flush();
      }
    } finally {
      this.#flushing = false;
      const left = this.#dirtyCount - next;
      if (left > 0) this.#postpone(next, left);
      this.#dirtyCount = left;
    }
  }

  /** A callback threw: what it left must still go out. */
  #postpone(from: number, count: number): void {
    this.#dirty.copyWithin(0, from, from + count);
    this.#dirty.fill(null, count, from + count);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#run);
  }
}
