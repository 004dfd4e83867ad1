import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ScriptedCache } from "./test-scripted-cache.ts";

const MINUTE = "cache-control: max-age=60";

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
