import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeClock } from "../../testing/fake-clock.ts";
import type { RetryBudgetPolicy } from "../policy/cluster-policy.ts";
import { RetryBudget } from "./retry-budget.ts";

describe("RetryBudget.withdraw()", () => {
  it("allows a second's worth at first, and refuses when the balance is empty", () => {
    const { allowed } = create({ ratio: 0.2, minPerSecond: 10 });
    assert.equal(allowed(), 10);
  });

  it("allows the minimum per second whatever the traffic", () => {
    const { clock, allowed } = create({ ratio: 0.2, minPerSecond: 10 });
    allowed();
    clock.advance(2_000);
    assert.equal(allowed(), 20);
  });

  it("allows a ratio of the first requests", () => {
    const { budget, allowed } = create({ ratio: 0.2, minPerSecond: 10 });
    allowed();
    for (let i = 0; i < 101; i += 1) budget.deposit();
    assert.equal(allowed(), 20);
  });

  it("saves up no more than ten seconds' worth", () => {
    const { clock, budget, allowed } = create({ ratio: 0.2, minPerSecond: 10 });
    clock.advance(3_600_000);
    for (let i = 0; i < 100_000; i += 1) budget.deposit();
    assert.ok(allowed() <= 100);
  });

  it("works with a ratio alone", () => {
    const { clock, budget, allowed } = create({ ratio: 0.5, minPerSecond: 0 });
    clock.advance(60_000);
    assert.equal(allowed(), 0);
    for (let i = 0; i < 1_000; i += 1) budget.deposit();
    assert.equal(allowed(), 10);
  });

  it("refuses always where there is no budget", () => {
    const { clock, budget, allowed } = create({ ratio: 0, minPerSecond: 0 });
    for (let i = 0; i < 100; i += 1) budget.deposit();
    clock.advance(60_000);
    assert.equal(allowed(), 0);
  });
});

describe("RetryBudget.setPolicy()", () => {
  it("keeps what was saved up, as far as the new policy allows", () => {
    const { clock, budget, allowed } = create({ ratio: 0.2, minPerSecond: 10 });
    clock.advance(10_000);
    budget.setPolicy({ ratio: 0.2, minPerSecond: 2 });
    assert.equal(allowed(), 20);
    clock.advance(1_000);
    assert.equal(allowed(), 2);
  });
});

interface Bench {
  readonly clock: FakeClock;
  readonly budget: RetryBudget;
  /** Retries until one is refused. */
  allowed(): number;
}

function create(policy: RetryBudgetPolicy): Bench {
  const clock = new FakeClock();
  const budget = new RetryBudget(clock, policy);
  return {
    clock,
    budget,
    allowed: () => {
      let count = 0;
      while (budget.withdraw()) count += 1;
      return count;
    },
  };
}
