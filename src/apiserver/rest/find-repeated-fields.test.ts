import assert from "node:assert/strict";
import { test } from "node:test";
import { findRepeatedFields } from "./find-repeated-fields.ts";

const TABLE: readonly (readonly [json: string, paths: readonly string[]])[] = [
  ['{"a":1,"b":{"a":1}}', []],
  ['{"a":1,"a":2}', ["a"]],
  ['{"a":{"b":[{"c":1},{"c":1,"d":[],"c":2}]}}', ["a.b[1].c"]],
  ['{"a":"{\\"a\\":1,\\"a\\":2}"}', []],
  ['{"\\u0061":1,"a":2}', ["a"]],
  ['{"a":["a","a"],"b":"a"}', []],
  ['{"a" : 1 , "a" : 2}', ["a"]],
  ['{"a\\"":1,"a\\"":2}', ['a"']],
  ["[]", []],
];

for (const [json, paths] of TABLE) {
  test(`findRepeatedFields() finds ${paths.length === 0 ? "nothing" : paths.join(", ")} in ${json}`, () => {
    JSON.parse(json);
    assert.deepEqual(findRepeatedFields(json), paths);
  });
}

test("findRepeatedFields() names ten at most, in a text as long as a body may be", () => {
  const json = `{${Array.from({ length: 100_000 }, () => `"a":"${"x".repeat(20)}"`).join(",")}}`;
  assert.equal(findRepeatedFields(json).length, 10);
  assert.deepEqual(findRepeatedFields(`"${"x".repeat(3_000_000)}"`), []);
});
