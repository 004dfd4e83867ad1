import type { PickRandom } from "./pick-random.ts";
import { HASH_END } from "./hash-text.ts";

/** Random draws of an index, each as likely as its weight says, in one step: Walker's alias method, built as Vose has it. */
export class WeightedDraw {
  readonly #weights: Float64Array;
  /** Of the draws that fall on an index: the part that stays there. The others go to its alias. */
  readonly #stays: Float64Array;
  readonly #aliases: Int32Array;
  /** Indices still to be paired, the small from the front, the large from the back. */
  readonly #open: Int32Array;
  readonly #random: PickRandom;
  #equal: boolean = true;

  constructor(weights: Float64Array, random: PickRandom) {
    this.#weights = weights;
    this.#stays = new Float64Array(weights.length);
    this.#aliases = new Int32Array(weights.length);
    this.#open = new Int32Array(weights.length);
    this.#random = random;
    this.reweigh();
  }

  reweigh(): void {
    const weights = this.#weights;
    const count = weights.length;
    let sum = 0;
    this.#equal = true;
    for (let i = 0; i < count; i += 1) {
      if (weights[i] !== weights[0]) this.#equal = false;
      sum += weights[i] as number; // i is below the length
    }
    if (!this.#equal) this.#pair(count / sum);
  }

  draw(): number {
    const index = this.#random.below(this.#weights.length);
    if (this.#equal) return index;
    const place = this.#random.next() / HASH_END;
    return place < (this.#stays[index] as number) ? index : (this.#aliases[index] as number); // one for each weight
  }

  /** Another one than `index`; there are two at least. */
  drawOther(index: number): number {
    const count = this.#weights.length;
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

  /** `scale` makes the mean weight 1: what is below it is filled up by what is above. */
  #pair(scale: number): void {
    const stays = this.#stays;
    const aliases = this.#aliases;
    const open = this.#open;
    let small = 0;
    let large = open.length;
    for (let i = 0; i < open.length; i += 1) {
      stays[i] = (this.#weights[i] as number) * scale;
      aliases[i] = i;
      if ((stays[i] as number) < 1) {
        open[small] = i;
        small += 1;
      } else {
        large -= 1;
        open[large] = i;
      }
    }
    while (small > 0 && large < open.length) {
      const low = open[small - 1] as number;
      const high = open[large] as number;
      aliases[low] = high;
      stays[high] = (stays[high] as number) + (stays[low] as number) - 1;
      small -= 1;
      if ((stays[high] as number) >= 1) continue;
      large += 1;
      open[small] = high;
      small += 1;
    }
    // Rounding leaves some a hair off one.
    for (let i = 0; i < small; i += 1) stays[open[i] as number] = 1;
    for (let i = large; i < open.length; i += 1) stays[open[i] as number] = 1;
  }
}
