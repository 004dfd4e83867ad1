import assert from "node:assert/strict";
import { test } from "node:test";
import { HTTP_CHECK, HealthBench, WHEEL_TICK_MS } from "../../testing/health-bench.ts";
import type { HealthCheckPolicy } from "../policy/cluster-policy.ts";

const INTERVAL_MS = HTTP_CHECK.intervalMs;
/** The first checks are spread over so long. */
const FIRST_MS = 1_000 + WHEEL_TICK_MS;

function create(check: Partial<HealthCheckPolicy>, count: number, seed: number = 1): HealthBench {
  return new HealthBench({ outliers: null, healthChecks: [{ ...HTTP_CHECK, ...check }] }, count, seed);
}

/** Lets the next check of the one instance come, and answers it. */
function answerNext(bench: HealthBench, verdict: "passed" | "failed" | "unknown"): void {
  while (bench.prober.open.length === 0) bench.clock.advance(WHEEL_TICK_MS);
  bench.prober.open[0]?.answer(verdict);
}

for (const { name, verdicts, unhealthy } of [
  { name: "the first failure counts at once", verdicts: ["failed"], unhealthy: [1] },
  { name: "two failures after a success are too few", verdicts: ["passed", "failed", "failed"], unhealthy: [0, 0, 0] },
  {
    name: "three failures in a row count",
    verdicts: ["passed", "failed", "failed", "failed"],
    unhealthy: [0, 0, 0, 1],
  },
  {
    name: "a success between failures begins the row anew",
    verdicts: ["passed", "failed", "failed", "passed", "failed", "failed", "failed"],
    unhealthy: [0, 0, 0, 0, 0, 0, 1],
  },
  { name: "two successes in a row bring it back", verdicts: ["failed", "passed", "passed"], unhealthy: [1, 1, 0] },
  {
    name: "a failure between successes begins the row anew",
    verdicts: ["failed", "passed", "failed", "passed", "passed"],
    unhealthy: [1, 1, 1, 1, 0],
  },
  {
    name: "unknown results neither count nor break a row",
    verdicts: ["unknown", "passed", "failed", "failed", "unknown", "failed", "unknown"],
    unhealthy: [0, 0, 0, 0, 0, 1, 1],
  },
  {
    name: "unknown first leaves the first result to count at once",
    verdicts: ["unknown", "failed"],
    unhealthy: [0, 1],
  },
] as const) {
  test(`active checks: ${name}`, () => {
    const bench = create({}, 1);
    const seen = verdicts.map((verdict) => {
      answerNext(bench, verdict);
      assert.equal(bench.counters.unhealthyNow, bench.out().length);
      return bench.out().length;
    });
    assert.deepEqual(seen, unhealthy);
    const counted = { passed: 0, failed: 0, unknown: 0 };
    for (const verdict of verdicts) counted[verdict] += 1;
    const { checksPassed, checksFailed, checksUnknown } = bench.counters;
    assert.deepEqual({ passed: checksPassed, failed: checksFailed, unknown: checksUnknown }, counted);
    assert.equal(bench.log.count("says nothing"), Math.min(1, counted.unknown));
    bench.health.close();
    assert.equal(bench.wheel.armedCount(), 0);
  });
}

test("active checks say each change of health once, with what was found", () => {
  const bench = create({}, 1);
  for (const verdict of ["failed", "failed", "failed", "passed", "passed", "passed"] as const)
    answerNext(bench, verdict);
  assert.deepEqual(bench.log.lines, [
    "warn instance fails its health check",
    "info instance passes its health check again",
  ]);
  assert.deepEqual(bench.log.fields[0], {
    ...{ service: "default/reviews:80", instance: "reviews-0 (10.0.0.1:80)" },
    ...{ check: "http /healthz", reason: "the test says failed" },
  });
});

test("active checks keep instances in until their first result", () => {
  const bench = create({}, 3);
  bench.clock.advance(FIRST_MS);
  assert.equal(bench.prober.open.length, 3);
  assert.deepEqual(bench.out(), []);
});

test("active checks come at their interval, longer by no more than the jitter", () => {
  const bench = create({ jitterPercent: 20 }, 1, 7);
  bench.prober.verdict = "passed";
  bench.clock.advance(1_000_000);
  const begun = bench.prober.begunMs;
  assert.ok((begun[0] ?? 0) <= FIRST_MS);
  const gaps = begun.slice(1).map((atMs, index) => atMs - (begun[index] ?? 0));
  assert.ok(gaps.length >= 165 && gaps.length <= 200, `${gaps.length} checks`);
  for (const gap of gaps) assert.ok(gap >= INTERVAL_MS && gap <= 1.2 * INTERVAL_MS + WHEEL_TICK_MS, `${gap} ms`);
  // Random over the whole of it.
  assert.ok(Math.min(...gaps) < 1.05 * INTERVAL_MS && Math.max(...gaps) > 1.15 * INTERVAL_MS);
});

