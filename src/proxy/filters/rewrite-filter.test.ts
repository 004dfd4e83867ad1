import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { compilePattern } from "../../lib/pattern.ts";
import { formatRequestHead, openExchange, parseRequestHead } from "../../testing/exchange-bench.ts";
import { BAD_PATH, INTERNAL, URI_TOO_LONG } from "../failures.ts";
import { HeadEncoder } from "../http2/hpack/head-encoder.ts";
import type { PathChange } from "../policy/route-policy.ts";
import { ANSWERED, CONTINUE } from "./filter.ts";
import { applyRewrite } from "./rewrite-filter.ts";

function full(path: string): PathChange {
  return { kind: "full", path };
}

function prefix(from: string, replacement: string): PathChange {
  return { kind: "prefix", prefix: from, replacement };
}

function regex(source: string, replacement: string): PathChange {
  return { kind: "regex", pattern: compilePattern(source, "search"), replacement };
}

/** The target that goes upstream, or the failure's detail. */
function rewritten(target: string, path: PathChange | null, host: string = ""): string {
  const { x } = openExchange(target);
  const verdict = applyRewrite({ host, path }, x);
  if (!x.active) {
    assert.equal(verdict, ANSWERED);
    return `${x.failure}: ${x.failureDetail}`;
  }
  assert.equal(verdict, CONTINUE);
  assert.ok(x.request !== null);
  return formatRequestHead(x.request).split(" ")[1] ?? "";
}

const REFUSED = (code: number): RegExp => new RegExp(`^${code}: Policy "default/limits" rewrites the path, and `);

