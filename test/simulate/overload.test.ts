import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OverloadPolicy } from "../../src/proxy/policy/cluster-policy.ts";
import { type AppModel, exponentialMs, heavyTailMs } from "./modelled-app.ts";
import { type OverloadRun, type OverloadSecond, runOverload } from "./overload-run.ts";

const POLICY: OverloadPolicy = {
  concurrency: { kind: "adaptive", min: 1, max: 1_000 },
  maxQueue: 100,
  maxWaitMs: 1_000,
  priorityHeader: "x-weft-priority",
  priorities: ["critical", "normal", "sheddable"],
};
const SERVICE_MS = 20;
/** The first seconds are for learning. */
const LEARNT = 20;

interface Figures {
  readonly limit: number;
  readonly perSecond: number;
  readonly meanMs: number;
}

function run(change: Partial<OverloadRun> & Pick<OverloadRun, "app" | "rate">, from: number = LEARNT): Figures {
  return measure(runOverload({ policy: POLICY, seconds: 60, seed: 11, ...change }).slice(from));
}

function measure(seconds: readonly OverloadSecond[]): Figures {
  const count = seconds.length;
  const answers = seconds.map((second) => second.answered.reduce((sum, one) => sum + one, 0));
  const all = answers.reduce((sum, one) => sum + one, 0);
  return {
    limit: seconds.reduce((sum, second) => sum + second.limit, 0) / count,
    perSecond: all / count,
    meanMs: seconds.reduce((sum, second, index) => sum + second.meanMs * (answers[index] ?? 0), 0) / all,
  };
}

function capacityOf(workers: number, serviceMs: number = SERVICE_MS): number {
  return (workers * 1_000) / serviceMs;
}

/** Bounds of the issue: between one and three times the workers, and nine tenths of what the app can do. */
function assertLearnt({ limit, perSecond }: Figures, workers: number, capacity: number): void {
  assert.ok(limit >= workers && limit <= 3 * workers + 1, `limit ${limit.toFixed(1)} for ${workers} workers`);
  assert.ok(perSecond >= 0.9 * capacity, `${perSecond} answers per second of ${capacity}`);
}

describe("the adaptive limit at 150 % load in simulated time", () => {
  for (const workers of [2, 4, 8, 16, 64, 200]) {
    it(`finds ${workers} workers, whose number nobody told it`, () => {
      const capacity = capacityOf(workers);
      const figures = run({ app: { workers, drawMs: exponentialMs(SERVICE_MS) }, rate: () => 1.5 * capacity });
      assertLearnt(figures, workers, capacity);
      // Within the app three times the unloaded time at most, and the wait in front of it.
      assert.ok(figures.meanMs <= 100, `${figures.meanMs} ms`);
    });
  }

  const shapes: readonly (readonly [string, AppModel["drawMs"]])[] = [
    ["that all take the same time", () => SERVICE_MS],
    ["of which a few take very long", heavyTailMs(SERVICE_MS, 1)],
  ];
  for (const [what, drawMs] of shapes) {
    for (const workers of [4, 16]) {
      it(`finds ${workers} workers by requests ${what}`, () => {
        const figures = run({ app: { workers, drawMs }, rate: () => 1.5 * capacityOf(workers) });
        assertLearnt(figures, workers, capacityOf(workers));
      });
    }
  }

  it("finds the workers of an app that answers eight requests per second", () => {
    const slow = { app: { workers: 4, drawMs: exponentialMs(500) }, rate: () => 1.5 * 8 };
    const { limit, perSecond } = run({ ...slow, seconds: 300 }, 60);
    assert.ok(limit >= 4 && limit <= 16, `limit ${limit}`);
    assert.ok(perSecond >= 0.9 * 8, `${perSecond} answers per second of 8`);
  });

  it("finds them again when there are more, or fewer", () => {
    const [few, many] = [4, 16].map((workers) => ({ workers, drawMs: exponentialMs(SERVICE_MS) }));
    assert.ok(few !== undefined && many !== undefined);
    const rate = (): number => 1.5 * capacityOf(16);
    assertLearnt(run({ app: few, rate, change: { atMs: 20_000, app: many } }, 40), 16, capacityOf(16));
    assertLearnt(run({ app: many, rate, change: { atMs: 20_000, app: few } }, 40), 4, capacityOf(4));
  });

  it("goes on with as many when every request becomes four times slower, as that is not load", () => {
    const app = { workers: 16, drawMs: exponentialMs(SERVICE_MS) };
    const slower = { workers: 16, drawMs: exponentialMs(4 * SERVICE_MS) };
    const rate = (): number => 1.5 * capacityOf(16, 4 * SERVICE_MS);
    assertLearnt(run({ app, rate, change: { atMs: 20_000, app: slower } }, 35), 16, capacityOf(16, 4 * SERVICE_MS));
  });

  it("keeps what it learnt when there is nothing to do between two rushes", () => {
    const rate = (atMs: number): number => (Math.floor(atMs / 10_000) % 2 === 0 ? 1.5 : 0.01) * capacityOf(16);
    const seconds = runOverload({
      ...{ policy: POLICY, seconds: 120, seed: 11, rate },
      app: { workers: 16, drawMs: exponentialMs(SERVICE_MS) },
    });
    for (const from of [40, 60, 80, 100]) assertLearnt(measure(seconds.slice(from, from + 10)), 16, capacityOf(16));
  });
});

