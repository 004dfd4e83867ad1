import assert from "node:assert/strict";
import { test } from "node:test";
import { LATENCY_BUCKET_COUNT } from "../../observe/latency-buckets.ts";
import { formatMetricQuantity } from "./metric-quantity.ts";
import type { Metric, TrafficEnds } from "../views.ts";
import { createTrafficFigures } from "./traffic-metrics.ts";
import { type TrafficCounts, type TrafficEdge, TrafficRing, type TrafficSums } from "./traffic-ring.ts";

const ORDER = [
  "p99_response_latency",
  "p90_response_latency",
  "p50_response_latency",
  "success_count",
  "failure_count",
];

test("an idle resource has the five metrics, all zero and never NaN", () => {
  const metrics = measureReceived([], service("shop/cart"));
  assert.deepEqual(
    metrics.map(({ name, unit, value }) => [name, unit, value]),
    ORDER.map((name) => [name, name.endsWith("latency") ? "ms" : undefined, "0"]),
  );
  const ring = createRing();
  ring.add(edge("outbound", "shop/web", "shop/cart"), { ...counts(0, 3), latency: [] }, 10_000);
  const failed = measureReceived([ring.sums(60_000, 10_000)], service("shop/cart"));
  assert.deepEqual(
    failed.map(({ value }) => value),
    ["0", "0", "0", "0", "3"],
  );
});

test("a service's traffic is what its callers counted, of the whole name, summed over rings", () => {
  const [first, second] = [createRing(), createRing()];
  first.add(edge("outbound", "shop/web", "shop/cart"), counts(4, 1), 10_000);
  first.add(edge("outbound", "shop/web", "shop/c.rt"), counts(9, 9), 10_000);
  // The called proxy reports its service account, which may have the name of another service.
  first.add(edge("inbound", "shop/web", "shop/cart"), counts(70, 70), 10_000);
  second.add(edge("outbound", "pay/card", "shop/cart"), counts(6, 0), 10_000);
  const parts = [first.sums(60_000, 10_000), second.sums(60_000, 10_000)];
  const cart = measureReceived(parts, service("shop/cart"));
  assert.deepEqual(readCounts(cart), ["10", "1"]);
  const dotted = measureReceived(parts, service("shop/c.rt"));
  assert.deepEqual(readCounts(dotted), ["9", "9"]);
  const elsewhere = measureReceived(parts, service("other/cart"));
  assert.deepEqual(readCounts(elsewhere), ["0", "0"]);
});

test("a namespace's traffic is what arrived in it, unknown callers included", () => {
  const ring = createRing();
  ring.add(edge("outbound", "shop/web", "shop/cart"), counts(40, 10), 10_000);
  ring.add(edge("inbound", "shop/web", "shop/cart-account"), counts(4, 1), 10_000);
  ring.add(edge("inbound", "", "shop/web"), counts(6, 0), 10_000);
  ring.add(edge("inbound", "shop/web", "shopping/list"), counts(90, 0), 10_000);
  const shop = measureReceived([ring.sums(60_000, 10_000)], { by: "namespace", names: ["shop"] });
  assert.deepEqual(readCounts(shop), ["10", "1"]);
});

test("only traffic of the window counts", () => {
  const ring = createRing();
  ring.add(edge("outbound", "shop/web", "shop/cart"), counts(5, 0), 10_000);
  ring.add(edge("outbound", "shop/web", "shop/cart"), counts(7, 0), 50_000);
  const resource = service("shop/cart");
  assert.deepEqual(readCounts(measureReceived([ring.sums(30_000, 50_000)], resource)), ["7", "0"]);
  assert.deepEqual(readCounts(measureReceived([ring.sums(60_000, 50_000)], resource)), ["12", "0"]);
});

