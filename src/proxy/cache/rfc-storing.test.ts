import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CachePolicy } from "../policy/route-policy.ts";
import { at } from "./test-wall-clock-text.ts";
import { ScriptedCache } from "./test-scripted-cache.ts";

interface StoringCase {
  /** Of RFC 9111 unless it says another. */
  readonly section: string;
  readonly fact: string;
  readonly request?: readonly string[];
  readonly startLine?: string;
  readonly status?: number | string;
  readonly response: readonly string[];
  readonly body?: string;
  readonly policy?: Partial<CachePolicy>;
  readonly stored: boolean;
}

const FRESH = "cache-control: max-age=60";
const HEURISTIC = { policy: { defaultTtlMs: 60_000 } };

const CASES: readonly StoringCase[] = [
  { section: "3", fact: "a 200 with max-age", response: [FRESH], stored: true },
  { section: "3", fact: "a 200 with s-maxage", response: ["cache-control: s-maxage=60"], stored: true },
  { section: "3", fact: "a 200 with a later Expires", response: [`expires: ${at(60)}`], stored: true },
  { section: "3", fact: "a 404 with max-age", status: "404 Not Found", response: [FRESH], stored: true },
  { section: "3", fact: "a 301 with max-age", status: 301, response: [FRESH, "location: /b"], stored: true },
  { section: "3", fact: "a 302 with max-age", status: 302, response: [FRESH, "location: /b"], stored: true },
  { section: "3", fact: "a 204 with max-age", status: 204, response: [FRESH], stored: true },
  { section: "3", fact: "a 503 that says so itself", status: 503, response: [FRESH], stored: true },
  { section: "3", fact: "a status that nobody knows, with max-age", status: 299, response: [FRESH], stored: true },
  { section: "3", fact: "a 200 that says nothing", response: [], stored: false },
  { section: "3", fact: "a 200 that is only public", response: ["cache-control: public"], stored: false },
  { section: "3", fact: "a 200 with a validator alone", response: ['etag: "1"'], stored: false },
  { section: "3", fact: "the answer to POST", startLine: "POST /a", response: [FRESH], stored: false },
  { section: "3", fact: "the answer to HEAD", startLine: "HEAD /a", response: [FRESH], stored: false },
  { section: "3", fact: "the answer to OPTIONS", startLine: "OPTIONS /a", response: [FRESH], stored: false },
  { section: "3", fact: "the answer to an unknown method", startLine: "REPORT /a", response: [FRESH], stored: false },
  {
    section: "3.3",
    fact: "a 206",
    status: 206,
    response: [FRESH, "content-range: bytes 0-0/9"],
    body: "x",
    stored: false,
  },
  {
    section: "3.3",
    fact: "the answer to a Range request, even when it is whole",
    request: ["range: bytes=0-1"],
    response: [FRESH],
    stored: false,
  },
  {
    section: "3",
    fact: "a 304 to the caller's own condition",
    request: ['if-none-match: "1"'],
    status: 304,
    response: [FRESH, 'etag: "1"'],
    stored: false,
  },
  {
    section: "3",
    fact: "a 200 to the caller's own condition",
    request: ['if-none-match: "0"'],
    response: [FRESH, 'etag: "1"'],
    stored: true,
  },
  { section: "4.3.2", fact: "the answer to If-Match", request: ['if-match: "1"'], response: [FRESH], stored: false },
  {
    section: "3.5",
    fact: "an answer to Authorization",
    request: ["authorization: Basic eA=="],
    response: [FRESH],
    stored: false,
  },
  {
    section: "3.5",
    fact: "an answer to Authorization that is public",
    request: ["authorization: Basic eA=="],
    response: ["cache-control: public, max-age=60"],
    stored: true,
  },
  {
    section: "3.5",
    fact: "an answer to Authorization with s-maxage",
    request: ["authorization: Basic eA=="],
    response: ["cache-control: s-maxage=60"],
    stored: true,
  },
  {
    section: "3.5",
    fact: "an answer to Authorization with must-revalidate",
    request: ["authorization: Basic eA=="],
    response: ["cache-control: max-age=60, must-revalidate"],
    stored: true,
  },
  {
    section: "5.2.1.5",
    fact: "an answer to no-store",
    request: ["cache-control: no-store"],
    response: [FRESH],
    stored: false,
  },
  { section: "5.2.2.5", fact: "a no-store response", response: ["cache-control: no-store, max-age=60"], stored: false },
  {
    section: "5.2.2.5",
    fact: "a no-store in a second field",
    response: [FRESH, "cache-control: no-store"],
    stored: false,
  },
  {
    section: "5.2.2.5",
    fact: "no-store in capitals",
    response: ["cache-control: max-age=60, No-Store"],
    stored: false,
  },
  { section: "5.2.2.7", fact: "a private response", response: ["cache-control: private, max-age=60"], stored: false },
  {
    section: "5.2.2.7",
    fact: "a response that is private in some fields",
    response: ['cache-control: private="x-user, x-mail", max-age=60'],
    stored: false,
  },
  {
    section: "5.2",
    fact: "private whose quoted string has no end",
    response: ['cache-control: max-age=60, private="x-user'],
    stored: false,
  },
  {
    section: "5.2",
    fact: "a response with a no-store inside a quoted string",
    response: ['cache-control: max-age=60, ext="no-store"'],
    stored: true,
  },
  {
    section: "5.2.2.3",
    fact: "no-store with must-understand and a known status",
    response: ["cache-control: no-store, must-understand, max-age=60"],
    stored: true,
  },
  {
    section: "5.2.2.3",
    fact: "must-understand with a status that nobody knows",
    status: 299,
    response: ["cache-control: must-understand, max-age=60"],
    stored: false,
  },
  {
    section: "5.2.2.4",
    fact: "no-cache with a validator",
    response: ["cache-control: no-cache", 'etag: "1"'],
    stored: true,
  },
  {
    section: "5.2.2.4",
    fact: "no-cache that nothing can validate",
    response: ["cache-control: no-cache"],
    stored: false,
  },
  {
    section: "5.2.2.4",
    fact: "no-cache with Last-Modified",
    response: ["cache-control: no-cache", `last-modified: ${at(-9)}`],
    stored: true,
  },
  {
    section: "4.2.1",
    fact: "max-age=0 with a validator",
    response: ["cache-control: max-age=0", 'etag: "1"'],
    stored: true,
  },
  { section: "4.2.1", fact: "max-age=0 without one", response: ["cache-control: max-age=0"], stored: false },
  { section: "4.2.1", fact: "a max-age that is no number", response: ["cache-control: max-age=soon"], stored: false },
  { section: "4.2.1", fact: "a negative max-age", response: ["cache-control: max-age=-5"], stored: false },
  { section: "5.3", fact: "Expires: 0", response: ["expires: 0"], stored: false },
  { section: "5.3", fact: "an Expires in the past", response: [`date: ${at(0)}`, `expires: ${at(-1)}`], stored: false },
  { section: "5.3", fact: "max-age beside an Expires in the past", response: [FRESH, "expires: 0"], stored: true },
  { section: "4.1", fact: "Vary: *", response: [FRESH, "vary: *"], stored: false },
  { section: "4.1", fact: "Vary with * among names", response: [FRESH, "vary: accept, *"], stored: false },
  {
    section: "4.1",
    fact: "Vary by what the ingress writes anew",
    response: [FRESH, "vary: X-Forwarded-For"],
    stored: false,
  },
  { section: "4.1", fact: "Vary with names", response: [FRESH, "vary: accept"], stored: true },
  {
    section: "7.3",
    fact: "a response that sets a cookie (stricter than it asks)",
    response: [FRESH, "set-cookie: a=1"],
    stored: false,
  },
  {
    section: "7.3",
    fact: "a public response that sets a cookie (likewise)",
    response: ["cache-control: public, max-age=60", "Set-Cookie: a=1"],
    stored: false,
  },
  { section: "4.2.2", fact: "a 200 that says nothing, with a default TTL", response: [], ...HEURISTIC, stored: true },
  {
    section: "4.2.2",
    fact: "a 404 that says nothing, with a default TTL",
    status: 404,
    response: [],
    ...HEURISTIC,
    stored: true,
  },
  {
    section: "4.2.2",
    fact: "a 302 that says nothing, with a default TTL",
    status: 302,
    response: [],
    ...HEURISTIC,
    stored: false,
  },
  {
    section: "4.2.2",
    fact: "a 500 that says nothing, with a default TTL",
    status: 500,
    response: [],
    ...HEURISTIC,
    stored: false,
  },
  {
    section: "4.2.2",
    fact: "a public 302 with a default TTL",
    status: 302,
    response: ["cache-control: public"],
    ...HEURISTIC,
    stored: true,
  },
  {
    section: "4.2.2",
    fact: "the answer to a cookie, with a default TTL (stricter than it asks)",
    request: ["cookie: user=1"],
    response: [],
    ...HEURISTIC,
    stored: false,
  },
  {
    section: "4.2.2",
    fact: "the public answer to a cookie, with a default TTL",
    request: ["cookie: user=1"],
    response: ["cache-control: public"],
    ...HEURISTIC,
    stored: true,
  },
  {
    section: "3",
    fact: "the answer to a cookie that says max-age",
    request: ["cookie: user=1"],
    response: [FRESH],
    stored: true,
  },
  {
    section: "3",
    fact: "a failure that a proxy answered",
    status: 404,
    response: [FRESH, "x-weft-failure: no_route"],
    stored: false,
  },
  { section: "3", fact: "a body of exactly the limit", response: [FRESH], body: "x".repeat(65_536), stored: true },
  { section: "3", fact: "a body over the limit", response: [FRESH], body: "x".repeat(65_537), stored: false },
  {
    section: "RFC 5861 3",
    fact: "a stale response that may be used while it is fetched anew",
    response: ["cache-control: max-age=0, stale-while-revalidate=30"],
    stored: true,
  },
  {
    section: "RFC 5861 4",
    fact: "a stale response that may be used on errors",
    response: ["cache-control: max-age=0, stale-if-error=30"],
    stored: true,
  },
  {
    section: "5.4",
    fact: "Pragma: no-cache in a response, which means nothing",
    response: [FRESH, "pragma: no-cache"],
    stored: true,
  },
];

