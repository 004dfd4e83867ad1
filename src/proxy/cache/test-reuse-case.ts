import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NOT_CACHED } from "../failures.ts";
import type { CachePolicy } from "../policy/route-policy.ts";
import { type Caller, ScriptedCache } from "./test-scripted-cache.ts";

export type Outcome =
  /** From the store, whole. */
  | "hit"
  /** From the store, as a 304. */
  | "known"
  /** From the store, while it is fetched anew. */
  | "refresh"
  /** To an instance, as the caller sent it. */
  | "fetch"
  /** To an instance, with the validators of what is stored. */
  | "validate"
  /** Refused: only-if-cached. */
  | "not cached";

/** A response that is stored, and a second request for it some time later. */
export interface ReuseCase {
  readonly section: string;
  readonly fact: string;
  readonly policy?: Partial<CachePolicy>;
  /** Of the first request. */
  readonly before?: readonly string[];
  readonly status?: number;
  readonly response: readonly string[];
  /** How long the instance took, and how long after its answer the second request comes. */
  readonly tookS?: number;
  readonly afterS?: number;
  readonly startLine?: string;
  readonly request?: readonly string[];
  readonly outcome: Outcome;
  /** Of the second answer. */
  readonly age?: number;
  readonly cacheStatus?: string;
}

export function describeReuse(title: string, cases: readonly ReuseCase[]): void {
  describe(`the cache uses what is stored as RFC 9111 says: ${title}`, () => {
    for (const given of cases) {
      it(`(§${given.section}) ${given.fact}: ${given.outcome}`, () => {
        const script = new ScriptedCache(given.policy);
        script.ask("GET /a", given.before);
        script.clock.advance((given.tookS ?? 0) * 1_000);
        script.respond(given.status ?? 200, given.response, "body");
        assert.equal(script.counters.cacheEntriesNow, 1, "it is stored");
        script.clock.advance((given.afterS ?? 0) * 1_000);
        const caller = script.ask(given.startLine ?? "GET /a", given.request);
        check(given, script, caller);
      });
    }
  });
}

function check(given: ReuseCase, script: ScriptedCache, caller: Caller): void {
  const { outcome } = given;
  const isHead = given.startLine?.startsWith("HEAD") === true;
  const goesOn = outcome === "fetch" || outcome === "validate";
  assert.equal(script.sent.length, goesOn || outcome === "refresh" ? 1 : 0, "requests to instances");
  if (outcome === "not cached") {
    assert.equal(caller.failure, NOT_CACHED);
    return;
  }
  if (goesOn) {
    checkSent(given, script);
    script.respond(200, ["cache-control: no-store"], "new");
    assert.equal(caller.body, isHead ? "" : "new");
  } else {
    assert.ok(caller.isEnded);
    assert.equal(caller.status(), outcome === "known" ? 304 : (given.status ?? 200));
    assert.equal(caller.body, outcome === "known" || isHead ? "" : "body");
    assert.equal(caller.field("content-length"), outcome === "known" ? null : "4");
    assert.ok(caller.field("age") !== null && caller.field("date") !== null, "Age and Date are there");
    assert.match(caller.field("cache-status") ?? "", /^weft; hit; ttl=-?\d+$/);
  }
  if (given.age !== undefined) assert.equal(caller.field("age"), String(given.age));
  if (given.cacheStatus !== undefined) assert.equal(caller.field("cache-status"), given.cacheStatus);
}

/** The conditions that went to the instance: the stored response's, or the caller's own. */
function checkSent({ outcome, request, response }: ReuseCase, script: ScriptedCache): void {
  const [sent] = script.sent;
  const valueOf = (lines: readonly string[] | undefined, name: string): string | null =>
    lines?.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? null;
  const isOurs = outcome === "validate";
  const tag = isOurs ? valueOf(response, "etag") : valueOf(request, "if-none-match");
  const date = isOurs ? valueOf(response, "last-modified") : valueOf(request, "if-modified-since");
  assert.equal(sent?.field("if-none-match"), tag);
  assert.equal(sent?.field("if-modified-since"), date);
}
