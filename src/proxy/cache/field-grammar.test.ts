import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseWallTime } from "../../time/wall-time.ts";
import { NO_DIRECTIVES, parseCacheControl } from "./cache-control.ts";
import { isEntityTag, isListed } from "./entity-tag.ts";
import { formatHttpDate, parseHttpDate } from "./http-date.ts";
import { parseVary } from "./message-facts.ts";
import { toLinkedKey } from "./cache-key.ts";

const NOW = parseWallTime("2026-11-23T00:00:00Z");

describe("parseHttpDate()", () => {
  const SAME = 784_111_777_000;
  for (const [text, wallMs] of [
    ["Sun, 06 Nov 1994 08:49:37 GMT", SAME],
    ["Sunday, 06-Nov-94 08:49:37 GMT", SAME],
    ["Sun Nov  6 08:49:37 1994", SAME],
    ["Thursday, 01-Jan-76 00:00:00 GMT", parseWallTime("2076-01-01T00:00:00Z")],
    ["Saturday, 01-Jan-77 00:00:00 GMT", parseWallTime("1977-01-01T00:00:00Z")],
    ["Sat, 29 Feb 2020 00:00:00 GMT", parseWallTime("2020-02-29T00:00:00Z")],
    ["Wed, 31 Dec 2008 23:59:60 GMT", parseWallTime("2009-01-01T00:00:00Z")],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(parseHttpDate(text, NOW), wallMs));
  }

  for (const text of [
    "",
    "0",
    "-1",
    "1994-11-06T08:49:37Z",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun, 06 nov 1994 08:49:37 GMT",
    "Sun, 31 Feb 1994 08:49:37 GMT",
    "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:00:00 GMT",
    "Fri, 29 Feb 2019 00:00:00 GMT",
    " Sun, 06 Nov 1994 08:49:37 GMT",
  ]) {
    it(`takes ${JSON.stringify(text)} for no date`, () => assert.ok(Number.isNaN(parseHttpDate(text, NOW))));
  }

  it("reads what formatHttpDate() writes, to the second", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800 }), (seconds) => {
        assert.equal(parseHttpDate(formatHttpDate(seconds * 1_000), NOW), seconds * 1_000);
      }),
    );
  });
});

describe("parseCacheControl()", () => {
  for (const [text, expected] of [
    ["", {}],
    [",, ,", {}],
    ["max-age=10", { maxAgeS: 10 }],
    ["Max-Age=10 , Public", { maxAgeS: 10, isPublic: true }],
    ['max-age="10"', { maxAgeS: 10 }],
    ['max-age="1\\0"', { maxAgeS: 10 }],
    ["max-age", { maxAgeS: 0 }],
    ["max-age=", { maxAgeS: 0 }],
    ["max-age=1.5", { maxAgeS: 0 }],
    ["max-age=10 s", { maxAgeS: 0 }],
    ["max-age=10;no-store", { maxAgeS: 0 }],
    ["max-age=10, max-age=20", { maxAgeS: 10 }],
    ["max-age=4294967296", { maxAgeS: 2_147_483_648 }],
    ["max-stale", { maxStaleS: Infinity }],
    ["max-stale=5", { maxStaleS: 5 }],
    ["max-stale=x", {}],
    ["min-fresh=x", {}],
    ['ext="no-store, private", public', { isPublic: true }],
    ['ext="a\\", no-store', {}],
    ['private="a", no-cache="b,c"', { isPrivate: true, noCache: true }],
    ["no-store;x", { noStore: true }],
    ["no-storex", {}],
    ["stale-while-revalidate=5, stale-if-error=6", { staleWhileRevalidateS: 5, staleIfErrorS: 6 }],
  ] as const) {
    it(`reads ${text}`, () => assert.deepEqual(parseCacheControl(text), { ...NO_DIRECTIVES, ...expected }));
  }

  it("never throws, and never overlooks a no-store that stands alone between commas", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        parseCacheControl(before);
        const plain = before.replaceAll('"', "");
        assert.ok(parseCacheControl(`${plain}, no-store, ${after}`).noStore);
      }),
    );
  });
});

describe("isListed()", () => {
  for (const [list, tag, expected] of [
    ['"a"', '"a"', true],
    ['W/"a"', '"a"', true],
    ['"a"', 'W/"a"', true],
    ['"b" , "a"', '"a"', true],
    ['"b,a"', '"a"', false],
    ["*", null, true],
    ['"a"', null, false],
    ["a", '"a"', false],
    ['"A"', '"a"', false],
    ["", '"a"', false],
  ] as const) {
    it(`${list} and ${tag}: ${expected}`, () => assert.equal(isListed(list, tag), expected));
  }

  it("a tag needs its quotes", () => {
    assert.deepEqual(['"a"', 'W/"a"', '""', "a", 'w/"a"', '"a', '"a"b"'].map(isEntityTag), [
      ...[true, true, true, false, false, false, false],
    ]);
  });
});

describe("parseVary()", () => {
  it("gives names in lower case, sorted, each once", () => {
    assert.deepEqual(parseVary("B, a ,,b"), ["a", "b"]);
    assert.deepEqual(parseVary("a, *"), ["*"]);
    assert.deepEqual(parseVary(""), []);
  });
});

describe("toLinkedKey()", () => {
  for (const [link, expected] of [
    ["/b", "app/b"],
    ["/b?x=1#y", "app/b?x=1"],
    ["http://app", "app/"],
    ["http://app?x", "app/?x"],
    ["HTTP://APP/b", "app/b"],
    ["//app/b", "app/b"],
    ["//other/b", null],
    ["https://app/b", null],
    ["../b", null],
    ["/%2f", null],
    ["/%61", "app/a"],
  ] as const) {
    it(`${link}: ${expected}`, () => assert.equal(toLinkedKey("app/a", link), expected));
  }

  it("of a key with a host beside its name goes by the host", () => {
    assert.equal(toLinkedKey("app shop.test/a", "http://shop.test/b"), "app shop.test/b");
    assert.equal(toLinkedKey("app shop.test/a", "http://app/b"), null);
  });
});
