/** What a `Flusher` flushes: a connection with something to send, to end or to destroy. */
export interface Flushable {
  /** Runs no more than once per `Flusher.add`, never inside a method that the connection's user called. */
  flush(): void;
}

/**
 * Decides when connections hand their bytes to the kernel: once, when the outermost callback returns, or at the end of
 * the microtask queue when a write came from elsewhere. So all that one callback writes to a connection leaves together,
 * whichever connection the callback belongs to. One per transport.
 */
export class Flusher {
  readonly #dirty: Flushable[] = [];
  #depth: number = 0;
  #flushing: boolean = false;
  #scheduled: boolean = false;
  readonly #run: () => void = () => {
    this.#scheduled = false;
    if (this.#depth === 0) this.#flush();
  };

  /** Every callback of the platform starts with this and ends with `leave`, also when it throws. */
  enter(): void {
    this.#depth += 1;
  }

  leave(): void {
    this.#depth -= 1;
    if (this.#depth === 0 && this.#dirty.length > 0) this.#flush();
  }

  /** The connection must not be added again until its `flush` has been called. */
  add(connection: Flushable): void {
    this.#dirty.push(connection);
    if (this.#depth === 0 && !this.#flushing && !this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(this.#run);
    }
  }

  #flush(): void {
    // A flush may run a callback (`onDrain`, `onClose`) that ends here again, or adds more: the loop below sees it.
    if (this.#flushing) return;
    this.#flushing = true;
    const dirty = this.#dirty;
    let next = 0;
    try {
      while (next < dirty.length) {
        const connection = dirty[next] as Flushable;
        next += 1;
        connection.flush();
      }
    } finally {
      this.#flushing = false;
      if (next === dirty.length) {
        dirty.length = 0;
      } else {
        // A callback threw: what it left must still go out.
        dirty.splice(0, next);
        if (!this.#scheduled) {
          this.#scheduled = true;
          queueMicrotask(this.#run);
        }
      }
    }
  }
}
