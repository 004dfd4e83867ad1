import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { compilePattern } from "../../lib/pattern.ts";
import { openExchange, parseResponseHead, formatResponseHead } from "../../testing/exchange-bench.ts";
import { ProxyCounters } from "../counters.ts";
import type { Exchange, HttpOrigin } from "../exchange.ts";
import { RATE_LIMITED } from "../failures.ts";
import type { RateLimitPolicy } from "../policy/route-policy.ts";
import type { Snapshot } from "../snapshot.ts";
import { ANSWERED, CONTINUE } from "./filter.ts";
import { addLimitFields, RateLimitFilter } from "./rate-limit-filter.ts";

function limit(change: Partial<RateLimitPolicy> = {}): RateLimitPolicy {
  const policy: RateLimitPolicy = {
    name: "per-caller",
    match: null,
    by: "caller",
    header: "",
    requests: 10,
    periodMs: 1_000,
    burst: 10,
    overrides: new Map(),
    maxBuckets: 10_000,
  };
  return { ...policy, ...(change.requests === undefined ? {} : { burst: change.requests }), ...change };
}

class Bench {
  readonly counters: ProxyCounters = new ProxyCounters();
  readonly filter: RateLimitFilter = new RateLimitFilter(this.counters);
  readonly policies: RateLimitPolicy[];
  generation: number = 1;

  constructor(...policies: RateLimitPolicy[]) {
    this.policies = policies;
  }

  ask(nowMs: number, origin: Partial<HttpOrigin> = {}, text: string = "/"): Exchange {
    const { x } = openExchange(text, { origin });
    x.snapshot = { generation: this.generation } as Snapshot;
    const verdict = this.filter.check(x, this.policies, nowMs);
    assert.equal(verdict, x.active ? CONTINUE : ANSWERED);
    return x;
  }

  isAllowed(nowMs: number, origin: Partial<HttpOrigin> = {}, text: string = "/"): boolean {
    return this.ask(nowMs, origin, text).active;
  }

  /** How many of `count` requests at one time are allowed. */
  allowed(count: number, nowMs: number, origin: Partial<HttpOrigin> = {}, text: string = "/"): number {
    let allowed = 0;
    for (let i = 0; i < count; i += 1) if (this.isAllowed(nowMs, origin, text)) allowed += 1;
    return allowed;
  }
}

const OTHER: Partial<HttpOrigin> = { source: "default/job", peerId: "spiffe://test.mesh/ns/default/sa/job" };

function fieldsOf(x: Exchange): ReadonlyMap<string, string> {
  const response = parseResponseHead("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  addLimitFields(x, response);
  return parseFields(formatResponseHead(response));
}

/** Several lines of one name are one list (RFC 9110 section 5.3). */
function parseFields(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const [, name = "", value = ""] of text.matchAll(/^([^:\r\n]+): (.*)\r$/gm)) {
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return fields;
}

/** An item of the fields: name, parameters. A strict reading of Structured Fields strings and integers. */
function parseItems(value: string | undefined): { readonly name: string; readonly parameters: Map<string, number> }[] {
  assert.ok(value !== undefined, "the field is there");
  return value.split(", ").map((item) => {
    const match = /^"((?:[ !#-[\]-~]|\\["\\])*)"((?:;[a-z*][a-z0-9_.*-]*=\d{1,15})*)$/.exec(item);
    assert.ok(match !== null, `an item of a list: ${item}`);
    const parameters = (match[2] ?? "").split(";").slice(1);
    return {
      name: (match[1] ?? "").replaceAll(/\\(.)/g, "$1"),
      parameters: new Map(parameters.map((text) => [text.split("=")[0] ?? "", Number(text.split("=")[1])])),
    };
  });
}

