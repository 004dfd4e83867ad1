import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { StatusError } from "../status.ts";
import { applyStrategicMergePatch } from "./strategic-merge-patch.ts";

const SERVICE = { group: "", kind: "Service" };
const SPLIT = { group: "split.smi-spec.io", kind: "TrafficSplit" };

interface Case {
  readonly what: string;
  readonly live: unknown;
  readonly patch: unknown;
  readonly outcome: unknown;
}

const CASES: readonly Case[] = [
  { what: "merges objects", live: { a: { b: 1, c: 2 } }, patch: { a: { b: 3, c: null } }, outcome: { a: { b: 3 } } },
  {
    what: "replaces lists without a merge key",
    live: { spec: { externalIPs: ["1"] } },
    patch: { spec: { externalIPs: ["2"] } },
    outcome: { spec: { externalIPs: ["2"] } },
  },
  {
    what: "drops nulls and directives of what is new",
    live: {},
    patch: { a: { b: null, c: { $patch: "delete" }, $retainKeys: ["d"], d: 1 } },
    outcome: { a: { d: 1 } },
  },
  { what: "replaces what has another type", live: { a: [1] }, patch: { a: { b: 1 } }, outcome: { a: { b: 1 } } },
  {
    what: "replaces an object by $patch: replace",
    live: { a: { b: 1 } },
    patch: { a: { $patch: "replace", c: 2 } },
    outcome: { a: { c: 2 } },
  },
  {
    what: "empties an object by $patch: delete",
    live: { a: { b: 1 } },
    patch: { a: { $patch: "delete" } },
    outcome: { a: {} },
  },
  {
    what: "keeps only $retainKeys",
    live: { a: { b: 1, c: 2 } },
    patch: { a: { $retainKeys: ["c", "d"], d: 3 } },
    outcome: { a: { c: 2, d: 3 } },
  },
  {
    what: "merges entries by their key",
    live: {
      spec: {
        ports: [
          { port: 80, name: "a" },
          { port: 81, name: "b" },
        ],
      },
    },
    patch: { spec: { ports: [{ port: 81, nodePort: 1 }] } },
    outcome: {
      spec: {
        ports: [
          { port: 80, name: "a" },
          { port: 81, name: "b", nodePort: 1 },
        ],
      },
    },
  },
  {
    what: "puts a new entry before those that are not named",
    live: { spec: { ports: [{ port: 80 }] } },
    patch: { spec: { ports: [{ port: 81 }] } },
    outcome: { spec: { ports: [{ port: 81 }, { port: 80 }] } },
  },
  {
    what: "deletes an entry by its key",
    live: { spec: { ports: [{ port: 80 }, { port: 81 }] } },
    patch: { spec: { ports: [{ $patch: "delete", port: 80 }] } },
    outcome: { spec: { ports: [{ port: 81 }] } },
  },
  {
    what: "replaces a merged list by $patch: replace",
    live: { spec: { ports: [{ port: 80 }] } },
    patch: { spec: { ports: [{ port: 81 }, { $patch: "replace" }] } },
    outcome: { spec: { ports: [{ port: 81 }] } },
  },
  {
    what: "takes a list that was not there, without its directives",
    live: { spec: {} },
    patch: { spec: { ports: [{ port: 81 }, { port: 80, $patch: "delete" }] } },
    outcome: { spec: { ports: [{ port: 81 }] } },
  },
  {
    what: "sorts by $setElementOrder, others where they were",
    live: { spec: { ports: [{ port: 1 }, { port: 2 }, { port: 3 }] } },
    patch: { spec: { "$setElementOrder/ports": [{ port: 4 }, { port: 3 }, { port: 1 }], ports: [{ port: 4 }] } },
    outcome: { spec: { ports: [{ port: 4 }, { port: 2 }, { port: 3 }, { port: 1 }] } },
  },
  {
    what: "sorts a list whose entries do not change",
    live: { spec: { ports: [{ port: 1 }, { port: 2 }] } },
    patch: { spec: { "$setElementOrder/ports": [{ port: 2 }, { port: 1 }] } },
    outcome: { spec: { ports: [{ port: 2 }, { port: 1 }] } },
  },
  {
    what: "adds and deletes scalars of a merged list",
    live: { metadata: { finalizers: ["a", "b", "c"] } },
    patch: {
      metadata: {
        "$deleteFromPrimitiveList/finalizers": ["b"],
        "$setElementOrder/finalizers": ["a", "d", "c"],
        finalizers: ["d"],
      },
    },
    outcome: { metadata: { finalizers: ["a", "d", "c"] } },
  },
  {
    what: "merges owner references by uid",
    live: { metadata: { ownerReferences: [{ uid: "1", name: "a" }] } },
    patch: { metadata: { ownerReferences: [{ uid: "1", controller: true }] } },
    outcome: { metadata: { ownerReferences: [{ uid: "1", name: "a", controller: true }] } },
  },
  {
    what: "does not mind a deletion from a list that is not there",
    live: { metadata: {} },
    patch: { metadata: { "$deleteFromPrimitiveList/finalizers": ["b"], "$setElementOrder/finalizers": [] } },
    outcome: { metadata: {} },
  },
];

