import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BalancingPolicy, BalancingStrategy } from "../policy/cluster-policy.ts";
import type { Balancer } from "./host.ts";
import { createSeededRandom } from "../../random/seeded-random.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { DEFAULT_BALANCING } from "../policy/cluster-policy.ts";
import { OUTCOME_OK } from "../upstream/attempt-outcome.ts";
import { createBalancer } from "./create-balancer.ts";
import { TestHost, createTestHosts } from "../../testing/balanced-hosts.ts";

const STRATEGIES: readonly BalancingStrategy[] = [
  "adaptive",
  "roundRobin",
  "leastRequest",
  "random",
  "peakEwma",
  "ringHash",
  "maglev",
];
/** Of the chi-square distribution, exceeded once in a thousand runs, by degrees of freedom. */
const CHI_SQUARE_999: Readonly<Record<number, number>> = { 3: 16.27, 9: 27.88 };

for (const strategy of STRATEGIES) {
  describe(`createBalancer("${strategy}")`, () => {
    it("gives equal instances equal shares", () => {
      const { hosts, run } = create(strategy, Array<number>(10).fill(1));
      run(20_000);
      assertShares(hosts);
    });

    it("gives instances shares by weight", () => {
      const { hosts, run } = create(strategy, [1, 2, 3, 4]);
      run(20_000);
      assertShares(hosts);
    });

    it("gives instances shares by weight where requests have hashes", () => {
      const { hosts, run } = create(strategy, [1, 2, 3, 4]);
      run(20_000, true);
      assertShares(hosts);
    });

    it("passes over the instance to avoid, when there is another", () => {
      const { hosts, balancer } = create(strategy, [1, 100, 1]);
      for (let hash = 0; hash < 300; hash += 1) {
        for (const avoided of hosts) assert.notEqual(balancer.pick(hash, avoided, 0), avoided);
      }
      const [only] = hosts as [TestHost];
      balancer.update([only]);
      assert.equal(balancer.pick(0, only, 0), only);
    });

    it("passes over the instance to avoid by going to a farther group", () => {
      const { clock, balancer } = create(strategy, []);
      const first = new TestHost(clock, { address: "10.0.0.1" });
      const spare = new TestHost(clock, { address: "10.0.0.2", priority: 1 });
      balancer.update([first, spare]);
      for (let hash = 0; hash < 100; hash += 1) {
        assert.equal(balancer.pick(hash, null, 0), first);
        assert.equal(balancer.pick(hash, first, 0), spare);
      }
    });

    it("picks none of those that are not available", () => {
      const { hosts, balancer, run } = create(strategy, [1, 1, 1, 1]);
      const [out] = hosts as [TestHost];
      run(10);
      out.health.available = false;
      balancer.healthChanged();
      out.picks = 0;
      run(1_000, true);
      assert.equal(out.picks, 0);
      out.health.available = true;
      balancer.healthChanged();
      run(1_000, true);
      assert.ok(out.picks > 0);
    });

    it("has nobody to pick when there is no instance", () => {
      const { balancer } = create(strategy, []);
      assert.equal(balancer.pick(0, null, 0), null);
      assert.equal(balancer.pick(1, null, 0), null);
    });

    it("has nobody to pick when none is available and there is no panic", () => {
      const { hosts, balancer } = create(strategy, [1, 1, 1], { panicPercent: 0 });
      for (const { health } of hosts) health.available = false;
      balancer.healthChanged();
      assert.equal(balancer.pick(0, null, 0), null);
    });

    it("uses all when too few are available", () => {
      const { hosts, balancer, run } = create(strategy, [1, 1, 1, 1, 1]);
      for (const host of hosts.slice(0, 3)) host.health.available = false;
      balancer.healthChanged();
      run(2_000, true);
      for (const { picks } of hosts) assert.ok(picks > 200, `${picks}`);
    });
  });
}

for (const strategy of ["ringHash", "maglev"] as const) {
  describe(`createBalancer("${strategy}") by hash`, () => {
    it("sends a key to the same instance, whatever the order of instances", () => {
      const one = create(strategy, [1, 2, 3, 1]);
      const other = create(strategy, []);
      other.balancer.update([...createTestHosts(other.clock, 4)].map(withWeight([1, 2, 3, 1])).reverse());
      for (let hash = 1; hash < 5_000; hash += 1) {
        const found = one.balancer.pick(hash * 7_919, null, 0);
        assert.equal(other.balancer.pick(hash * 7_919, null, 0)?.config.address, found?.config.address);
        assert.equal(one.balancer.pick(hash * 7_919, null, 1), found);
      }
    });

    it("takes negative hashes", () => {
      const { balancer } = create(strategy, [1, 1, 1]);
      for (let hash = -100; hash < 0; hash += 1) assert.ok(balancer.pick(hash, null, 0) !== null);
    });

    it("gives new instances their full share at once, so that keys move once only", () => {
      const { hosts, clock, balancer, run } = create(strategy, [1, 1, 1], { slowStartMs: 10_000 });
      clock.advance(60_000);
      const late = new TestHost(clock, { address: "10.0.0.9" });
      balancer.update([...hosts, late]);
      run(8_000, true);
      assert.ok(late.picks > 1_700, `${late.picks}`);
    });

    for (const count of [2, 3, 10, 20]) {
      it(`moves few more keys than it must when an instance of ${count} leaves, and when it comes back`, () => {
        const { hosts, balancer } = create(strategy, Array<number>(count).fill(1));
        const before = keysOf(balancer);
        let moved = 0;
        let owned = 0;
        for (const gone of hosts) {
          balancer.update(hosts.filter((host) => host !== gone));
          const without = keysOf(balancer);
          owned += before.filter((host) => host === gone).length;
          moved += before.filter((host, key) => host !== without[key]).length;
          balancer.update(hosts);
          assert.deepEqual(keysOf(balancer), before);
        }
        // Each key is owned by one, so the ideal is that each moves once.
        assert.equal(owned, KEYS);
        assert.ok(moved < owned * 1.1, `${moved} of ${KEYS} keys moved`);
      });
    }
  });
}

