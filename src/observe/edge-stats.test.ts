import assert from "node:assert/strict";
import { test } from "node:test";
import { EdgeTable } from "./edge-stats.ts";
import { GRPC_STATUS_COUNT, toHttpStatus } from "./grpc-class.ts";

const LABELS = {
  direction: "outbound",
  source: "default/web",
  destination: "default/reviews",
  version: "",
  protocol: "http",
} as const;

test("EdgeTable.grpcTwin() has the labels of the edge but the protocol, and is one", () => {
  const table = new EdgeTable(4);
  const edge = table.edge(LABELS);
  const twin = table.grpcTwin(edge);
  assert.deepEqual(twin.labels, { ...LABELS, protocol: "grpc" });
  assert.equal(table.grpcTwin(edge), twin);
  assert.equal(table.edge({ ...LABELS, protocol: "grpc" }), twin);
});

test("EdgeStats.countGrpcStatus() counts what gRPC does not define as UNKNOWN, and nothing on other edges", () => {
  const table = new EdgeTable(4);
  const edge = table.edge(LABELS);
  edge.countGrpcStatus(5);
  assert.equal(edge.grpcStatuses, null);
  const twin = table.grpcTwin(edge);
  for (const code of [0, 0, 5, 16, 17, 9999]) twin.countGrpcStatus(code);
  const counts = [...(twin.grpcStatuses ?? [])].flatMap((count, code) => (count > 0 ? [[code, count]] : []));
  assert.deepEqual(counts, [
    [0, 2],
    [2, 2],
    [5, 1],
    [16, 1],
  ]);
});

test("toHttpStatus() puts each gRPC status in the class of whose fault it is", () => {
  const byClass = new Map<number, number[]>();
  for (let code = 0; code < GRPC_STATUS_COUNT; code += 1) {
    const index = Math.floor(toHttpStatus(code) / 100);
    byClass.set(index, [...(byClass.get(index) ?? []), code]);
  }
  assert.deepEqual([...byClass].sort(), [
    [2, [0]],
    [4, [1, 3, 5, 6, 7, 8, 9, 10, 11, 16]],
    [5, [2, 4, 12, 13, 14, 15]],
  ]);
  assert.equal(toHttpStatus(99), 500);
});
