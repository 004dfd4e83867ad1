import assert from "node:assert/strict";
import { test } from "node:test";
import { pickLeastLoaded, type WorkerLoad } from "./least-loaded.ts";

function worker(busyRatio: number, openConnections: number, handedSince: number = 0): WorkerLoad {
  return { busyRatio, openConnections, handedSince };
}

const CASES: readonly (readonly [title: string, workers: readonly WorkerLoad[], expected: number])[] = [
  ["has none to pick among none", [], -1],
  ["picks the only one, however busy", [worker(1, 900)], 0],
  ["picks the first of equals", [worker(0, 0), worker(0, 0)], 0],
  ["picks the one with fewer connections among those about as busy", [worker(0.52, 9), worker(0.58, 8)], 1],
  ["picks the less busy one though it has many more connections", [worker(0.6, 1), worker(0.1, 500)], 1],
  ["counts what was handed over since the last report", [worker(0.3, 4), worker(0.1, 20, 11)], 0],
  ["spreads a burst over workers at rest", [worker(0, 3, 3), worker(0, 2, 2), worker(0, 3, 3)], 1],
];

for (const [title, workers, expected] of CASES) {
  test(`pickLeastLoaded() ${title}`, () => assert.equal(pickLeastLoaded(workers), expected));
}
