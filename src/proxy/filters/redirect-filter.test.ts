import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compilePattern } from "../../lib/pattern.ts";
import { openExchange, type RecordedDownstream } from "../../testing/exchange-bench.ts";
import { BAD_PATH, INTERNAL, NO_FAILURE } from "../failures.ts";
import type { RedirectPolicy } from "../policy/route-policy.ts";
import { ANSWERED, CONTINUE } from "./filter.ts";
import { answerRedirect } from "./redirect-filter.ts";

function policy(change: Partial<RedirectPolicy>): RedirectPolicy {
  return { status: 301, scheme: "", host: "", port: 0, path: null, ...change };
}

function redirect(head: string, change: Partial<RedirectPolicy>): RecordedDownstream {
  const { x, downstream } = openExchange(head);
  assert.equal(answerRedirect(policy(change), x), ANSWERED);
  assert.equal(x.active, false);
  return downstream;
}

function get(host: string, target: string = "/a/b?q=1"): string {
  return `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
}

function locationOf({ head }: RecordedDownstream): string {
  const location = /\r\nlocation: ([^\r]+)\r\n/.exec(head)?.[1];
  assert.ok(location !== undefined, head);
  return location;
}

describe("answerRedirect()", () => {
  it("answers with the status, an absolute location and no body", () => {
    for (const status of [301, 302, 303, 307, 308]) {
      const downstream = redirect(get("reviews"), { status, host: "new.example" });
      assert.equal(
        downstream.head,
        `HTTP/1.1 ${status} \r\nlocation: http://new.example/a/b?q=1\r\ncontent-length: 0\r\n\r\n`,
      );
      assert.ok(downstream.ended);
      assert.equal(downstream.body, "");
    }
  });

  it("is no failure, and the log knows who answered", () => {
    const { x } = openExchange("/");
    answerRedirect(policy({ scheme: "https" }), x);
    assert.deepEqual([x.failure, x.status, x.answeredBy], [NO_FAILURE, 301, "redirect"]);
  });

  for (const [host, change, expected] of [
    ["reviews", { scheme: "https" }, "https://reviews/a/b?q=1"],
    ["reviews:8080", { scheme: "https" }, "https://reviews/a/b?q=1"],
    ["reviews:8080", { scheme: "https", port: 8443 }, "https://reviews:8443/a/b?q=1"],
    ["reviews:8080", { scheme: "https", port: 443 }, "https://reviews/a/b?q=1"],
    ["reviews:8080", { host: "ratings" }, "http://ratings:8080/a/b?q=1"],
    ["reviews:8080", { host: "ratings", port: 80 }, "http://ratings/a/b?q=1"],
    ["reviews:8080", { host: "ratings:9090" }, "http://ratings:9090/a/b?q=1"],
    ["reviews", { port: 9090 }, "http://reviews:9090/a/b?q=1"],
    ["[2001:db8::1]:8080", { port: 9090 }, "http://[2001:db8::1]:9090/a/b?q=1"],
    ["[2001:db8::1]", { scheme: "https" }, "https://[2001:db8::1]/a/b?q=1"],
    ["reviews", { host: "[::1]" }, "http://[::1]/a/b?q=1"],
    ["reviews", { path: { kind: "full", path: "/new" } }, "http://reviews/new?q=1"],
    ["reviews", { path: { kind: "prefix", prefix: "/a", replacement: "/z" } }, "http://reviews/z/b?q=1"],
    ["reviews", { path: { kind: "full", path: "//evil.example" } }, "http://reviews/evil.example?q=1"],
  ] as const satisfies readonly (readonly [string, Partial<RedirectPolicy>, string])[]) {
    it(`sends ${host} to ${expected} by ${JSON.stringify(change)}`, () => {
      assert.equal(locationOf(redirect(get(host), change)), expected);
    });
  }

  it("puts the canonical path into the location, groups of an expression too", () => {
    const path = {
      kind: "regex",
      pattern: compilePattern("^/old/(.*)$", "search"),
      replacement: "/new/\\1",
    } as const;
    assert.equal(locationOf(redirect(get("a", "/x/..//old/%7eme?q=//"), { path })), "http://a/new/~me?q=//");
  });

  it("stays relative where nobody names a host", () => {
    const downstream = redirect("GET /a HTTP/1.0\r\n\r\n", { path: { kind: "full", path: "/b" } });
    assert.equal(locationOf(downstream), "/b");
  });

  it("refuses a path that no URI may have", () => {
    const downstream = redirect(get("a"), { path: { kind: "full", path: "/x\r\nset-cookie: a=b" } });
    assert.equal(downstream.failure?.code, BAD_PATH);
    assert.equal(redirect(get("a"), { host: "b\u010d\u010ax: y" }).failure?.code, INTERNAL);
  });

  it("lets a request pass that is where it should go", () => {
    for (const change of [
      {},
      { host: "a" },
      { scheme: "http", port: 80 },
      { path: { kind: "full", path: "/b" } as const },
    ]) {
      const { x } = openExchange(get("a:80", "/b?q"));
      assert.equal(answerRedirect(policy(change), x), CONTINUE, JSON.stringify(change));
      assert.ok(x.active);
    }
    const { x } = openExchange("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.equal(answerRedirect(policy({ host: "b" }), x), CONTINUE);
  });
});
