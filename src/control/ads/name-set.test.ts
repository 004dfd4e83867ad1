import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ResourcesByName } from "../config-source.ts";
import { createTestEndpoints } from "../../testing/memory-config-source.ts";
import { NameSet } from "./name-set.ts";

test("NameSet gives whoever takes the same steps the same set, in whatever order they name names", () => {
  const root = new NameSet();
  const one = root.change(["a", "b", "c"], []);
  assert.equal(root.change(["c", "a", "b"], []), one);
  assert.equal(one.change(["d"], ["a"]), one.change(["d", "b"], ["a", "x"]));
  assert.equal(one.change(["a"], ["x"]), one, "a step to nowhere");
});

test("NameSet does not take names that hold separators for others", () => {
  const root = new NameSet();
  assert.deepEqual([...root.change(["a\nb"], [])], ["a\nb"]);
  assert.deepEqual([...root.change(["a", "b"], [])], ["a", "b"]);
  assert.deepEqual([...root.change(['a","b'], [])], ['a","b']);
});

test("NameSet.change() is what a set would be after the same changes", () => {
  const names = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e", "f"));
  fc.assert(
    fc.property(fc.array(fc.tuple(names, names)), (steps) => {
      let set = new NameSet();
      let expected: ReadonlySet<string> = new Set();
      for (const [added, removed] of steps) {
        set = set.change(added, removed);
        expected = new Set([...[...expected].filter((name) => !removed.some((gone) => gone === name)), ...added]);
        assert.deepEqual(new Set(set), expected);
        assert.equal(set.size, expected.size);
      }
    }),
  );
});

test("NameSet.countIn() counts its names in a map", () => {
  const resources: ResourcesByName = new Map(["a", "b"].map((name) => [name, createTestEndpoints(name)]));
  const set = new NameSet().change(["b", "c"], []);
  assert.equal(set.countIn(resources), 1);
  assert.equal(set.countIn(resources), 1);
  assert.equal(set.countIn(new Map()), 0);
});
