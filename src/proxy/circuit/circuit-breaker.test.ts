import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { TripPolicy } from "../policy/cluster-policy.ts";
import { createSeededRandom } from "../../random/seeded-random.ts";
import {
  OUTCOME_ABANDONED,
  OUTCOME_ERROR,
  OUTCOME_GATEWAY_ERROR,
  OUTCOME_OK,
  OUTCOME_RESET,
  OUTCOME_THROTTLED,
  OUTCOME_TIMEOUT,
} from "../upstream/attempt-outcome.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";

const POLICY: TripPolicy = {
  failurePercent: 50,
  slowPercent: 0,
  slowMs: 100,
  windowMs: 10_000,
  minRequests: 10,
  openMs: 5_000,
  probes: 3,
};

/** A circuit with a clock by hand; `log` has its changes as "state: reason". */
class Bench {
  nowMs: number = 1_000;
  readonly log: string[] = [];
  readonly circuit: CircuitBreaker;

  constructor(policy: Partial<TripPolicy> = {}, seed: number = 1) {
    this.circuit = new CircuitBreaker({ ...POLICY, ...policy }, createSeededRandom(seed), {
      onCircuit: ({ state }, reason) => this.log.push(`${state}: ${reason}`),
    });
  }

  /** One call from begin to end. False: not let through. */
  call(outcome: number, latencyMs: number = 1): boolean {
    if (!this.circuit.admit(this.nowMs)) return false;
    this.nowMs += latencyMs;
    this.circuit.record(outcome, latencyMs, this.nowMs);
    return true;
  }

  calls(outcome: number, count: number, latencyMs: number = 1): void {
    for (let index = 0; index < count; index += 1) this.call(outcome, latencyMs);
  }

  /** To the end of the open time. */
  waitOpen(): void {
    assert.equal(this.circuit.state, "open");
    this.nowMs = this.circuit.openUntilMs;
  }
}

interface TripCase {
  readonly name: string;
  readonly policy: Partial<TripPolicy>;
  readonly run: (bench: Bench) => void;
  readonly state: "closed" | "open";
}

const TRIPS: readonly TripCase[] = [
  {
    name: "half of the calls failed",
    policy: {},
    run: (bench) => {
      bench.calls(OUTCOME_OK, 5);
      bench.calls(OUTCOME_ERROR, 5);
    },
    state: "open",
  },
  {
    name: "a success brings the count to the least, and half failed before",
    policy: {},
    run: (bench) => {
      bench.calls(OUTCOME_ERROR, 9);
      assert.equal(bench.circuit.state, "closed");
      bench.call(OUTCOME_OK);
    },
    state: "open",
  },
  {
    name: "less than half failed",
    policy: {},
    run: (bench) => {
      bench.calls(OUTCOME_OK, 6);
      bench.calls(OUTCOME_ERROR, 5);
    },
    state: "closed",
  },
  { name: "too few calls", policy: {}, run: (bench) => bench.calls(OUTCOME_RESET, 9), state: "closed" },
  { name: "resets", policy: {}, run: (bench) => bench.calls(OUTCOME_RESET, 10), state: "open" },
  { name: "gateway errors", policy: {}, run: (bench) => bench.calls(OUTCOME_GATEWAY_ERROR, 10), state: "open" },
  { name: "timeouts", policy: {}, run: (bench) => bench.calls(OUTCOME_TIMEOUT, 10), state: "open" },
  { name: "throttling is no failure", policy: {}, run: (bench) => bench.calls(OUTCOME_THROTTLED, 99), state: "closed" },
  { name: "callers that left", policy: {}, run: (bench) => bench.calls(OUTCOME_ABANDONED, 99), state: "closed" },
  {
    name: "failures do not count at 0 percent",
    policy: { failurePercent: 0 },
    run: (bench) => bench.calls(OUTCOME_ERROR, 99),
    state: "closed",
  },
  {
    name: "slow calls",
    policy: { failurePercent: 0, slowPercent: 80 },
    run: (bench) => {
      bench.calls(OUTCOME_OK, 2, 99);
      bench.calls(OUTCOME_OK, 8, 100);
    },
    state: "open",
  },
  {
    name: "calls that are nearly slow",
    policy: { failurePercent: 0, slowPercent: 80 },
    run: (bench) => bench.calls(OUTCOME_OK, 99, 99),
    state: "closed",
  },
  {
    name: "what is older than the window is forgotten",
    policy: {},
    run: (bench) => {
      bench.calls(OUTCOME_ERROR, 9);
      bench.nowMs += 11_000;
      bench.call(OUTCOME_ERROR);
    },
    state: "closed",
  },
  {
    name: "what is younger than nine tenths of the window is not",
    policy: {},
    run: (bench) => {
      bench.calls(OUTCOME_ERROR, 9);
      bench.nowMs += 8_900;
      bench.call(OUTCOME_ERROR);
    },
    state: "open",
  },
];