describe("the adaptive limit below what the app can do", () => {
  it("refuses nothing at 80 % load", () => {
    const seconds = runOverload({
      ...{ policy: POLICY, seconds: 60, seed: 11, rate: () => 0.8 * capacityOf(16) },
      app: { workers: 16, drawMs: exponentialMs(SERVICE_MS) },
    });
    assert.equal(
      seconds.flatMap((second) => second.refused).reduce((sum, one) => sum + one, 0),
      0,
    );
  });

  it("does not grow while the app is not using half of it", () => {
    const { limit } = run({
      app: { workers: 50, drawMs: exponentialMs(SERVICE_MS) },
      rate: () => 0.1 * capacityOf(50),
    });
    assert.ok(limit <= 40, `limit ${limit}`);
  });
});

describe("the gate under overload in simulated time", () => {
  const app = { workers: 4, drawMs: exponentialMs(SERVICE_MS) };
  const capacity = capacityOf(4);

  it("answers what is most important, and sheds from the other end", () => {
    const seconds = runOverload({
      ...{ policy: POLICY, app, seconds: 60, seed: 3, rate: () => 2 * capacity },
      priorities: ["critical", "normal", "sheddable"],
    }).slice(LEARNT);
    const shares = [0, 1, 2].map((index) => {
      const answered = seconds.reduce((sum, second) => sum + (second.answered[index] ?? 0), 0);
      const refused = seconds.reduce((sum, second) => sum + (second.refused[index] ?? 0), 0);
      return answered / (answered + refused);
    });
    const [critical = 0, normal = 0, sheddable = 0] = shares;
    // Two thirds of what the app can do are critical, so all of it fits; what is left is for the normal class.
    assert.ok(critical >= 0.995, `critical ${critical}`);
    assert.ok(normal >= 0.35 && normal <= 0.6, `normal ${normal}`);
    assert.ok(sheddable <= 0.05, `sheddable ${sheddable}`);
  });

  it("leaves nobody waiting beyond its patience at five times the load", () => {
    const seconds = runOverload({
      ...{ policy: POLICY, app, seconds: 60, seed: 3, rate: () => 5 * capacity, patienceMs: 300 },
    }).slice(LEARNT);
    const answered = seconds.reduce((sum, second) => sum + (second.answered[0] ?? 0), 0) / seconds.length;
    const left = seconds.reduce((sum, second) => sum + second.left, 0) / seconds.length;
    assert.ok(answered >= 0.9 * capacity, `${answered} answers per second of ${capacity}`);
    assert.ok(left <= 0.02 * capacity, `${left} callers per second left without any answer`);
  });

  it("finds out an app so slow that every caller gives up", () => {
    // With 20 requests in it the app needs as long as callers wait, who do not say for how long that is.
    const run = { app, seconds: 40, seed: 3, rate: () => 3 * capacity, patienceMs: 100, tellsDeadline: false };
    const { limit, perSecond } = measure(runOverload({ ...run, policy: POLICY }).slice(LEARNT));
    assert.ok(limit <= 16, `limit ${limit}`);
    assert.ok(perSecond >= 0.6 * capacity, `${perSecond} answers in time per second of ${capacity}`);
    assert.equal(measure(runOverload({ ...run, policy: null }).slice(LEARNT)).perSecond, 0);
  });
});
