import type { PickRandom } from "./pick-random.ts";
import { HASH_END } from "./hash-text.ts";

/** Random draws of an index, each as likely as its weight says. */
export class WeightedDraw {
  readonly #weights: Float64Array;
  readonly #cumulative: Float64Array;
  readonly #random: PickRandom;
  #equal: boolean = true;

  constructor(weights: Float64Array, random: PickRandom) {
    this.#weights = weights;
    this.#cumulative = new Float64Array(weights.length);
    this.#random = random;
    this.reweigh();
  }

  reweigh(): void {
    let sum = 0;
    this.#equal = true;
    for (let i = 0; i < this.#weights.length; i += 1) {
      const weight = this.#weights[i] as number;
      if (weight !== this.#weights[0]) this.#equal = false;
      sum += weight;
      this.#cumulative[i] = sum;
    }
  }

  draw(): number {
    const cumulative = this.#cumulative;
    const count = cumulative.length;
    if (this.#equal) return this.#random.below(count);
    const ticket = (this.#random.next() / HASH_END) * (cumulative[count - 1] as number);
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((cumulative[middle] as number) > ticket) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Another one than `index`; there are two at least. */
  drawOther(index: number): number {
    const count = this.#cumulative.length;
    if (!this.#equal) {
      // Where one weighs nearly everything, it would be drawn again and again.
      for (let tries = 0; tries < 4; tries += 1) {
        const found = this.draw();
        if (found !== index) return found;
      }
    }
    const found = index + 1 + this.#random.below(count - 1);
    return found >= count ? found - count : found;
  }
}
