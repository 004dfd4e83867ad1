import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { envoy } from "#gen/protos.js";
import { readDeltaRequest } from "./read-delta-request.ts";

const { DeltaDiscoveryRequest } = envoy.service.discovery.v3;

const text = fc.string({ maxLength: 300, unit: "grapheme" });
const request = fc.record({
  node: fc.option(fc.record({ id: text, cluster: text })),
  typeUrl: text,
  resourceNamesSubscribe: fc.array(text, { maxLength: 5 }),
  resourceNamesUnsubscribe: fc.array(text, { maxLength: 5 }),
  initialResourceVersions: fc.dictionary(text, text, { maxKeys: 5 }),
  responseNonce: text,
  errorDetail: fc.option(fc.record({ code: fc.nat(20), message: text })),
});

test("readDeltaRequest() reads what protobuf reads", () => {
  fc.assert(
    fc.property(request, (wanted) => {
      const bytes = Buffer.from(DeltaDiscoveryRequest.encode(wanted).finish());
      const [known, read] = [DeltaDiscoveryRequest.decode(bytes), readDeltaRequest(bytes)];
      assert.equal(read.node?.id, known.node?.id);
      assert.equal(read.typeUrl, known.typeUrl ?? "");
      assert.deepEqual(read.resourceNamesSubscribe, known.resourceNamesSubscribe ?? []);
      assert.deepEqual(read.resourceNamesUnsubscribe, known.resourceNamesUnsubscribe ?? []);
      assert.deepEqual(
        new Map(Object.entries(known.initialResourceVersions ?? {})),
        new Map([...((read.initialResourceVersions as ReadonlyMap<string, string> | null) ?? [])]),
      );
      assert.equal(read.responseNonce, known.responseNonce ?? "");
      assert.equal(read.errorDetail?.message, known.errorDetail?.message);
    }),
  );
});

test("readDeltaRequest() passes over fields that it does not know, of every wire type", () => {
  const known = DeltaDiscoveryRequest.encode({ typeUrl: "t", responseNonce: "n" }).finish();
  const unknown = [
    [(100 << 3) | 0, 6, 0xff, 0x01],
    [(100 << 3) | 1, 6, 1, 2, 3, 4, 5, 6, 7, 8],
    [(100 << 3) | 2, 6, 2, 1, 2],
    [(100 << 3) | 5, 6, 1, 2, 3, 4],
  ].flatMap(([tag = 0, high = 0, ...rest]) => [(tag & 0x7f) | 0x80, high, ...rest]);
  const read = readDeltaRequest(Buffer.from([...unknown, ...known, ...unknown]));
  assert.deepEqual([read.typeUrl, read.responseNonce], ["t", "n"]);
});

test("readDeltaRequest() ends on any bytes, with a request or an error", () => {
  const real = DeltaDiscoveryRequest.encode({ typeUrl: "t", initialResourceVersions: { a: "1", b: "2" } }).finish();
  for (let length = 1; length < real.length; length += 1) {
    try {
      readDeltaRequest(Buffer.from(real.subarray(0, length)));
    } catch (error) {
      assert.ok(error instanceof RangeError, String(error));
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        assert.equal(typeof readDeltaRequest(Buffer.from(bytes)).typeUrl, "string");
      } catch (error) {
        assert.ok(error instanceof Error);
      }
    }),
    { numRuns: 2_000 },
  );
  assert.throws(() => readDeltaRequest(Buffer.from([0x12, 0x05, 0x61])), /ends within the field/);
});
