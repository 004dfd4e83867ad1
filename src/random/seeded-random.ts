import type { Random } from "./random.ts";

/** The same seed gives the same numbers on every runtime. For tests and generators only: anybody can predict it. */
export function createSeededRandom(seed: number): Random {
  return new SeededRandom(seed);
}

/** A 32-bit counter through a mixing function: each output depends on every bit of the seed and the count. */
class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed | 0, 0x9e3779b1) ^ Math.trunc(seed / 2 ** 32);
  }

  next(): number {
    // 53 bits, as Math.random gives.
    return ((this.#word() >>> 5) * 2 ** 26 + (this.#word() >>> 6)) / 2 ** 53;
  }

  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let index = 0; index < count; index += 1) {
      bytes[index] = this.#word() >>> 24;
    }
    return bytes;
  }

  #word(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let word = this.#state;
    word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
    return (word ^ (word >>> 16)) >>> 0;
  }
}
