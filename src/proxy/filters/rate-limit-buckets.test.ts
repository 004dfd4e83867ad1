import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RateLimitBuckets } from "./rate-limit-buckets.ts";

test("RateLimitBuckets keep no more than their bound for 100,000 callers", () => {
  const buckets = new RateLimitBuckets(1_000);
  for (let caller = 0; caller < 100_000; caller += 1) {
    buckets.take(`caller ${caller}`, 0).fullAtMs = 1_000;
    assert.ok(buckets.size <= 1_000);
  }
  assert.equal(buckets.size, 1_000);
  assert.equal(buckets.forgotten, 99_000);
});

test("RateLimitBuckets count only those as forgotten that were not full", () => {
  const buckets = new RateLimitBuckets(1);
  buckets.take("a", 0).fullAtMs = 500;
  buckets.take("b", 500).fullAtMs = 900;
  assert.equal(buckets.forgotten, 0);
  buckets.take("c", 600);
  assert.equal(buckets.forgotten, 1);
});

test("RateLimitBuckets forget the one used longest ago, whatever the order of use", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.array(fc.nat(9), { maxLength: 200 }), (bound, uses) => {
      const buckets = new RateLimitBuckets(bound);
      // The keys that must be there, the one used last at the end.
      let kept: { readonly key: string; readonly bucket: object }[] = [];
      for (const use of uses) {
        const key = String(use);
        const bucket = buckets.take(key, 0);
        const before = kept.find((entry) => entry.key === key);
        if (before !== undefined) assert.equal(bucket, before.bucket);
        kept = [...kept.filter((entry) => entry.key !== key), { key, bucket }].slice(-bound);
        assert.equal(buckets.size, kept.length);
      }
    }),
    { seed: 20261123, numRuns: 300 },
  );
});