for (const { what, live, patch, outcome } of CASES) {
  void test(`applyStrategicMergePatch() ${what}`, () => {
    const copies = structuredClone([live, patch]);
    assert.deepEqual(applyStrategicMergePatch(live, patch, SERVICE), outcome);
    assert.deepEqual([live, patch], copies, "nothing given is changed");
  });
}

void test("applyStrategicMergePatch() knows the keys of weft's kinds too", () => {
  const live = {
    spec: {
      backends: [
        { service: "v1", weight: 90 },
        { service: "v2", weight: 10 },
      ],
    },
  };
  const patch = { spec: { backends: [{ service: "v2", weight: 20 }] } };
  assert.deepEqual(applyStrategicMergePatch(live, patch, SPLIT), {
    spec: {
      backends: [
        { service: "v1", weight: 90 },
        { service: "v2", weight: 20 },
      ],
    },
  });
});

const REFUSED: readonly { readonly what: string; readonly patch: unknown }[] = [
  { what: "a list", patch: [] },
  { what: "an unknown $patch", patch: { a: { $patch: "merge" } } },
  { what: "an unknown directive", patch: { a: { $unset: ["b"] } } },
  { what: "an entry without its key", patch: { spec: { ports: [{ name: "a" }] } } },
  { what: "an entry that is no object", patch: { spec: { ports: [80] } } },
  { what: "a deletion without the key", patch: { spec: { ports: [{ $patch: "delete" }] } } },
  { what: "an unknown $patch in a list", patch: { spec: { ports: [{ $patch: "merge", port: 80 }] } } },
  { what: "an object in a list of scalars", patch: { metadata: { finalizers: [{}] } } },
  { what: "$retainKeys without a field that is set", patch: { spec: { $retainKeys: ["a"], b: 1 } } },
  { what: "$retainKeys that is no list", patch: { spec: { $retainKeys: "a" } } },
  { what: "$setElementOrder that is no list", patch: { spec: { "$setElementOrder/ports": 1 } } },
  {
    what: "$setElementOrder without an entry of the list",
    patch: { spec: { "$setElementOrder/ports": [{ port: 80 }], ports: [{ port: 81 }] } },
  },
  {
    what: "$deleteFromPrimitiveList that is no list",
    patch: { metadata: { "$deleteFromPrimitiveList/finalizers": "a" } },
  },
];

for (const { what, patch } of REFUSED) {
  void test(`applyStrategicMergePatch() refuses ${what} with 400`, () => {
    const live = { metadata: { finalizers: ["a"] }, spec: { ports: [{ port: 80 }] }, a: {} };
    assert.throws(
      () => applyStrategicMergePatch(live, patch, SERVICE),
      (error) => error instanceof StatusError && error.status.code === 400,
    );
  });
}

void test("applyStrategicMergePatch() throws nothing but StatusError, and changes nothing given", () => {
  const garbage = fc.jsonValue({ maxDepth: 3 });
  const entry = fc.oneof(
    garbage,
    fc.record(
      { port: fc.integer({ min: 1, max: 3 }), $patch: fc.constantFrom("delete", "replace", "x"), name: garbage },
      { requiredKeys: [] },
    ),
  );
  const list = fc.oneof(fc.array(entry), garbage);
  const part = fc.dictionary(
    fc.constantFrom(
      "ports",
      "finalizers",
      "$setElementOrder/ports",
      "$retainKeys",
      "$deleteFromPrimitiveList/finalizers",
      "__proto__",
      "$patch",
    ),
    list,
  );
  const object = fc.record({ metadata: fc.oneof(part, garbage), spec: fc.oneof(part, garbage) }, { requiredKeys: [] });
  fc.assert(
    fc.property(fc.oneof(object, garbage), fc.oneof(object, garbage), (live, patch) => {
      const before = JSON.stringify([live, patch]);
      try {
        applyStrategicMergePatch(live, patch, SERVICE);
      } catch (error) {
        assert.ok(error instanceof StatusError, String((error as Error).stack));
      }
      assert.equal(JSON.stringify([live, patch]), before);
    }),
    { numRuns: 2000 },
  );
});
