import type { Host } from "./host.ts";
import type { HostSet } from "./host-set.ts";
import type { Picker, Strategy, StrategyContext } from "./picker.ts";
import { WeightedDraw } from "./weighted-draw.ts";

/** Any instance, each as likely as its weight says. */
export function createRandomPicker<H extends Host>({ random }: StrategyContext): Strategy<H> {
  return {
    observes: false,
    startsSlowly: true,
    createPicker: (set) => new RandomPicker(set, new WeightedDraw(set.weights, random)),
  };
}

class RandomPicker<H extends Host> implements Picker<H> {
  readonly #set: HostSet<H>;
  readonly #draw: WeightedDraw;

  constructor(set: HostSet<H>, draw: WeightedDraw) {
    this.#set = set;
    this.#draw = draw;
  }

  pick(_hash: number, avoided: H | null): H {
    const index = this.#draw.draw();
    const host = this.#set.at(index);
    return host === avoided ? this.#set.at(this.#draw.drawOther(index)) : host;
  }

  reweigh(): void {
    this.#draw.reweigh();
  }
}
