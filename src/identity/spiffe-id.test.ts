import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatWorkloadId, parseSpiffeId, parseWorkloadId } from "./spiffe-id.ts";

const REFUSED: readonly (readonly [string, string])[] = [
  ["an empty text", ""],
  ["another scheme", "https://shop.mesh/ns/a/sa/b"],
  ["the scheme in upper case", "SPIFFE://shop.mesh/ns/a/sa/b"],
  ["a missing trust domain", "spiffe:///ns/a/sa/b"],
  ["an upper-case trust domain", "spiffe://Shop.mesh/ns/a/sa/b"],
  ["a port", "spiffe://shop.mesh:443/ns/a/sa/b"],
  ["user information", "spiffe://user@shop.mesh/ns/a/sa/b"],
  ["a query", "spiffe://shop.mesh/ns/a/sa/b?x=1"],
  ["a fragment", "spiffe://shop.mesh/ns/a/sa/b#x"],
  ["percent-encoding", "spiffe://shop.mesh/ns/a/sa/%62"],
  ["an empty segment", "spiffe://shop.mesh/ns//a/sa/b"],
  ["a trailing slash", "spiffe://shop.mesh/ns/a/sa/b/"],
  ["a bare slash", "spiffe://shop.mesh/"],
  ["a dot segment", "spiffe://shop.mesh/ns/./sa/b"],
  ["a double-dot segment", "spiffe://shop.mesh/ns/../sa/b"],
  ["a line feed at the end", "spiffe://shop.mesh/ns/a/sa/b\n"],
  ["a NUL", "spiffe://shop.mesh/ns/a/sa/b\u0000"],
  ["a letter outside ASCII", "spiffe://shop.mesh/ns/a/sa/bé"],
  ["a trust domain of 256 bytes", `spiffe://${"a".repeat(256)}/ns/a/sa/b`],
  ["2,049 bytes", `spiffe://shop.mesh/${"a".repeat(2049 - 19)}`],
];

for (const [what, text] of REFUSED) {
  test(`parseSpiffeId() refuses ${what}`, () => {
    assert.equal(parseSpiffeId(text), null);
  });
}

test("parseSpiffeId() takes a trust domain of 255 bytes and an ID of 2,048", () => {
  assert.deepEqual(parseSpiffeId(`spiffe://${"a".repeat(255)}`), { trustDomain: "a".repeat(255), segments: [] });
  assert.notEqual(parseSpiffeId(`spiffe://shop.mesh/${"a".repeat(2048 - 19)}`), null);
});

test("parseWorkloadId() reads namespace and service account", () => {
  assert.deepEqual(parseWorkloadId("spiffe://shop.mesh/ns/default/sa/reviews"), {
    trustDomain: "shop.mesh",
    namespace: "default",
    serviceAccount: "reviews",
  });
});

test("parseWorkloadId() refuses a SPIFFE ID of another form", () => {
  for (const path of ["", "/ns/a", "/ns/a/sa", "/sa/a/ns/b", "/ns/a/sa/b/c", "/NS/a/sa/b", "/ns/a/serviceaccount/b"]) {
    assert.equal(parseWorkloadId(`spiffe://shop.mesh${path}`), null, path);
  }
});

test("formatWorkloadId() refuses parts that a SPIFFE ID cannot hold, and names the part", () => {
  const good = { trustDomain: "shop.mesh", namespace: "default", serviceAccount: "reviews" };
  assert.throws(() => formatWorkloadId({ ...good, trustDomain: "Shop" }), /trust domain "Shop"/);
  assert.throws(() => formatWorkloadId({ ...good, namespace: "a/b" }), /namespace "a\/b"/);
  assert.throws(() => formatWorkloadId({ ...good, serviceAccount: ".." }), /service account ".."/);
  assert.throws(() => formatWorkloadId({ ...good, serviceAccount: "a".repeat(2048) }), /at most 2048/);
});

test("parseWorkloadId() reads back whatever formatWorkloadId() wrote", () => {
  const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,40}$/).filter((text) => text !== "." && text !== "..");
  const trustDomain = fc.stringMatching(/^[a-z0-9._-]{1,40}$/);
  fc.assert(
    fc.property(fc.record({ trustDomain, namespace: name, serviceAccount: name }, { noNullPrototype: true }), (id) => {
      assert.deepEqual(parseWorkloadId(formatWorkloadId(id)), id);
    }),
    { seed: 1, numRuns: 200 },
  );
});
