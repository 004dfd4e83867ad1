import assert from "node:assert/strict";
import { test } from "node:test";
import { HTTP_CHECK, HealthBench, WHEEL_TICK_MS } from "../../testing/health-bench.ts";
import { DEFAULT_LIMITS, DEFAULT_OUTLIERS, type TripPolicy } from "../policy/cluster-policy.ts";
import { OUTCOME_ERROR, OUTCOME_OK, OUTCOME_RESET } from "../upstream/attempt-outcome.ts";

const TRIP: TripPolicy = {
  ...{ failurePercent: 50, slowPercent: 0, slowMs: 100, windowMs: 10_000, minRequests: 10, openMs: 5_000, probes: 2 },
};

function untilRoom(bench: HealthBench, index: number): void {
  const { circuit } = bench.host(index).health;
  bench.clock.advance((circuit?.openUntilMs ?? 0) - bench.clock.nowMs() + WHEEL_TICK_MS);
}

test("an instance's open circuit makes it unavailable until it may be tried again", () => {
  const bench = new HealthBench({ outliers: null, instanceTrip: TRIP }, 3);
  bench.send(1, OUTCOME_ERROR, 10);
  assert.deepEqual(bench.out(), ["reviews-1"]);
  assert.deepEqual([bench.counters.trips, bench.counters.circuitsOpenNow], [1, 1]);
  // Panic balancing may choose it all the same, and its circuit refuses.
  assert.equal(bench.send(1, OUTCOME_OK), 0);
  untilRoom(bench, 1);
  assert.deepEqual(bench.out(), []);
  assert.equal(bench.host(1).health.circuit?.state, "halfOpen");
  bench.send(1, OUTCOME_OK, 2);
  assert.equal(bench.host(1).health.circuit?.state, "closed");
  assert.equal(bench.counters.circuitsOpenNow, 0);
  assert.deepEqual(bench.log.lines, ["warn circuit opened", "info circuit half open", "info circuit closed"]);
  assert.equal(bench.wheel.armedCount(), 0);
});

test("a half-open instance is available as long as it has room for trial calls", () => {
  const bench = new HealthBench({ outliers: null, instanceTrip: TRIP }, 2);
  const host = bench.host(0);
  bench.send(0, OUTCOME_ERROR, 10);
  untilRoom(bench, 0);
  const admitted = Array.from({ length: 20 }, () => host.health.admit(bench.clock.nowMs()));
  assert.equal(admitted.filter(Boolean).length, TRIP.probes);
  assert.deepEqual(bench.out(), ["reviews-0"]);
  bench.clock.advance(10);
  bench.health.record(host, OUTCOME_OK, 10);
  assert.deepEqual(bench.out(), []);
  bench.health.record(host, OUTCOME_OK, 10);
  assert.equal(host.health.circuit?.state, "closed");
  assert.deepEqual(bench.out(), []);
});

test("trial calls that hang do not keep an instance out for ever", () => {
  const bench = new HealthBench({ outliers: null, instanceTrip: TRIP }, 2);
  const { health } = bench.host(0);
  bench.send(0, OUTCOME_ERROR, 10);
  untilRoom(bench, 0);
  while (health.admit(bench.clock.nowMs())) assert.ok(bench.counters.trips === 1);
  assert.deepEqual(bench.out(), ["reviews-0"]);
  bench.clock.advance(1.1 * TRIP.openMs + WHEEL_TICK_MS);
  assert.deepEqual(bench.out(), []);
});

test("an instance is available when no reason speaks against it, and onChange comes only with a change", () => {
  const bench = new HealthBench({ outliers: DEFAULT_OUTLIERS, instanceTrip: TRIP, healthChecks: [HTTP_CHECK] }, 2);
  bench.prober.verdict = "passed";
  bench.clock.advance(1_100);
  assert.equal(bench.changes, 0);
  bench.send(0, OUTCOME_RESET, 10, 0);
  const { health } = bench.host(0);
  assert.equal(health.reasons(bench.clock.nowMs()).length, 2);
  assert.match(
    health.reasons(bench.clock.nowMs()).join("; "),
    /ejected for 5 s more: 5 requests in a row .*circuit open for \d s more/,
  );
  assert.equal(bench.changes, 1);
  bench.clock.advance(6_000);
  assert.deepEqual(bench.out(), []);
  assert.equal(bench.changes, 2);
});

