import type { Host } from "./host.ts";
import type { HostSet } from "./host-set.ts";
import type { Picker, Strategy, StrategyContext } from "./picker.ts";
import { Stride } from "./stride.ts";

/** One after the other, each as often as its weight says. */
export function createRoundRobinPicker<H extends Host>({ random }: StrategyContext): Strategy<H> {
  return {
    observes: false,
    startsSlowly: true,
    createPicker: (set) => new RoundRobinPicker(set, new Stride(set.weights, random)),
  };
}

class RoundRobinPicker<H extends Host> implements Picker<H> {
  readonly #set: HostSet<H>;
  readonly #stride: Stride;

  constructor(set: HostSet<H>, stride: Stride) {
    this.#set = set;
    this.#stride = stride;
  }

  pick(_hash: number, avoided: H | null): H {
    const index = this.#stride.next();
    const host = this.#set.at(index);
    if (host !== avoided) return host;
    const { length } = this.#set.hosts;
    const other = this.#stride.next();
    // One that is much heavier than all the others has several turns in a row.
    return this.#set.at(other === index ? (index + 1) % length : other);
  }

  reweigh(): void {
    this.#stride.reweigh();
  }
}
