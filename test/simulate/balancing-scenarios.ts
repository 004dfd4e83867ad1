import type { BalancingStrategy } from "../../src/proxy/policy/cluster-policy.ts";
import type { BalancingScenario } from "./balancing-run.ts";
import type { InstanceModel } from "./simulated-instance.ts";

/** Compared in the report; the others are for affinity. */
export const STRATEGIES: readonly BalancingStrategy[] = ["roundRobin", "leastRequest", "peakEwma", "adaptive"];

/** 200 requests per second; a full queue is half a second of work, half of what callers wait for. */
const USUAL: InstanceModel = { workers: 4, serviceMs: 20, maxWaiting: 100, failRatio: 0, failMs: 0 };
const SLOW: InstanceModel = { ...USUAL, serviceMs: 100 };
const BROKEN: InstanceModel = { ...USUAL, failRatio: 1, failMs: 1 };

export const ALIKE: BalancingScenario = { name: "ten alike", instances: fleet() };
export const ONE_SLOW: BalancingScenario = { name: "one of ten five times slower", instances: fleet(SLOW) };
export const MIXED: BalancingScenario = {
  name: "half to twice as fast",
  instances: fleet().map((model, i) => ({ ...model, serviceMs: 10 + i * (30 / 9) })),
};
export const ONE_BROKEN: BalancingScenario = { name: "one of ten fails at once", instances: fleet(BROKEN) };

/** Ten, the first of which are as given. */
function fleet(...first: readonly InstanceModel[]): readonly InstanceModel[] {
  return Array.from({ length: 10 }, (_, i) => first[i] ?? USUAL);
}
