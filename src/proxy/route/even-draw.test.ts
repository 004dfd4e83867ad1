import assert from "node:assert/strict";
import { test } from "node:test";
import { createSeededRandom } from "../../random/seeded-random.ts";
import { EvenDraw } from "./even-draw.ts";

test("EvenDraw.next() falls once into each 64th of [0, 1) in 64 draws, in an order that differs from block to block", () => {
  const draw = new EvenDraw(createSeededRandom(1));
  const orders = new Set<string>();
  for (let block = 0; block < 50; block += 1) {
    const strata = Array.from({ length: 64 }, () => Math.floor(draw.next() * 64));
    assert.deepEqual(
      strata.toSorted((a, b) => a - b),
      Array.from({ length: 64 }, (_, index) => index),
    );
    orders.add(strata.join(" "));
  }
  assert.equal(orders.size, 50);
});

test("EvenDraw.next() keeps a share, apart from the one 64th that it cuts through", () => {
  for (const share of [0.01, 0.1, 0.5, 0.75]) {
    const draw = new EvenDraw(createSeededRandom(7));
    let below = 0;
    let worst = 0;
    for (let count = 1; count <= 64 * 200; count += 1) {
      if (draw.next() < share) below += 1;
      if (count % 64 === 0) worst = Math.max(worst, Math.abs(below - count * share));
    }
    // Only the one stratum that the share cuts through is left to chance, over 200 blocks.
    assert.ok(worst <= 25, `a share of ${share} was ${worst} draws off`);
  }
});

test("EvenDraw.next() shows no rhythm to a caller that looks at every k-th draw", () => {
  for (const step of [2, 3, 4, 8, 13, 16, 32, 64]) {
    const draw = new EvenDraw(createSeededRandom(11));
    let below = 0;
    for (let count = 0; count < 4000 * step; count += 1) if (draw.next() < 0.75 && count % step === 0) below += 1;
    assert.ok(Math.abs(below / 4000 - 0.75) < 0.03, `every ${step}th: ${below / 4000}`);
  }
});
