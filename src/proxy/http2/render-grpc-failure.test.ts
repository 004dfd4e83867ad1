import assert from "node:assert/strict";
import { test } from "node:test";
import { FIELD_CONTENT_TYPE, FIELD_GRPC_STATUS, FIELD_WEFT_FAILURE, type Head } from "../head.ts";
import { ACCESS_DENIED, FAILURES, NO_ENDPOINT, TIMEOUT, reportFailure } from "../failures.ts";
import { encodeGrpcMessage, renderGrpcFailure, renderGrpcTrailers } from "./render-grpc-failure.ts";

test("renderGrpcFailure() answers every failure of the table with its gRPC status and its name", () => {
  for (const [code, failure] of FAILURES.entries()) {
    if (code === 0) continue;
    const head = renderGrpcFailure(reportFailure(code, null));
    assert.equal(head.status, 200);
    assert.deepEqual(fieldsOf(head).slice(0, 2), [
      "content-type: application/grpc",
      `grpc-status: ${failure.grpcStatus}`,
    ]);
    assert.ok(failure.grpcStatus > 0 && failure.grpcStatus <= 16, `${failure.name} has a status of gRPC`);
    assert.equal(head.valueText(head.find(FIELD_WEFT_FAILURE)), failure.name);
    assert.ok(fieldsOf(head)[2]?.startsWith(`grpc-message: weft: ${failure.name}: `));
  }
});

test("renderGrpcTrailers() has what a head has but the content-type, which trailers may not have", () => {
  assert.deepEqual(
    fieldsOf(renderGrpcTrailers(reportFailure(TIMEOUT, "x"))),
    fieldsOf(renderGrpcFailure(reportFailure(TIMEOUT, "x"))).slice(1),
  );
});

test("renderGrpcFailure(reportFailure()) knows its fields as decoders do", () => {
  const head = renderGrpcFailure(reportFailure(TIMEOUT, null));
  assert.equal(head.valueText(head.find(FIELD_CONTENT_TYPE)), "application/grpc");
  assert.equal(head.valueText(head.find(FIELD_GRPC_STATUS)), "4");
});

test("renderGrpcFailure(reportFailure()) says the detail, and to the denied what would tell them more", () => {
  assert.match(
    messageOf(renderGrpcFailure(reportFailure(NO_ENDPOINT, "reviews has 3 instances, none ready"))),
    /none ready$/,
  );
  assert.match(messageOf(renderGrpcFailure(reportFailure(ACCESS_DENIED, null))), /weft get traffictargets$/);
});

test("renderGrpcFailure(reportFailure()) lets no detail make a field of its own", () => {
  const head = renderGrpcFailure(reportFailure(NO_ENDPOINT, "a\r\nx-evil: 1\r\n"));
  assert.equal(head.count, 4);
  assert.match(messageOf(head), /a%0D%0Ax-evil: 1$/);
});

const messages: readonly (readonly [text: string, encoded: string])[] = [
  ["plain ~ text", "plain ~ text"],
  ["100%", "100%25"],
  ["a\nb\u007f", "a%0Ab%7F"],
  ["Größe €", "Gr%C3%B6%C3%9Fe %E2%82%AC"],
];
for (const [text, encoded] of messages) {
  test(`encodeGrpcMessage() of ${JSON.stringify(text)} is read back by gRPC's own rule`, () => {
    assert.equal(encodeGrpcMessage(text), encoded);
    assert.equal(decodeURIComponent(encoded), text);
  });
}

test("encodeGrpcMessage() cuts long text", () => {
  assert.equal(encodeGrpcMessage("é".repeat(100_000)).length, 6_000);
});

function fieldsOf(head: Head): string[] {
  return Array.from({ length: head.count }, (_, index) => `${head.nameText(index)}: ${head.valueText(index)}`);
}

function messageOf(head: Head): string {
  return fieldsOf(head)[2] ?? "";
}
