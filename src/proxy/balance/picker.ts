import type { Host } from "./host.ts";
import type { HostSet } from "./host-set.ts";
import type { PickRandom } from "./pick-random.ts";
import type { BalancingPolicy } from "../policy/cluster-policy.ts";

/** Chooses among the instances of one set. Allocates nothing. */
export interface Picker<H extends Host> {
  /** Never `avoided`: the set has two hosts at least. */
  pick(hash: number, avoided: H | null, nowMs: number): H;
  /** The weights of the set changed, and not its hosts. */
  reweigh(): void;
}

export type CreatePicker<H extends Host> = (set: HostSet<H>) => Picker<H>;

export interface Strategy<H extends Host> {
  readonly createPicker: CreatePicker<H>;
  /** It needs to hear how attempts went. */
  readonly observes: boolean;
  /** New instances get less at first. Not where a request has its one instance by its hash. */
  readonly startsSlowly: boolean;
}

export interface StrategyContext {
  readonly policy: BalancingPolicy;
  readonly random: PickRandom;
}
