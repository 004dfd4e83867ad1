import type { Random } from "../../random/random.ts";
import { mixHash } from "./hash-text.ts";

/** Odd, so that a count in steps of it comes by every number there is. */
const STEP = 0x9e3779b1;

/**
 * Random integers for pickers, seeded by a real source: that one makes fractions, which engines put on the heap, one for
 * each draw. Not for secrets.
 */
export class PickRandom {
  #count: number;

  constructor(random: Random) {
    this.#count = random.below(0x4000_0000);
  }

  /** An integer in [0, HASH_END). */
  next(): number {
    this.#count = (this.#count + STEP) | 0;
    return mixHash(this.#count);
  }

  /** An integer in [0, bound); for bounds far below HASH_END, as the lower ones are a little likelier. */
  below(bound: number): number {
    return this.next() % bound;
  }
}