for (const { name, policy, run, state } of TRIPS) {
  test(`CircuitBreaker is ${state} after: ${name}`, () => {
    const bench = new Bench(policy);
    run(bench);
    assert.equal(bench.circuit.state, state);
    assert.equal(bench.circuit.trips, state === "open" ? 1 : 0);
    assert.equal(bench.circuit.admit(bench.nowMs), state === "closed");
    assert.equal(bench.circuit.rejected, state === "closed" ? 0 : 1);
  });
}

test("CircuitBreaker goes from open over half-open to closed, and says each once", () => {
  const bench = new Bench();
  bench.calls(OUTCOME_ERROR, 10);
  bench.nowMs = bench.circuit.openUntilMs - 0.001;
  assert.equal(bench.call(OUTCOME_OK), false);
  bench.waitOpen();
  assert.equal(bench.call(OUTCOME_OK), true);
  assert.equal(bench.circuit.state, "halfOpen");
  bench.calls(OUTCOME_OK, 2);
  assert.equal(bench.circuit.state, "closed");
  assert.deepEqual(bench.log, [
    "open: 10 of the last 10 calls failed",
    "halfOpen: 3 at a time are let through to try",
    "closed: 3 trial calls succeeded",
  ]);
  // Nothing of before counts.
  bench.calls(OUTCOME_ERROR, 9);
  assert.equal(bench.circuit.state, "closed");
});

test("CircuitBreaker lets no more than `probes` through at once in half-open", () => {
  const bench = new Bench();
  bench.calls(OUTCOME_ERROR, 10);
  bench.waitOpen();
  const { circuit } = bench;
  const admitted = Array.from({ length: 50 }, () => circuit.admit(bench.nowMs));
  assert.equal(admitted.filter(Boolean).length, 3);
  assert.equal(circuit.hasRoom(bench.nowMs), false);
  bench.nowMs += 10;
  circuit.record(OUTCOME_OK, 10, bench.nowMs);
  // One place is free again, and only one.
  assert.deepEqual([circuit.admit(bench.nowMs), circuit.admit(bench.nowMs)], [true, false]);
  circuit.record(OUTCOME_ABANDONED, 10, bench.nowMs);
  assert.equal(circuit.hasRoom(bench.nowMs), true);
  circuit.record(OUTCOME_OK, 10, bench.nowMs);
  circuit.record(OUTCOME_OK, 0, bench.nowMs);
  assert.equal(circuit.state, "closed");
});

