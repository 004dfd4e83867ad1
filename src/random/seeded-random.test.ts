import assert from "node:assert/strict";
import { test } from "node:test";
import { createSeededRandom } from "./seeded-random.ts";
import { systemRandom } from "./system-random.ts";

test("createSeededRandom() repeats itself for a seed and differs between seeds", () => {
  const draw = (seed: number): number[] => {
    const random = createSeededRandom(seed);
    return Array.from({ length: 20 }, () => random.next());
  };
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
  assert.notDeepEqual(draw(0), draw(2 ** 32));
});

test("createSeededRandom() gives the same numbers on every runtime", () => {
  const random = createSeededRandom(42);
  const seen = [random.below(1000), random.below(1000), random.below(1000), ...random.bytes(4)];
  assert.deepEqual(seen, [549, 696, 77, 248, 59, 128, 243]);
});

test("createSeededRandom() draws evenly: every tenth gets its share", () => {
  const random = createSeededRandom(1);
  const counts = new Array<number>(10).fill(0);
  for (let index = 0; index < 20_000; index += 1) {
    const bucket = random.below(10);
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  for (const count of counts) assert.ok(Math.abs(count - 2000) < 130, counts.join(" "));
});

for (const [name, random] of [["systemRandom", systemRandom] as const, ["seeded", createSeededRandom(1)] as const]) {
  test(`${name} draws below its bound, and next() in [0, 1)`, () => {
    for (let index = 0; index < 1000; index += 1) {
      const value = random.next();
      assert.ok(value >= 0 && value < 1);
      assert.equal(random.below(1), 0);
    }
    assert.equal(random.bytes(33).length, 33);
    assert.equal(random.bytes(0).length, 0);
  });
}
