import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  addPath,
  createFieldSet,
  differenceOf,
  type FieldSet,
  intersectionOf,
  isEqualSet,
  listPaths,
  unionOf,
} from "./field-set.ts";
import { decodeFieldsV1, encodeFieldsV1, formatPath, keyStep, valueStep } from "./fields-v1.ts";

const step = fc.oneof(
  fc.string({ maxLength: 3 }).map((field) => `f:${field}`),
  fc.constantFrom("f:.", "f:__proto__", "i:0", "i:12"),
  fc.oneof(fc.string(), fc.integer(), fc.boolean()).map(valueStep),
  fc
    .dictionary(fc.string({ minLength: 1, maxLength: 3 }), fc.oneof(fc.string(), fc.integer(), fc.boolean()), {
      minKeys: 1,
    })
    .map((keys) => keyStep(Object.entries(keys))),
);
const paths = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { maxLength: 6 });
const set = paths.map(toSet);

function toSet(all: readonly (readonly string[])[]): FieldSet {
  const built = createFieldSet();
  for (const path of all) addPath(built, path);
  return built;
}

/** The same set as text, to compare with plain set arithmetic. */
function toTexts(fields: FieldSet): ReadonlySet<string> {
  return new Set(listPaths(fields).map((path) => JSON.stringify(path)));
}

void test("decodeFieldsV1() reads what encodeFieldsV1() wrote", () => {
  fc.assert(
    fc.property(set, (fields) => {
      const read = decodeFieldsV1(JSON.parse(JSON.stringify(encodeFieldsV1(fields))));
      assert.ok(read !== null && isEqualSet(read, fields), JSON.stringify(encodeFieldsV1(fields)));
    }),
  );
});

void test("unionOf(), intersectionOf() and differenceOf() do what they do to plain sets", () => {
  fc.assert(
    fc.property(paths, paths, paths, (a, b, both) => {
      const [left, right] = [toSet([...a, ...both]), toSet([...b, ...both])];
      const [ones, others] = [toTexts(left), toTexts(right)];
      assert.deepEqual(toTexts(unionOf(left, right)), new Set([...ones, ...others]));
      assert.deepEqual(toTexts(intersectionOf(left, right)), new Set([...ones].filter((path) => others.has(path))));
      assert.deepEqual(toTexts(differenceOf(left, right)), new Set([...ones].filter((path) => !others.has(path))));
    }),
  );
});

void test("decodeFieldsV1() knows a key however it is written, and leaves out steps of a kind it does not know", () => {
  const read = decodeFieldsV1({ 'k:{"protocol":"TCP", "port":80}': {}, "x:1": {}, "f:a": { ".": {} } });
  assert.deepEqual(read === null ? null : encodeFieldsV1(read), { "f:a": {}, 'k:{"port":80,"protocol":"TCP"}': {} });
});

void test("formatPath() writes paths as Kubernetes does", () => {
  const path = [
    "f:spec",
    keyStep([
      ["protocol", "TCP"],
      ["port", 80],
    ]),
    "f:x",
    valueStep("a"),
    "i:3",
  ];
  assert.equal(formatPath(path), '.spec[port=80,protocol="TCP"].x[="a"][3]');
});
