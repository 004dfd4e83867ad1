import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { compilePattern } from "../../lib/pattern.ts";
import { DEFAULT_DECODER_LIMITS } from "../http1/decoder-contract.ts";
import { HeadParser, ROLE_REQUEST } from "../http1/head-parser.ts";
import type { Head } from "../head.ts";
import type { HeaderMatch, RequestMatch } from "../snapshot.ts";
import { joinFieldValues } from "./field-values.ts";
import { matchesRequest, pathOf } from "./match-request.ts";

function request(method: string, fields: readonly string[], path: string = "/"): Head {
  const parser = new HeadParser(ROLE_REQUEST, DEFAULT_DECODER_LIMITS);
  parser.reset(false);
  const text = `${method} ${path}?/query HTTP/1.1\r\nHost: Ignored\r\n${fields.map((line) => `${line}\r\n`).join("")}\r\n`;
  assert.ok(parser.feed(Buffer.from(text, "latin1"), 0) > 0, parser.failure?.detail);
  return parser.head;
}

function matches(match: Partial<RequestMatch>, head: Head | null): boolean {
  return matchesRequest(
    { path: { kind: "any" }, methods: null, headers: [], ...match },
    { path: "", authority: "a:80", request: head },
  );
}

for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW", "get"]) {
  test(`matchesRequest() accepts ${method} where it is named and only there`, () => {
    const head = request(method, []);
    assert.equal(matches({ methods: new Set([method]) }, head), true);
    assert.equal(matches({ methods: new Set(["OTHER", ""]) }, head), false);
    assert.equal(matches({ methods: new Set() }, head), false);
    assert.equal(matches({ methods: new Set([method]) }, null), false);
  });
}

test("matchesRequest() compares host with the authority, not with the field", () => {
  const head = request("GET", []);
  for (const name of ["host", ":authority"]) {
    assert.equal(matches({ headers: [{ name, kind: "exact", value: "a:80", pattern: null }] }, head), true);
    assert.equal(matches({ headers: [{ name, kind: "exact", value: "Ignored", pattern: null }] }, head), false);
    assert.equal(matches({ headers: [{ name, kind: "present", value: "", pattern: null }] }, null), true);
  }
});

test("matchesRequest() reads any header as the text of its joined values", () => {
  const names = fc.constantFrom("x", "X", "cookie", "Cookie", "xy");
  const values = fc.constantFrom("", "a", "a, b", "a; b", "b", "\xe9", "A");
  fc.assert(
    fc.property(
      fc.array(fc.tuple(names, values), { maxLength: 4 }),
      fc.constantFrom("x", "cookie", "xy", "z"),
      fc.oneof(values, fc.constantFrom("a, a", "a; a", "b, a", "\u01e9", "\u0101")),
      (fields, name, value) => {
        const head = request(
          "GET",
          fields.map(([field, text]) => `${field}: ${text}`),
        );
        const joined = joinFieldValues(head, name);
        const header: HeaderMatch = { name, kind: "exact", value, pattern: null };
        assert.equal(matches({ headers: [header] }, head), joined === value);
        assert.equal(matches({ headers: [{ ...header, kind: "present" }] }, head), joined !== null);
        const pattern = compilePattern("a.*", "full");
        const expected = joined !== null && joined.startsWith("a");
        assert.equal(matches({ headers: [{ ...header, kind: "regex", pattern }] }, head), expected);
      },
    ),
    { numRuns: 2_000, seed: 20_261_123 },
  );
});

test("matchesRequest() compares the path without its query, by text or pattern", () => {
  const paths = ["/", "/a", "/a/", "/a/b", "/ab", "/%C3%A9", "/A"];
  const values = [...paths, "", "/a?", "/a?/query", "/\u0161", "/a/b/c"];
  for (const path of paths) {
    const head = request("GET", [], path);
    for (const value of values) {
      const label = `${value} for ${path}`;
      assert.equal(matches({ path: { kind: "exact", value } }, head), path === value, label);
      assert.equal(matches({ path: { kind: "prefix", value } }, head), path.startsWith(value), label);
      const pattern = compilePattern(`${value.replaceAll("?", "\\?")}.?`, "full");
      const expected = path === value || (path.startsWith(value) && path.length === value.length + 1);
      assert.equal(matches({ path: { kind: "regex", pattern } }, head), expected, label);
      const field: HeaderMatch = { name: ":path", kind: "regex", value: "", pattern };
      assert.equal(matches({ headers: [field] }, head), expected, label);
      assert.equal(matches({ headers: [{ ...field, kind: "exact", value }] }, head), path === value, label);
      assert.equal(matches({ headers: [{ ...field, kind: "present" }] }, head), true, label);
    }
  }
});

test("pathOf() makes the text of the path once", () => {
  const x = { path: "", authority: "", request: request("GET", [], "/a") };
  assert.equal(pathOf(x), "/a");
  assert.equal(x.path, "/a");
  x.request = request("GET", [], "/b");
  assert.equal(pathOf(x), "/a");
  assert.equal(pathOf({ path: "", authority: "", request: null }), "");
});

test("matchesRequest() asks for all parts", () => {
  const head = request("GET", ["x: 1"], "/a/b");
  const header: HeaderMatch = { name: "x", kind: "exact", value: "1", pattern: null };
  const all: RequestMatch = { path: { kind: "prefix", value: "/a" }, methods: new Set(["GET"]), headers: [header] };
  assert.equal(matches(all, head), true);
  assert.equal(matches({ ...all, path: { kind: "prefix", value: "/b" } }, head), false);
  assert.equal(matches({ ...all, methods: new Set(["PUT"]) }, head), false);
  assert.equal(matches({ ...all, headers: [header, { ...header, value: "2" }] }, head), false);
});
