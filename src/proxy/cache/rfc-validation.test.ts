import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MINUTE, staleScript, TAG } from "./test-stale-script.ts";
import { at } from "./test-wall-clock-text.ts";

describe("a 304 to the cache's own condition (RFC 9111 §4.3.3, §4.3.4)", () => {
  it("(§4.3.3) answers with the stored body, and the connection is left whole", () => {
    const script = staleScript();
    const caller = script.ask("GET /a");
    const sent = script.respond(304, [MINUTE, TAG]);
    assert.equal(caller.status(), 200);
    assert.equal(caller.body, "body");
    assert.equal(caller.field("cache-status"), "weft; fwd=stale; fwd-status=304; ttl=60");
    assert.equal(caller.x.answeredBy, "cache");
    assert.equal(sent.end, "discarded");
    assert.equal(script.counters.cacheRevalidated, 1);
  });

  it("(§4.3.4) makes the stored response fresh again", () => {
    const script = staleScript();
    script.ask("GET /a");
    script.respond(304, [MINUTE, TAG]);
    script.clock.advance(59_000);
    const next = script.ask("GET /a");
    assert.equal(next.field("age"), "59");
    assert.equal(next.field("cache-status"), "weft; hit; ttl=1");
  });

  it("(§3.2) replaces the fields that it has and keeps the others", () => {
    const script = staleScript();
    const caller = script.ask("GET /a");
    script.respond(304, [MINUTE, TAG, "x-new: 2", "x-old: 3", "x-old: 4"]);
    for (const answer of [caller, script.ask("GET /a")]) {
      assert.equal(answer.field("x-old"), "3, 4");
      assert.equal(answer.field("x-new"), "2");
    }
  });

  it("(§3.2) does not change what describes the body", () => {
    const script = staleScript([MINUTE, TAG, "content-encoding: br"]);
    const caller = script.ask("GET /a");
    script.respond(304, [TAG, "content-type: text/html", "content-encoding: gzip", "content-length: 99"]);
    assert.equal(caller.field("content-type"), "text/plain");
    assert.equal(caller.field("content-encoding"), "br");
    assert.equal(caller.field("content-length"), "4");
  });

  it("(§3.1) takes over no field of one hop", () => {
    const script = staleScript();
    script.ask("GET /a");
    script.respond(304, [MINUTE, "connection: x-hop", "x-hop: 1", "keep-alive: timeout=5"]);
    const next = script.ask("GET /a");
    assert.equal(next.field("x-hop"), null);
    assert.equal(next.field("keep-alive"), null);
  });

  it("(§4.2.3) counts the age from the 304 on, and by its Age", () => {
    const script = staleScript([MINUTE, TAG, "age: 7"]);
    const caller = script.ask("GET /a");
    script.respond(304, [MINUTE, "age: 20", `date: ${at(61)}`]);
    assert.equal(caller.field("age"), "20");
    script.clock.advance(10_000);
    assert.equal(script.ask("GET /a").field("age"), "30");
  });

  it("(§4.2.3) without an Age begins at 0, whatever the first response had", () => {
    const script = staleScript([MINUTE, TAG, "age: 7"]);
    const caller = script.ask("GET /a");
    script.respond(304, [MINUTE]);
    assert.equal(caller.field("age"), "0");
  });

  it("(§4.3.2) becomes a 304 for a caller who has the stored response", () => {
    const script = staleScript();
    const caller = script.ask("GET /a", ['if-none-match: "1"']);
    assert.equal(script.sent[0]?.field("if-none-match"), '"1"');
    script.respond(304, [MINUTE, TAG]);
    assert.equal(caller.status(), 304);
    assert.equal(caller.body, "");
    assert.equal(caller.field("content-length"), null);
    assert.equal(caller.field("etag"), '"1"');
  });

  it("(§4.3.2) becomes a 200 for a caller who has another", () => {
    const script = staleScript();
    const caller = script.ask("GET /a", ['if-none-match: "0"']);
    assert.equal(script.sent[0]?.field("if-none-match"), '"1"', "the cache asks by its own tag");
    script.respond(304, [MINUTE, TAG]);
    assert.equal(caller.status(), 200);
    assert.equal(caller.body, "body");
  });

  it("(§4.3.1) is asked for by both validators", () => {
    const script = staleScript([MINUTE, TAG, `last-modified: ${at(-9)}`]);
    script.ask("GET /a", ["if-modified-since: yesterday"]);
    assert.equal(script.sent[0]?.field("if-none-match"), '"1"');
    assert.equal(script.sent[0]?.field("if-modified-since"), at(-9));
  });

  it("(§5.2.2.5) that says no-store is the last use of what was stored", () => {
    const script = staleScript();
    const caller = script.ask("GET /a");
    script.respond(304, ["cache-control: no-store"]);
    assert.equal(caller.body, "body");
    assert.equal(script.counters.cacheEntriesNow, 0);
    assert.equal(script.counters.cacheBytesNow, 0);
  });

  it("(§4.1) with another Vary is too: what it was selected by is not known", () => {
    const script = staleScript();
    assert.equal(script.ask("GET /a").isEnded, false);
    script.respond(304, [MINUTE, TAG, "vary: accept"]);
    assert.equal(script.counters.cacheEntriesNow, 0);
  });

  it("(§4.3.4) with another tag answers, and is not believed a second time", () => {
    const script = staleScript();
    const caller = script.ask("GET /a");
    script.respond(304, [MINUTE, 'etag: "2"']);
    assert.equal(caller.body, "body");
    assert.equal(caller.field("etag"), '"1"');
    assert.equal(script.counters.cacheEntriesNow, 0);
  });

  it("(§4.3.4) with the same tag made weak is of the same response", () => {
    const script = staleScript();
    script.ask("GET /a");
    script.respond(304, [MINUTE, 'etag: W/"1"']);
    assert.equal(script.counters.cacheEntriesNow, 1);
    assert.equal(script.ask("GET /a").field("etag"), 'W/"1"');
  });

  it("hands its cookies to the one who asked, and keeps none", () => {
    const script = staleScript();
    const caller = script.ask("GET /a");
    script.respond(304, [MINUTE, TAG, "set-cookie: a=1", "set-cookie: b=2"]);
    assert.equal(caller.field("set-cookie"), "a=1, b=2");
    assert.equal(script.ask("GET /a").field("set-cookie"), null);
  });

  it("(§3.2) without Cache-Control leaves the stored one in force", () => {
    const script = staleScript();
    script.ask("GET /a");
    script.respond(304, []);
    script.clock.advance(59_000);
    assert.equal(script.ask("GET /a").field("cache-control"), "max-age=60");
  });
});

