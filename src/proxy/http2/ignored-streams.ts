/** Streams that we ended ourselves, as many of the last as there is room for: frames for them may still be on their way. */
export class IgnoredStreams {
  readonly #capacity: number;
  readonly #ids: Set<number> = new Set();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  add(id: number): void {
    this.#ids.add(id);
    if (this.#ids.size <= this.#capacity) return;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      return;
    }
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }
}