test("a namespace has edges to, from and with itself, each counted on its own side", () => {
  const ring = createRing();
  ring.add(edge("outbound", "shop/web", "pay/card"), counts(3, 0), 10_000);
  ring.add(edge("inbound", "shop/web", "pay/card"), counts(2, 1), 10_000);
  ring.add(edge("outbound", "shop/web", "shop/cart"), counts(8, 0), 10_000);
  ring.add(edge("inbound", "shop/web", "shop/cart"), counts(7, 0), 10_000);
  ring.add(edge("inbound", "pay/card", "shop/web"), counts(1, 0), 10_000);
  ring.add(edge("inbound", "", "shop/web"), counts(50, 0), 10_000);
  const edges = createTrafficFigures([ring.sums(60_000, 10_000)]).flows({ by: "namespace", names: ["shop"] });
  assert.deepEqual(
    edges.map(({ direction, side, other, metrics }) => [direction, side, other, ...readCounts(metrics)]),
    [
      ["to", "client", "pay", "3", "0"],
      ["to", "client", "shop", "8", "0"],
      ["from", "server", "pay", "1", "0"],
      ["from", "server", "shop", "7", "0"],
    ],
  );
});

test("a service is called by accounts and calls as the accounts that it stands for", () => {
  const ring = createRing();
  ring.add(edge("outbound", "shop/web", "shop/cart"), counts(5, 0), 10_000);
  ring.add(edge("outbound", "shop/cart-account", "pay/card"), counts(2, 1), 10_000);
  ring.add(edge("outbound", "shop/cart", "pay/other"), counts(9, 9), 10_000);
  const figures = createTrafficFigures([ring.sums(60_000, 10_000)]);
  const flows = figures.flows({ by: "service", names: ["shop/cart"], accounts: ["shop/cart-account"] });
  assert.deepEqual(
    flows.map(({ direction, side, other, metrics }) => [direction, side, other, ...readCounts(metrics)]),
    [
      ["to", "client", "pay/card", "2", "1"],
      ["from", "client", "shop/web", "5", "0"],
    ],
  );
});

test("instances are summed as they are asked for", () => {
  const ring = createRing();
  ring.add(edge("inbound", "shop/web", "shop/cart-0"), counts(5, 0), 10_000);
  ring.add(edge("inbound", "", "shop/cart-1"), counts(2, 0), 10_000);
  ring.add(edge("outbound", "shop/cart-1", "pay/card"), counts(1, 0), 10_000);
  const figures = createTrafficFigures([ring.sums(60_000, 10_000)]);
  const both: TrafficEnds = { by: "instance", names: ["shop/cart-0", "shop/cart-1", "shop/cart-1"] };
  assert.deepEqual(readCounts(figures.received(both)), ["7", "0"]);
  assert.deepEqual(readCounts(figures.received({ by: "instance", names: ["shop/cart-0"] })), ["5", "0"]);
  assert.deepEqual(
    figures.flows(both).map(({ direction, side, other }) => [direction, side, other]),
    [
      ["to", "client", "pay/card"],
      ["from", "server", "shop/web"],
    ],
  );
});

test("quantities are canonical thousandths", () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, "0"],
    [0.0004, "0"],
    [0.01, "10m"],
    [0.29, "290m"],
    [1.5, "1500m"],
    [294, "294"],
    [10.123456, "10123m"],
    [5000, "5k"],
    [1_500_000, "1500k"],
    [3_000_000_000, "3G"],
    [Number.NaN, "0"],
    [Number.POSITIVE_INFINITY, "0"],
    [-1, "0"],
  ];
  for (const [value, expected] of cases) assert.equal(formatMetricQuantity(value), expected);
});

function measureReceived(parts: readonly TrafficSums[], ends: TrafficEnds): readonly Metric[] {
  return createTrafficFigures(parts).received(ends);
}

function service(name: string): TrafficEnds {
  return { by: "service", names: [name], accounts: [] };
}

function createRing(): TrafficRing {
  return new TrafficRing({ onLimit: (message) => assert.fail(message) }, 0);
}

function edge(direction: TrafficEdge["direction"], source: string, destination: string): TrafficEdge {
  return { direction, source, destination, version: "", protocol: "http" };
}

function counts(success: number, failure: number): TrafficCounts {
  const latency = Array.from({ length: LATENCY_BUCKET_COUNT }, (_, i) => (i === 3 ? success + failure : 0));
  return { success, failure, requestBytes: 0, responseBytes: 0, latency, failureCodes: [] };
}

function readCounts(metrics: readonly Metric[]): readonly string[] {
  return metrics.slice(3).map(({ value }) => value);
}