describe("another answer to the cache's own condition (RFC 9111 §4.3.3)", () => {
  it("(§4.3.3) 200 goes to the caller and takes the stored one's place", () => {
    const script = staleScript();
    const caller = script.ask("GET /a");
    script.respond(200, [MINUTE, 'etag: "2"'], "newer");
    assert.equal(caller.body, "newer");
    assert.equal(caller.field("cache-status"), "weft; fwd=stale; stored");
    const next = script.ask("GET /a");
    assert.equal(next.body, "newer");
    assert.equal(script.counters.cacheEntriesNow, 1);
  });

  it("(§4.3.3) 200 that is not to be stored throws the stored one out", () => {
    const script = staleScript();
    script.ask("GET /a");
    script.respond(200, ["cache-control: private"], "mine");
    assert.equal(script.counters.cacheEntriesNow, 0);
  });

  it("(§4.3.3) 404 too", () => {
    const script = staleScript();
    const caller = script.ask("GET /a");
    script.respond(404, []);
    assert.equal(caller.status(), 404);
    assert.equal(script.counters.cacheEntriesNow, 0);
  });

  it("(§4.3.3) 500 goes to the caller, and the stored one stays", () => {
    const script = staleScript();
    const caller = script.ask("GET /a");
    script.respond(500, []);
    assert.equal(caller.status(), 500);
    assert.equal(script.counters.cacheEntriesNow, 1);
  });
});

describe("freshening with HEAD (RFC 9111 §4.3.5)", () => {
  it("(§4.3.5) a 200 with the same validators and length makes it fresh", () => {
    const script = staleScript();
    const caller = script.ask("HEAD /a");
    script.respond(200, [MINUTE, TAG, "x-old: 2"], "body");
    assert.equal(caller.field("cache-status"), "weft; fwd=stale");
    const next = script.ask("GET /a");
    assert.equal(next.body, "body");
    assert.equal(next.field("x-old"), "2");
  });

  it("(§4.3.5) one with another tag, or another length, throws it out", () => {
    for (const [tag, body] of [
      ['etag: "2"', "body"],
      [TAG, "longer"],
    ] as const) {
      const script = staleScript();
      script.ask("HEAD /a");
      script.respond(200, [MINUTE, tag], body);
      assert.equal(script.counters.cacheEntriesNow, 0);
    }
  });

  it("(§4.3.5) one that says no-store throws it out", () => {
    const script = staleScript();
    script.ask("HEAD /a");
    script.respond(200, ["cache-control: no-store", TAG], "body");
    assert.equal(script.counters.cacheEntriesNow, 0);
  });

  it("(§4.3.5) an error says nothing about it", () => {
    const script = staleScript();
    script.ask("HEAD /a");
    script.respond(503, []);
    assert.equal(script.counters.cacheEntriesNow, 1);
  });
});
