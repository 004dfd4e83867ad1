import assert from "node:assert/strict";
import { test } from "node:test";
import { HealthBench, WHEEL_TICK_MS } from "../../testing/health-bench.ts";
import { DEFAULT_OUTLIERS, type OutlierPolicy } from "../policy/cluster-policy.ts";
import { OUTCOME_ERROR, OUTCOME_OK } from "../upstream/attempt-outcome.ts";

interface RateCase {
  readonly name: string;
  readonly policy: Partial<OutlierPolicy>;
  /** For each instance: requests that succeed, requests that fail, and how long each takes. */
  readonly traffic: readonly (readonly [good: number, bad: number, latencyMs?: number])[];
  readonly out: readonly string[];
}

const RATES: readonly RateCase[] = [
  {
    name: "half of an instance's requests failed",
    policy: { failurePercent: 50 },
    traffic: [
      [20, 0],
      [10, 10],
      [20, 0],
    ],
    out: ["reviews-1"],
  },
  {
    name: "less than the percentage failed",
    policy: { failurePercent: 50 },
    traffic: [
      [20, 0],
      [11, 9],
    ],
    out: [],
  },
  {
    name: "too few requests for a percentage",
    policy: { failurePercent: 50 },
    traffic: [
      [20, 0],
      [0, 19],
    ],
    out: [],
  },
  {
    name: "one of five stands out by 1.9 deviations",
    policy: { successRateFactor: 1.9 },
    traffic: [
      [50, 0],
      [50, 0],
      [25, 25],
      [50, 0],
      [50, 0],
    ],
    out: ["reviews-2"],
  },
  {
    name: "of three none can stand out by 1.9 deviations",
    policy: { successRateFactor: 1.9 },
    traffic: [
      [50, 0],
      [50, 0],
      [0, 50],
    ],
    out: [],
  },
  {
    name: "all fail alike",
    policy: { successRateFactor: 1.9 },
    traffic: [
      [20, 7],
      [20, 7],
      [20, 7],
      [20, 7],
      [20, 7],
    ],
    out: [],
  },
  {
    name: "an instance with too few requests is no part of the mean",
    policy: { successRateFactor: 1.9 },
    traffic: [
      [50, 0],
      [50, 0],
      [0, 19],
      [50, 0],
      [50, 0],
    ],
    out: [],
  },
  {
    name: "one is slower than three times the others' median",
    policy: { latencyFactor: 3 },
    traffic: [
      [20, 0, 10],
      [20, 0, 31],
      [20, 0, 10],
    ],
    out: ["reviews-1"],
  },
  {
    name: "one of two is slow",
    policy: { latencyFactor: 3 },
    traffic: [
      [20, 0, 10],
      [20, 0, 31],
    ],
    out: ["reviews-1"],
  },
  {
    name: "one is three times as slow, and no slower",
    policy: { latencyFactor: 3 },
    traffic: [
      [20, 0, 10],
      [20, 0, 30],
      [20, 0, 10],
    ],
    out: [],
  },
  {
    name: "one is slower by less than a thing to care about",
    policy: { latencyFactor: 3 },
    traffic: [
      [20, 0, 0.1],
      [20, 0, 2.5],
    ],
    out: [],
  },
  {
    name: "fast failures do not hide a slow instance",
    policy: { latencyFactor: 3 },
    traffic: [
      [20, 0, 10],
      [20, 0, 10],
      [20, 20, 50],
    ],
    out: ["reviews-2"],
  },
  {
    name: "the worst goes when only one may",
    policy: { failurePercent: 20, maxEjectedPercent: 10 },
    traffic: [
      [15, 5],
      [20, 0],
      [4, 16],
      [10, 10],
    ],
    out: ["reviews-2"],
  },
];

for (const { name, policy, traffic, out } of RATES) {
  test(`OutlierEjector at the end of an interval: ${name}`, () => {
    const outliers = { ...DEFAULT_OUTLIERS, consecutive5xx: 0, consecutiveGatewayErrors: 0, ...policy };
    const bench = new HealthBench({ outliers }, traffic.length);
    // One by one, so that no instance's share takes all of the interval.
    traffic.forEach(([good, bad, latencyMs = 1], index) => {
      bench.send(index, OUTCOME_OK, good, latencyMs);
      bench.send(index, OUTCOME_ERROR, bad, 0);
    });
    assert.deepEqual(bench.out(), []);
    bench.clock.advance(outliers.intervalMs + WHEEL_TICK_MS);
    assert.deepEqual(bench.out(), out);
  });
}
