import assert from "node:assert/strict";
import { test } from "node:test";
import { systemRandom } from "./system-random.ts";

test("systemRandom.bytes() gives as many bytes as asked for, from the pool and beyond it", () => {
  for (const count of [0, 1, 16, 40, 255, 256, 257, 10_000]) assert.equal(systemRandom.bytes(count).length, count);
});

test("systemRandom.bytes() never gives the same bytes twice", () => {
  const seen = new Set<string>();
  // More than several fillings of the pool, of a length that does not divide it.
  for (let index = 0; index < 2_000; index += 1) seen.add(Buffer.from(systemRandom.bytes(17)).toString("hex"));
  assert.equal(seen.size, 2_000);
});

test("systemRandom.bytes() gives bytes of the caller's own", () => {
  const one = systemRandom.bytes(32);
  one.fill(0);
  assert.notDeepEqual(systemRandom.bytes(32), one);
});
