import type { Host } from "./host.ts";
import type { HostSet } from "./host-set.ts";
import type { PickRandom } from "./pick-random.ts";
import type { Picker } from "./picker.ts";
import { Stride } from "./stride.ts";
import { WeightedDraw } from "./weighted-draw.ts";

/** Which of two instances of a set a request goes to. */
export interface Comparison {
  /** True: the second is clearly better. Where they are alike the first is taken. */
  isSecondBetter(set: HostSet<Host>, first: number, second: number, nowMs: number): boolean;
}

/**
 * The power of two choices: the better of two instances is nearly as good as the best of all, and unlike the best it is
 * another one each time, so that many callers do not all run to the same. The first takes turns, so that alike instances
 * get exactly their weight's share; the second is random.
 */
export class TwoChoicesPicker<H extends Host> implements Picker<H> {
  readonly #set: HostSet<H>;
  readonly #comparison: Comparison;
  readonly #stride: Stride;
  readonly #draw: WeightedDraw;

  constructor(set: HostSet<H>, comparison: Comparison, random: PickRandom) {
    this.#set = set;
    this.#comparison = comparison;
    this.#stride = new Stride(set.weights, random);
    this.#draw = new WeightedDraw(set.weights, random);
  }

  pick(_hash: number, avoided: H | null, nowMs: number): H {
    const set = this.#set;
    const first = this.#stride.next();
    const second = this.#draw.drawOther(first);
    const one = set.at(first);
    const other = set.at(second);
    if (one === avoided) return other;
    if (other === avoided) return one;
    return this.#comparison.isSecondBetter(set, first, second, nowMs) ? other : one;
  }

  reweigh(): void {
    this.#stride.reweigh();
    this.#draw.reweigh();
  }
}