test("ClusterHealth.circuit is of the whole service: logged, counted, and kept under an equal policy", () => {
  const bench = new HealthBench({ outliers: null, trip: TRIP }, 2);
  const circuit = bench.health.circuit;
  assert.ok(circuit !== null);
  for (let call = 0; call < 10; call += 1) {
    assert.ok(circuit.admit(bench.clock.nowMs()));
    circuit.record(OUTCOME_ERROR, 0, bench.clock.nowMs());
  }
  assert.equal(circuit.admit(bench.clock.nowMs()), false);
  assert.deepEqual(bench.log.lines, ["warn circuit opened"]);
  assert.equal(bench.log.fields[0]?.["service"], "default/reviews:80");
  assert.match(String(bench.log.fields[0]?.["until"]), /^2026-01-01T00:00:0[45]/);
  bench.health.setPolicy({ ...bench.policy, trip: { ...TRIP } });
  assert.equal(bench.health.circuit, circuit);
  assert.equal(bench.health.describe().circuit?.state, "open");
  bench.health.setPolicy({ ...bench.policy, trip: { ...TRIP, openMs: 1_000 } });
  assert.equal(bench.health.circuit?.state, "closed");
  assert.equal(bench.counters.circuitsOpenNow, 0);
});

test("ClusterHealth.setPolicy() changes limits under what is at work", () => {
  const bench = new HealthBench({}, 1);
  const { limits } = bench.health;
  for (let request = 0; request < 10; request += 1) assert.ok(limits.tryRequest());
  bench.health.setPolicy({ ...bench.policy, limits: { ...DEFAULT_LIMITS, requests: 5 } });
  assert.equal(bench.health.limits, limits);
  assert.equal(limits.tryRequest(), false);
  for (let request = 0; request < 6; request += 1) limits.releaseRequest();
  assert.equal(limits.tryRequest(), true);
});

test("ClusterHealth.describe() says of each instance whether it gets requests, and why not", () => {
  const bench = new HealthBench({ outliers: DEFAULT_OUTLIERS, instanceTrip: TRIP, healthChecks: [HTTP_CHECK] }, 3);
  bench.clock.advance(1_100);
  bench.prober.open.find(({ host }) => host === bench.host(2))?.answer("failed");
  bench.send(0, OUTCOME_RESET, 5, 0);
  const view = bench.health.describe();
  assert.deepEqual(
    view.instances.map(({ workload, available, reasons }) => [workload, available, reasons]),
    [
      ["reviews-0", false, ["ejected for 5 s more: 5 requests in a row got no answer, 502, 503 or 504"]],
      ["reviews-1", true, []],
      ["reviews-2", false, ["fails its http /healthz check: the test says failed"]],
    ],
  );
  assert.deepEqual(view.limits.requests, { now: 0, limit: 0 });
  assert.doesNotThrow(() => JSON.stringify(view));
});

test("ClusterHealth.close() takes back every gauge, and leaves no timer, in every state", () => {
  const bench = new HealthBench(
    { outliers: DEFAULT_OUTLIERS, trip: TRIP, instanceTrip: TRIP, healthChecks: [HTTP_CHECK] },
    5,
  );
  bench.clock.advance(1_100);
  bench.prober.open[0]?.answer("failed");
  bench.send(1, OUTCOME_RESET, 30, 0);
  bench.send(2, OUTCOME_ERROR, 9, 0);
  for (let call = 0; call < 10; call += 1) bench.health.circuit?.record(OUTCOME_ERROR, 0, bench.clock.nowMs());
  const { counters } = bench;
  assert.ok(counters.ejectedNow > 0 && counters.circuitsOpenNow > 1 && counters.unhealthyNow === 1);
  bench.health.close();
  assert.deepEqual([counters.ejectedNow, counters.circuitsOpenNow, counters.unhealthyNow], [0, 0, 0]);
  assert.equal(bench.wheel.armedCount(), 0);
  // The wheel stops when it next comes by and finds nothing.
  bench.clock.advance(WHEEL_TICK_MS);
  assert.equal(bench.clock.pendingTimers(), 0);
  assert.deepEqual(bench.out(), []);
});
