import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { envoy } from "#gen/protos.js";
import { createTestEndpoints, encodeTestResource } from "../../testing/memory-config-source.ts";
import { ENDPOINT_TYPE } from "../../xds/names.ts";
import { countFieldBytes, encodeDeltaResponse } from "./delta-response.ts";

test("encodeDeltaResponse() writes what a protobuf decoder reads back", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }),
      fc.array(fc.string({ maxLength: 200 }), { maxLength: 5 }),
      fc.string({ minLength: 1 }),
      (contents, removals, nonce) => {
        const upserts = contents.map((content, index) => encodeTestResource(ENDPOINT_TYPE, `r${index}`, content));
        const bytes = encodeDeltaResponse({ typeUrl: ENDPOINT_TYPE, nonce, upserts, removals });
        const read = envoy.service.discovery.v3.DeltaDiscoveryResponse.decode(bytes);
        assert.equal(read.typeUrl, ENDPOINT_TYPE);
        assert.equal(read.nonce, Buffer.from(nonce).toString());
        assert.deepEqual(
          read.removedResources ?? [],
          removals.map((name) => Buffer.from(name).toString()),
        );
        assert.deepEqual(
          (read.resources ?? []).map(({ name, version, resource }) => [
            name,
            version,
            Buffer.from(resource?.value ?? []),
          ]),
          upserts.map(({ name, version }, index) => [name, version, Buffer.from(contents[index] ?? [])]),
        );
      },
    ),
    { seed: 1, numRuns: 200 },
  );
});

test("encodeDeltaResponse() carries a resource of 3 MiB", () => {
  const large = encodeTestResource(ENDPOINT_TYPE, "large", Buffer.alloc(3 * 1024 * 1024, 7));
  const bytes = encodeDeltaResponse({ typeUrl: ENDPOINT_TYPE, nonce: "n", upserts: [large], removals: [] });
  const read = envoy.service.discovery.v3.DeltaDiscoveryResponse.decode(bytes);
  assert.equal(read.resources?.[0]?.resource?.value?.length, 3 * 1024 * 1024);
});

test("countFieldBytes() counts tag, length and content", () => {
  for (const [length, overhead] of [
    [0, 2],
    [127, 2],
    [128, 3],
    [16_383, 3],
    [16_384, 4],
  ] as const) {
    assert.equal(countFieldBytes(new Uint8Array(length)), length + overhead);
  }
});

test("encodeDeltaResponse() does not decode or encode resources", () => {
  const resource = createTestEndpoints("a");
  const bytes = encodeDeltaResponse({ typeUrl: ENDPOINT_TYPE, nonce: "n", upserts: [resource], removals: [] });
  assert.notEqual(bytes.indexOf(resource.bytes), -1);
});
