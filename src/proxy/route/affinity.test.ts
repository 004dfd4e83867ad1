import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createSeededRandom } from "../../random/seeded-random.ts";
import type { Field } from "../../testing/http2-frames.ts";
import { requestFields } from "../../testing/http2-frames.ts";
import { requestHead, responseHead } from "../../testing/message-heads.ts";
import { Exchange, type DownstreamStream } from "../exchange.ts";
import type { HashSource } from "../policy/route-policy.ts";
import { hashRequest, setAffinityCookies } from "./affinity.ts";

const COOKIE: HashSource = { kind: "cookie", name: "user", path: "/", ttlMs: 60_000 };
const HEADER: HashSource = { kind: "header", name: "x-user" };
const QUERY: HashSource = { kind: "query", name: "user" };
const random = createSeededRandom(7);

function exchange(path: string, ...fields: readonly Field[]): Exchange {
  const x = new Exchange({} as DownstreamStream);
  x.request = requestHead(requestFields(path, "GET", fields));
  return x;
}

function hash(source: HashSource, path: string, ...fields: readonly Field[]): number {
  return hashRequest(exchange(path, ...fields), [source], random);
}

describe("hashRequest()", () => {
  it("gives the same number for the same value, wherever it stands", () => {
    const plain = hash(COOKIE, "/", ["cookie", "user=ann"]);
    assert.notEqual(plain, 0);
    for (const cookie of ["a=1; user=ann", "user=ann; b=2", "a=1;  user=ann;b", "xuser=bob; user=ann"]) {
      assert.equal(hash(COOKIE, "/", ["cookie", cookie]), plain, cookie);
    }
    assert.equal(hash(HEADER, "/", ["x-user", "ann"]), plain);
    assert.equal(hash(QUERY, "/?user=ann"), plain);
    assert.equal(hash(QUERY, "/?a=1&user=ann&b"), plain);
    assert.notEqual(hash(HEADER, "/", ["x-user", "bob"]), plain);
  });

  it("finds nothing where there is nothing", () => {
    assert.equal(hash(HEADER, "/", ["x-users", "ann"]), 0);
    for (const path of ["/", "/?", "/?user", "/?user=", "/?xuser=ann", "/user=ann"])
      assert.equal(hash(QUERY, path), 0, path);
  });

  it("takes the first source that finds something", () => {
    const x = exchange("/?user=ann", ["x-user", "bob"]);
    assert.equal(hashRequest(x, [HEADER, QUERY], random), hash(HEADER, "/", ["x-user", "bob"]));
    assert.equal(hashRequest(exchange("/?user=ann"), [HEADER, QUERY], random), hash(QUERY, "/?user=ann"));
  });

  it("begins a cookie that leads back to the same number", () => {
    const x = exchange("/");
    const number = hashRequest(x, [COOKIE], random);
    // A ring and a split by the same cookie agree.
    assert.equal(hashRequest(x, [COOKIE], random), number);
    const response = responseHead();
    setAffinityCookies(x, response);
    const line = Buffer.from(response.additions[0]?.bytes ?? []).toString("latin1");
    const value = /^set-cookie: user=([\w-]{16}); Path=\/; Max-Age=60; HttpOnly; SameSite=Lax\r\n$/.exec(line)?.[1];
    assert.ok(value !== undefined, line);
    assert.equal(hash(COOKIE, "/", ["cookie", `user=${value}`]), number);
  });

  it("spreads values that are nearly the same", () => {
    const buckets = new Array<number>(10).fill(0);
    for (let i = 0; i < 10_000; i += 1) {
      const bucket = (hash(HEADER, "/", ["x-user", `user-${i}`]) >>> 0) % 10;
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    const chi = buckets.reduce((sum, count) => sum + (count - 1_000) ** 2 / 1_000, 0);
    // 9 degrees of freedom: 27.9 is exceeded once in a thousand.
    assert.ok(chi < 27.9, `${chi}: ${buckets.join(" ")}`);
  });
});
