import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CONNECT_FAILED } from "../failures.ts";
import { type Caller, ScriptedCache } from "./test-scripted-cache.ts";

const MINUTE = "cache-control: max-age=60";

function askAll(script: ScriptedCache, count: number, fields: readonly string[] = []): Caller[] {
  return Array.from({ length: count }, () => script.ask("GET /a", fields));
}

describe("requests for one key at the same time", () => {
  it("make one request to an instance, and all get its answer", () => {
    const script = new ScriptedCache();
    const callers = askAll(script, 100);
    assert.equal(script.sent.length, 1);
    script.respond(200, [MINUTE], "body");
    for (const caller of callers) assert.equal(caller.body, "body");
    assert.equal(callers[0]?.field("cache-status"), "weft; fwd=uri-miss; stored");
    assert.equal(callers[1]?.field("cache-status"), "weft; fwd=uri-miss; collapsed; ttl=60");
    assert.equal(script.counters.cacheCollapsed, 99);
    assert.equal(script.wheel.armedCount(), 0);
  });

  it("go their own ways once the head shows that its answer is not to be shared", () => {
    const script = new ScriptedCache();
    const callers = askAll(script, 3);
    const first = script.takeSent();
    first.respondHead(200, ["cache-control: private", "content-length: 4"]);
    assert.equal(script.sent.length, 2, "before the body has come");
    for (let left = 2; left > 0; left -= 1) script.respond(200, ["cache-control: private"], "own");
    assert.deepEqual(
      callers.slice(1).map(({ body }) => body),
      ["own", "own"],
    );
  });

  it("do not wait for each other again for ten seconds after that", () => {
    const script = new ScriptedCache();
    script.ask("GET /a");
    script.respond(200, ["cache-control: private"], "own");
    askAll(script, 3);
    assert.equal(script.sent.length, 3);
    while (script.sent.length > 0) script.respond(200, ["cache-control: private"], "own");
    script.clock.advance(10_000);
    askAll(script, 3);
    assert.equal(script.sent.length, 1);
  });

  it("do not wait for an answer that could not be used twice", () => {
    for (const control of ["no-cache", "max-age=0"]) {
      const script = new ScriptedCache();
      askAll(script, 3);
      script.takeSent().respondHead(200, [`cache-control: ${control}`, 'etag: "1"', "content-length: 4"]);
      assert.equal(script.sent.length, 2, control);
    }
  });

  it("wait five seconds at most", () => {
    const script = new ScriptedCache();
    const callers = askAll(script, 3);
    script.clock.advance(4_900);
    assert.equal(script.sent.length, 1);
    script.clock.advance(200);
    assert.equal(script.sent.length, 3);
    for (let left = 3; left > 0; left -= 1) script.respond(200, [MINUTE], `body ${left}`);
    assert.deepEqual(
      callers.map(({ body }) => body),
      ["body 3", "body 2", "body 1"],
    );
    assert.equal(script.wheel.armedCount(), 0);
  });

  it("ask for themselves, one for all, when the one that asked has left", () => {
    const script = new ScriptedCache();
    const [first, ...others] = askAll(script, 3);
    const left = script.takeSent();
    first?.x.onDownstreamClosed();
    assert.equal(left.end, "cancelled");
    assert.equal(script.sent.length, 1, "one of those that waited asks now");
    script.respond(200, [MINUTE], "body");
    for (const caller of others) assert.equal(caller.body, "body");
  });

  it("all try for themselves when it failed", () => {
    const script = new ScriptedCache();
    const [first] = askAll(script, 3);
    script.fail(script.takeSent(), CONNECT_FAILED);
    assert.equal(first?.failure, CONNECT_FAILED);
    assert.equal(script.sent.length, 2);
  });

  it("all try for themselves when its answer was cut short", () => {
    const script = new ScriptedCache();
    askAll(script, 3);
    const sent = script.takeSent();
    sent.respondHead(200, [MINUTE, "content-length: 4"]);
    assert.equal(script.sent.length, 0);
    script.fail(sent, CONNECT_FAILED);
    assert.equal(script.sent.length, 2);
  });

  it("one that leaves while it waits is forgotten", () => {
    const script = new ScriptedCache();
    const [, second, third] = askAll(script, 3);
    second?.x.onDownstreamClosed();
    third?.x.onDownstreamClosed();
    assert.equal(script.wheel.armedCount(), 0);
    script.respond(200, [MINUTE], "body");
    assert.equal(second?.head, "");
    assert.equal(script.counters.cacheCollapsed, 0);
  });

  it("an exchange that has become another request by then is left alone", () => {
    const script = new ScriptedCache();
    const [, second] = askAll(script, 2);
    assert.ok(second !== undefined);
    const { x } = second;
    const { stack, origin } = x;
    x.onDownstreamClosed();
    assert.ok(stack !== null && origin !== null && x.request !== null);
    x.begin(stack, origin, x.request);
    script.respond(200, [MINUTE], "body");
    assert.equal(second.head, "");
    assert.ok(x.active);
  });

  it("wait only for what Vary let them share the last time", () => {
    const script = new ScriptedCache();
    script.ask("GET /a", ["accept: a"]);
    script.respond(200, [MINUTE, "vary: accept"], "a");
    script.clock.advance(60_000);
    const callers = ["accept: a", "accept: b", "accept: b"].map((field) => script.ask("GET /a", [field]));
    assert.equal(script.sent.length, 2);
    script.respond(200, [MINUTE, "vary: accept"], "a");
    script.respond(200, [MINUTE, "vary: accept"], "b");
    assert.deepEqual(
      callers.map(({ body }) => body),
      ["a", "b", "b"],
    );
  });

  it("those whom an unexpected Vary leaves out go on at once", () => {
    const script = new ScriptedCache();
    const callers = ["accept: a", "accept: b", "accept: a"].map((field) => script.ask("GET /a", [field]));
    const first = script.takeSent();
    first.respondHead(200, [MINUTE, "vary: accept", "content-length: 1"]);
    assert.equal(script.sent.length, 1);
    first.x.onResponseData(Buffer.from("a"));
    first.x.onResponseEnd(null);
    script.respond(200, [MINUTE, "vary: accept"], "b");
    assert.deepEqual(
      callers.map(({ body }) => body),
      ["a", "b", "a"],
    );
  });

  it("HEAD waits for a GET, but nobody waits for a HEAD", () => {
    const script = new ScriptedCache();
    script.ask("HEAD /a");
    script.ask("GET /a");
    const head = script.ask("HEAD /a");
    assert.equal(script.sent.length, 2);
    script.takeSent();
    script.respond(200, [MINUTE], "body");
    assert.equal(head.field("content-length"), "4");
    assert.equal(head.body, "");
  });

  it("who wants it validated, or kept out of the store, does not wait", () => {
    for (const control of ["no-cache", "no-store", "max-age=0"]) {
      const script = new ScriptedCache();
      script.ask("GET /a");
      script.ask("GET /a", [`cache-control: ${control}`]);
      assert.equal(script.sent.length, 2, control);
    }
  });

  it("only-if-cached does not wait either", () => {
    const script = new ScriptedCache();
    script.ask("GET /a");
    const caller = script.ask("GET /a", ["cache-control: only-if-cached"]);
    assert.ok(caller.isEnded && caller.failure !== 0);
  });

  it("nobody waits for the answer to a caller's own condition", () => {
    const script = new ScriptedCache();
    const first = script.ask("GET /a", ['if-none-match: "1"']);
    const second = script.ask("GET /a");
    assert.equal(script.sent.length, 2);
    script.respond(304, ['etag: "1"']);
    script.respond(200, [MINUTE, 'etag: "1"'], "body");
    assert.equal(first.status(), 304);
    assert.equal(second.body, "body");
  });

  it("no more than 1,024 wait", () => {
    const script = new ScriptedCache();
    askAll(script, 1_026);
    assert.equal(script.sent.length, 2);
  });

  it("one validation serves all that wait, each by its own conditions", () => {
    const script = new ScriptedCache();
    script.ask("GET /a");
    script.respond(200, [MINUTE, 'etag: "1"'], "body");
    script.clock.advance(60_000);
    const plain = script.ask("GET /a");
    const known = script.ask("GET /a", ['if-none-match: "1"']);
    assert.equal(script.sent.length, 1);
    script.respond(304, [MINUTE, "set-cookie: a=1"]);
    assert.equal(plain.body, "body");
    assert.equal(known.status(), 304);
    assert.equal(known.field("set-cookie"), null, "another caller's cookie");
  });

  it("an error that a stored response stands in for does so for all that wait and may have it", () => {
    const script = new ScriptedCache();
    script.ask("GET /a");
    script.respond(200, ["cache-control: max-age=60, stale-if-error=60"], "body");
    script.clock.advance(60_000);
    const callers = askAll(script, 3);
    script.respond(503, []);
    assert.deepEqual(
      callers.map(({ body }) => body),
      ["body", "body", "body"],
    );
    assert.equal(script.sent.length, 0);
  });
});