test("active checks keep the interval whatever an answer takes", () => {
  const bench = create({}, 1);
  for (let check = 0; check < 5; check += 1) {
    while (bench.prober.open.length === 0) bench.clock.advance(WHEEL_TICK_MS);
    bench.clock.advance(900);
    bench.prober.open[0]?.answer("passed");
  }
  const begun = bench.prober.begunMs;
  for (let index = 1; index < begun.length; index += 1) {
    const gap = (begun[index] ?? 0) - (begun[index - 1] ?? 0);
    assert.ok(gap >= INTERVAL_MS && gap <= INTERVAL_MS + 2 * WHEEL_TICK_MS, `${gap} ms`);
  }
});

test("an active check that takes too long is given up and has failed", () => {
  const bench = create({}, 1);
  while (bench.prober.open.length === 0) bench.clock.advance(WHEEL_TICK_MS);
  const probe = bench.prober.open[0];
  bench.clock.advance(HTTP_CHECK.timeoutMs - 1);
  assert.equal(probe?.isCancelled, false);
  bench.clock.advance(1 + WHEEL_TICK_MS);
  assert.equal(probe?.isCancelled, true);
  assert.deepEqual(bench.out(), ["reviews-0"]);
  assert.deepEqual(bench.host(0).health.reasons(bench.clock.nowMs()), [
    "fails its http /healthz check: no answer within 1000 ms",
  ]);
  // An answer that comes after all is nobody's.
  probe?.answer("passed");
  probe?.answer("passed");
  assert.deepEqual(bench.out(), ["reviews-0"]);
});

test("no more than 16 active checks of a cluster are under way at once, and none is left out", () => {
  const bench = create({}, 100);
  bench.clock.advance(FIRST_MS);
  const seen = new Set<string>();
  while (bench.prober.open.length > 0) {
    assert.ok(bench.prober.open.length <= 16, `${bench.prober.open.length} at once`);
    const probe = bench.prober.open[0];
    seen.add(probe?.host.config.workload ?? "");
    probe?.answer("passed");
  }
  assert.equal(seen.size, 100);
});

test("active checks that fail at once by the thousand end in order", () => {
  const bench = create({}, 5_000);
  // All are due when one place is free again.
  bench.clock.advance(FIRST_MS);
  bench.prober.verdict = "failed";
  bench.prober.open[0]?.answer("failed");
  assert.equal(bench.counters.checksFailed, 5_000 - 15);
});

test("an instance is unhealthy while any of its checks fails", () => {
  const checks = [HTTP_CHECK, { ...HTTP_CHECK, kind: "tcp" as const }];
  const bench = new HealthBench({ outliers: null, healthChecks: checks }, 1);
  bench.clock.advance(FIRST_MS);
  assert.equal(bench.prober.open.length, 2);
  for (const probe of [...bench.prober.open]) probe.answer("failed");
  assert.equal(bench.counters.unhealthyNow, 1);
  assert.equal(bench.host(0).health.failingChecks.size, 2);
  const answer = (): void => {
    bench.clock.advance(INTERVAL_MS);
    bench.prober.open.find(() => true)?.answer("passed");
  };
  // One of the two comes back after two results, and the other still fails.
  answer();
  answer();
  assert.deepEqual(bench.out(), ["reviews-0"]);
  bench.health.close();
  assert.deepEqual([bench.counters.unhealthyNow, bench.wheel.armedCount()], [0, 0]);
});

test("an instance that leaves is checked no more, and its place is given to another", () => {
  const bench = create({}, 17);
  bench.clock.advance(FIRST_MS);
  assert.equal(bench.prober.open.length, 16);
  const open = bench.prober.open[0];
  const left = open?.host;
  bench.health.update(bench.hosts.filter((host) => host !== left));
  assert.equal(open?.isCancelled, true);
  assert.equal(bench.prober.open.length, 16);
  assert.equal(new Set(bench.prober.open.map(({ host }) => host)).size, 16);
});

test("active checks go on as they were under an equal policy, and begin anew under another", () => {
  const bench = create({}, 1);
  answerNext(bench, "failed");
  bench.health.setPolicy({ ...bench.policy, healthChecks: [{ ...HTTP_CHECK }] });
  assert.deepEqual(bench.out(), ["reviews-0"]);
  bench.health.setPolicy({ ...bench.policy, healthChecks: [{ ...HTTP_CHECK, path: "/ready" }] });
  assert.deepEqual([bench.out(), bench.counters.unhealthyNow], [[], 0]);
  answerNext(bench, "failed");
  assert.deepEqual(bench.out(), ["reviews-0"]);
  bench.health.setPolicy({ ...bench.policy, healthChecks: [] });
  assert.deepEqual([bench.out(), bench.wheel.armedCount()], [[], 0]);
});

test("ClusterHealth.close() gives up the checks under way", () => {
  const bench = create({}, 20);
  bench.clock.advance(FIRST_MS);
  const open = [...bench.prober.open];
  bench.health.close();
  assert.ok(open.length === 16 && open.every((probe) => probe.isCancelled));
  assert.equal(bench.prober.open.length, 0);
  assert.equal(bench.wheel.armedCount(), 0);
  bench.clock.advance(60_000);
  assert.equal(bench.prober.begunMs.length, 16);
});
