import type { PickRandom } from "./pick-random.ts";
import { HASH_END } from "./hash-text.ts";

/**
 * Weighted turns: each instance comes as often as its weight says, spread evenly, and with equal weights simply one after
 * the other. Every instance collects its weight each time it is come to and is taken when it has a whole turn's worth; the
 * heaviest is taken each time.
 */
export class Stride {
  readonly #weights: Float64Array;
  /** Turns saved up, 0..1. */
  readonly #credits: Float64Array;
  #heaviest: number = 1;
  #next: number;

  /** `weights` is read at each turn; call `reweigh` when they change. It begins at random, so that many proxies do not agree. */
  constructor(weights: Float64Array, random: PickRandom) {
    this.#weights = weights;
    this.#credits = new Float64Array(weights.length);
    for (let i = 0; i < weights.length; i += 1) this.#credits[i] = random.next() / HASH_END;
    this.#next = random.below(weights.length);
    this.reweigh();
  }

  reweigh(): void {
    let heaviest = 0;
    for (let i = 0; i < this.#weights.length; i += 1) heaviest = Math.max(heaviest, this.#weights[i] as number);
    this.#heaviest = heaviest;
  }

  next(): number {
    const weights = this.#weights;
    const credits = this.#credits;
    const heaviest = this.#heaviest;
    for (;;) {
      const index = this.#next;
      this.#next = index + 1 === weights.length ? 0 : index + 1;
      const weight = weights[index] as number; // one for each host
      if (weight >= heaviest) return index;
      const credit = (credits[index] as number) + weight / heaviest;
      if (credit >= 1) {
        credits[index] = credit - 1;
        return index;
      }
      credits[index] = credit;
    }
  }
}
