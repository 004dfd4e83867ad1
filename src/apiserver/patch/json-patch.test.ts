import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { StatusError } from "../status.ts";
import { applyJsonPatch } from "./json-patch.ts";
import { isEqual } from "./json-value.ts";

interface Case {
  readonly what: string;
  readonly live: unknown;
  readonly patch: readonly unknown[];
  readonly outcome: unknown;
}

/** What RFC 6902 (sections 4 and 5) and RFC 6901 say of each operation. */
const CASES: readonly Case[] = [
  { what: "nothing for no operations", live: { a: 1 }, patch: [], outcome: { a: 1 } },
  { what: "add of a field", live: {}, patch: [{ op: "add", path: "/a", value: null }], outcome: { a: null } },
  { what: "add over a field", live: { a: 1 }, patch: [{ op: "add", path: "/a", value: [2] }], outcome: { a: [2] } },
  { what: "add of everything", live: { a: 1 }, patch: [{ op: "add", path: "", value: { b: 2 } }], outcome: { b: 2 } },
  { what: "add before an entry", live: [1, 3], patch: [{ op: "add", path: "/1", value: 2 }], outcome: [1, 2, 3] },
  { what: "add at the end by index", live: [1], patch: [{ op: "add", path: "/1", value: 2 }], outcome: [1, 2] },
  { what: "add at the end by -", live: [1], patch: [{ op: "add", path: "/-", value: [2] }], outcome: [1, [2]] },
  {
    what: "a field named -",
    live: { a: {} },
    patch: [{ op: "add", path: "/a/-", value: 1 }],
    outcome: { a: { "-": 1 } },
  },
  { what: "a field named by nothing", live: {}, patch: [{ op: "add", path: "/", value: 1 }], outcome: { "": 1 } },
  {
    what: "a field named like an index",
    live: {},
    patch: [{ op: "add", path: "/01", value: 1 }],
    outcome: { "01": 1 },
  },
  { what: "remove of a field", live: { a: 1, b: 2 }, patch: [{ op: "remove", path: "/a" }], outcome: { b: 2 } },
  { what: "remove of an entry", live: [1, 2, 3], patch: [{ op: "remove", path: "/1" }], outcome: [1, 3] },
  {
    what: "replace of a field",
    live: { a: [1] },
    patch: [{ op: "replace", path: "/a/0", value: 9 }],
    outcome: { a: [9] },
  },
  { what: "replace of everything", live: { a: 1 }, patch: [{ op: "replace", path: "", value: {} }], outcome: {} },
  { what: "move of a field", live: { a: 1 }, patch: [{ op: "move", from: "/a", path: "/b" }], outcome: { b: 1 } },
  { what: "move to itself", live: { a: [1] }, patch: [{ op: "move", from: "/a", path: "/a" }], outcome: { a: [1] } },
  {
    what: "move within a list, by the index that is left after taking out",
    live: [1, 2, 3],
    patch: [{ op: "move", from: "/0", path: "/2" }],
    outcome: [2, 3, 1],
  },
  {
    what: "copy that shares nothing with the original",
    live: { a: { x: 1 } },
    patch: [
      { op: "copy", from: "/a", path: "/b" },
      { op: "replace", path: "/b/x", value: 2 },
    ],
    outcome: { a: { x: 1 }, b: { x: 2 } },
  },
  {
    what: "a test that holds",
    live: { a: { b: 1, c: [1] } },
    patch: [{ op: "test", path: "/a", value: { c: [1], b: 1 } }],
    outcome: { a: { b: 1, c: [1] } },
  },
  {
    what: "unknown members of an operation",
    live: {},
    patch: [{ op: "add", path: "/a", value: 1, why: "?" }],
    outcome: { a: 1 },
  },
  {
    what: "escaped names",
    live: { "a/b": 1, "m~n": 2, "~1": 3 },
    patch: [
      { op: "remove", path: "/a~1b" },
      { op: "replace", path: "/m~0n", value: 4 },
      { op: "remove", path: "/~01" },
    ],
    outcome: { "m~n": 4 },
  },
  {
    what: "a label with a slash, as `kubectl patch` users write it",
    live: { metadata: { labels: { "app.kubernetes.io/name": "a" } } },
    patch: [{ op: "replace", path: "/metadata/labels/app.kubernetes.io~1name", value: "b" }],
    outcome: { metadata: { labels: { "app.kubernetes.io/name": "b" } } },
  },
  {
    what: "constructor as a field like any other",
    live: {},
    patch: [{ op: "add", path: "/constructor", value: { prototype: 1 } }],
    outcome: { constructor: { prototype: 1 } },
  },
];

