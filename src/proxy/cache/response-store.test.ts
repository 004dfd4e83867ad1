import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CachePolicy } from "../policy/route-policy.ts";
import { createRoute, ScriptedCache, TEST_POLICY, toSnapshot } from "./test-scripted-cache.ts";
import { ENTRY_BYTES } from "./stored-response.ts";

const MINUTE = "cache-control: max-age=60";

function store(script: ScriptedCache, target: string, bodyBytes: number, fields: readonly string[] = []): void {
  script.ask(`GET ${target}`);
  script.respond(200, [MINUTE, ...fields], "x".repeat(bodyBytes));
}

function isStored(script: ScriptedCache, target: string): boolean {
  const caller = script.ask(`GET ${target}`, ["cache-control: only-if-cached"]);
  return caller.failure === 0;
}

describe("a route's store is bounded", () => {
  it("in bytes: what was used longest ago goes first, and is counted", () => {
    const script = new ScriptedCache({ maxBytes: 40_000 });
    for (const target of ["/a", "/b", "/c"]) store(script, target, 10_000);
    assert.ok(isStored(script, "/a"), "used last");
    store(script, "/d", 10_000);
    assert.deepEqual(
      ["/a", "/b", "/c", "/d"].map((target) => isStored(script, target)),
      [true, false, true, true],
    );
    assert.equal(script.counters.cacheEvicted, 1);
    assert.equal(script.counters.cacheEntriesNow, 3);
    assert.ok(script.counters.cacheBytesNow <= 40_000);
  });

  it("heads count as bodies do", () => {
    const script = new ScriptedCache();
    store(script, "/a", 0);
    const small = script.counters.cacheBytesNow;
    assert.ok(small >= ENTRY_BYTES);
    store(script, "/b", 0, [`x-long: ${"x".repeat(10_000)}`]);
    assert.ok(script.counters.cacheBytesNow - 2 * small >= 10_000);
  });

  it("a body that is still coming counts, and gives way to the bound", () => {
    const script = new ScriptedCache({ maxBytes: 50_000 });
    store(script, "/a", 20_000);
    const caller = script.ask("GET /b");
    const sent = script.takeSent();
    sent.respondHead(200, [MINUTE, "transfer-encoding: chunked"]);
    for (let chunk = 0; chunk < 6; chunk += 1) {
      sent.x.onResponseData(new Uint8Array(10_000));
      assert.ok(script.counters.cacheBytesNow <= 50_000, `${script.counters.cacheBytesNow}`);
    }
    sent.x.onResponseEnd(null);
    assert.equal(caller.body.length, 60_000, "the caller gets all of it");
    assert.equal(isStored(script, "/b"), false);
  });

  it("many slow bodies at once hold no more than the bound together", () => {
    const script = new ScriptedCache({ maxBytes: 100_000 });
    for (let index = 0; index < 50; index += 1) {
      script.ask(`GET /${index}`);
      const sent = script.takeSent();
      sent.respondHead(200, [MINUTE, "content-length: 60000"]);
      sent.x.onResponseData(new Uint8Array(1));
      assert.ok(script.counters.cacheBytesNow <= 100_000);
      sent.x.onDownstreamClosed();
    }
    assert.equal(script.counters.cacheBytesNow, 0);
  });

  it("what is larger than the whole store is not stored", () => {
    const script = new ScriptedCache({ maxBytes: 5_000 });
    store(script, "/a", 4_000);
    assert.equal(script.counters.cacheEntriesNow, 0);
    assert.equal(script.counters.cacheBytesNow, 0);
  });

  it("one key has at most 64 variants", () => {
    const script = new ScriptedCache();
    for (let index = 0; index < 100; index += 1) {
      script.ask("GET /a", [`x-user: ${index}`]);
      script.respond(200, [MINUTE, "vary: x-user"], "body");
    }
    assert.equal(script.counters.cacheEntriesNow, 64);
    assert.equal(script.counters.cacheEvicted, 36);
    script.ask("GET /a", ["x-user: 99"]);
    assert.equal(script.sent.length, 0);
  });

  it("counts come to nothing when everything is invalidated", () => {
    const script = new ScriptedCache();
    for (let index = 0; index < 10; index += 1) store(script, `/${index}`, index * 1_000);
    for (let index = 0; index < 10; index += 1) {
      script.ask(`DELETE /${index}`);
      script.respond(204);
    }
    assert.equal(script.counters.cacheBytesNow, 0);
    assert.equal(script.counters.cacheEntriesNow, 0);
  });
});

