import assert from "node:assert/strict";
import { test } from "node:test";
import type { Random } from "../random/random.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { ReconnectBackoff } from "./reconnect-backoff.ts";

function constantRandom(value: number): Random {
  return { next: () => value, below: () => 0, bytes: (count) => new Uint8Array(count) };
}

function ceilings(backoff: ReconnectBackoff, count: number): readonly number[] {
  return Array.from({ length: count }, () => Math.round(backoff.nextDelayMs()));
}

test("ReconnectBackoff waits at most 1 s for the first five minutes without a control plane", () => {
  const clock = new FakeClock();
  const backoff = new ReconnectBackoff({ clock, random: constantRandom(1) });
  assert.deepEqual(ceilings(backoff, 4), [500, 1_000, 1_000, 1_000]);
  clock.advance(299_999);
  assert.deepEqual(ceilings(backoff, 1), [1_000]);
});

test("ReconnectBackoff grows to 30 s after five minutes, and starts again when the control plane answered", () => {
  const clock = new FakeClock();
  const backoff = new ReconnectBackoff({ clock, random: constantRandom(1) });
  clock.advance(300_000);
  assert.deepEqual(ceilings(backoff, 9), [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  backoff.succeed();
  assert.deepEqual(ceilings(backoff, 3), [500, 1_000, 1_000]);
});

test("ReconnectBackoff jitters from a floor of 50 ms to the ceiling", () => {
  const clock = new FakeClock();
  assert.equal(new ReconnectBackoff({ clock, random: constantRandom(0) }).nextDelayMs(), 50);
  assert.equal(new ReconnectBackoff({ clock, random: constantRandom(0.5) }).nextDelayMs(), 275);
});
