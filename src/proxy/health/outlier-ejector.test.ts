import assert from "node:assert/strict";
import { test } from "node:test";
import { HealthBench, WHEEL_TICK_MS } from "../../testing/health-bench.ts";
import { DEFAULT_OUTLIERS, type OutlierPolicy } from "../policy/cluster-policy.ts";
import {
  OUTCOME_ABANDONED,
  OUTCOME_ERROR,
  OUTCOME_GATEWAY_ERROR,
  OUTCOME_OK,
  OUTCOME_RESET,
  OUTCOME_THROTTLED,
  OUTCOME_TIMEOUT,
} from "../upstream/attempt-outcome.ts";

const INTERVAL_MS = DEFAULT_OUTLIERS.intervalMs;
const BASE_MS = DEFAULT_OUTLIERS.baseEjectionMs;

function create(policy: Partial<OutlierPolicy>, count: number): HealthBench {
  return new HealthBench({ outliers: { ...DEFAULT_OUTLIERS, ...policy } }, count);
}

/** To just behind the end of the interval that is running. */
function endInterval(bench: HealthBench): void {
  bench.clock.advance(INTERVAL_MS + WHEEL_TICK_MS);
}

interface RowCase {
  readonly name: string;
  readonly policy?: Partial<OutlierPolicy>;
  readonly outcomes: readonly (readonly [outcome: number, count: number])[];
  readonly ejected: boolean;
}

const ROWS: readonly RowCase[] = [
  { name: "ten errors", outcomes: [[OUTCOME_ERROR, 10]], ejected: true },
  { name: "nine errors", outcomes: [[OUTCOME_ERROR, 9]], ejected: false },
  { name: "five gateway errors", outcomes: [[OUTCOME_GATEWAY_ERROR, 5]], ejected: true },
  { name: "four gateway errors", outcomes: [[OUTCOME_GATEWAY_ERROR, 4]], ejected: false },
  { name: "five resets", outcomes: [[OUTCOME_RESET, 5]], ejected: true },
  { name: "five timeouts", outcomes: [[OUTCOME_TIMEOUT, 5]], ejected: true },
  {
    name: "gateway errors, resets and timeouts that make five",
    outcomes: [
      [OUTCOME_GATEWAY_ERROR, 2],
      [OUTCOME_RESET, 2],
      [OUTCOME_TIMEOUT, 1],
    ],
    ejected: true,
  },
  {
    name: "a success between the errors",
    outcomes: [
      [OUTCOME_ERROR, 9],
      [OUTCOME_OK, 1],
      [OUTCOME_ERROR, 9],
    ],
    ejected: false,
  },
  {
    name: "throttling between the errors",
    outcomes: [
      [OUTCOME_ERROR, 9],
      [OUTCOME_THROTTLED, 1],
      [OUTCOME_ERROR, 9],
    ],
    ejected: false,
  },
  {
    name: "callers that leave between the errors",
    outcomes: [
      [OUTCOME_ERROR, 9],
      [OUTCOME_ABANDONED, 5],
      [OUTCOME_ERROR, 1],
    ],
    ejected: true,
  },
  {
    name: "an error of the app between gateway errors",
    outcomes: [
      [OUTCOME_GATEWAY_ERROR, 4],
      [OUTCOME_ERROR, 1],
      [OUTCOME_GATEWAY_ERROR, 4],
    ],
    ejected: false,
  },
  {
    name: "gateway errors and errors that make ten",
    outcomes: [
      [OUTCOME_GATEWAY_ERROR, 4],
      [OUTCOME_ERROR, 6],
    ],
    ejected: true,
  },
  { name: "callers that leave", outcomes: [[OUTCOME_ABANDONED, 99]], ejected: false },
  { name: "throttling", outcomes: [[OUTCOME_THROTTLED, 99]], ejected: false },
  {
    name: "errors, where neither counts",
    policy: { consecutive5xx: 0, consecutiveGatewayErrors: 0 },
    outcomes: [[OUTCOME_RESET, 99]],
    ejected: false,
  },
  {
    name: "resets, where only errors count",
    policy: { consecutiveGatewayErrors: 0 },
    outcomes: [[OUTCOME_RESET, 10]],
    ejected: true,
  },
];

