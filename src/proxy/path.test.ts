import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalisePath, canonicaliseTarget } from "./path.ts";
import { DecoderEvents } from "./http1/decoder-events.ts";
import { copyEncoded, encodeRequestHead } from "./http1/encoder.ts";

const CASES: readonly (readonly [path: string, result: string])[] = [
  ["/", "same"],
  ["/a/b.c/d..e/...", "same"],
  ["/a;v=1/b,c", "same"],
  ["/.hidden/..two/.well-known", "same"],
  ["/a%20b/%C3%A9", "same"],
  ["/%2541", "same"],
  ["//", "/"],
  ["//a", "/a"],
  ["/a//b///c/", "/a/b/c/"],
  ["/.", "/"],
  ["/..", "/"],
  ["/./", "/"],
  ["/../", "/"],
  ["/a/.", "/a/"],
  ["/a/..", "/"],
  ["/a/./b", "/a/b"],
  ["/a/../b", "/b"],
  ["/a/b/../../c", "/c"],
  ["/a/b/../../../../c", "/c"],
  ["/a//../b", "/b"],
  ["/a/..//b", "/b"],
  ["/%2e%2e/a", "/a"],
  ["/a/.%2E/b", "/b"],
  ["/a/%2e/b", "/a/b"],
  ["/%41%62%7e%2D%5F%39", "/Ab~-_9"],
  ["/%c3%a9%3a", "/%C3%A9%3A"],
  ["/%252e%252e/", "same"],
  ["/%2f", "encoded_slash"],
  ["/a%2Fb", "encoded_slash"],
  ["/a%5cb", "encoded_slash"],
  ["/a\\..\\b", "encoded_slash"],
  ["/%", "bad_escape"],
  ["/%4", "bad_escape"],
  ["/%zz", "bad_escape"],
  ["/%4g", "bad_escape"],
  ["/%00", "bad_escape"],
  ["/a%", "bad_escape"],
  ["/..;/a", "dot_parameter"],
  ["/a/.;x/b", "dot_parameter"],
  ["/a/%2e%2e;x", "dot_parameter"],
];

for (const [path, result] of CASES) {
  test(`canonicalisePath() turns ${path} into ${result}`, () => assert.equal(canonical(path), result));
}

test("canonicalisePath() looks only at its span", () => {
  const bytes = Buffer.from("xx/a/../b%2f", "latin1");
  assert.equal(text(canonicalisePath(bytes, 2, 9)), "/b");
});

test("canonicalisePath() is idempotent, never longer, and never leaves a dot or empty segment", () => {
  const pieces = fc.constantFrom(
    "/",
    "//",
    ".",
    "..",
    "a",
    "%2e",
    "%2E",
    "%41",
    "%7e",
    "%c3",
    "%25",
    "/../",
    "/./",
    "~",
    "b",
    ";",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
      const path = `/${parts.join("")}`;
      const result = canonical(path);
      if (result === "dot_parameter") return;
      const once = result === "same" ? path : result;
      assert.equal(canonical(once), "same", path);
      assert.ok(once.length <= path.length);
      assert.ok(once.startsWith("/") && !once.includes("//"), once);
      assert.ok(!once.split("/").some((segment) => segment === "." || segment === ".."), once);
      assert.ok(!/%(?:2[ef]|5c|[46]1)/i.test(once), once);
    }),
    { numRuns: 5_000, seed: 20_261_122 },
  );
});

test("canonicalisePath() agrees with RFC 3986 section 5.2.4 on where dot segments lead", () => {
  const pieces = fc.constantFrom("/", ".", "..", "a", "b", "%2e", "/../", "/./");
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 20 }), (parts) => {
      // Empty segments are merged here and kept there, so the input has none.
      const path = `/${parts.join("")}`.replaceAll(/\/+/g, "/");
      const result = canonical(path);
      assert.equal(result === "same" ? path : result, removeDotSegments(path.replaceAll("%2e", ".")));
    }),
    { numRuns: 5_000, seed: 20_261_122 },
  );
});

test("canonicaliseTarget() puts the canonical path in front of the query and leaves the chunk alone", () => {
  const bytes = Buffer.from("GET /a/%2e%2e//b?x=/../%2f HTTP/1.1\r\nHost: a\r\n\r\n", "latin1");
  const before = Buffer.from(bytes);
  const head = decoded(bytes);
  assert.equal(canonicaliseTarget(head), null);
  assert.equal(head.pathText(), "/b");
  assert.equal(
    Buffer.from(copyEncoded(encodeRequestHead, head)).toString("latin1"),
    "GET /b?x=/../%2f HTTP/1.1\r\nHost: a\r\n\r\n",
  );
  assert.deepEqual(bytes, before);
});

test("canonicaliseTarget() leaves * alone and says why a path is refused", () => {
  const star = decoded(Buffer.from("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"));
  assert.equal(canonicaliseTarget(star), null);
  assert.equal(star.pathText(), "*");
  assert.match(canonicaliseTarget(decoded(Buffer.from("GET /%2f HTTP/1.1\r\nHost: a\r\n\r\n"))) ?? "", /slash/);
});

test("canonicaliseTarget() works for an absolute target without a path", () => {
  const head = decoded(Buffer.from("GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n"));
  assert.equal(canonicaliseTarget(head), null);
  assert.equal(head.pathText(), "/");
});

/** The RFC's own words, step by step. */
function removeDotSegments(path: string): string {
  let input = path;
  let output = "";
  while (input !== "") {
    if (input.startsWith("/./") || input === "/.") {
      input = `/${input.slice(3)}`;
    } else if (input.startsWith("/../") || input === "/..") {
      input = `/${input.slice(4)}`;
      output = output.slice(0, Math.max(0, output.lastIndexOf("/")));
    } else {
      const next = input.indexOf("/", 1);
      const segment = next < 0 ? input : input.slice(0, next);
      output += segment;
      input = input.slice(segment.length);
    }
  }
  return output;
}

function decoded(bytes: Uint8Array): DecoderEvents["decoder"]["head"] {
  const events = new DecoderEvents("request");
  events.goesOn = false;
  events.decoder.decode(bytes);
  assert.equal(events.list[0]?.event, "head");
  return events.decoder.head;
}

function canonical(path: string): string {
  const bytes = Buffer.from(path, "latin1");
  return text(canonicalisePath(bytes, 0, bytes.length));
}

function text(result: ReturnType<typeof canonicalisePath>): string {
  if (typeof result === "string") return result;
  return result instanceof Uint8Array ? Buffer.from(result).toString("latin1") : result.detail;
}
