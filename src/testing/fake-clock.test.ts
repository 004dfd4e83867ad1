import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "./fake-clock.ts";

test("FakeClock.advance() runs what is due in order, each at its own time", () => {
  const clock = new FakeClock();
  const seen: string[] = [];
  const note = (name: string): void => void seen.push(`${name}@${clock.nowMs()}`);
  clock.after(20, note, "b");
  clock.after(10, note, "a");
  clock.after(20, note, "c");
  clock.after(31, note, "late");
  clock.advance(30);
  assert.deepEqual(seen, ["a@10", "b@20", "c@20"]);
  assert.equal(clock.nowMs(), 30);
  assert.equal(clock.pendingTimers(), 1);
});

test("FakeClock.advance() runs timers that timers set, when they are due too", () => {
  const clock = new FakeClock();
  const seen: number[] = [];
  clock.after(5, () => clock.after(5, () => seen.push(clock.nowMs()), null), null);
  clock.advance(10);
  assert.deepEqual(seen, [10]);
});

test("FakeClock.every() beats until cleared, also from inside its function", () => {
  const clock = new FakeClock();
  const seen: number[] = [];
  const timer = clock.every(
    10,
    () => {
      seen.push(clock.nowMs());
      if (seen.length === 3) timer.clear();
    },
    null,
  );
  clock.advance(100);
  assert.deepEqual(seen, [10, 20, 30]);
  assert.equal(clock.pendingTimers(), 0);
});

test("a cleared timer of FakeClock does not run", () => {
  const clock = new FakeClock();
  const timer = clock.after(1, () => assert.fail("ran"), null);
  timer.clear();
  timer.clear();
  clock.advance(10);
});

test("FakeClock.elapse() lets promises settle between timers", async () => {
  const clock = new FakeClock();
  const seen: string[] = [];
  const wait = (ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve, undefined));
  const run = async (): Promise<void> => {
    await wait(10);
    seen.push(`first@${clock.nowMs()}`);
    await wait(10);
    seen.push(`second@${clock.nowMs()}`);
  };
  const running = run();
  await clock.elapse(20);
  assert.deepEqual(seen, ["first@10", "second@20"]);
  await running;
});

test("FakeClock.runUntilIdle() runs microtasks and what is due, and leaves the time alone", async () => {
  const clock = new FakeClock();
  const seen: string[] = [];
  clock.after(0, () => void Promise.resolve().then(() => seen.push("after 0")), null);
  clock.after(1, () => seen.push("never"), null);
  await clock.runUntilIdle();
  assert.deepEqual(seen, ["after 0"]);
  assert.equal(clock.nowMs(), 0);
});

test("FakeClock keeps wall time and monotonic time in step", () => {
  const clock = new FakeClock(1_000_000);
  clock.advance(2.5);
  assert.equal(clock.nowMs(), 2.5);
  assert.equal(clock.wallMs(), 1_000_002.5);
});

test("FakeClock.advance() hands on what a timer throws, and refuses to go back", () => {
  const clock = new FakeClock();
  clock.after(
    1,
    () => {
      throw new Error("from the timer");
    },
    null,
  );
  assert.throws(() => clock.advance(1), /from the timer/);
  assert.throws(() => clock.advance(-1), /cannot go back/);
});