for (const { name, policy = {}, outcomes, ejected } of ROWS) {
  test(`OutlierEjector ${ejected ? "ejects" : "does not eject"} at once after ${name}`, () => {
    const bench = create(policy, 3);
    for (const [outcome, count] of outcomes) bench.send(1, outcome, count);
    assert.deepEqual(bench.out(), ejected ? ["reviews-1"] : []);
    assert.equal(bench.counters.ejections, ejected ? 1 : 0);
    assert.equal(bench.counters.ejectedNow, ejected ? 1 : 0);
    assert.equal(bench.log.count("instance ejected"), ejected ? 1 : 0);
    assert.equal(bench.changes, ejected ? 1 : 0);
  });
}

interface BoundCase {
  readonly count: number;
  readonly policy: Partial<OutlierPolicy>;
  /** How many are out when all fail. */
  readonly out: number;
}

const BOUNDS: readonly BoundCase[] = [
  { count: 1, policy: {}, out: 0 },
  { count: 2, policy: {}, out: 1 },
  { count: 3, policy: {}, out: 1 },
  { count: 4, policy: {}, out: 2 },
  { count: 10, policy: {}, out: 5 },
  { count: 10, policy: { maxEjectedPercent: 10 }, out: 1 },
  { count: 5, policy: { maxEjectedPercent: 10 }, out: 1 },
  { count: 5, policy: { maxEjectedPercent: 0 }, out: 1 },
  { count: 5, policy: { maxEjectedPercent: 100 }, out: 4 },
  { count: 5, policy: { maxEjectedPercent: 100, minInstances: 3 }, out: 2 },
  { count: 2, policy: { minInstances: 2 }, out: 0 },
  { count: 2, policy: { minInstances: 0, maxEjectedPercent: 100 }, out: 2 },
];

for (const { count, policy, out } of BOUNDS) {
  test(`OutlierEjector takes ${out} of ${count} failing instances out with ${JSON.stringify(policy)}`, () => {
    const bench = create(policy, count);
    for (let round = 0; round < 30; round += 1) {
      for (let index = 0; index < count; index += 1) bench.send(index, OUTCOME_RESET, 1, 0);
    }
    assert.equal(bench.out().length, out);
    assert.equal(bench.counters.ejectedNow, out);
    // Each that stayed in for the sake of the others is told of once.
    assert.equal(bench.log.count("not ejected"), count - out);
    assert.equal(bench.counters.ejectionsWithheld, count - out);
  });
}

test("OutlierEjector counts as left only those that get requests", () => {
  const bench = new HealthBench({ outliers: DEFAULT_OUTLIERS }, 2);
  bench.host(0).health.available = false;
  bench.send(1, OUTCOME_RESET, 30);
  assert.equal(bench.counters.ejections, 0);
});

test("OutlierEjector brings an instance back after its time, with its counts at zero", () => {
  const bench = create({}, 2);
  bench.send(0, OUTCOME_RESET, 5, 0);
  // Answers of before, and panic's, change nothing.
  bench.send(0, OUTCOME_RESET, 50, 0);
  assert.equal(bench.counters.ejections, 1);
  bench.clock.advance(BASE_MS - 1);
  assert.deepEqual(bench.out(), ["reviews-0"]);
  bench.clock.advance(WHEEL_TICK_MS + 1);
  assert.deepEqual(bench.out(), []);
  assert.equal(bench.counters.ejectedNow, 0);
  bench.send(0, OUTCOME_RESET, 4);
  assert.deepEqual(bench.out(), []);
  bench.send(0, OUTCOME_RESET);
  assert.deepEqual(bench.out(), ["reviews-0"]);
  assert.equal(bench.log.count("is back"), 1);
});

