import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BalancingStrategy } from "../../src/proxy/policy/cluster-policy.ts";
import { type BalancingResult, type BalancingScenario, runBalancing } from "./balancing-run.ts";
import { ALIKE, ONE_BROKEN, ONE_SLOW, STRATEGIES } from "./balancing-scenarios.ts";

/** Short runs of what `npm run simulate` prints; simulated time and a seed make each of them the same every time. */
function run(strategy: BalancingStrategy, scenario: BalancingScenario, load: number): BalancingResult {
  return runBalancing({ strategy, scenario, load, seconds: 10, seed: 3, callers: 5 });
}

describe("adaptive balancing in simulated time", () => {
  for (const load of [0.75, 0.9]) {
    it(`has at most half of round robin's p99 with one slow instance in ten at ${load * 100} % load`, () => {
      const adaptive = run("adaptive", ONE_SLOW, load);
      const roundRobin = run("roundRobin", ONE_SLOW, load);
      assert.ok(adaptive.p99Ms <= roundRobin.p99Ms / 2, `${adaptive.p99Ms} ms against ${roundRobin.p99Ms} ms`);
      assert.equal(adaptive.errorRatio, 0);
    });

    it(`is not slower than round robin where all are alike at ${load * 100} % load`, () => {
      const adaptive = run("adaptive", ALIKE, load);
      const roundRobin = run("roundRobin", ALIKE, load);
      assert.ok(adaptive.p99Ms <= roundRobin.p99Ms * 1.05, `${adaptive.p99Ms} ms against ${roundRobin.p99Ms} ms`);
    });
  }

  it("fails the fewest requests past saturation, within half a percent", () => {
    const errors = STRATEGIES.map((strategy) => run(strategy, ONE_SLOW, 1.1).errorRatio);
    const adaptive = errors[STRATEGIES.indexOf("adaptive")] ?? 1;
    assert.ok(adaptive <= Math.min(...errors) + 0.005, `${STRATEGIES.join()}: ${errors.join()}`);
  });

  it("gives an instance that fails at once less than 2 % of the requests", () => {
    for (const load of [0.5, 0.75, 0.9]) {
      const share = run("adaptive", ONE_BROKEN, load).shares[0] ?? 1;
      assert.ok(share < 0.02, `${share} at ${load}`);
    }
  });
});
