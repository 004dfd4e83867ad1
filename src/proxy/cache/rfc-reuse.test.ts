import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NOT_CACHED } from "../failures.ts";
import type { CachePolicy } from "../policy/route-policy.ts";
import { type Caller, ScriptedCache } from "./scripted-cache.ts";
import { at } from "./wall-clock-text.ts";

type Outcome =
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

interface ReuseCase {
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

const MINUTE = "cache-control: max-age=60";
const TAG = 'etag: "1"';
const MODIFIED = `last-modified: ${at(-600)}`;

const CASES: readonly ReuseCase[] = [
  // Freshness (§4.2) and age (§4.2.3).
  { section: "4.2", fact: "a fresh response is used", response: [MINUTE], afterS: 30, outcome: "hit", age: 30 },
  {
    section: "4.2",
    fact: "at its lifetime it is not fresh any more",
    response: [MINUTE],
    afterS: 60,
    outcome: "fetch",
  },
  {
    section: "4.2",
    fact: "a stale one with a validator is validated",
    response: [MINUTE, TAG],
    afterS: 61,
    outcome: "validate",
  },
  { section: "4.2", fact: "by Last-Modified too", response: [MINUTE, MODIFIED], afterS: 61, outcome: "validate" },
  {
    section: "4.2.1",
    fact: "s-maxage wins over max-age",
    response: ["cache-control: max-age=10, s-maxage=60"],
    afterS: 30,
    outcome: "hit",
  },
  {
    section: "4.2.1",
    fact: "also when it is shorter",
    response: ["cache-control: max-age=60, s-maxage=10"],
    afterS: 30,
    outcome: "fetch",
  },
  {
    section: "4.2.1",
    fact: "max-age wins over Expires",
    response: [MINUTE, `expires: ${at(10)}`],
    afterS: 30,
    outcome: "hit",
  },
  {
    section: "4.2.1",
    fact: "Expires counts from Date",
    response: [`date: ${at(0)}`, `expires: ${at(60)}`],
    afterS: 59,
    outcome: "hit",
  },
  {
    section: "4.2.1",
    fact: "Expires counts from the answer without a Date",
    response: [`expires: ${at(60)}`],
    afterS: 60,
    outcome: "fetch",
  },
  {
    section: "4.2.1",
    fact: "of two max-age the first counts",
    response: ["cache-control: max-age=60, max-age=5"],
    afterS: 30,
    outcome: "hit",
  },
  {
    section: "4.2.1",
    fact: "of two fields too",
    response: ["cache-control: max-age=5", MINUTE],
    afterS: 30,
    outcome: "fetch",
  },
  { section: "5.2", fact: "max-age in quotes", response: ['cache-control: max-age="60"'], afterS: 30, outcome: "hit" },
  {
    section: "5.2",
    fact: "directives in capitals",
    response: ["Cache-Control: MAX-AGE=60"],
    afterS: 30,
    outcome: "hit",
  },
  {
    section: "5.2.3",
    fact: "unknown directives mean nothing",
    response: ['cache-control: x, y=1, z="a, b", max-age=60'],
    afterS: 30,
    outcome: "hit",
  },
  {
    section: "1.2.2",
    fact: "a max-age beyond all bounds is a very long one",
    response: ["cache-control: max-age=99999999999999999999"],
    afterS: 86_400,
    outcome: "hit",
  },
  { section: "4.2.3", fact: "Age counts", response: [MINUTE, "age: 50"], afterS: 5, outcome: "hit", age: 55 },
  {
    section: "4.2.3",
    fact: "Age counts against freshness",
    response: [MINUTE, "age: 50"],
    afterS: 10,
    outcome: "fetch",
  },
  {
    section: "4.2.3",
    fact: "an old Date counts",
    response: [MINUTE, `date: ${at(-40)}`],
    afterS: 5,
    outcome: "hit",
    age: 45,
  },
  {
    section: "4.2.3",
    fact: "the larger of both counts",
    response: [MINUTE, `date: ${at(-40)}`, "age: 45"],
    afterS: 0,
    outcome: "hit",
    age: 45,
  },
  {
    section: "4.2.3",
    fact: "a Date ahead of us counts as now",
    response: [MINUTE, `date: ${at(40)}`],
    afterS: 7,
    outcome: "hit",
    age: 7,
  },
  {
    section: "4.2.3",
    fact: "the time of the fetch counts",
    response: [MINUTE],
    tookS: 4,
    afterS: 1,
    outcome: "hit",
    age: 5,
  },
  {
    section: "4.2.3",
    fact: "beside Age too",
    response: [MINUTE, "age: 10"],
    tookS: 4,
    afterS: 1,
    outcome: "hit",
    age: 15,
  },
  {
    section: "5.1",
    fact: "an Age that is no number is none",
    response: [MINUTE, "age: old"],
    afterS: 3,
    outcome: "hit",
    age: 3,
  },
  {
    section: "5.1",
    fact: "of several Age values the first counts",
    response: [MINUTE, "age: 5, 50"],
    afterS: 3,
    outcome: "hit",
    age: 8,
  },
  {
    section: "4.2.2",
    fact: "a default TTL is used",
    policy: { defaultTtlMs: 60_000 },
    response: [],
    afterS: 59,
    outcome: "hit",
  },
  {
    section: "4.2.2",
    fact: "a default TTL ends",
    policy: { defaultTtlMs: 60_000 },
    response: [],
    afterS: 60,
    outcome: "fetch",
  },
  {
    section: "4.2.2",
    fact: "a default TTL is at most a tenth of the time since Last-Modified",
    policy: { defaultTtlMs: 3_600_000 },
    response: [MODIFIED],
    afterS: 60,
    outcome: "validate",
  },
  {
    section: "4.2.2",
    fact: "until then it is fresh",
    policy: { defaultTtlMs: 3_600_000 },
    response: [MODIFIED],
    afterS: 59,
    outcome: "hit",
  },
  {
    section: "4.2.2",
    fact: "what is said wins over a default TTL",
    policy: { defaultTtlMs: 3_600_000 },
    response: [MINUTE],
    afterS: 60,
    outcome: "fetch",
  },
  {
    section: "5.3",
    fact: "an Expires in RFC 850's form",
    response: ["expires: Thursday, 01-Jan-26 00:01:00 GMT"],
    afterS: 30,
    outcome: "hit",
  },
  {
    section: "5.3",
    fact: "an Expires in asctime's form",
    response: ["expires: Thu Jan  1 00:01:00 2026"],
    afterS: 30,
    outcome: "hit",
  },

  // What a response says about being used (§5.2.2).
  {
    section: "5.2.2.4",
    fact: "no-cache is validated even when fresh",
    response: ["cache-control: no-cache, max-age=60", TAG],
    outcome: "validate",
  },
  {
    section: "5.2.2.4",
    fact: "no-cache with field names too",
    response: ['cache-control: no-cache="x-user", max-age=60', TAG],
    outcome: "validate",
  },
  {
    section: "5.2.2.2",
    fact: "must-revalidate is used while fresh",
    response: ["cache-control: max-age=60, must-revalidate"],
    afterS: 30,
    outcome: "hit",
  },
  {
    section: "5.2.2.2",
    fact: "must-revalidate is not used stale, whatever the caller takes",
    response: ["cache-control: max-age=60, must-revalidate", TAG],
    afterS: 61,
    request: ["cache-control: max-stale"],
    outcome: "validate",
  },
  {
    section: "5.2.2.8",
    fact: "nor is proxy-revalidate",
    response: ["cache-control: max-age=60, proxy-revalidate", TAG],
    afterS: 61,
    request: ["cache-control: max-stale"],
    outcome: "validate",
  },
  {
    section: "5.2.2.10",
    fact: "nor is s-maxage",
    response: ["cache-control: s-maxage=60", TAG],
    afterS: 61,
    request: ["cache-control: max-stale"],
    outcome: "validate",
  },
  {
    section: "5.2.2.10",
    fact: "s-maxage forbids stale-while-revalidate",
    response: ["cache-control: s-maxage=60, stale-while-revalidate=60", TAG],
    afterS: 61,
    outcome: "validate",
  },

  // What a request says (§5.2.1).
  {
    section: "5.2.1.4",
    fact: "no-cache validates what is fresh",
    response: [MINUTE, TAG],
    request: ["cache-control: no-cache"],
    outcome: "validate",
  },
  {
    section: "5.2.1.4",
    fact: "no-cache without a validator fetches",
    response: [MINUTE],
    request: ["cache-control: no-cache"],
    outcome: "fetch",
  },
  {
    section: "5.4",
    fact: "Pragma: no-cache is the same",
    response: [MINUTE, TAG],
    request: ["pragma: no-cache"],
    outcome: "validate",
  },
  {
    section: "5.4",
    fact: "Pragma means nothing beside Cache-Control",
    response: [MINUTE, TAG],
    request: ["pragma: no-cache", "cache-control: max-age=30"],
    outcome: "hit",
  },
  {
    section: "5.2.1.1",
    fact: "max-age is kept to",
    response: [MINUTE, TAG],
    afterS: 31,
    request: ["cache-control: max-age=30"],
    outcome: "validate",
  },
  {
    section: "5.2.1.1",
    fact: "a younger one is used",
    response: [MINUTE, TAG],
    afterS: 30,
    request: ["cache-control: max-age=30"],
    outcome: "hit",
  },
  {
    section: "5.2.1.1",
    fact: "max-age=0 validates",
    response: [MINUTE, TAG],
    afterS: 1,
    request: ["cache-control: max-age=0"],
    outcome: "validate",
  },
  {
    section: "5.2.1.1",
    fact: "max-age longer than the response's does not help",
    response: [MINUTE, TAG],
    afterS: 61,
    request: ["cache-control: max-age=90"],
    outcome: "validate",
  },
  {
    section: "5.2.1.3",
    fact: "min-fresh is kept to",
    response: [MINUTE, TAG],
    afterS: 31,
    request: ["cache-control: min-fresh=30"],
    outcome: "validate",
  },
  {
    section: "5.2.1.3",
    fact: "what is fresh for so long is used",
    response: [MINUTE, TAG],
    afterS: 30,
    request: ["cache-control: min-fresh=30"],
    outcome: "hit",
  },
  {
    section: "5.2.1.2",
    fact: "max-stale takes what is stale",
    response: [MINUTE, TAG],
    afterS: 600,
    request: ["cache-control: max-stale"],
    outcome: "hit",
    age: 600,
    cacheStatus: "weft; hit; ttl=-540",
  },
  {
    section: "5.2.1.2",
    fact: "max-stale=n up to n",
    response: [MINUTE, TAG],
    afterS: 90,
    request: ["cache-control: max-stale=30"],
    outcome: "hit",
  },
  {
    section: "5.2.1.2",
    fact: "max-stale=n and no more",
    response: [MINUTE, TAG],
    afterS: 91,
    request: ["cache-control: max-stale=30"],
    outcome: "validate",
  },
  {
    section: "5.2.1.2",
    fact: "max-stale does not help against no-cache",
    response: ["cache-control: no-cache", TAG],
    afterS: 1,
    request: ["cache-control: max-stale"],
    outcome: "validate",
  },
  {
    section: "5.2.1.5",
    fact: "no-store takes what is stored already",
    response: [MINUTE],
    afterS: 1,
    request: ["cache-control: no-store"],
    outcome: "hit",
  },
  {
    section: "5.2.1.5",
    fact: "no-store does not validate for others",
    response: [MINUTE, TAG],
    afterS: 61,
    request: ["cache-control: no-store"],
    outcome: "fetch",
  },
  {
    section: "5.2.1.7",
    fact: "only-if-cached takes what is fresh",
    response: [MINUTE],
    afterS: 1,
    request: ["cache-control: only-if-cached"],
    outcome: "hit",
  },
  {
    section: "5.2.1.7",
    fact: "only-if-cached refuses what would be validated",
    response: [MINUTE, TAG],
    afterS: 61,
    request: ["cache-control: only-if-cached"],
    outcome: "not cached",
  },
  {
    section: "5.2.1.7",
    fact: "only-if-cached refuses what is not stored",
    response: [MINUTE],
    startLine: "GET /b",
    request: ["cache-control: only-if-cached"],
    outcome: "not cached",
  },
  {
    section: "5.2.1.7",
    fact: "only-if-cached refuses ranges, which are not asked of the store",
    response: [MINUTE],
    request: ["range: bytes=0-0", "cache-control: only-if-cached"],
    outcome: "not cached",
  },
  {
    section: "5.2.1.7",
    fact: "only-if-cached with max-stale takes what is stale",
    response: [MINUTE],
    afterS: 61,
    request: ["cache-control: only-if-cached, max-stale"],
    outcome: "hit",
  },

  // Keys (§2, §4) and Vary (§4.1).
  {
    section: "2",
    fact: "another path is another key",
    response: [MINUTE],
    startLine: "GET /b",
    outcome: "fetch",
    cacheStatus: "weft; fwd=uri-miss",
  },
  { section: "2", fact: "another query is another key", response: [MINUTE], startLine: "GET /a?x=1", outcome: "fetch" },
  {
    section: "4.1",
    fact: "the same value fits",
    before: ["accept: text/html"],
    response: [MINUTE, "vary: accept"],
    request: ["accept: text/html"],
    outcome: "hit",
  },
  {
    section: "4.1",
    fact: "another value does not",
    before: ["accept: text/html"],
    response: [MINUTE, "vary: accept"],
    request: ["accept: text/plain"],
    outcome: "fetch",
    cacheStatus: "weft; fwd=vary-miss",
  },
  { section: "4.1", fact: "an absent field fits an absent one", response: [MINUTE, "vary: accept"], outcome: "hit" },
  {
    section: "4.1",
    fact: "an absent field does not fit a present one",
    before: ["accept: text/html"],
    response: [MINUTE, "vary: accept"],
    outcome: "fetch",
  },
  {
    section: "4.1",
    fact: "an absent field does not fit an empty one",
    before: ["accept:"],
    response: [MINUTE, "vary: accept"],
    outcome: "fetch",
  },
  {
    section: "4.1",
    fact: "names in any case",
    before: ["ACCEPT: text/html"],
    response: [MINUTE, "Vary: Accept"],
    request: ["accept: text/html"],
    outcome: "hit",
  },
  {
    section: "4.1",
    fact: "values have case",
    before: ["accept: text/html"],
    response: [MINUTE, "vary: accept"],
    request: ["accept: Text/HTML"],
    outcome: "fetch",
  },
  {
    section: "4.1",
    fact: "several lines are one list",
    before: ["accept: a, b"],
    response: [MINUTE, "vary: accept"],
    request: ["accept: a", "accept: b"],
    outcome: "hit",
  },
  {
    section: "4.1",
    fact: "spaces around commas do not count",
    before: ["accept: a,b"],
    response: [MINUTE, "vary: accept"],
    request: ["accept: a ,  b"],
    outcome: "hit",
  },
  {
    section: "4.1",
    fact: "inside quotes they do",
    before: ['accept: x="a, b"'],
    response: [MINUTE, "vary: accept"],
    request: ['accept: x="a,b"'],
    outcome: "fetch",
  },
  {
    section: "4.1",
    fact: "all named fields must fit",
    before: ["accept: a", "x-b: 1"],
    response: [MINUTE, "vary: accept", "vary: x-b"],
    request: ["accept: a", "x-b: 2"],
    outcome: "fetch",
  },
  {
    section: "4.1",
    fact: "fields that are not named may differ",
    before: ["accept: a", "x-b: 1"],
    response: [MINUTE, "vary: accept"],
    request: ["accept: a", "x-b: 2"],
    outcome: "hit",
  },

  // Conditions of callers (§4.3.2).
  {
    section: "4.3.2",
    fact: "If-None-Match with the stored tag",
    response: [MINUTE, TAG],
    request: ['if-none-match: "1"'],
    outcome: "known",
  },
  {
    section: "4.3.2",
    fact: "If-None-Match with another tag",
    response: [MINUTE, TAG],
    request: ['if-none-match: "2"'],
    outcome: "hit",
  },
  {
    section: "4.3.2",
    fact: "If-None-Match with a list",
    response: [MINUTE, TAG],
    request: ['if-none-match: "0", "1"'],
    outcome: "known",
  },
  {
    section: "4.3.2",
    fact: "If-None-Match: *",
    response: [MINUTE, TAG],
    request: ["if-none-match: *"],
    outcome: "known",
  },
  {
    section: "4.3.2",
    fact: "If-None-Match compares weakly",
    response: [MINUTE, TAG],
    request: ['if-none-match: W/"1"'],
    outcome: "known",
  },
  {
    section: "4.3.2",
    fact: "If-None-Match against a response without a tag",
    response: [MINUTE],
    request: ['if-none-match: "1"'],
    outcome: "hit",
  },
  {
    section: "4.3.2",
    fact: "a comma inside a tag is part of it",
    response: [MINUTE, 'etag: "a,b"'],
    request: ['if-none-match: "x", "a,b"'],
    outcome: "known",
  },
  {
    section: "4.3.2",
    fact: "If-Modified-Since at Last-Modified",
    response: [MINUTE, MODIFIED],
    request: [`if-modified-since: ${at(-600)}`],
    outcome: "known",
  },
  {
    section: "4.3.2",
    fact: "If-Modified-Since before Last-Modified",
    response: [MINUTE, MODIFIED],
    request: [`if-modified-since: ${at(-601)}`],
    outcome: "hit",
  },
  {
    section: "4.3.2",
    fact: "If-Modified-Since that is no date",
    response: [MINUTE, MODIFIED],
    request: ["if-modified-since: yesterday"],
    outcome: "hit",
  },
  {
    section: "4.3.2",
    fact: "If-Modified-Since is compared with Date without Last-Modified",
    response: [MINUTE, `date: ${at(-9)}`],
    request: [`if-modified-since: ${at(-9)}`],
    outcome: "known",
  },
  {
    section: "4.3.2",
    fact: "If-None-Match wins over If-Modified-Since",
    response: [MINUTE, TAG, MODIFIED],
    request: ['if-none-match: "2"', `if-modified-since: ${at(0)}`],
    outcome: "hit",
  },
  {
    section: "4.3.2",
    fact: "conditions count for 200 only",
    status: 404,
    response: [MINUTE, TAG],
    request: ['if-none-match: "1"'],
    outcome: "hit",
  },
  {
    section: "4.3.2",
    fact: "If-Match is for the origin",
    response: [MINUTE, TAG],
    request: ['if-match: "1"'],
    outcome: "fetch",
    cacheStatus: "weft; fwd=bypass",
  },
  {
    section: "4.3.2",
    fact: "If-Unmodified-Since is for the origin",
    response: [MINUTE, TAG],
    request: [`if-unmodified-since: ${at(0)}`],
    outcome: "fetch",
  },
  {
    section: "4.3.2",
    fact: "a caller's tag for a stale response gives way to ours",
    response: [MINUTE, TAG],
    afterS: 61,
    request: ['if-none-match: "0"'],
    outcome: "validate",
  },

  // Methods and ranges.
  {
    section: "4",
    fact: "HEAD is answered from a stored GET",
    response: [MINUTE],
    startLine: "HEAD /a",
    outcome: "hit",
  },
  {
    section: "4",
    fact: "HEAD with a condition too",
    response: [MINUTE, TAG],
    startLine: "HEAD /a",
    request: ['if-none-match: "1"'],
    outcome: "known",
  },
  {
    section: "4",
    fact: "a stale one is not used for HEAD",
    response: [MINUTE, TAG],
    afterS: 61,
    startLine: "HEAD /a",
    outcome: "fetch",
  },
  {
    section: "3.3",
    fact: "Range requests pass by the store",
    response: [MINUTE],
    request: ["range: bytes=0-0"],
    outcome: "fetch",
    cacheStatus: "weft; fwd=bypass",
  },
  {
    section: "3.5",
    fact: "a request with Authorization gets what is stored for all",
    response: [MINUTE],
    request: ["authorization: Basic eA=="],
    outcome: "hit",
  },
  {
    section: "3.5",
    fact: "a request with Authorization does not validate what is for others",
    response: [MINUTE, TAG],
    afterS: 61,
    request: ["authorization: Basic eA=="],
    outcome: "fetch",
  },
  {
    section: "3.5",
    fact: "a request with Authorization validates what is public",
    response: ["cache-control: public, max-age=60", TAG],
    afterS: 61,
    request: ["authorization: Basic eA=="],
    outcome: "validate",
  },

  // RFC 5861.
  {
    section: "RFC 5861 3",
    fact: "stale-while-revalidate is used and fetched anew",
    response: ["cache-control: max-age=60, stale-while-revalidate=30", TAG],
    afterS: 90,
    outcome: "refresh",
    cacheStatus: "weft; hit; ttl=-30",
  },
  {
    section: "RFC 5861 3",
    fact: "and not for longer",
    response: ["cache-control: max-age=60, stale-while-revalidate=30", TAG],
    afterS: 91,
    outcome: "validate",
  },
  {
    section: "RFC 5861 3",
    fact: "while fresh nothing is fetched",
    response: ["cache-control: max-age=60, stale-while-revalidate=30", TAG],
    afterS: 59,
    outcome: "hit",
  },
  {
    section: "RFC 5861 3",
    fact: "the policy's time counts where nothing is said",
    policy: { staleWhileRevalidateMs: 30_000 },
    response: [MINUTE, TAG],
    afterS: 90,
    outcome: "refresh",
  },
  {
    section: "RFC 5861 3",
    fact: "what is said wins over the policy's",
    policy: { staleWhileRevalidateMs: 30_000 },
    response: ["cache-control: max-age=60, stale-while-revalidate=0", TAG],
    afterS: 61,
    outcome: "validate",
  },
  {
    section: "RFC 5861 3",
    fact: "must-revalidate wins over the policy's",
    policy: { staleWhileRevalidateMs: 30_000 },
    response: ["cache-control: max-age=60, must-revalidate", TAG],
    afterS: 61,
    outcome: "validate",
  },
  {
    section: "RFC 5861 3",
    fact: "a caller's no-cache wins over it",
    policy: { staleWhileRevalidateMs: 30_000 },
    response: [MINUTE, TAG],
    afterS: 61,
    request: ["cache-control: no-cache"],
    outcome: "validate",
  },
  {
    section: "RFC 5861 3",
    fact: "a caller's max-age wins over it",
    policy: { staleWhileRevalidateMs: 30_000 },
    response: [MINUTE, TAG],
    afterS: 61,
    request: ["cache-control: max-age=90"],
    outcome: "validate",
  },
];

describe("the cache uses what is stored as RFC 9111 says", () => {
  for (const given of CASES) {
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
