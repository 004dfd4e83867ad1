import assert from "node:assert/strict";
import { test } from "node:test";
import { freeBytes } from "./free-bytes.ts";
import { COPIED_BYTES, WriteArena, WriteQueue } from "./write-queue.ts";

/** Node 20 cannot free by hand. */
const canFree = Reflect.has(ArrayBuffer.prototype, "transfer");
const LARGE_BYTES = COPIED_BYTES + 1;

test("freeBytes() empties what has its memory to itself", () => {
  const bytes = new Uint8Array(LARGE_BYTES);
  freeBytes(bytes);
  assert.equal(bytes.length, canFree ? 0 : LARGE_BYTES);
});

test("freeBytes() leaves a part of something larger alone", () => {
  const whole = new Uint8Array(LARGE_BYTES).fill(7);
  freeBytes(whole.subarray(1));
  freeBytes(whole.subarray(0, LARGE_BYTES - 1));
  assert.deepEqual([whole.length, whole[1]], [LARGE_BYTES, 7]);
});

test("WriteQueue frees a buffer kept by reference when all of it is sent, if it was told to", () => {
  for (const frees of [false, true]) {
    const queue = new WriteQueue(new WriteArena());
    const bytes = new Uint8Array(LARGE_BYTES);
    queue.freesSent = frees;
    queue.append(bytes);
    queue.consume(LARGE_BYTES - 1);
    assert.equal(bytes.length, LARGE_BYTES);
    queue.consume(1);
    assert.equal(bytes.length, frees && canFree ? 0 : LARGE_BYTES);
  }
});

test("WriteQueue never frees its slab, even where one region fills it", () => {
  const arena = new WriteArena();
  const queue = new WriteQueue(arena);
  queue.freesSent = true;
  for (let count = 0; count < 16; count += 1) queue.append(new Uint8Array(4096));
  const { slab } = arena;
  queue.append(new Uint8Array(LARGE_BYTES));
  while (queue.bytes > 0) queue.consume(queue.frontLength());
  assert.ok(slab.bytes.length >= 65_536);
});
