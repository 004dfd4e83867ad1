import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { google } from "#gen/protos.js";
import { fromStruct, toStruct } from "./struct-json.ts";

test("fromStruct() reads back what toStruct() wrote, over the wire", () => {
  const object = fc.dictionary(
    fc.string().filter((key) => key !== "__proto__"),
    fc.jsonValue({ maxDepth: 4 }),
    { maxKeys: 6 },
  );
  fc.assert(
    fc.property(object, (json) => {
      const bytes = google.protobuf.Struct.encode(toStruct(json)).finish();
      // JSON has no negative zero; what a peer sees is plain JSON.
      assert.equal(JSON.stringify(sort(fromStruct(google.protobuf.Struct.decode(bytes)))), JSON.stringify(sort(json)));
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("toStruct() leaves out undefined and refuses what is not JSON", () => {
  assert.deepEqual(toStruct({ a: undefined, b: 1 }), { fields: { b: { numberValue: 1 } } });
  assert.throws(() => toStruct({ run: () => undefined }), /a function into a Struct/);
});

function sort(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sort);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, field]): [string, unknown] => [key, sort(field)]);
  return entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
}