describe("the cache stores as RFC 9111 says", () => {
  for (const { section, fact, stored, ...given } of CASES) {
    it(`(§${section}) ${stored ? "stores" : "does not store"} ${fact}`, () => {
      const script = new ScriptedCache(given.policy);
      const caller = script.ask(given.startLine ?? "GET /a", given.request);
      script.respond(given.status ?? "200 OK", given.response, given.body ?? "");
      assert.ok(caller.isEnded, "the caller got its answer");
      assert.equal(caller.status(), Number.parseInt(String(given.status ?? 200), 10));
      if (given.startLine?.startsWith("HEAD") !== true) assert.equal(caller.body, given.body ?? "");
      assert.equal(script.counters.cacheEntriesNow, stored ? 1 : 0);
      const status = caller.field("cache-status") ?? "";
      assert.match(status, stored ? /^weft; fwd=uri-miss; stored$/ : /^weft; fwd=(?:uri-miss|method|bypass)$/);
    });
  }

  it("(§3) does not store what was cut short", () => {
    const script = new ScriptedCache();
    const caller = script.ask("GET /a");
    const sent = script.takeSent();
    sent.respondHead(200, [FRESH, "content-length: 10"]);
    sent.x.onResponseData(Buffer.from("half"));
    script.fail(sent, 20);
    assert.ok(caller.isAborted);
    assert.equal(script.counters.cacheEntriesNow, 0);
    assert.equal(script.counters.cacheBytesNow, 0, "what came of it is not kept");
  });

  it("(§3) does not store what ends with trailers, as its answers could not have them", () => {
    const script = new ScriptedCache();
    script.ask("GET /a");
    const sent = script.takeSent();
    sent.respondHead(200, [FRESH, "transfer-encoding: chunked"]);
    sent.x.onResponseData(Buffer.from("all"));
    const trailers = script.ask("GET /trailers").x.request;
    sent.x.onResponseEnd(trailers);
    assert.equal(script.counters.cacheEntriesNow, 0);
  });
});
