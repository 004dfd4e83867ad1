import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ROLE_RESPONSE } from "../http1/head-parser.ts";
import { FieldPicker } from "./field-picker.ts";
import { parseHead } from "./test-scripted-cache.ts";

const ETAG = 0;
const VARY = 1;
const DATE = 2;

describe("FieldPicker", () => {
  const picker = new FieldPicker(["etag", "vary", "date"], new Set(["etag", "date"]));
  const head = (...lines: string[]): ReturnType<typeof parseHead> =>
    parseHead(ROLE_RESPONSE, ["HTTP/1.1 200 OK", "content-length: 0", ...lines]);

  it("finds names in any case", () => {
    const one = head('ETag: "a"', "x-other: 1");
    picker.pick(one);
    assert.equal(picker.text(one, ETAG), '"a"');
    assert.equal(picker.has(VARY), false);
    assert.equal(picker.text(one, VARY), null);
  });

  it("joins the lines of a list, and takes the first of what is none", () => {
    const one = head("vary: a", "etag: 1", "Vary: b", "etag: 2", "vary:");
    picker.pick(one);
    assert.equal(picker.text(one, VARY), "a, b, ");
    assert.equal(picker.text(one, ETAG), "1");
  });

  it("passes over fields that were dropped, and names that only begin alike or have the length", () => {
    const one = head("date: now", "even: 1", "vary-by: 2", "data: 3");
    one.drop(1);
    picker.pick(one);
    assert.equal(picker.has(DATE), false);
    assert.equal(picker.has(ETAG), false);
    assert.equal(picker.has(VARY), false);
  });

  it("forgets the head before", () => {
    picker.pick(head("etag: 1", "vary: a", "vary: b"));
    const next = head("vary: c");
    picker.pick(next);
    assert.equal(picker.has(ETAG), false);
    assert.equal(picker.text(next, VARY), "c");
  });
});