for (const { what, live, patch, outcome } of CASES) {
  void test(`applyJsonPatch() does ${what}`, () => {
    const copies = structuredClone([live, patch]);
    assert.deepEqual(applyJsonPatch(live, patch), outcome);
    assert.deepEqual([live, patch], copies, "nothing given is changed");
  });
}

interface Refusal {
  readonly what: string;
  readonly patch: unknown;
  readonly code: number;
  readonly says?: RegExp;
}

const LIVE = { a: { b: 1 }, list: [1, 2] };
const REFUSED: readonly Refusal[] = [
  { what: "an object", patch: { op: "add" }, code: 400, says: /found an object; expected a list of operations/ },
  { what: "an operation that is no object", patch: [1], code: 400 },
  { what: "too many operations", patch: Array(10_001).fill(0), code: 413 },
  { what: "an unknown op", patch: [{ op: "merge", path: "/a" }], code: 422, says: /found op "merge"; expected add,/ },
  { what: "no op", patch: [{ path: "/a" }], code: 422 },
  { what: "no path", patch: [{ op: "remove" }], code: 422 },
  { what: "a path without a slash", patch: [{ op: "remove", path: "a" }], code: 422, says: /JSON pointer/ },
  { what: "a wrong escape", patch: [{ op: "remove", path: "/a~2" }], code: 422 },
  { what: "no value", patch: [{ op: "add", path: "/c" }], code: 422, says: /found no value/ },
  { what: "no from", patch: [{ op: "move", path: "/c" }], code: 422 },
  { what: "removal of everything", patch: [{ op: "remove", path: "" }], code: 422 },
  {
    what: "removal of what is not there",
    patch: [{ op: "remove", path: "/c" }],
    code: 422,
    says: /found no field "c"/,
  },
  { what: "replacement of what is not there", patch: [{ op: "replace", path: "/c", value: 1 }], code: 422 },
  { what: "add below what is not there", patch: [{ op: "add", path: "/c/d", value: 1 }], code: 422 },
  { what: "add below a number", patch: [{ op: "add", path: "/a/b/c", value: 1 }], code: 422 },
  {
    what: "an index past the end",
    patch: [{ op: "add", path: "/list/3", value: 1 }],
    code: 422,
    says: /expected 0 to 2/,
  },
  { what: "an index with a zero before it", patch: [{ op: "replace", path: "/list/01", value: 1 }], code: 422 },
  { what: "a negative index", patch: [{ op: "remove", path: "/list/-1" }], code: 422 },
  { what: "removal at -", patch: [{ op: "remove", path: "/list/-" }], code: 422 },
  { what: "a move into itself", patch: [{ op: "move", from: "/a", path: "/a/c" }], code: 422 },
  { what: "an inherited field", patch: [{ op: "copy", from: "/constructor", path: "/c" }], code: 422 },
  {
    what: "a test that fails",
    patch: [{ op: "test", path: "/a/b", value: "1" }],
    code: 422,
    says: /found 1; expected "1"/,
  },
  { what: "a test of what is not there", patch: [{ op: "test", path: "/c", value: null }], code: 422 },
  {
    what: "a failing operation after good ones",
    patch: [
      { op: "add", path: "/c", value: 1 },
      { op: "remove", path: "/d" },
    ],
    code: 422,
    says: /operation 1/,
  },
];

for (const { what, patch, code, says = /./ } of REFUSED) {
  void test(`applyJsonPatch() refuses ${what} with ${code}`, () => {
    const error = refusal(() => applyJsonPatch(LIVE, patch));
    assert.equal(error.status.code, code, error.message);
    assert.match(error.message, says);
    assert.deepEqual(LIVE, { a: { b: 1 }, list: [1, 2] });
  });
}

