import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConcurrencyLimit } from "../../src/proxy/overload/concurrency-limit.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { EventQueue } from "./event-queue.ts";

interface Outcome {
  readonly limit: number;
  readonly answeredPerSecond: number;
  readonly meanMs: number;
}

/** An app of `workers` behind the limit, with more callers than it can serve; what does not get in is gone. */
function offer(workers: number, serviceMs: number, load: number, seconds: number): Outcome {
  const random = createSeededRandom(5);
  const events = new EventQueue(new FakeClock());
  const { clock } = events;
  const limit = new ConcurrencyLimit({ kind: "adaptive", min: 1, max: 1_000 }, clock.nowMs());
  const perSecond = (load * workers * 1_000) / serviceMs;
  const waiting: (() => void)[] = [];
  let busy = 0;
  let inFlight = 0;
  let answered = 0;
  let sumMs = 0;
  const fromMs = (seconds / 2) * 1_000;
  const work = (beganMs: number): void => {
    busy += 1;
    events.add(-Math.log(1 - random.next()) * serviceMs, () => {
      busy -= 1;
      inFlight -= 1;
      const tookMs = clock.nowMs() - beganMs;
      if (clock.nowMs() >= fromMs) {
        answered += 1;
        sumMs += tookMs;
      }
      limit.add(tookMs, inFlight, clock.nowMs());
      waiting.shift()?.();
    });
  };
  const arrive = (): void => {
    if (inFlight < limit.current) {
      inFlight += 1;
      const beganMs = clock.nowMs();
      if (busy < workers) work(beganMs);
      else waiting.push(() => work(beganMs));
    }
    events.add((-Math.log(1 - random.next()) * 1_000) / perSecond, arrive);
  };
  arrive();
  events.run(seconds * 1_000);
  return { limit: limit.current, answeredPerSecond: answered / (seconds / 2), meanMs: sumMs / answered };
}

describe("ConcurrencyLimit in simulated time", () => {
  for (const workers of [4, 8, 50]) {
    it(`finds about what an app of ${workers} workers can do at 150 % load, and keeps it fast`, () => {
      const { limit, answeredPerSecond, meanMs } = offer(workers, 20, 1.5, 60);
      assert.ok(limit >= workers * 0.9 && limit <= workers * 3 + 6, `limit ${limit}`);
      assert.ok(answeredPerSecond >= 0.9 * workers * 50, `${answeredPerSecond} of ${workers * 50} answers per second`);
      assert.ok(meanMs <= 80, `${meanMs} ms`);
    });
  }

  it("does not grow while nobody needs more", () => {
    const { limit } = offer(50, 20, 0.1, 30);
    assert.ok(limit <= 40, `limit ${limit}`);
  });
});
