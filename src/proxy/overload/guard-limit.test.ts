import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createSeededRandom } from "../../random/seeded-random.ts";
import { GuardLimit, NO_LIMIT } from "./guard-limit.ts";

class Answers {
  readonly limit: GuardLimit = new GuardLimit(createSeededRandom(1));
  nowMs: number = 0;

  /** So many answers in each of `seconds`, evenly. */
  pass(seconds: number, perSecond: number, { met, latencyMs: answeredMs, lost = 0, lostMs = answeredMs }: Mix): void {
    for (let i = 0; i < seconds * perSecond; i += 1) {
      this.nowMs += 1_000 / perSecond;
      const at = typeof met === "number" ? met : met(i / perSecond);
      const gaveUp = Math.floor((i + 1) * lost) > Math.floor(i * lost);
      const latencyMs = gaveUp ? lostMs : answeredMs;
      const sample = { latencyMs, admittedMs: this.nowMs - latencyMs, met: at, gaveUp };
      this.limit.add(sample, this.nowMs);
    }
  }

  get isGuarding(): boolean {
    return this.limit.current !== NO_LIMIT;
  }
}

interface Mix {
  readonly met: number | ((second: number) => number);
  readonly latencyMs: number;
  /** Share that gives up. */
  readonly lost?: number;
  /** How long those waited; default as the others. */
  readonly lostMs?: number;
}

const CALM: Mix = { met: 6, latencyMs: 20 };

describe("GuardLimit", () => {
  const harmless: readonly (readonly [string, Mix])[] = [
    ["ten thousand requests that are answered", { met: 10_000, latencyMs: 20 }],
    ["callers that give up where there is no crowd", { met: 10, latencyMs: 40, lost: 0.5 }],
    ["a crowd of which a fifth gives up", { met: 500, latencyMs: 100, lost: 0.2 }],
    [
      "a crowd that gives up on what hangs behind the app, beside answers as fast as ever",
      { met: 60, latencyMs: 25, lost: 0.4, lostMs: 1_000 },
    ],
    ["a crowd that waits for something slow, and does not grow", { met: 600, latencyMs: 2_000 }],
    ["a crowd that grows while answers come as fast as ever", { met: (second) => 6 + 100 * second, latencyMs: 40 }],
    ["long polls that never met anybody who waits", { met: 300, latencyMs: 30_000 }],
  ];
  for (const [what, mix] of harmless) {
    it(`lets in ${what}`, () => {
      const answers = new Answers();
      answers.pass(60, 200, CALM);
      answers.pass(10, 200, mix);
      assert.equal(answers.isGuarding, false);
    });
  }

  it("steps in when a quarter of a crowd gives up, with about twice of what is usual", () => {
    const answers = new Answers();
    answers.pass(60, 200, CALM);
    answers.pass(1, 200, { met: 100, latencyMs: 1_000, lost: 0.5 });
    assert.ok(answers.limit.current >= 6 && answers.limit.current <= 16, String(answers.limit.current));
  });

  it("steps in when a crowd of slow answers grows without end", () => {
    const answers = new Answers();
    answers.pass(60, 200, CALM);
    answers.pass(4, 200, { met: (second) => 50 + 100 * second, latencyMs: 300 });
    assert.equal(answers.isGuarding, true);
  });

  it("takes 16 for usual as long as it knows nothing", () => {
    for (const [met, isGuarding] of [
      [60, false],
      [70, true],
    ] as const) {
      const answers = new Answers();
      answers.pass(1, 200, { met, latencyMs: 1_000, lost: 0.9 });
      assert.equal(answers.isGuarding, isGuarding, String(met));
    }
  });

  it("does not take the rush before a collapse for usual", () => {
    const answers = new Answers();
    answers.pass(60, 200, CALM);
    answers.pass(1, 200, { met: (second) => 6 + 100 * second, latencyMs: 100 });
    answers.pass(1, 200, { met: 100, latencyMs: 1_000, lost: 0.9 });
    assert.ok(answers.limit.current <= 20, String(answers.limit.current));
  });

  it("steps back when nobody had to wait for ten seconds, and not before", () => {
    const answers = new Answers();
    answers.pass(60, 200, CALM);
    answers.pass(1, 200, { met: 100, latencyMs: 1_000, lost: 0.5 });
    answers.limit.onFull(answers.nowMs);
    answers.pass(9, 200, CALM);
    assert.equal(answers.isGuarding, true);
    answers.limit.onFull(answers.nowMs);
    answers.pass(9, 200, CALM);
    assert.equal(answers.isGuarding, true);
    answers.pass(2, 200, CALM);
    assert.equal(answers.isGuarding, false);
  });
});