describe("RateLimitFilter.check()", () => {
  it("lets a burst through, then the rate", () => {
    const bench = new Bench(limit());
    assert.equal(bench.allowed(15, 1_000), 10);
    assert.equal(bench.isAllowed(1_099), false);
    assert.equal(bench.isAllowed(1_100), true);
    assert.equal(bench.isAllowed(1_100), false);
    assert.equal(bench.allowed(15, 1_600), 5);
    assert.equal(bench.allowed(15, 60_000), 10);
  });

  it("never refuses a caller that comes at the rate", () => {
    for (const [requests, periodMs] of [
      [3, 1_000],
      [7, 1_000],
      [1_000, 60_000],
      [1, 86_400_000],
    ] as const) {
      const bench = new Bench(limit({ requests, periodMs, burst: 1 }));
      for (let i = 0; i < 2_000; i += 1) assert.ok(bench.isAllowed(12_345.678 + (i * periodMs) / requests), String(i));
    }
  });

  it("never lets more than the burst and the rate through, whatever the arrivals", () => {
    const arrivals = fc.array(fc.oneof(fc.constant(0), fc.nat(50), fc.double({ min: 0, max: 3_000, noNaN: true })), {
      minLength: 1,
      maxLength: 120,
    });
    const numbers = fc.record({
      requests: fc.integer({ min: 1, max: 40 }),
      periodMs: fc.integer({ min: 1, max: 5_000 }),
      burst: fc.integer({ min: 1, max: 30 }),
    });
    fc.assert(
      fc.property(numbers, arrivals, (change, gaps) => {
        const bench = new Bench(limit(change));
        const rate = change.requests / change.periodMs;
        const allowedAt: number[] = [];
        let nowMs = 5_000;
        let tokens = change.burst;
        for (const gap of gaps) {
          nowMs += gap;
          // A plain token bucket says the same, but for the last bit.
          tokens = Math.min(change.burst, tokens + gap * rate);
          const isAllowed = bench.isAllowed(nowMs);
          if (isAllowed) assert.ok(tokens > 1 - 1e-3, `allowed with ${tokens}`);
          else assert.ok(tokens < 1 + 1e-3, `refused with ${tokens}`);
          if (!isAllowed) continue;
          tokens -= 1;
          allowedAt.push(nowMs);
        }
        // In any window, not only from the start.
        for (let first = 0; first < allowedAt.length; first += 1) {
          for (let last = first; last < allowedAt.length; last += 1) {
            const windowMs = (allowedAt[last] ?? 0) - (allowedAt[first] ?? 0);
            assert.ok(last - first + 1 <= change.burst + windowMs * rate + 1e-3);
          }
        }
      }),
      { seed: 20261123, numRuns: 300 },
    );
  });

  it("counts nothing for what it refuses", () => {
    const bench = new Bench(limit({ requests: 1 }));
    assert.equal(bench.isAllowed(0), true);
    for (let at = 1; at < 1_000; at += 7) assert.equal(bench.isAllowed(at), false);
    assert.equal(bench.isAllowed(1_000), true);
  });

  it("counts in all limits or in none", () => {
    const bench = new Bench(limit({ name: "all", by: "route", requests: 2 }), limit({ name: "each", requests: 1 }));
    assert.equal(bench.isAllowed(0), true);
    // Refused by "each", which leaves "all" as it was.
    assert.equal(bench.allowed(5, 0), 0);
    assert.equal(bench.isAllowed(0, OTHER), true);
    const third = bench.ask(0, { ...OTHER, source: "default/third", peerId: "spiffe://x/third" });
    assert.match(third.failureDetail ?? "", /^Rate limit "all" allows all callers together 2 requests in 1 s/);
  });

  it("keeps callers apart by their proved identity, else by address", () => {
    const bench = new Bench(limit({ requests: 1 }));
    assert.equal(bench.allowed(2, 0), 1);
    assert.equal(bench.allowed(2, 0, { peerAddress: "10.0.0.8" }), 0, "the same caller on another machine");
    assert.equal(bench.allowed(2, 0, OTHER), 1);
    const unproved = { source: "", peerId: null };
    assert.equal(bench.allowed(2, 0, { ...unproved, peerAddress: "10.0.0.7" }), 1);
    assert.equal(bench.allowed(2, 0, { ...unproved, peerAddress: "10.0.0.8" }), 1);
    assert.equal(bench.allowed(2, 0, { ...unproved, peerAddress: "10.0.0.8" }), 0);
  });

  it("gives named callers other amounts, with the burst in proportion, and only when they prove who they are", () => {
    const overrides = new Map([
      ["default/job", 4],
      ["default/banned", 0],
    ]);
    const bench = new Bench(limit({ requests: 2, burst: 4, overrides }));
    assert.equal(bench.allowed(20, 0), 4);
    assert.equal(bench.allowed(20, 0, OTHER), 8);
    assert.equal(bench.allowed(20, 1_000, OTHER), 4);
    assert.equal(bench.allowed(20, 0, { source: "default/job", peerId: null }), 4);
    const banned = bench.ask(0, { source: "default/banned" });
    assert.match(banned.failureDetail ?? "", /allows "default\/banned" no requests; try again in 1 s$/);
    assert.match(banned.failureFields, /^retry-after: 1\r\nratelimit-policy: "per-caller";q=0;w=1\r\n/);
  });

  it("keeps values of a header apart, and those without it in one bucket", () => {
    const bench = new Bench(limit({ by: "header", header: "x-key", requests: 1 }));
    const head = (value: string): string => `GET / HTTP/1.1\r\nHost: a\r\nX-Key: ${value}\r\n\r\n`;
    assert.equal(bench.allowed(2, 0, {}, head("one")), 1);
    assert.equal(bench.allowed(2, 0, {}, head("two")), 1);
    assert.equal(bench.allowed(2, 0, {}, head("one\r\nX-Key: two")), 1);
    assert.equal(bench.allowed(2, 0, {}, "/"), 1);
    const long = "x".repeat(4_000);
    assert.equal(bench.allowed(2, 0, {}, head(`${long}1`)), 1);
    assert.equal(bench.allowed(2, 0, {}, head(`${long}2`)), 1);
    assert.equal(bench.allowed(2, 0, {}, head(`${long}1`)), 0);
    const refused = bench.ask(0, {}, head("one"));
    assert.match(refused.failureDetail ?? "", /allows each value of "x-key" 1 requests/);
    assert.doesNotMatch(`${refused.failureDetail}${refused.failureFields}`, /one/);
  });

  it("counts only requests that match", () => {
    const match = {
      path: { kind: "regex" as const, pattern: compilePattern("/pay/.*", "full") },
      methods: new Set(["POST"]),
      headers: [],
    };
    const bench = new Bench(limit({ requests: 1, match }));
    const post = "POST /pay/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert.equal(bench.allowed(3, 0, {}, post), 1);
    assert.equal(bench.allowed(3, 0, {}, "/pay/1"), 3);
    assert.equal(bench.ask(0).limitLines, null);
  });

  it("fails what it refuses with the standard fields, in whole seconds rounded up", () => {
    const bench = new Bench(limit({ name: "slow", requests: 4, periodMs: 10_000, burst: 2 }));
    assert.equal(bench.allowed(2, 0), 2);
    const refused = bench.ask(1_400);
    assert.equal(refused.failure, RATE_LIMITED);
    assert.equal(
      refused.failureDetail,
      'Rate limit "slow" allows "default/web" 4 requests in 10 s, 2 at once; try again in 2 s',
    );
    const fields = parseFields(refused.failureFields);
    assert.deepEqual([...fields.keys()], ["retry-after", "ratelimit-policy", "ratelimit"]);
    assert.equal(fields.get("retry-after"), "2");
    const [policy] = parseItems(fields.get("ratelimit-policy"));
    assert.deepEqual([policy?.name, [...(policy?.parameters ?? [])].join(" ")], ["slow", "q,4 w,10 weft-burst,2"]);
    const [state] = parseItems(fields.get("ratelimit"));
    assert.deepEqual([...(state?.parameters ?? [])].join(" "), "r,0 t,2");
  });

  it("keeps its word: who waits as long as retry-after says is let through", () => {
    const numbers = fc.record({
      requests: fc.integer({ min: 1, max: 50 }),
      periodMs: fc.integer({ min: 10, max: 100_000 }),
      burst: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(numbers, fc.array(fc.nat(2_000), { maxLength: 40 }), (change, gaps) => {
        const bench = new Bench(limit(change));
        let nowMs = 0;
        for (const gap of gaps) {
          nowMs += gap;
          const x = bench.ask(nowMs);
          if (x.active) continue;
          nowMs += 1_000 * Number(parseFields(x.failureFields).get("retry-after"));
          assert.ok(bench.isAllowed(nowMs));
        }
      }),
      { seed: 20261123, numRuns: 300 },
    );
  });

  it("keeps its word: as many as the response says are let through at once", () => {
    const numbers = fc.record({
      requests: fc.integer({ min: 1, max: 30 }),
      periodMs: fc.integer({ min: 100, max: 20_000 }),
      burst: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(numbers, fc.nat(3_000), fc.integer({ min: 1, max: 20 }), (change, gap, before) => {
        const bench = new Bench(limit(change));
        bench.allowed(before, 0);
        const x = bench.ask(gap);
        if (!x.active) return;
        const [state] = parseItems(fieldsOf(x).get("ratelimit"));
        const available = state?.parameters.get("r") ?? -1;
        const seconds = state?.parameters.get("t") ?? -1;
        assert.equal(bench.allowed(100, gap), available);
        assert.ok(seconds >= 1);
        assert.ok(bench.isAllowed(gap + seconds * 1_000), "one more after t");
      }),
      { seed: 20261123, numRuns: 300 },
    );
  });

  it("says on responses what is left of every limit that the request came under", () => {
    const bench = new Bench(limit({ name: 'a "quoted" näme', requests: 100, periodMs: 60_000 }));
    assert.equal(fieldsOf(bench.ask(0)).get("ratelimit"), '"a \\"quoted\\" n?me";r=99;t=1');
    assert.equal(parseItems(fieldsOf(bench.ask(0)).get("ratelimit"))[0]?.name, 'a "quoted" n?me');
    bench.policies.push(limit({ name: "all", by: "route", requests: 5, periodMs: 5_000 }));
    const items = parseItems(fieldsOf(bench.ask(0)).get("ratelimit"));
    assert.deepEqual(
      items.map(({ name, parameters }) => `${name} ${[...parameters].join(" ")}`),
      ['a "quoted" n?me r,97 t,1', "all r,4 t,1"],
    );
    assert.equal(fieldsOf(new Bench().ask(0)).has("ratelimit"), false);
  });

  it("makes the lines of a response once for the same numbers", () => {
    const bench = new Bench(limit({ requests: 1_000 }));
    const first = bench.ask(0).limitLines;
    assert.ok(first !== null);
    assert.equal(bench.ask(10_000).limitLines, first);
    bench.policies.push(limit({ name: "all", by: "route", requests: 1_000 }));
    const both = bench.ask(20_000).limitLines;
    assert.equal(both?.count, 2);
    assert.equal(bench.ask(30_000).limitLines, both);
    // Only one of two changes.
    assert.notEqual(bench.ask(30_000, OTHER).limitLines, both);
    assert.equal(bench.ask(40_000).limitLines?.count, 2);
    const two = [...bench.policies];
    bench.policies.pop();
    assert.equal(bench.ask(50_000).limitLines, first);
    // What one limit alone says in between does not end up in the lines of two.
    bench.allowed(400, 60_000);
    bench.policies.splice(0, 1, ...two);
    const text = Buffer.from(bench.ask(60_000).limitLines?.bytes ?? []).toString("latin1");
    assert.equal(text, 'ratelimit: "per-caller";r=599;t=1\r\nratelimit: "all";r=999;t=1\r\n');
  });

  it("says a period below a second as what it comes to in one", () => {
    const bench = new Bench(limit({ requests: 5, periodMs: 100 }));
    assert.equal(bench.allowed(5, 0), 5);
    assert.match(bench.ask(0).failureFields, /ratelimit-policy: "per-caller";q=50;w=1;weft-burst=5\r\n/);
  });

  it("keeps its buckets when a snapshot brings the same limit as another object", () => {
    const bench = new Bench(limit({ requests: 3 }));
    assert.equal(bench.allowed(5, 0), 3);
    bench.generation += 1;
    bench.policies[0] = limit({ requests: 3 });
    assert.equal(bench.allowed(5, 0), 0);
    bench.generation += 1;
    bench.policies[0] = limit({ requests: 4 });
    assert.equal(bench.allowed(5, 0), 4, "another amount is another limit");
    bench.generation += 1;
    bench.policies[0] = limit({ requests: 4, name: "another" });
    assert.equal(bench.allowed(5, 0), 4, "another name is another limit");
  });

  it("keeps two limits of one snapshot apart that say the same", () => {
    const bench = new Bench(limit({ requests: 3 }));
    assert.equal(bench.allowed(5, 0), 3);
    bench.policies[0] = limit({ requests: 3 });
    assert.equal(bench.allowed(5, 0), 3);
  });

  it("does not grow with the number of callers, and counts what it forgets", () => {
    const bench = new Bench(limit({ by: "header", header: "x-key", requests: 1, maxBuckets: 500 }));
    const ask = (key: number): boolean => {
      return bench.isAllowed(0, {}, `GET / HTTP/1.1\r\nHost: a\r\nX-Key: ${key}\r\n\r\n`);
    };
    for (let key = 0; key < 500; key += 1) assert.ok(ask(key));
    assert.equal(bench.counters.rateBucketsForgotten, 0);
    assert.equal(ask(0), false, "used now, so that it is not the next to go");
    assert.ok(ask(500));
    assert.equal(bench.counters.rateBucketsForgotten, 1);
    assert.equal(ask(0), false);
    assert.equal(ask(1), true, "forgotten: full again");
  });
});
