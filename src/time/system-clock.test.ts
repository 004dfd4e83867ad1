import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "./system-clock.ts";

/** Our timers keep no process alive; a message port does while a test waits for one. */
async function held<T>(run: () => Promise<T>): Promise<T> {
  const { port1 } = new MessageChannel();
  port1.ref();
  try {
    return await run();
  } finally {
    port1.close();
  }
}

test("systemClock.after() calls once, with its argument, not before the time", async () => {
  const startMs = systemClock.nowMs();
  const argument = await held(() => new Promise((resolve) => systemClock.after(15, resolve, "argument")));
  assert.equal(argument, "argument");
  assert.ok(systemClock.nowMs() - startMs >= 14);
});

test("systemClock.after() takes 0 and less as at once, but never calls inside", async () => {
  const calls: string[] = [];
  const waiting = held(() => new Promise<string>((resolve) => systemClock.after(-5, resolve, "called")));
  calls.push("returned");
  calls.push(await waiting);
  assert.deepEqual(calls, ["returned", "called"]);
});

test("systemClock.every() goes on until cleared, also from inside", async () => {
  let count = 0;
  await held(
    () =>
      new Promise<void>((resolve) => {
        const timer = systemClock.every(
          1,
          () => {
            count += 1;
            if (count < 3) return;
            timer.clear();
            systemClock.after(10, resolve, undefined);
          },
          undefined,
        );
      }),
  );
  assert.equal(count, 3);
});

test("a cleared timer does not run, and may be cleared again", async () => {
  let ran = false;
  const timer = systemClock.after(1, () => (ran = true), undefined);
  timer.clear();
  timer.clear();
  await held(() => new Promise<void>((resolve) => systemClock.after(10, resolve, undefined)));
  assert.equal(ran, false);
});

test("systemClock.after() waits longer than the 24.8 days that platforms can", async () => {
  let ran = false;
  const timer = systemClock.after(60 * 86_400_000, () => (ran = true), undefined);
  await held(() => new Promise<void>((resolve) => systemClock.after(10, resolve, undefined)));
  assert.equal(ran, false);
  timer.clear();
});

test("systemClock.nowMs() never goes back, and wallMs() is the time since the epoch", () => {
  const first = systemClock.nowMs();
  assert.ok(systemClock.nowMs() >= first);
  assert.ok(systemClock.wallMs() > 1_700_000_000_000);
});
