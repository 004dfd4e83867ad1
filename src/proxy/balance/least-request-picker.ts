import type { Host } from "./host.ts";
import type { HostSet } from "./host-set.ts";
import type { Strategy, StrategyContext } from "./picker.ts";
import { type Comparison, TwoChoicesPicker } from "./two-choices-picker.ts";

/** Of two instances the one with fewer requests of this proxy in flight, for its weight. */
export function createLeastRequestPicker<H extends Host>({ random }: StrategyContext): Strategy<H> {
  return {
    observes: false,
    startsSlowly: true,
    createPicker: (set) => new TwoChoicesPicker(set, LEAST_REQUEST, random),
  };
}

const LEAST_REQUEST: Comparison = {
  isSecondBetter: (set: HostSet<Host>, first: number, second: number): boolean => {
    const waiting = set.at(first).inFlight / (set.capacities[first] as number); // one for each host
    return set.at(second).inFlight / (set.capacities[second] as number) < waiting;
  },
};