void test("applyJsonPatch() makes __proto__ a field and touches no prototype", () => {
  const patch = JSON.parse('[{"op":"add","path":"/__proto__","value":{"isAdmin":true}}]') as unknown;
  const outcome = applyJsonPatch({}, patch);
  assert.equal(JSON.stringify(outcome), '{"__proto__":{"isAdmin":true}}');
  assert.equal(({} as { isAdmin?: boolean }).isAdmin, undefined);
  const below = [{ op: "add", path: "/__proto__/isAdmin", value: true }];
  assert.equal(refusal(() => applyJsonPatch({}, below)).status.code, 422);
  const constructed = [{ op: "add", path: "/constructor/prototype/isAdmin", value: true }];
  assert.equal(refusal(() => applyJsonPatch({}, constructed)).status.code, 422);
  assert.equal(({} as { isAdmin?: boolean }).isAdmin, undefined);
});

void test("applyJsonPatch() ends a patch that doubles what it copies", () => {
  const patch = Array.from({ length: 100 }, (_, index) => ({ op: "copy", from: "", path: `/${index}` }));
  assert.equal(refusal(() => applyJsonPatch({ a: "x".repeat(1000) }, patch)).status.code, 413);
});

void test("applyJsonPatch() ends a patch that nests without end", () => {
  const deep = `/${Array(120).fill("a").join("/")}`;
  const patch = Array.from({ length: 50 }, () => [
    { op: "add", path: "/b", value: JSON.parse(`${'{"a":'.repeat(120)}{}${"}".repeat(120)}`) as unknown },
    { op: "move", from: "/a", path: `/b${deep}` },
    { op: "move", from: "/b", path: "/a" },
  ]).flat();
  assert.equal(refusal(() => applyJsonPatch({ a: {} }, patch)).status.code, 422);
});

void test("applyJsonPatch() of a list too deep to walk is refused", () => {
  const deep = JSON.parse(`${"[".repeat(5000)}${"]".repeat(5000)}`) as unknown;
  assert.equal(refusal(() => applyJsonPatch({}, [{ op: "add", path: "/a", value: deep }])).status.code, 422);
  assert.equal(refusal(() => applyJsonPatch(deep, [])).status.code, 422);
});

const document = fc.jsonValue({ maxDepth: 4 });
const anyPath = fc.array(fc.constantFrom("a", "b", "0", "1", "-", "__proto__", ""), { maxLength: 3 }).map(toPointer);

void test("applyJsonPatch() throws nothing but StatusError, and changes nothing given", () => {
  const operation = fc.record(
    {
      op: fc.constantFrom("add", "remove", "replace", "move", "copy", "test", "x"),
      path: fc.oneof(anyPath, fc.string()),
      from: anyPath,
      value: document,
    },
    { requiredKeys: ["op"] },
  );
  fc.assert(
    fc.property(document, fc.oneof(fc.array(operation), document), (live, patch) => {
      const before = JSON.stringify([live, patch]);
      try {
        applyJsonPatch(live, patch);
      } catch (error) {
        assert.ok(error instanceof StatusError, String((error as Error).stack));
      }
      assert.equal(JSON.stringify([live, patch]), before);
    }),
    { numRuns: 2000 },
  );
});

void test("applyJsonPatch() makes any document of any other by a generated patch", () => {
  fc.assert(
    fc.property(document, document, (from, to) => {
      assert.ok(isEqual(applyJsonPatch(from, diff(from, to, [])), to));
    }),
    { numRuns: 500 },
  );
});

/** Operations that make `to` of `from`, written without the code under test. */
function diff(from: unknown, to: unknown, path: readonly string[]): unknown[] {
  if (!isPlain(from) || !isPlain(to))
    return [{ op: path.length === 0 ? "add" : "replace", path: toPointer(path), value: to }];
  const removed = Object.keys(from).filter((key) => !Object.hasOwn(to, key));
  return [
    ...removed.map((key) => ({ op: "remove", path: toPointer([...path, key]) })),
    ...Object.entries(to).flatMap(([key, value]) =>
      Object.hasOwn(from, key)
        ? diff(from[key], value, [...path, key])
        : [{ op: "add", path: toPointer([...path, key]), value }],
    ),
  ];
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function toPointer(tokens: readonly string[]): string {
  return tokens.map((token) => `/${token.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function refusal(run: () => unknown): StatusError {
  try {
    run();
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
  return assert.fail("nothing was refused");
}
