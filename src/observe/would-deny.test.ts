import assert from "node:assert/strict";
import { test } from "node:test";
import { EdgeStats } from "./edge-stats.ts";
import { formatDeniedCall, OTHER_REQUESTS, parseDeniedCall, subtractByKey } from "./would-deny.ts";

test("formatDeniedCall() and parseDeniedCall() agree, and segments that are identifiers become one kind of call", () => {
  for (const [method, path, kind] of [
    ["GET", "/reviews/7/edit", "/reviews/{id}/edit"],
    ["PURGE", "/o/3f2504e0-4f89-11d3-9a0c-0305e82c3301", "/o/{id}"],
    ["GET", "/blob/00deadbeef00cafe", "/blob/{id}"],
    ["GET", "/v1/defaced", "/v1/defaced"],
    ["OPTIONS", "*", "*"],
    ["", "", ""],
  ] as const) {
    assert.deepEqual(parseDeniedCall(formatDeniedCall({ port: 9000, method, path })), {
      port: 9000,
      method,
      path: kind,
    });
  }
});

test("what makes no readable key is counted as some request", () => {
  for (const path of ["x", "/a b", "/\u00e9", `/${"a".repeat(300)}`, ""])
    assert.equal(formatDeniedCall({ port: 1, method: "GET", path }), OTHER_REQUESTS, path);
  assert.deepEqual(parseDeniedCall(OTHER_REQUESTS), { port: 0, method: "?", path: "" });
  for (const key of ["", "GET /", "1 GET", "1 G T /", "123456", "1 GET /\n"])
    assert.equal(parseDeniedCall(key), null, key);
});

test("EdgeStats keeps a bounded number of kinds of call and counts the rest together", () => {
  const edge = new EdgeStats(
    { direction: "inbound", source: "a/b", destination: "a/c", version: "", protocol: "http" },
    1,
  );
  for (let i = 0; i < 1_000; i += 1) edge.countWouldDeny(formatDeniedCall({ port: 1, method: "GET", path: `/p${i}x` }));
  assert.equal(edge.wouldDeny?.size, 65);
  assert.equal(edge.wouldDeny?.get(OTHER_REQUESTS), 1_000 - 64);
});

test("subtractByKey() gives what was counted in between", () => {
  const now = new Map(Object.entries({ a: 3, b: 1, c: 2 }));
  assert.deepEqual(
    [...subtractByKey(now, new Map(Object.entries({ a: 1, b: 1 })))],
    [
      ["a", 2],
      ["c", 2],
    ],
  );
  assert.deepEqual([...subtractByKey(now, null)].length, 3);
});
