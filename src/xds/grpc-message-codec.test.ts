import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { encodeGrpcMessage, GrpcMessageDecoder } from "./grpc-message-codec.ts";

test("GrpcMessageDecoder gives the same messages however the bytes are cut", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1, maxLength: 20 }),
      (messages, cuts) => {
        const all = Buffer.concat(messages.map(encodeGrpcMessage));
        const decoder = new GrpcMessageDecoder(40);
        const got: Buffer[] = [];
        let at = 0;
        for (let i = 0; at < all.length; i += 1) {
          const length = cuts[i % cuts.length] ?? 1;
          const problem = decoder.push(all.subarray(at, at + length), (message) => got.push(Buffer.from(message)));
          assert.equal(problem, null);
          at += length;
        }
        assert.deepEqual(
          got,
          messages.map((message) => Buffer.from(message)),
        );
        assert.equal(decoder.isInsideMessage(), false);
      },
    ),
    { seed: 1, numRuns: 300 },
  );
});

test("GrpcMessageDecoder refuses a message over its limit at the prefix, before its bytes come", () => {
  const decoder = new GrpcMessageDecoder(10);
  const fail = (): never => assert.fail("no message is expected");
  assert.equal(decoder.push(encodeGrpcMessage(new Uint8Array(11)).subarray(0, 5), fail), "too-large");
  assert.equal(decoder.push(new Uint8Array(11), fail), "too-large");
});

test("GrpcMessageDecoder refuses a compressed message", () => {
  const decoder = new GrpcMessageDecoder(10);
  const framed = encodeGrpcMessage(new Uint8Array(3));
  framed[0] = 1;
  assert.equal(
    decoder.push(framed, () => assert.fail("no message is expected")),
    "compressed",
  );
});

test("GrpcMessageDecoder.isInsideMessage() tells a cut message from a complete one", () => {
  const decoder = new GrpcMessageDecoder(10);
  decoder.push(encodeGrpcMessage(new Uint8Array(3)).subarray(0, 7), () => assert.fail("no message is expected"));
  assert.equal(decoder.isInsideMessage(), true);
});
