import assert from "node:assert/strict";
import { test } from "node:test";
import { deepFreeze } from "./deep-freeze.ts";

test("deepFreeze() freezes every object and list of a tree and returns it", () => {
  const tree = { a: [{ b: 1 }], c: null, d: { e: {} } };
  assert.equal(deepFreeze(tree), tree);
  for (const part of [tree, tree.a, tree.a[0], tree.d, tree.d.e]) assert.ok(Object.isFrozen(part));
});
