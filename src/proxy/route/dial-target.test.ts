import assert from "node:assert/strict";
import { test } from "node:test";
import { DialTargets, parseDialTarget } from "./dial-target.ts";

for (const [authority, host, port] of [
  ["example.org", "example.org", 80],
  ["example.org:8080", "example.org", 8080],
  ["192.0.2.7:1", "192.0.2.7", 1],
  ["[2001:db8::1]:65535", "2001:db8::1", 65_535],
  ["[::1]", "::1", 80],
] as const) {
  test(`parseDialTarget() reads "${authority}"`, () => {
    const target = parseDialTarget(authority);
    assert.deepEqual([target?.host, target?.port], [host, port]);
  });
}

for (const authority of ["", ":80", "a:0", "a:65536", "a:", "a b", "a/b", "user@a", "::1", "[::1", "a:1:2"]) {
  test(`parseDialTarget() refuses "${authority}"`, () => {
    assert.equal(parseDialTarget(authority), null);
  });
}

for (const authority of ["localhost", "app.localhost:1", "127.0.0.1:80", "[::1]:9", "0.0.0.0:9", "[::]:9"]) {
  test(`parseDialTarget() knows that "${authority}" is this machine`, () => {
    assert.equal(parseDialTarget(authority)?.isLoopback, true);
  });
}

test("DialTargets.find() gives one object per authority, and forgets before it grows without bound", () => {
  const targets = new DialTargets();
  const first = targets.find("a.example");
  assert.equal(targets.find("a.example"), first);
  assert.equal(targets.find("no host"), null);
  for (let index = 0; index < 1100; index += 1) targets.find(`host-${index}.example`);
  assert.notEqual(targets.find("a.example"), first);
  assert.deepEqual(targets.find("a.example"), first);
});
