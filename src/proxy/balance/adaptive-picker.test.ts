import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BalancingStrategy } from "../policy/cluster-policy.ts";
import type { Balancer } from "./host.ts";
import { createSeededRandom } from "../../random/seeded-random.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { DEFAULT_BALANCING } from "../policy/cluster-policy.ts";
import { OUTCOME_ERROR, OUTCOME_OK, OUTCOME_TIMEOUT } from "../upstream/attempt-outcome.ts";
import { createBalancer } from "./create-balancer.ts";
import { type SimulatedInstance, type SimulationResult, simulateFleet } from "../../testing/fleet-simulation.ts";
import { type TestHost, createTestHosts } from "../../testing/balanced-hosts.ts";

describe("adaptive, with reports", () => {
  it("prefers the clearly faster of two instances with alike load", () => {
    const { one, other, picks } = createPair();
    one.report(3, 10, 0);
    other.report(3, 20, 0);
    assert.deepEqual(picks(100), [100, 0]);
  });

  it("prefers the less busy of two instances that are about as fast", () => {
    const { one, other, picks } = createPair();
    one.report(5, 10, 0);
    other.report(4, 13, 0);
    assert.deepEqual(picks(100), [0, 100]);
  });

  it("prefers a cold slow instance to a hot fast one", () => {
    const { one, other, picks } = createPair();
    for (let i = 0; i < 40; i += 1) {
      one.report(4, 10, 0);
      other.report(4, 10, 0);
      picks(10);
    }
    for (let i = 0; i < 40; i += 1) one.report(40, 5, 0);
    for (let i = 0; i < 10; i += 1) other.report(4, 20, 0);
    // The quantile learns the new state only when it has seen it often.
    assert.deepEqual(picks(10), [0, 10]);
  });

  it("adds what it sent itself since the report", () => {
    const { one, other, picks } = createPair();
    one.report(2, 10, 0);
    other.report(2, 10, 0);
    one.inFlight += 3;
    assert.deepEqual(picks(50), [0, 50]);
  });

  it("divides load by weight", () => {
    const { one, other, picks } = createPair([10, 1]);
    one.report(10, 10, 0);
    other.report(2, 10, 0);
    assert.deepEqual(picks(50), [50, 0]);
  });

  it("believes a report for a second", () => {
    const { clock, one, other, picks } = createPair();
    one.report(30, 10, 0);
    other.report(1, 10, 0);
    clock.advance(1_000);
    assert.deepEqual(picks(50), [0, 50]);
    clock.advance(1);
    assert.deepEqual(picks(50), [25, 25]);
  });
});

describe("adaptive, without reports", () => {
  it("goes by latency times requests in flight", () => {
    const { one, other, balancer, picks } = createPair();
    balancer.observe(one, OUTCOME_OK, 10, 0);
    balancer.observe(other, OUTCOME_OK, 50, 0);
    assert.deepEqual(picks(50), [50, 0]);
    one.inFlight = 8;
    assert.deepEqual(picks(50), [0, 50]);
  });

  it("compares what both have when only one reports", () => {
    const { one, other, balancer, picks } = createPair();
    one.report(100, 1, 0);
    balancer.observe(one, OUTCOME_OK, 10, 0);
    balancer.observe(other, OUTCOME_OK, 50, 0);
    assert.deepEqual(picks(50), [50, 0]);
  });

  it("gives an unknown instance one request to show how fast it is", () => {
    const { one, other, balancer, picks } = createPair();
    balancer.observe(one, OUTCOME_OK, 1, 0);
    other.inFlight = 1;
    assert.deepEqual(picks(50), [50, 0]);
    other.inFlight = 0;
    const [, tried] = picks(50);
    assert.equal(tried, 50);
  });

  it("tries a slow instance again after 5 s without a word from it", () => {
    const { clock, one, other, balancer, picks } = createPair();
    balancer.observe(other, OUTCOME_OK, 5_000, 0);
    clock.advance(5_000);
    balancer.observe(one, OUTCOME_OK, 1, clock.nowMs());
    assert.deepEqual(picks(50), [50, 0]);
    clock.advance(1);
    assert.equal(picks(50)[1], 50);
  });

  it("counts a timeout as at least as slow as it was", () => {
    const { one, other, balancer, picks } = createPair();
    balancer.observe(one, OUTCOME_OK, 10, 0);
    balancer.observe(other, OUTCOME_OK, 10, 0);
    balancer.observe(other, OUTCOME_TIMEOUT, 1_000, 0);
    assert.deepEqual(picks(50), [50, 0]);
  });
});

