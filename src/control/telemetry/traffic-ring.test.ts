import assert from "node:assert/strict";
import { test } from "node:test";
import { LATENCY_BOUNDS_MS, LATENCY_BUCKET_COUNT } from "../../observe/latency-buckets.ts";
import { TrafficRing } from "./traffic-ring.ts";
import type { TrafficCounts, TrafficEdge, TrafficRingOptions } from "./traffic-ring.ts";

const EDGE: TrafficEdge = {
  direction: "outbound",
  source: "default/web",
  destination: "default/reviews",
  version: "v1",
  protocol: "http",
};

function createCounts(change: Partial<TrafficCounts> = {}): TrafficCounts {
  return { success: 1, failure: 0, requestBytes: 10, responseBytes: 20, latency: [], failureCodes: [], ...change };
}

function createRing(change: Partial<TrafficRingOptions> = {}): { ring: TrafficRing; limits: string[] } {
  const limits: string[] = [];
  return { ring: new TrafficRing({ onLimit: (message) => limits.push(message), ...change }, 0), limits };
}

test("TrafficRing.stat() sums what every proxy reported of an edge in the window", () => {
  const { ring } = createRing();
  const latency = new Array<number>(LATENCY_BUCKET_COUNT).fill(0);
  latency[LATENCY_BOUNDS_MS.indexOf(10)] = 4;
  ring.add(EDGE, createCounts({ success: 3, failure: 1, latency, failureCodes: [["timeout", 1]] }), 9_500);
  ring.add(
    EDGE,
    createCounts({
      success: 4,
      failureCodes: [
        ["timeout", 0],
        ["reset", 2],
      ],
    }),
    10_000,
  );
  const [row, ...rest] = ring.stat(10_000, 10_000);
  assert.deepEqual(rest, []);
  assert.deepEqual(
    { ...row, p50Ms: null, p90Ms: null, p99Ms: null },
    {
      ...EDGE,
      requests: 8,
      failures: 1,
      rate: 0.8,
      successRatio: 7 / 8,
      p50Ms: null,
      p90Ms: null,
      p99Ms: null,
      requestBytes: 20,
      responseBytes: 40,
      failureCodes: { timeout: 1, reset: 2 },
    },
  );
  assert.equal(row?.p50Ms, 8.75);
});

test("TrafficRing.stat() leaves out what is older than the window", () => {
  const { ring } = createRing();
  ring.add(EDGE, createCounts({ success: 5 }), 1_000);
  ring.add(EDGE, createCounts({ success: 7 }), 11_000);
  assert.equal(ring.stat(10_000, 11_000)[0]?.requests, 7);
  assert.equal(ring.stat(20_000, 11_000)[0]?.requests, 12);
  assert.deepEqual(ring.stat(1_000, 20_000), []);
});

test("TrafficRing.stat() divides by the time it has run when that is shorter than the window", () => {
  const { ring } = createRing();
  ring.add(EDGE, createCounts({ success: 30 }), 1_500);
  assert.equal(ring.stat(60_000, 3_000)[0]?.rate, 10);
});

test("TrafficRing.stat() says that nothing was measured with null, and a ratio of 1", () => {
  const { ring } = createRing();
  ring.add(EDGE, createCounts({ success: 0 }), 1_000);
  const row = ring.stat(60_000, 1_000)[0];
  assert.equal(row?.successRatio, 1);
  assert.equal(row?.p99Ms, null);
});

test("TrafficRing.stat() keeps edges apart by every label and orders them", () => {
  const { ring } = createRing();
  const edges: TrafficEdge[] = [
    { ...EDGE, version: "v2" },
    { ...EDGE, direction: "inbound" },
    { ...EDGE, source: "default/a" },
    { ...EDGE, protocol: "tcp" },
    { ...EDGE, destination: "default/a" },
    EDGE,
  ];
  for (const edge of edges) ring.add(edge, createCounts(), 1_000);
  const rows = ring.stat(1_000, 1_000);
  assert.deepEqual(
    rows.map((row) => [row.destination, row.version, row.direction, row.source, row.protocol].join(" ")),
    [
      "default/a v1 outbound default/web http",
      "default/reviews v1 inbound default/web http",
      "default/reviews v1 outbound default/a http",
      "default/reviews v1 outbound default/web http",
      "default/reviews v1 outbound default/web tcp",
      "default/reviews v2 outbound default/web http",
    ],
  );
});

test("TrafficRing.prune() forgets what is too old, and room is there again", () => {
  const { ring, limits } = createRing({ keepMs: 5_000, maxEdges: 1 });
  ring.add(EDGE, createCounts(), 1_000);
  ring.prune(5_999);
  assert.equal(ring.stat(60_000, 5_999).length, 1);
  ring.prune(6_000);
  assert.deepEqual(ring.stat(60_000, 6_000), []);
  ring.add({ ...EDGE, version: "v2" }, createCounts(), 6_000);
  assert.equal(ring.stat(60_000, 6_000)[0]?.version, "v2");
  assert.deepEqual(limits, []);
});

test("TrafficRing counts edges past its limit as one, and says so once", () => {
  const { ring, limits } = createRing({ maxEdges: 2 });
  for (let i = 0; i < 10; i += 1) ring.add({ ...EDGE, version: `v${i}` }, createCounts(), 1_000);
  const rows = ring.stat(1_000, 1_000);
  assert.deepEqual(
    rows.map((row) => [row.destination, row.requests]),
    [
      ["default/reviews", 1],
      ["default/reviews", 1],
      ["other", 8],
    ],
  );
  assert.equal(limits.length, 1);
  assert.match(limits[0] ?? "", /more than 2 edges/);
});

test("TrafficRing gives up its oldest seconds past its limit of figures, and says so once", () => {
  const { ring, limits } = createRing({ maxCells: 10 });
  for (let second = 0; second < 100; second += 1) {
    ring.add(EDGE, createCounts(), second * 1_000);
    ring.add({ ...EDGE, version: "v2" }, createCounts(), second * 1_000);
  }
  assert.deepEqual(
    ring.stat(600_000, 99_000).map((row) => row.requests),
    [5, 5],
  );
  assert.equal(limits.length, 1);
});

test("TrafficRing says a window no longer than it kept: rates are of what was counted", () => {
  const ring = new TrafficRing({ keepMs: 60_000, onLimit: () => undefined }, 0);
  const labels = { direction: "outbound", source: "d/a", destination: "d/b", version: "", protocol: "http" } as const;
  const counts = { success: 60, failure: 0, requestBytes: 0, responseBytes: 0, latency: [60], failureCodes: [] };
  ring.add(labels, counts, 100_500);
  assert.equal(ring.sums(600_000, 101_000).spanMs, 60_000);
  assert.equal(ring.stat(600_000, 101_000)[0]?.rate, 1);
  const full = new TrafficRing({ maxCells: 2, onLimit: () => undefined }, 0);
  for (const atMs of [1_500, 5_500, 9_500]) full.add(labels, counts, atMs);
  // The second from 1 s on had to go.
  assert.equal(full.sums(60_000, 12_000).spanMs, 10_000);
  assert.equal(full.stat(60_000, 12_000)[0]?.rate, 12);
});