describe("slow start", () => {
  for (const strategy of ["adaptive", "roundRobin", "leastRequest", "random", "peakEwma"] as const) {
    it(`raises the share of a new instance from a tenth to all under ${strategy}`, () => {
      const { hosts, clock, balancer, run } = create(strategy, [1, 1, 1], { slowStartMs: 10_000 });
      clock.advance(60_000);
      const late = new TestHost(clock, { address: "10.0.0.9" });
      balancer.update([...hosts, late]);
      for (const [waitMs, share] of [
        [0, 0.1],
        [2_000, 0.2],
        [3_000, 0.5],
        [3_000, 0.8],
        [2_000, 1],
        [60_000, 1],
      ] as const) {
        clock.advance(waitMs);
        for (const host of [...hosts, late]) host.picks = 0;
        run(8_000);
        const others = hosts.reduce((sum, { picks }) => sum + picks, 0) / hosts.length;
        assert.ok(Math.abs(late.picks / others - share) < 0.06, `${late.picks / others} after ${waitMs}, not ${share}`);
      }
    });
  }

  it("begins anew for an instance that is available again", () => {
    const { hosts, clock, balancer, run } = create("roundRobin", [1, 1, 1, 1], { slowStartMs: 10_000 });
    const [out] = hosts as [TestHost];
    clock.advance(60_000);
    out.health.available = false;
    balancer.healthChanged();
    run(1);
    clock.advance(60_000);
    out.health.available = true;
    balancer.healthChanged();
    out.picks = 0;
    run(3_100);
    assert.ok(Math.abs(out.picks - 100) <= 2, `${out.picks}`);
  });

  it("does not matter where all instances are new", () => {
    const { hosts, run } = create("roundRobin", [1, 1, 1, 1], { slowStartMs: 10_000 });
    run(400);
    assert.deepEqual(
      hosts.map(({ picks }) => picks),
      [100, 100, 100, 100],
    );
  });
});

interface Bench {
  readonly clock: FakeClock;
  readonly hosts: readonly TestHost[];
  readonly balancer: Balancer<TestHost>;
  /** Requests that end before the next begins, and all take equally long. */
  run(count: number, hashed?: boolean): void;
}

/** A large ring, as its evenness grows with its points. */
function create(strategy: BalancingStrategy, weights: readonly number[], policy: Partial<BalancingPolicy> = {}): Bench {
  const clock = new FakeClock();
  const random = createSeededRandom(20261123);
  const balancer = createBalancer<TestHost>(
    { ...DEFAULT_BALANCING, slowStartMs: 0, minimumRingSize: 16_384, ...policy, strategy },
    { random, zone: "" },
  );
  const hosts = createTestHosts(clock, weights.length).map(withWeight(weights));
  balancer.update(hosts);
  return {
    clock,
    hosts,
    balancer,
    run: (count, hashed = false): void => {
      for (let i = 0; i < count; i += 1) {
        const host = balancer.pick(hashed ? 1 + random.below(2 ** 32 - 1) : 0, null, clock.nowMs());
        assert.ok(host !== null);
        host.picks += 1;
        balancer.observe(host, OUTCOME_OK, 5, clock.nowMs());
      }
    },
  };
}

function withWeight(weights: readonly number[]): (host: TestHost, index: number) => TestHost {
  return (host, index) => {
    host.config = { ...host.config, weight: weights[index] ?? 1 };
    return host;
  };
}

function assertShares(hosts: readonly TestHost[]): void {
  const picks = hosts.reduce((sum, host) => sum + host.picks, 0);
  const weight = hosts.reduce((sum, { config }) => sum + config.weight, 0);
  let chiSquare = 0;
  for (const host of hosts) {
    const expected = (picks * host.config.weight) / weight;
    chiSquare += (host.picks - expected) ** 2 / expected;
  }
  const limit = CHI_SQUARE_999[hosts.length - 1] ?? 0;
  assert.ok(
    chiSquare < limit,
    `chi-square ${chiSquare} of ${hosts.map((host) => host.picks).join(" ")}; expected < ${limit}`,
  );
}

const KEYS = 20_000;

function keysOf(balancer: Balancer<TestHost>): (TestHost | null)[] {
  return Array.from({ length: KEYS }, (_, key) => balancer.pick(key + 1, null, 0));
}
