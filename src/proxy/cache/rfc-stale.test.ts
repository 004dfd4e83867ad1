import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CONNECT_FAILED, DOWNSTREAM_TIMEOUT, UPSTREAM_RESET } from "../failures.ts";
import { MINUTE, staleScript, TAG } from "./test-stale-script.ts";

describe("stale-if-error (RFC 5861 §4)", () => {
  const FORGIVING = ["cache-control: max-age=60, stale-if-error=30", TAG];

  for (const status of [500, 502, 503, 504]) {
    it(`(RFC 5861 §4) a stored response takes the place of ${status}`, () => {
      const script = staleScript(FORGIVING);
      const caller = script.ask("GET /a");
      const sent = script.respond(status, [], "oops");
      assert.equal(caller.body, "body");
      assert.equal(caller.field("cache-status"), `weft; fwd=stale; fwd-status=${status}; ttl=-1`);
      assert.equal(sent.end, "discarded");
      assert.equal(script.counters.cacheStaleHits, 1);
    });
  }

  it("(RFC 5861 §4) not of 501 and 404", () => {
    for (const status of [501, 404]) {
      const script = staleScript(FORGIVING);
      const caller = script.ask("GET /a");
      script.respond(status, []);
      assert.equal(caller.status(), status);
    }
  });

  it("(RFC 5861 §4) of no answer at all", () => {
    const script = staleScript(FORGIVING);
    const caller = script.ask("GET /a");
    script.fail(script.takeSent(), CONNECT_FAILED);
    assert.equal(caller.status(), 200);
    assert.equal(caller.body, "body");
    assert.equal(caller.failure, 0);
  });

  it("(RFC 5861 §4) not of a failure that is the caller's own", () => {
    const script = staleScript(FORGIVING);
    const caller = script.ask("GET /a");
    script.fail(script.takeSent(), DOWNSTREAM_TIMEOUT);
    assert.equal(caller.failure, DOWNSTREAM_TIMEOUT);
  });

  it("(RFC 5861 §4) not past its time", () => {
    const script = staleScript(FORGIVING);
    script.clock.advance(30_000);
    const caller = script.ask("GET /a");
    script.respond(503, []);
    assert.equal(caller.status(), 503);
  });

  it("(RFC 5861 §4) when the caller says so", () => {
    const script = staleScript();
    const caller = script.ask("GET /a", ["cache-control: stale-if-error=30"]);
    script.respond(503, []);
    assert.equal(caller.status(), 200);
  });

  it("(§5.2.2.2) not of a response with must-revalidate", () => {
    const script = staleScript(["cache-control: max-age=60, must-revalidate, stale-if-error=30", TAG]);
    const caller = script.ask("GET /a");
    script.fail(script.takeSent(), UPSTREAM_RESET);
    assert.equal(caller.failure, UPSTREAM_RESET);
  });

  it("(§4.2.4) not where nobody allows it", () => {
    const script = staleScript();
    const caller = script.ask("GET /a");
    script.respond(503, []);
    assert.equal(caller.status(), 503);
  });

  it("(RFC 5861 §4) also for HEAD, and for responses that cannot be validated", () => {
    const script = staleScript(["cache-control: max-age=60, stale-if-error=30"]);
    const head = script.ask("HEAD /a");
    script.respond(503, []);
    assert.equal(head.status(), 200);
    assert.equal(head.field("content-length"), "4");
    const get = script.ask("GET /a");
    script.respond(503, []);
    assert.equal(get.body, "body");
  });
});

describe("stale-while-revalidate (RFC 5861 §3)", () => {
  const LENIENT = ["cache-control: max-age=60, stale-while-revalidate=30", TAG];

  it("(RFC 5861 §3) answers at once and asks once, by the stored validators", () => {
    const script = staleScript(LENIENT);
    for (let caller = 0; caller < 3; caller += 1) assert.equal(script.ask("GET /a").body, "body");
    assert.equal(script.sent.length, 1);
    assert.equal(script.sent[0]?.field("if-none-match"), '"1"');
    assert.equal(script.counters.cacheStaleHits, 3);
  });

  it("(RFC 5861 §3) 304 in the background makes it fresh", () => {
    const script = staleScript(LENIENT);
    script.ask("GET /a");
    script.respond(304, [MINUTE, TAG]);
    assert.equal(script.ask("GET /a").field("cache-status"), "weft; hit; ttl=60");
    assert.equal(script.sent.length, 0);
  });

  it("(RFC 5861 §3) 200 in the background takes its place", () => {
    const script = staleScript(LENIENT);
    script.ask("GET /a");
    script.respond(200, [MINUTE, 'etag: "2"'], "newer");
    assert.equal(script.ask("GET /a").body, "newer");
  });

  it("an answer that is not stored is not listened to", () => {
    const script = staleScript(LENIENT);
    script.ask("GET /a");
    const sent = script.takeSent();
    sent.respondHead(200, ["cache-control: no-store", "transfer-encoding: chunked"]);
    assert.equal(sent.end, "cancelled");
    assert.equal(sent.x.active, false);
  });

  it("nor one that turns out to be too large", () => {
    const script = staleScript(LENIENT);
    script.ask("GET /a");
    const sent = script.takeSent();
    sent.respondHead(200, [MINUTE, "transfer-encoding: chunked"]);
    sent.x.onResponseData(new Uint8Array(65_537));
    assert.equal(sent.end, "cancelled");
    assert.equal(script.ask("GET /a").body, "body");
  });

  it("a failure in the background is followed by a pause of a second", () => {
    const script = staleScript(LENIENT);
    script.ask("GET /a");
    script.fail(script.takeSent(), CONNECT_FAILED);
    assert.equal(script.ask("GET /a").body, "body");
    assert.equal(script.sent.length, 0);
    script.clock.advance(1_000);
    assert.equal(script.ask("GET /a").body, "body");
    assert.equal(script.sent.length, 1);
  });

  it("leaves out of its request what was the caller's own", () => {
    const script = staleScript(LENIENT);
    const own = ['if-none-match: "0"', "x-request-timeout-ms: 5", "cache-control: max-stale=5", "accept: a"];
    script.ask("GET /a", own);
    const [sent] = script.sent;
    assert.equal(sent?.field("if-none-match"), '"1"');
    assert.equal(sent?.field("x-request-timeout-ms"), null);
    assert.equal(sent?.field("cache-control"), null);
    assert.equal(sent?.field("accept"), "a");
  });

  it("HEAD gets the stale answer and starts nothing", () => {
    const script = staleScript(LENIENT);
    assert.equal(script.ask("HEAD /a").status(), 200);
    assert.equal(script.sent.length, 0);
  });

  it("what comes too late for stale answers waits for the fetch that is under way", () => {
    const script = staleScript(LENIENT);
    script.ask("GET /a");
    script.clock.advance(30_000);
    const caller = script.ask("GET /a");
    assert.equal(script.sent.length, 1);
    script.respond(304, [MINUTE, TAG]);
    assert.equal(caller.body, "body");
    assert.equal(caller.field("cache-status"), "weft; fwd=stale; collapsed; ttl=30", "less the time of the fetch");
  });
});