describe("adaptive and failures", () => {
  it("does not mind one failure, and goes elsewhere after three in a row", () => {
    const { one, other, balancer, picks } = createPair();
    for (const host of [one, other]) host.report(0, 10, 0);
    balancer.observe(other, OUTCOME_ERROR, 1, 0);
    assert.deepEqual(picks(50), [25, 25]);
    balancer.observe(other, OUTCOME_ERROR, 1, 0);
    balancer.observe(other, OUTCOME_ERROR, 1, 0);
    assert.deepEqual(picks(50), [50, 0]);
  });

  it("treats all alike when all fail", () => {
    const { one, other, balancer, picks } = createPair();
    for (let i = 0; i < 20; i += 1) {
      balancer.observe(one, OUTCOME_ERROR, 1, 0);
      balancer.observe(other, OUTCOME_ERROR, 1, 0);
    }
    assert.deepEqual(picks(50), [25, 25]);
  });

  it("comes back when the failing instance has had time", () => {
    const { clock, one, other, balancer, picks } = createPair();
    for (let i = 0; i < 100; i += 1) balancer.observe(other, OUTCOME_ERROR, 1, 0);
    assert.deepEqual(picks(50), [50, 0]);
    clock.advance(15_000);
    balancer.observe(one, OUTCOME_OK, 1, clock.nowMs());
    assert.ok((picks(50)[1] ?? 0) > 0);
  });

  for (const reporting of [true, false]) {
    for (const callers of [1, 20]) {
      const how = `${callers} ${callers === 1 ? "caller" : "callers"} ${reporting ? "with" : "without"} reports`;
      it(`gives an instance that fails at once less than 2 % of the traffic: ${how}`, () => {
        const { counts } = simulate("adaptive", { reporting, callers, load: 0.75, failing: true });
        const total = counts.reduce((sum, count) => sum + count, 0);
        assert.ok((counts[0] ?? 0) < total * 0.02, counts.join(" "));
        for (const count of counts.slice(1)) assert.ok(count > total * 0.09, counts.join(" "));
      });
    }
  }
});

describe("adaptive with one slow instance in ten", () => {
  for (const callers of [1, 10]) {
    for (const load of [0.75, 0.9]) {
      it(`has a p99 of at most half of round robin's: ${callers} callers at ${load * 100} %`, () => {
        const options = { reporting: true, callers, load, slowness: 5 };
        const adaptive = p99(simulate("adaptive", options));
        const roundRobin = p99(simulate("roundRobin", options));
        assert.ok(adaptive <= roundRobin / 2, `${adaptive} ms, round robin ${roundRobin} ms`);
      });
    }
  }

  it("shares load evenly where no instance is slow", () => {
    const { counts } = simulate("adaptive", { reporting: true, callers: 10, load: 0.75 });
    const total = counts.reduce((sum, count) => sum + count, 0);
    for (const count of counts) assert.ok(Math.abs(count / total - 0.1) < 0.01, counts.join(" "));
  });
});

interface Pair {
  readonly clock: FakeClock;
  readonly one: TestHost;
  readonly other: TestHost;
  readonly balancer: Balancer<TestHost>;
  /** How often each is picked. */
  picks(count: number): readonly [one: number, other: number];
}

function createPair(weights: readonly [number, number] = [1, 1]): Pair {
  const clock = new FakeClock();
  const balancer = createBalancer<TestHost>(
    { ...DEFAULT_BALANCING, slowStartMs: 0 },
    { random: createSeededRandom(1), zone: "" },
  );
  const [one, other] = createTestHosts(clock, 2) as [TestHost, TestHost];
  one.config = { ...one.config, weight: weights[0] };
  other.config = { ...other.config, weight: weights[1] };
  balancer.update([one, other]);
  return {
    clock,
    one,
    other,
    balancer,
    picks: (count) => {
      let ones = 0;
      for (let i = 0; i < count; i += 1) if (balancer.pick(0, null, clock.nowMs()) === one) ones += 1;
      return [ones, count - ones];
    },
  };
}

interface FleetOptions {
  readonly reporting: boolean;
  readonly callers: number;
  /** Of what the healthy instances can carry. */
  readonly load: number;
  /** Of the first instance. */
  readonly slowness?: number;
  readonly failing?: boolean;
}

function simulate(strategy: BalancingStrategy, options: FleetOptions): SimulationResult {
  const { reporting, callers, load, slowness = 1, failing = false } = options;
  const instances: SimulatedInstance[] = Array.from({ length: 10 }, (_, index) => ({
    workers: 4,
    serviceMs: index === 0 ? 10 * slowness : 10,
    failing: failing && index === 0,
    reporting,
  }));
  const capacity = instances.reduce((sum, { workers, serviceMs, failing: none }) => {
    return none ? sum : sum + (workers * 1_000) / serviceMs;
  }, 0);
  return simulateFleet({
    policy: { ...DEFAULT_BALANCING, strategy, slowStartMs: 0 },
    random: createSeededRandom(20261123),
    instances,
    callers,
    requestsPerSecond: capacity * load,
    durationMs: 8_000,
    warmUpMs: 2_000,
  });
}

function p99({ latenciesMs }: SimulationResult): number {
  return latenciesMs[Math.floor(latenciesMs.length * 0.99)] ?? Number.NaN;
}
