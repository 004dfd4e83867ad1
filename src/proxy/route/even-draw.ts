import type { Random } from "../../random/random.ts";

const STRATA = 64;

/**
 * Random draws from [0, 1) that fall evenly: of each 64 in a row, one lies in each 64th. A split decided by them keeps close
 * to its weights from the first hundred requests on: 3:1 is exact after each 64, where independent draws are still two
 * percentage points off after 4,000 in one run of 285. As the order is random, no rhythm in the traffic falls in step.
 */
export class EvenDraw {
  readonly #random: Random;
  /** The strata not yet drawn stand first. */
  readonly #strata: Uint8Array = Uint8Array.from({ length: STRATA }, (_, index) => index);
  #left: number = STRATA;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): number {
    if (this.#left === 0) this.#left = STRATA;
    const at = this.#random.below(this.#left);
    this.#left -= 1;
    const stratum = this.#strata[at] as number; // below() is below the length
    this.#strata[at] = this.#strata[this.#left] as number;
    this.#strata[this.#left] = stratum;
    return (stratum + this.#random.next()) / STRATA;
  }
}
