import type { Random } from "../../random/random.ts";
import type { BalancingPolicy, BalancingStrategy } from "../policy/cluster-policy.ts";
import type { Balancer, Host } from "./host.ts";
import type { Strategy, StrategyContext } from "./picker.ts";
import { createAdaptivePicker } from "./adaptive-picker.ts";
import { GroupBalancer } from "./group-balancer.ts";
import { createLeastRequestPicker } from "./least-request-picker.ts";
import { createMaglevPicker } from "./maglev-picker.ts";
import { PickRandom } from "./pick-random.ts";
import { createPeakEwmaPicker } from "./peak-ewma-picker.ts";
import { createRandomPicker } from "./random-picker.ts";
import { createRingHashPicker } from "./ring-hash-picker.ts";
import { createRoundRobinPicker } from "./round-robin-picker.ts";

export interface BalancerDeps {
  readonly random: Random;
  /** The caller's; "" = unknown. */
  readonly zone: string;
}

/** A balancer without instances yet: `update` gives it some. */
export function createBalancer<H extends Host>(policy: BalancingPolicy, deps: BalancerDeps): Balancer<H> {
  const context = { policy, random: new PickRandom(deps.random) };
  return new GroupBalancer(context, deps.zone, createStrategy<H>(policy.strategy, context));
}

function createStrategy<H extends Host>(strategy: BalancingStrategy, context: StrategyContext): Strategy<H> {
  switch (strategy) {
    case "adaptive":
      return createAdaptivePicker(context);
    case "roundRobin":
      return createRoundRobinPicker(context);
    case "leastRequest":
      return createLeastRequestPicker(context);
    case "random":
      return createRandomPicker(context);
    case "peakEwma":
      return createPeakEwmaPicker(context);
    case "ringHash":
      return createRingHashPicker(context);
    case "maglev":
      return createMaglevPicker(context);
  }
}