describe("applyRewrite()", () => {
  for (const [target, change, expected] of [
    ["/a/b?q=1&r", full("/new"), "/new?q=1&r"],
    ["/a", full("/a"), "/a"],
    ["/a?", full("/"), "/?"],
    ["/api/v1/x?q", prefix("/api", ""), "/v1/x?q"],
    ["/api", prefix("/api", ""), "/"],
    ["/api", prefix("/api", "/"), "/"],
    ["/api/v1", prefix("/api", "/"), "/v1"],
    ["/api/v1", prefix("/api/", "/"), "/v1"],
    ["/other", prefix("/api", "/x"), "/other"],
    ["/", prefix("/", "/very/much/longer/than/before/"), "/very/much/longer/than/before/"],
    ["/users/7/posts/9?x", regex("^/users/([^/]+)/posts/([0-9]+)$", "/posts/\\2/of/\\1"), "/posts/9/of/7?x"],
    ["/a-b-c", regex("-", "/"), "/a/b/c"],
    ["/aaa", regex(".*", "/x"), "/x"],
    ["/abc", regex("b*", "-"), "/-/-a-c-"],
    ["/abc", regex("nothing", "x"), "/abc"],
    ["/abc", regex("(x)?abc", "v\\1"), "/v"],
    ["/abc", regex("a(b)c", "\\1\\2"), "/b"],
  ] as const) {
    it(`makes ${target} ${expected} by ${JSON.stringify(change)}`, () => {
      assert.equal(rewritten(target, change), expected);
    });
  }

  it("makes the new path canonical, so that no trick gets through a rewrite", () => {
    for (const [target, change, expected] of [
      ["/a", full("/x/../admin"), "/admin"],
      ["/a", full("/x/%2e%2e/admin"), "/admin"],
      ["/a", full("//evil.example"), "/evil.example"],
      ["/a", full("/../../etc"), "/etc"],
      ["/a", full("/%7euser/%e2%82%ac"), "/~user/%E2%82%AC"],
      ["/files/..%2e/x", prefix("/files", "/data"), "/data/.../x"],
      ["/public/%2e%2e/secret", prefix("/public", "/www"), "/secret"],
      ["/public//secret", prefix("/public", "/www"), "/www/secret"],
      // Halves of an escape, and of a segment, that only the rewrite joins.
      ["/a/2e2e/secret", regex("2e2e", "%2e%2e"), "/secret"],
      ["/x/a.-./secret", regex("a.-.", ".."), "/secret"],
      ["/x/%25/y", regex("%25", "%41"), "/x/A/y"],
    ] as const) {
      assert.equal(rewritten(target, change), expected, `${target} ${JSON.stringify(change)}`);
    }
  });

  it("refuses a path that servers would read in different ways", () => {
    for (const [target, change] of [
      ["/a/2f", regex("2f", "%2f")],
      ["/a/b", regex("b", "\\\\")],
      ["/a", full("/x%5cy")],
      ["/a", full("/x%00")],
      ["/a", full("/x%zz")],
      ["/a", full("/x/..;/admin")],
      ["/a", full("/x?y=1")],
      ["/a", full("/x y")],
      ["/a", full("/x\r\nhost: evil")],
      ["/a", full("/\u010d\u010a")],
      ["/a%25", regex("%25", "%")],
    ] as const) {
      assert.match(rewritten(target, change), REFUSED(BAD_PATH), `${target} ${JSON.stringify(change)}`);
    }
  });

  it("refuses a path that becomes too long, without making it", () => {
    const long = `/${"a".repeat(4_000)}`;
    assert.match(rewritten(long, regex("a", "\\0".repeat(500))), REFUSED(URI_TOO_LONG));
    assert.match(rewritten(long, prefix("/", `/${"b".repeat(5_000)}`)), REFUSED(URI_TOO_LONG));
  });

  it("leaves * and what has no path alone", () => {
    const { x } = openExchange("OPTIONS * HTTP/1.1\r\nHost: reviews\r\n\r\n");
    assert.equal(applyRewrite({ host: "", path: full("/x") }, x), CONTINUE);
    assert.ok(x.request !== null);
    assert.match(formatRequestHead(x.request), /^OPTIONS \* /);
  });

  it("sends another host, and leaves the one that was routed in the exchange", () => {
    const { x } = openExchange("GET /a?q HTTP/1.1\r\nX-A: 1\r\nHost: reviews:80\r\nX-B: 2\r\n\r\n");
    assert.equal(applyRewrite({ host: "internal.example:8080", path: prefix("/a", "/b") }, x), CONTINUE);
    assert.ok(x.request !== null);
    assert.equal(
      formatRequestHead(x.request),
      "GET /b?q HTTP/1.1\r\nhost: internal.example:8080\r\nX-A: 1\r\nX-B: 2\r\n\r\n",
    );
    assert.equal(x.authority, "reviews:80");
    assert.equal(x.path, "/a");
  });

  it("refuses a host that is none", () => {
    for (const host of ["a b", "a\r\nx: y", "\u010d\u010a", "user@a", "a:99999", "a/b"]) {
      assert.match(rewritten("/a", null, host), new RegExp(`^${INTERNAL}: Policy "default/limits" rewrites the host`));
    }
  });

  it("is seen by HTTP/2 too", () => {
    const { x } = openExchange("GET /a?q HTTP/1.1\r\nHost: reviews\r\n\r\n");
    applyRewrite({ host: "internal", path: full("/longer/than/before") }, x);
    assert.ok(x.request !== null);
    const out = Buffer.alloc(HeadEncoder.bound(x.request));
    const end = new HeadEncoder({ tableBytes: 4_096 }).encodeRequest(x.request, out, 0);
    const block = out.subarray(0, end).toString("latin1");
    assert.ok(block.includes("/longer/than/before?q") && block.includes("internal"), JSON.stringify(block));
    assert.ok(!block.includes("reviews"));
  });

  it("leaves the bytes alone that the codec handed out", () => {
    const head = parseRequestHead("GET /a HTTP/1.1\r\nHost: reviews\r\n\r\n");
    const { x } = openExchange("/");
    x.request = head;
    const { bytes } = head;
    const before = Buffer.from(bytes).toString("latin1");
    applyRewrite({ host: "b", path: full("/b") }, x);
    assert.equal(Buffer.from(bytes).toString("latin1"), before);
  });

  it("gives a canonical path and the same query, or refuses, whatever is put together", () => {
    const piece = fc.constantFrom("/", "..", ".", "%2e", "%2E", "%", "2f", "%2f", "%25", "a", "\\", ";", "%5c", "//");
    const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
    const change = fc.oneof(
      text.map((path) => full(path)),
      fc.tuple(text, text).map(([from, to]) => prefix(from, to)),
      fc.tuple(fc.constantFrom("a", "^/", "[.]", "%", "/(a*)", "$"), text).map(([source, to]) => {
        return regex(source, `${to.replaceAll("\\", "\\\\")}\\1`);
      }),
    );
    const asked = fc.array(fc.constantFrom("a", "b.c", "..", "%2e", "%25", "~"), { maxLength: 5 });
    fc.assert(
      fc.property(asked, change, (segments, path) => {
        const target = `/${segments.join("/")}?x=%2f..//`;
        const result = rewritten(target, path);
        if (REFUSED(BAD_PATH).test(result)) return;
        assert.ok(result.endsWith("?x=%2f..//"), result);
        const sent = result.slice(0, result.indexOf("?"));
        assert.match(sent, /^\/[^?\\]*$/);
        assert.doesNotMatch(sent, /\/\/|\/\.{1,2}(?:\/|;|$)|%2[ef]|%5c|%00|%(?![0-9A-F]{2})/i);
      }),
      { seed: 20261123, numRuns: 2_000 },
    );
  });
});
