import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DEFAULT_OVERLOAD, type OverloadPolicy } from "../../src/proxy/policy/cluster-policy.ts";
import { type MetastableRun, type MetastableSecond, runMetastable } from "./metastable-run.ts";
import { exponentialMs } from "./modelled-app.ts";

/** As a TrafficPolicy with `overload: {}` has it. */
const GATE: OverloadPolicy = { ...DEFAULT_OVERLOAD, concurrency: { kind: "adaptive", min: 4, max: 1_000 } };
const GATES = [
  ["weft's defaults", DEFAULT_OVERLOAD],
  ["a gate that is always there", GATE],
] as const;

/** Two instances that answer 400 requests per second together get 320, and for ten seconds 800. */
const RUN: Omit<MetastableRun, "retriesTimeouts" | "hasBudget" | "overload" | "seed"> = {
  app: { workers: 4, drawMs: exponentialMs(20) },
  instances: 2,
  callers: 4,
  requestsPerSecond: 320,
  trigger: { fromMs: 20_000, untilMs: 30_000, factor: 2.5 },
  seconds: 90,
  patienceMs: 1_000,
  attempts: 3,
};
const CAPACITY = 400;

function goodput(seconds: readonly MetastableSecond[], from: number, to: number): number {
  const part = seconds.slice(from, to);
  const requests = part.reduce((sum, second) => sum + second.requests, 0);
  return part.reduce((sum, second) => sum + second.good, 0) / requests;
}

describe("ten seconds of overload in simulated time", () => {
  for (const seed of [1, 2, 3]) {
    it(`keep a system with naive retries down after they are over (seed ${seed})`, () => {
      const seconds = runMetastable({ ...RUN, seed, retriesTimeouts: true, hasBudget: false, overload: null });
      assert.equal(goodput(seconds, 5, 20), 1);
      assert.ok(goodput(seconds, 40, 88) < 0.1, `${goodput(seconds, 40, 88)} of the requests were answered`);
    });

    for (const [which, overload] of GATES) {
      for (const retriesTimeouts of [false, true]) {
        const retries = retriesTimeouts ? "that repeat timeouts too" : "of the default kind";
        it(`are over at once with ${which}, with retries ${retries} (seed ${seed})`, () => {
          const seconds = runMetastable({ ...RUN, seed, retriesTimeouts, hasBudget: true, overload });
          assert.equal(goodput(seconds, 5, 20), 1);
          assert.ok(goodput(seconds, 31, 40) >= 0.95, `${goodput(seconds, 31, 40)} in the ten seconds after`);
          assert.ok(goodput(seconds, 40, 88) >= 0.99, `${goodput(seconds, 40, 88)} later`);
          // The instances go on with what they can do: once the guard has seen what is happening.
          const during = seconds.slice(25, 30).reduce((sum, second) => sum + second.good, 0) / 5;
          assert.ok(during >= 0.85 * CAPACITY, `${during} answers per second during the overload`);
        });
      }
    }
  }

  const apps: readonly (readonly [workers: number, meanMs: number, patienceMs: number])[] = [
    [1, 5, 300],
    [4, 20, 10_000],
    [64, 50, 3_000],
    [16, 200, 1_000],
  ];
  for (const [workers, meanMs, patienceMs] of apps) {
    for (const factor of [2, 5]) {
      it(`of ${factor} times the load are over at once with weft's defaults: ${workers} workers, ${meanMs} ms each, callers that wait ${patienceMs} ms`, () => {
        const seconds = runMetastable({
          ...{ ...RUN, seed: 5, retriesTimeouts: true, hasBudget: true, overload: DEFAULT_OVERLOAD, seconds: 45 },
          ...{ app: { workers, drawMs: exponentialMs(meanMs) }, patienceMs },
          requestsPerSecond: (0.8 * 2 * workers * 1_000) / meanMs,
          trigger: { ...RUN.trigger, factor },
        });
        assert.ok(goodput(seconds, 5, 20) >= 0.995);
        assert.ok(goodput(seconds, 31, 40) >= 0.95, `${goodput(seconds, 31, 40)} in the ten seconds after`);
      });
    }
  }

  it("send retries of at most the budget's ratio and minimum", () => {
    const seconds = runMetastable({ ...RUN, seed: 1, retriesTimeouts: true, hasBudget: true, overload: GATE });
    const during = seconds.slice(21, 30);
    const requests = during.reduce((sum, second) => sum + second.requests, 0);
    const retries = during.reduce((sum, second) => sum + second.attempts, 0) - requests;
    // 20 % of the requests and 10 per second of each of four callers, and what was saved up before.
    assert.ok(retries <= 0.2 * requests + 4 * (9 * 10 + 100), `${retries} retries of ${requests} requests`);
  });
});
