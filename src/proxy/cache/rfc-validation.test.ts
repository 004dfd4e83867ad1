import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CONNECT_FAILED, DOWNSTREAM_TIMEOUT, UPSTREAM_RESET } from "../failures.ts";
import { ScriptedCache } from "./scripted-cache.ts";
import { at } from "./wall-clock-text.ts";

const MINUTE = "cache-control: max-age=60";
const TAG = 'etag: "1"';

/** A store with a response to `GET /a` that has been stale for a second. */
function staleScript(response: readonly string[] = [MINUTE, TAG], policy: object = {}): ScriptedCache {
  const script = new ScriptedCache(policy);
  script.ask("GET /a");
  script.respond("200 OK", ["x-old: 1", "content-type: text/plain", ...response], "body");
  script.clock.advance(61_000);
  return script;
}

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

describe("invalidation (RFC 9111 §4.4)", () => {
  function freshScript(): ScriptedCache {
    const script = new ScriptedCache();
    for (const target of ["/a", "/b", "/a?x=1"]) {
      script.ask(`GET ${target}`);
      script.respond(200, [MINUTE], "body");
    }
    return script;
  }
  const isStored = (script: ScriptedCache, target: string): boolean => {
    const caller = script.ask(`GET ${target}`, ["cache-control: only-if-cached"]);
    return caller.isEnded && caller.failure === 0;
  };

  for (const method of ["POST", "PUT", "DELETE", "PATCH", "REPORT"]) {
    it(`(§4.4) ${method} with a good answer throws out its target, and nothing else`, () => {
      const script = freshScript();
      const caller = script.ask(`${method} /a`);
      script.respond(200, []);
      assert.equal(caller.field("cache-status"), "weft; fwd=method");
      assert.equal(isStored(script, "/a"), false);
      assert.ok(isStored(script, "/b") && isStored(script, "/a?x=1"));
      assert.equal(script.counters.cacheInvalidated, 1);
    });
  }

  for (const method of ["GET", "HEAD", "OPTIONS", "TRACE"]) {
    it(`(§4.4) ${method} throws out nothing`, () => {
      const script = freshScript();
      script.ask(`${method} /a`, ["cache-control: no-cache"]);
      script.respond(200, [MINUTE], "body");
      assert.ok(isStored(script, "/a"));
    });
  }

  for (const [status, isOut] of [
    [201, true],
    [204, true],
    [303, true],
    [400, false],
    [409, false],
    [500, false],
  ] as const) {
    it(`(§4.4) an answer of ${status} throws ${isOut ? "it out" : "nothing out"}`, () => {
      const script = freshScript();
      script.ask("POST /a");
      script.respond(status, []);
      assert.equal(isStored(script, "/a"), !isOut);
    });
  }

  for (const [field, isOut] of [
    ["location: /b", true],
    ["content-location: http://app/b", true],
    ["location: //app/b", true],
    ["location: http://app:80/b#part", true],
    ["location: /x/../b", true],
    ["location: http://other/b", false],
    ["location: https://app/b", false],
    ["location: b", false],
  ] as const) {
    it(`(§4.4) ${field} in its answer throws ${isOut ? "that out" : "nothing more out"}`, () => {
      const script = freshScript();
      script.ask("POST /a");
      script.respond(201, [field]);
      assert.equal(isStored(script, "/b"), !isOut);
    });
  }

  it("(§4.4) a GET that was under way meanwhile is not stored: it may be older than the change", () => {
    const script = new ScriptedCache();
    const reader = script.ask("GET /a");
    const read = script.takeSent();
    const waiter = script.ask("GET /a");
    assert.equal(script.sent.length, 0, "it waits");
    script.ask("POST /a");
    script.takeSent().respond(200, [], "");
    assert.equal(script.sent.length, 1, "the one that waited asks for itself");
    read.respond(200, [MINUTE], "old");
    assert.equal(reader.body, "old");
    assert.equal(script.counters.cacheEntriesNow, 0);
    script.respond(200, [MINUTE], "new");
    assert.equal(waiter.body, "new");
    assert.equal(script.ask("GET /a").body, "new");
  });
});