test("OutlierEjector keeps an instance out longer with each ejection in a row, up to the most", () => {
  const bench = create({ maxEjectionMs: 17_000 }, 2);
  for (const expectedMs of [5_000, 10_000, 15_000, 17_000, 17_000]) {
    bench.send(0, OUTCOME_RESET, 5, 0);
    assert.equal(bench.host(0).health.ejectedUntilMs - bench.clock.nowMs(), expectedMs);
    bench.clock.advance(expectedMs + WHEEL_TICK_MS);
    assert.deepEqual(bench.out(), []);
  }
});

test("OutlierEjector forgives one ejection for each quiet interval, and then needs no timer", () => {
  const bench = create({}, 2);
  const { health } = bench.host(0);
  for (let ejection = 0; ejection < 3; ejection += 1) {
    bench.send(0, OUTCOME_RESET, 5, 0);
    bench.clock.advance(BASE_MS * (ejection + 1) + WHEEL_TICK_MS);
  }
  assert.equal(health.ejections, 3);
  const counts: number[] = [];
  for (let interval = 0; interval < 5; interval += 1) {
    endInterval(bench);
    counts.push(health.ejections);
  }
  // The interval in which it came back was not quiet.
  assert.deepEqual(counts, [3, 2, 1, 0, 0]);
  assert.equal(bench.wheel.armedCount(), 0);
  bench.send(0, OUTCOME_RESET, 5, 0);
  assert.equal(health.ejectedUntilMs - bench.clock.nowMs(), BASE_MS);
});

test("OutlierEjector forgets an instance that leaves, and what comes late for it", () => {
  const bench = create({}, 3);
  bench.send(0, OUTCOME_RESET, 5);
  const left = bench.host(0);
  bench.health.update(bench.hosts.slice(1));
  assert.equal(bench.counters.ejectedNow, 0);
  for (let index = 0; index < 20; index += 1) bench.health.record(left, OUTCOME_RESET, 1);
  assert.equal(bench.counters.ejections, 1);
  assert.equal(left.health.requests, 0);
});

test("OutlierEjector judges by a new policy and keeps who is out", () => {
  const bench = create({}, 4);
  bench.send(0, OUTCOME_RESET, 5);
  const policy = { ...DEFAULT_OUTLIERS, consecutiveGatewayErrors: 2 };
  bench.health.setPolicy({ ...bench.policy, outliers: policy });
  bench.send(1, OUTCOME_RESET, 2);
  assert.deepEqual(bench.out(), ["reviews-0", "reviews-1"]);
  bench.health.setPolicy({ ...bench.policy, outliers: null });
  assert.deepEqual(bench.out(), []);
  assert.equal(bench.counters.ejectedNow, 0);
  bench.send(1, OUTCOME_RESET, 99);
  assert.deepEqual(bench.out(), []);
  assert.equal(bench.wheel.armedCount(), 0);
});

test("ClusterHealth.record() costs an idle cluster no timer, and close() leaves none", () => {
  const bench = create({}, 3);
  assert.equal(bench.wheel.armedCount(), 0);
  bench.send(1, OUTCOME_OK);
  assert.equal(bench.wheel.armedCount(), 1);
  bench.send(0, OUTCOME_RESET, 5);
  assert.equal(bench.wheel.armedCount(), 2);
  bench.health.close();
  assert.equal(bench.wheel.armedCount(), 0);
  assert.deepEqual([bench.counters.ejectedNow, bench.out().length], [0, 0]);
  // An idle one stops by itself.
  const idle = create({}, 3);
  idle.send(1, OUTCOME_OK);
  endInterval(idle);
  endInterval(idle);
  assert.equal(idle.wheel.armedCount(), 0);
});
