import assert from "node:assert/strict";
import { test } from "node:test";
import { isGrpcRequest, readGrpcStatus, readGrpcTimeoutMs } from "./grpc-head.ts";
import { FIELD_CONTENT_TYPE, FIELD_GRPC_STATUS, FIELD_GRPC_TIMEOUT, Head, METHOD_GET, METHOD_POST } from "./head.ts";

const types: readonly (readonly [contentType: string, grpc: boolean])[] = [
  ["application/grpc", true],
  ["Application/GRPC", true],
  ["application/grpc+proto", true],
  ["application/grpc+json;x=y", true],
  ["application/grpc; charset=utf-8", true],
  ["application/grpc-web", false],
  ["application/grpc-web+proto", false],
  ["application/grpcx", false],
  ["application/grp", false],
  ["text/plain", false],
  ["", false],
];
for (const [contentType, grpc] of types) {
  test(`isGrpcRequest() is ${grpc} for POST with content-type "${contentType}"`, () => {
    assert.equal(isGrpcRequest(headWith(FIELD_CONTENT_TYPE, contentType, METHOD_POST)), grpc);
  });
}

test("isGrpcRequest() is false for other methods and without a content-type", () => {
  assert.equal(isGrpcRequest(headWith(FIELD_CONTENT_TYPE, "application/grpc", METHOD_GET)), false);
  assert.equal(isGrpcRequest(headWith(FIELD_GRPC_STATUS, "0", METHOD_POST)), false);
});

const statuses: readonly (readonly [text: string, status: number])[] = [
  ["0", 0],
  ["7", 7],
  ["16", 16],
  ["999", 999],
  ["", 2],
  ["x", 2],
  ["-1", 2],
  ["99999", 2],
];
for (const [text, status] of statuses) {
  test(`readGrpcStatus() of "${text}" is ${status}`, () => {
    assert.equal(readGrpcStatus(headWith(FIELD_GRPC_STATUS, text, 0)), status);
  });
}

test("readGrpcStatus() tells a missing status from a wrong one", () => {
  assert.equal(readGrpcStatus(headWith(FIELD_CONTENT_TYPE, "application/grpc", 0)), -1);
});

const timeouts: readonly (readonly [text: string, ms: number])[] = [
  ["1H", 3_600_000],
  ["2M", 120_000],
  ["3S", 3_000],
  ["300m", 300],
  ["1500u", 2],
  ["1n", 1],
  ["0m", 1],
  ["99999999m", 0],
  ["99999999H", 0],
  ["123456789m", 0],
  ["m", 0],
  ["1", 0],
  ["1s", 0],
  ["-1S", 0],
  ["1.5S", 0],
  ["", 0],
];
for (const [text, ms] of timeouts) {
  test(`readGrpcTimeoutMs() of "${text}" is ${ms}`, () => {
    assert.equal(readGrpcTimeoutMs(headWith(FIELD_GRPC_TIMEOUT, text, METHOD_POST)), ms);
  });
}

function headWith(id: number, value: string, method: number): Head {
  const head = new Head();
  head.bytes = Buffer.from(`name: ${value}\r\n`, "latin1");
  head.method = method;
  head.count = 1;
  head.spans.set([0, 4, 6, 6 + value.length]);
  head.ids[0] = id;
  return head;
}
