import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { shareStructure } from "./share-structure.ts";

const tree: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, 0, 1, "", "a"),
    fc.array(tie("node"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom("a", "b", "c"), tie("node")).map((object) => ({ ...object })),
    fc.dictionary(fc.constantFrom("a", "b", "c"), tie("node")).map((object) => new Map(Object.entries(object))),
  ),
})).node;

test("shareStructure() never changes what a value means", () => {
  fc.assert(
    fc.property(tree, tree, (previous, next) => {
      assert.deepEqual(shareStructure(previous, structuredClone(next)), next);
    }),
  );
});

test("shareStructure() returns the previous object when nothing changed", () => {
  fc.assert(
    fc.property(tree, (value) => {
      assert.equal(shareStructure(value, structuredClone(value)), value);
    }),
  );
});

test("shareStructure() keeps the parts beside a change", () => {
  const previous = { a: [{ x: 1 }, { x: 2 }], b: new Map([["k", { y: 1 }]]) };
  const next = shareStructure(previous, { a: [{ x: 1 }, { x: 3 }], b: new Map([["k", { y: 1 }]]) });
  assert.notEqual(next, previous);
  assert.equal(next.a[0], previous.a[0]);
  assert.equal(next.b, previous.b);
});

test("shareStructure() tells a missing field from another one", () => {
  const previous = { a: undefined };
  assert.deepEqual(Object.keys(shareStructure(previous, { b: undefined })), ["b"]);
});
