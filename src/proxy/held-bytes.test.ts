import assert from "node:assert/strict";
import { test } from "node:test";
import { createSeededRandom } from "../random/seeded-random.ts";
import { HeldBytes } from "./held-bytes.ts";

test("HeldBytes gives back what it was given, in order, whatever the pieces", () => {
  const random = createSeededRandom(7);
  for (let round = 0; round < 50; round += 1) {
    const held = new HeldBytes();
    const given: Uint8Array[] = [];
    const taken: Uint8Array[] = [];
    for (let step = 0; step < 200; step += 1) {
      if (random.below(4) === 0) {
        const piece = held.shift();
        if (piece !== undefined) taken.push(piece.slice());
      } else {
        const piece = random.bytes(1 + random.below([4, 900, 1_100, 20_000][random.below(4)] ?? 1));
        given.push(piece);
        held.push(piece);
      }
      assert.equal(
        held.bytes,
        held.list.reduce((sum, piece) => sum + piece.length, 0),
      );
    }
    for (let piece = held.shift(); piece !== undefined; piece = held.shift()) taken.push(piece);
    assert.ok(Buffer.concat(taken).equals(Buffer.concat(given)));
    assert.equal(held.bytes, 0);
  }
});

test("HeldBytes keeps no more memory alive than it states, for single bytes and for views of large buffers", () => {
  const single = new HeldBytes();
  const large = Buffer.alloc(65_536);
  for (let at = 0; at < 65_536; at += 1) single.push(large.subarray(at, at + 1));
  assert.equal(single.bytes, 65_536);
  assert.ok(single.list.length <= 17, `${single.list.length} pieces`);
  const views = new HeldBytes();
  for (let index = 0; index < 16; index += 1) views.push(Buffer.alloc(65_536).subarray(0, 2_000));
  const alive = views.list.reduce((sum, piece) => sum + piece.buffer.byteLength, 0);
  assert.ok(alive <= 4 * views.bytes, `${alive} bytes stay alive for ${views.bytes}`);
});

test("HeldBytes never writes into what it was given", () => {
  const source = new Uint8Array(4_096).fill(1);
  const held = new HeldBytes();
  held.push(source.subarray(0, 2_000));
  held.push(new Uint8Array([9, 9]));
  assert.deepEqual(source, new Uint8Array(4_096).fill(1));
});
