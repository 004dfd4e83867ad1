import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDurationMs } from "./duration.ts";

test("parseDurationMs() reads durations", () => {
  const rows = {
    "250ms": 250,
    "20s": 20_000,
    "1h30m": 5_400_000,
    "1.5h": 5_400_000,
    "0s": 0,
    "24h": 86_400_000,
    "1m0.5s": 60_500,
  };
  for (const [text, ms] of Object.entries(rows)) assert.equal(parseDurationMs(text), ms, text);
});

test("parseDurationMs() refuses what is not one", () => {
  for (const text of ["", "5", "s", "-1s", "1d", "1 s", "1s ", "1,5s", "1e3s", "1S", ".5s", `${"9".repeat(40)}s`]) {
    assert.equal(parseDurationMs(text), null, text);
  }
});
