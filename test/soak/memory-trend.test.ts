import assert from "node:assert/strict";
import { test } from "node:test";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import { computeTrend } from "./memory-trend.ts";

const MEGABYTE = 1_048_576;

/** A collector's saw of 15 s and 40 MB over what grows by `leakPer10Minutes`; 500 samples of 0.3 s. */
function createSamples(leakPer10Minutes: number, seed: number): { atMinutes: number; bytes: number }[] {
  const random = createSeededRandom(seed);
  let heap = 0;
  return Array.from({ length: 500 }, (_, at) => {
    const atMinutes = 2.5 + at * 0.005;
    heap = heap > 40 ? random.below(8) : heap + 0.6 + random.below(100) / 250;
    return { atMinutes, bytes: (90 + heap + (leakPer10Minutes * atMinutes) / 10) * MEGABYTE };
  });
}

test("computeTrend() finds no growth in a collector's waves", () => {
  for (let seed = 0; seed < 200; seed += 1)
    assert.ok(computeTrend(createSamples(0, seed)).atLeastPer10Minutes <= MEGABYTE, `seed ${seed}`);
});

test("computeTrend() finds a leak under them, within minutes when it is large", () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const { atLeastPer10Minutes, bytesPer10Minutes } = computeTrend(createSamples(400, seed));
    assert.ok(atLeastPer10Minutes > MEGABYTE, `seed ${seed}`);
    assert.ok(Math.abs(bytesPer10Minutes / MEGABYTE - 400) < 60, `seed ${seed}`);
  }
});

test("computeTrend() is exact on a line, and refuses a handful of samples", () => {
  const line = Array.from({ length: 60 }, (_, at) => ({ atMinutes: at, bytes: at * 1000 }));
  assert.ok(Math.abs(computeTrend(line).bytesPer10Minutes - 10_000) < 1e-6);
  assert.throws(() => computeTrend(line.slice(0, 11)), RangeError);
});
