import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { StatusError } from "../status.ts";
import { isEqual } from "./json-value.ts";
import { applyMergePatch } from "./merge-patch.ts";

/** What RFC 7396 says of objects; patches that are no objects are refused here. */
const CASES: readonly {
  readonly what: string;
  readonly live: unknown;
  readonly patch: unknown;
  readonly outcome: unknown;
}[] = [
  { what: "sets a field", live: { a: "b" }, patch: { a: "c" }, outcome: { a: "c" } },
  { what: "adds a field", live: { a: "b" }, patch: { c: 1 }, outcome: { a: "b", c: 1 } },
  { what: "removes by null", live: { a: "b", c: 1 }, patch: { a: null }, outcome: { c: 1 } },
  { what: "does not mind null for what is not there", live: { a: 1 }, patch: { b: null }, outcome: { a: 1 } },
  { what: "replaces lists whole", live: { a: [1, { b: 2 }] }, patch: { a: [null] }, outcome: { a: [null] } },
  { what: "replaces a list by an object", live: { a: [1] }, patch: { a: { b: 1, c: null } }, outcome: { a: { b: 1 } } },
  { what: "replaces an object by a list", live: { a: { b: 1 } }, patch: { a: [] }, outcome: { a: [] } },
  {
    what: "goes into objects",
    live: { a: { b: 1, c: 2 } },
    patch: { a: { b: null, d: 3 } },
    outcome: { a: { c: 2, d: 3 } },
  },
  { what: "drops nulls of new objects", live: {}, patch: { a: { b: { c: null } } }, outcome: { a: { b: {} } } },
  { what: "starts from nothing where there is no object", live: null, patch: { a: 1 }, outcome: { a: 1 } },
  { what: "keeps nulls that are there", live: { a: null }, patch: { b: 1 }, outcome: { a: null, b: 1 } },
];

for (const { what, live, patch, outcome } of CASES) {
  void test(`applyMergePatch() ${what}`, () => {
    const copies = structuredClone([live, patch]);
    assert.deepEqual(applyMergePatch(live, patch), outcome);
    assert.deepEqual([live, patch], copies, "nothing given is changed");
  });
}

for (const patch of [null, [], "a", 1, true]) {
  void test(`applyMergePatch() refuses ${JSON.stringify(patch)} with 400`, () => {
    assert.throws(
      () => applyMergePatch({ a: 1 }, patch),
      (error) => error instanceof StatusError && error.status.code === 400 && /expected an object/.test(error.message),
    );
  });
}

void test("applyMergePatch() makes __proto__ a field and touches no prototype", () => {
  const patch = JSON.parse('{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}') as unknown;
  const outcome = applyMergePatch({}, patch);
  assert.equal(JSON.stringify(outcome), JSON.stringify(patch));
  assert.equal(({} as { isAdmin?: boolean }).isAdmin, undefined);
});

void test("applyMergePatch() refuses what is too deep to walk", () => {
  const deep = JSON.parse(`${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`) as unknown;
  assert.throws(() => applyMergePatch({}, deep), StatusError);
  assert.throws(() => applyMergePatch(deep, {}), StatusError);
});

void test("applyMergePatch() makes any document of any other by a generated patch", () => {
  const object = fc.dictionary(fc.string({ maxLength: 3 }), fc.jsonValue({ maxDepth: 3 }));
  fc.assert(
    fc.property(object, object, (from, to) => {
      // A merge patch cannot say null.
      const wanted = withoutNulls(to);
      assert.ok(isEqual(applyMergePatch(from, diff(from, wanted)), wanted));
    }),
    { numRuns: 1000 },
  );
});

/** A merge patch that makes `to` of `from`, written without the code under test. */
function diff(from: unknown, to: unknown): unknown {
  if (!isPlain(to)) return to;
  const base = isPlain(from) ? from : {};
  const removed = Object.keys(base).filter((key) => !Object.hasOwn(to, key));
  return Object.fromEntries([
    ...removed.map((key) => [key, null]),
    ...Object.entries(to).map(([key, value]) => [key, diff(Object.hasOwn(base, key) ? base[key] : undefined, value)]),
  ]);
}

function withoutNulls(value: unknown): unknown {
  if (!isPlain(value)) return value;
  const entries = Object.entries(value).filter(([, child]) => child !== null);
  return Object.fromEntries(entries.map(([key, child]) => [key, withoutNulls(child)]));
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
