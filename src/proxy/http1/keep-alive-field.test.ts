import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { keepAliveSeconds } from "./keep-alive-field.ts";

function read(value: string): number {
  const bytes = Buffer.from(`x: ${value}\r\n`, "latin1");
  return keepAliveSeconds(bytes, 3, bytes.length - 2);
}

for (const [value, seconds] of [
  ["timeout=5", 5],
  ["timeout=5, max=1000", 5],
  ["max=1000, Timeout=75", 75],
  ["max=1000,timeout=0", 0],
  ["timeout=12345678", 123_456],
  ["timeout=x, timeout=7", 7],
  ["timeout=", -1],
  ["timeout", -1],
  ["xtimeout=5", -1],
  ["5", -1],
  ["", -1],
] as const) {
  test(`keepAliveSeconds() reads "${value}" as ${seconds}`, () => {
    assert.equal(read(value), seconds);
  });
}

test("keepAliveSeconds() reads any value as the pattern of its grammar does", () => {
  const part = fc.constantFrom("timeout=", "TimeOut=", "timeout", "=", ",", " ", "\t", "5", "007", "99", "max=1", "x");
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const value = parts.join("");
      const match = /(?:^|[, \t])timeout=(\d{1,6})/i.exec(value);
      assert.equal(read(value), match === null ? -1 : Number(match[1]));
    }),
    { numRuns: 3_000, seed: 20_261_123 },
  );
});