describe("a route's store outlives snapshots", () => {
  const reload = (script: ScriptedCache, cache: CachePolicy | null, cluster: string = "app"): void => {
    script.route = createRoute(cache, "/", cluster);
    script.cache.reconcile(toSnapshot([script.route], 2));
  };

  it("when the policy is another object that says the same", () => {
    const script = new ScriptedCache();
    store(script, "/a", 10);
    reload(script, { ...TEST_POLICY });
    assert.ok(isStored(script, "/a"));
  });

  it("but not when a number has changed", () => {
    const script = new ScriptedCache();
    store(script, "/a", 10);
    reload(script, { ...TEST_POLICY, defaultTtlMs: 1 });
    assert.equal(isStored(script, "/a"), false);
    assert.equal(script.counters.cacheBytesNow, 0);
  });

  it("nor when the route leads to another service", () => {
    const script = new ScriptedCache();
    store(script, "/a", 10);
    reload(script, TEST_POLICY, "other");
    assert.equal(isStored(script, "/a"), false);
  });

  it("nor when the cache is gone", () => {
    const script = new ScriptedCache();
    store(script, "/a", 10);
    reload(script, null);
    assert.equal(script.counters.cacheEntriesNow, 0);
    const caller = script.ask("GET /a");
    script.respond(200, [MINUTE], "plain");
    assert.equal(caller.field("cache-status"), null);
  });

  it("what is under way when its store goes is passed on and not stored; those that wait go on", () => {
    const script = new ScriptedCache();
    const [first, second] = [script.ask("GET /a"), script.ask("GET /a")];
    reload(script, null);
    assert.equal(script.sent.length, 2);
    script.respond(200, [MINUTE], "one");
    script.respond(200, [MINUTE], "two");
    assert.deepEqual([first.body, second.body], ["one", "two"]);
    assert.equal(script.counters.cacheBytesNow, 0);
  });

  it("a body half copied when its store goes is not stored", () => {
    const script = new ScriptedCache();
    const caller = script.ask("GET /a");
    const sent = script.takeSent();
    sent.respondHead(200, [MINUTE, "content-length: 4"]);
    sent.x.onResponseData(Buffer.from("bo"));
    reload(script, null);
    sent.x.onResponseData(Buffer.from("dy"));
    sent.x.onResponseEnd(null);
    assert.equal(caller.body, "body");
    assert.equal(script.counters.cacheBytesNow, 0);
  });

  it("two routes do not share what they store", () => {
    const script = new ScriptedCache();
    const [beta, rest] = [createRoute(TEST_POLICY, "/", "beta"), createRoute(TEST_POLICY)];
    script.cache.reconcile(toSnapshot([beta, rest], 2));
    script.route = beta;
    store(script, "/a", 10);
    script.route = rest;
    assert.equal(isStored(script, "/a"), false);
    script.ask("POST /a");
    script.respond(204);
    script.route = beta;
    assert.equal(isStored(script, "/a"), false, "but one's POST throws out what the other stored");
  });

  it("hosts and ports are parts of the key; port 80 is the default", () => {
    const script = new ScriptedCache();
    script.ask("GET /a", [], "app:80");
    script.respond(200, [MINUTE], "body");
    assert.equal(script.ask("GET /a", [], "app").body, "body");
    assert.equal(script.ask("GET /a", [], "APP").body, "body");
    script.ask("GET /a", [], "app:81");
    script.ask("GET /a", [], "other");
    assert.equal(script.sent.length, 2);
  });
});
