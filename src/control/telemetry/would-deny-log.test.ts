import assert from "node:assert/strict";
import { test } from "node:test";
import { mergeWouldDeny, WouldDenyLog } from "./would-deny-log.ts";

const EDGE = { source: "default/web", destination: "default/reviews", protocol: "http" } as const;
const HOUR_MS = 3_600_000;

test("WouldDenyLog adds up each kind of call and says when it was seen first and last", () => {
  const log = new WouldDenyLog();
  log.add(
    EDGE,
    [
      ["9000 GET /a", 2],
      ["nonsense", 5],
      ["9000 GET /b", 1],
    ],
    1_000,
  );
  log.add(EDGE, [["9000 GET /a", 3]], 5_000);
  assert.deepEqual(log.list(3_000, 6_000), [
    { ...EDGE, port: 9000, method: "GET", path: "/a", count: 5, firstSeenAgoMs: 5_000, lastSeenAgoMs: 1_000 },
  ]);
  assert.equal(log.list(HOUR_MS, 6_000).length, 2);
});

test("WouldDenyLog forgets what was not seen for a day, and past its limit what was not seen for longest", () => {
  const log = new WouldDenyLog(2);
  log.add(EDGE, [["1 GET /a", 1]], 0);
  log.add(EDGE, [["1 GET /b", 1]], 1);
  log.add(EDGE, [["1 GET /a", 1]], 2);
  log.add(EDGE, [["1 GET /c", 1]], 3);
  assert.deepEqual(
    log.list(HOUR_MS, 3).map(({ path }) => path),
    ["/a", "/c"],
  );
  log.add(EDGE, [["1 GET /d", 1]], 25 * HOUR_MS);
  assert.deepEqual(
    log.list(48 * HOUR_MS, 25 * HOUR_MS).map(({ path }) => path),
    ["/d"],
  );
});

test("mergeWouldDeny() adds up what several control planes saw, in order of its labels", () => {
  const row = { ...EDGE, port: 1, method: "GET", path: "/a", count: 2, firstSeenAgoMs: 9, lastSeenAgoMs: 4 };
  const merged = mergeWouldDeny([
    [row],
    [
      { ...row, path: "/" },
      { ...row, count: 5, firstSeenAgoMs: 7, lastSeenAgoMs: 1 },
    ],
  ]);
  assert.deepEqual(merged, [
    { ...row, path: "/" },
    { ...row, count: 7, firstSeenAgoMs: 9, lastSeenAgoMs: 1 },
  ]);
});
