import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { hashByte, HASH_START, NameTracker } from "./name-tracker.ts";
import { STATIC_FIELDS } from "./static-lines.ts";

function slotOf(names: NameTracker, name: string): number {
  const bytes = Buffer.from(name, "latin1");
  return names.slotOf(bytes, 0, bytes.length, bytes.reduce(hashByte, HASH_START));
}

test("NameTracker knows every name of the static table by its first index", () => {
  const names = new NameTracker();
  const indexes = STATIC_FIELDS.map(([name]) => names.staticIndex[slotOf(names, name)]);
  const expected = STATIC_FIELDS.map(([name]) => STATIC_FIELDS.findIndex((field) => field[0] === name) + 1);
  assert.deepEqual(indexes, expected);
});

test("NameTracker keeps names in use through a flood of others, and the static ones for ever", () => {
  const names = new NameTracker();
  const used = ["x-one", "x-two", "x-three"];
  const slots = used.map((name) => slotOf(names, name));
  for (let index = 0; index < 20_000; index += 1) {
    slotOf(names, `flood-${index}`);
    assert.deepEqual(
      used.map((name) => slotOf(names, name)),
      slots,
    );
  }
  assert.equal(names.staticIndex[slotOf(names, "cookie")], 32);
});

test("NameTracker gives a place to new names once the old ones are not seen any more", () => {
  const names = new NameTracker();
  for (let index = 0; index < 500; index += 1) slotOf(names, `old-${index}`);
  for (let round = 0; round < 40; round += 1) {
    for (let index = 0; index < 10; index += 1) slotOf(names, `new-${index}`);
  }
  for (let index = 0; index < 10; index += 1) assert.ok(names.isKnown(slotOf(names, `new-${index}`)));
});

test("NameTracker finds a name volatile whose values do not repeat, and stops when they do", () => {
  const names = new NameTracker();
  const slot = slotOf(names, "x-id");
  for (let index = 0; index < 100; index += 1) names.miss(slot);
  assert.ok(names.isVolatile(slot));
  for (let index = 0; index < 16; index += 1) names.hit(slot);
  assert.ok(!names.isVolatile(slot));
  names.miss(slot);
  assert.ok(!names.isVolatile(slot));
});

test("NameTracker does not keep very long names", () => {
  assert.equal(slotOf(new NameTracker(), "x".repeat(100)), -1);
});
