import type { ResponseStore } from "./response-store.ts";

const FIRST_BYTES = 16_384;

/** Copies a body as it passes. What it holds counts against the store from the first byte on. */
export class BodyCollector {
  readonly #store: ResponseStore;
  /** The announced length, or the most that is stored. */
  readonly #limit: number;
  #buffer: Uint8Array = EMPTY;
  #length: number = 0;

  constructor(store: ResponseStore, announcedBytes: number) {
    this.#store = store;
    this.#limit = announcedBytes >= 0 ? announcedBytes : store.policy.maxBodyBytes;
  }

  /** False: it is too large, or there is no room; it has been dropped. */
  push(bytes: Uint8Array): boolean {
    const length = this.#length + bytes.length;
    if (length > this.#buffer.length && !this.#grow(length)) {
      this.drop();
      return false;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = length;
    return true;
  }

  /** The body, in memory of its own length. It counts no more. */
  finish(): Uint8Array {
    const body = this.#length === this.#buffer.length ? this.#buffer : this.#buffer.slice(0, this.#length);
    this.drop();
    return body;
  }

  drop(): void {
    this.#store.release(this.#buffer.length);
    this.#buffer = EMPTY;
    this.#length = 0;
  }

  #grow(length: number): boolean {
    if (length > this.#limit) return false;
    const size = Math.min(this.#limit, Math.max(length, FIRST_BYTES, this.#buffer.length * 2));
    const more = size - this.#buffer.length;
    if (!this.#store.reserve(more)) return false;
    const buffer = new Uint8Array(size);
    buffer.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = buffer;
    return true;
  }
}

const EMPTY: Uint8Array = new Uint8Array(0);