test("CircuitBreaker opens again when one probe fails, for twice as long, up to ten times", () => {
  const bench = new Bench();
  const longMs: number[] = [];
  bench.calls(OUTCOME_ERROR, 10);
  for (let trip = 0; trip < 7; trip += 1) {
    longMs.push((bench.circuit.openUntilMs - bench.nowMs) / POLICY.openMs);
    bench.waitOpen();
    assert.equal(bench.call(OUTCOME_ERROR), true);
  }
  const factors = [1, 2, 4, 8, 10, 10, 10];
  longMs.forEach((long, index) => {
    const factor = factors[index] ?? 0;
    assert.ok(long >= 0.9 * factor && long <= 1.1 * factor, `trip ${index + 1}: ${long}, expected ${factor} ± 10 %`);
  });
  assert.equal(new Set(longMs).size, longMs.length);
  // Once closed, the next trip is the first of its row.
  bench.waitOpen();
  bench.calls(OUTCOME_OK, 3);
  bench.calls(OUTCOME_ERROR, 10);
  assert.ok(bench.circuit.openUntilMs - bench.nowMs <= 1.1 * POLICY.openMs);
});

test("CircuitBreaker opens again when a probe is slow, where slow calls count", () => {
  const bench = new Bench({ slowPercent: 50 });
  bench.calls(OUTCOME_ERROR, 10);
  bench.waitOpen();
  bench.call(OUTCOME_OK, 100);
  assert.equal(bench.circuit.state, "open");
  assert.match(bench.log.at(-1) ?? "", /a trial call took 100 ms/);
});

test("CircuitBreaker does not take calls from before it opened for probes", () => {
  const bench = new Bench();
  const { circuit } = bench;
  // Two that take long, let through while all was well.
  assert.ok(circuit.admit(bench.nowMs) && circuit.admit(bench.nowMs));
  const begunMs = bench.nowMs;
  bench.calls(OUTCOME_ERROR, 10);
  circuit.record(OUTCOME_OK, bench.nowMs - begunMs, bench.nowMs);
  assert.equal(circuit.state, "open");
  bench.waitOpen();
  assert.ok(circuit.admit(bench.nowMs));
  circuit.record(OUTCOME_ERROR, bench.nowMs - begunMs, bench.nowMs);
  assert.equal(circuit.state, "halfOpen");
  // Neither gave back the place of the one probe.
  assert.deepEqual(
    [circuit.admit(bench.nowMs), circuit.admit(bench.nowMs), circuit.admit(bench.nowMs)],
    [true, true, false],
  );
});

test("CircuitBreaker gives the places of probes that hang to others after the open time", () => {
  const bench = new Bench({ probes: 1 });
  bench.calls(OUTCOME_ERROR, 10);
  const openMs = bench.circuit.openUntilMs - bench.nowMs;
  bench.waitOpen();
  assert.equal(bench.circuit.admit(bench.nowMs), true);
  bench.nowMs += openMs - 1;
  assert.equal(bench.circuit.admit(bench.nowMs), false);
  bench.nowMs += 1.001;
  assert.equal(bench.call(OUTCOME_OK), true);
  assert.equal(bench.circuit.state, "closed");
});

test("CircuitBreaker trips exactly when the calls of its last ten buckets say so, whatever the traffic", () => {
  const step = fc.record({ waitMs: fc.nat(3_000), failed: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const bench = new Bench({ minRequests: 5 });
      const calls: { readonly atMs: number; readonly failed: boolean }[] = [];
      for (const { waitMs, failed } of steps) {
        bench.nowMs += waitMs;
        calls.push({ atMs: bench.nowMs, failed });
        const before = bench.circuit.trips;
        bench.circuit.record(failed ? OUTCOME_ERROR : OUTCOME_OK, 0, bench.nowMs);
        const isTripped = bench.circuit.trips > before;
        // Buckets forget between nine tenths of the window and the whole of it.
        const [least, most] = [9_000, 10_000].map((ms) => calls.filter(({ atMs }) => atMs > bench.nowMs - ms));
        const trips = [least, most].map((window = []) => {
          return window.length >= 5 && 2 * window.filter((call) => call.failed).length >= window.length;
        });
        if (least?.length === most?.length) assert.equal(isTripped, trips[0]);
        if (isTripped) return;
      }
    }),
    { seed: 20261123, numRuns: 500 },
  );
});
