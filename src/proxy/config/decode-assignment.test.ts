import assert from "node:assert/strict";
import { test } from "node:test";
import { envoy } from "#gen/protos.js";
import { createEndpoints, createWithheldEndpoints } from "../../testing/xds-fixture.ts";
import { type Assignment, decodeAssignment } from "./decode-assignment.ts";

const { ClusterLoadAssignment } = envoy.config.endpoint.v3;
type Wire = envoy.config.endpoint.v3.ClusterLoadAssignment;

function decode(bytes: Uint8Array): Assignment {
  return decodeAssignment(ClusterLoadAssignment.decode(bytes));
}

function decodeChanged(change: (wire: Wire) => Wire): Assignment {
  const wire = ClusterLoadAssignment.decode(createWithheldEndpoints("c", "a/b", {}));
  return decode(ClusterLoadAssignment.encode(change(wire)).finish());
}

test("decodeAssignment() takes endpoints without a mark for all there are", () => {
  const { endpoints, withheld } = decode(createEndpoints("c", [{ port: 9000 }]));
  assert.deepEqual(
    endpoints.map(({ port }) => port),
    [9000],
  );
  assert.equal(withheld, null);
  assert.equal(decode(createEndpoints("c", [])).withheld, null);
});

test("decodeAssignment() reads who would have refused, and by what rules", () => {
  const { endpoints, withheld } = decode(
    createWithheldEndpoints("c", "a/b", { "a/t": { permissions: [{ any: true }] } }),
  );
  assert.deepEqual(endpoints, []);
  assert.deepEqual([withheld?.destination, withheld?.enforced], ["a/b", true]);
  assert.deepEqual(
    withheld?.rules.map(({ name, principals, matches }) => [name, principals.size, matches]),
    [["a/t", 0, null]],
  );
});

test("decodeAssignment() refuses a mark beside endpoints, and one without rules", () => {
  assert.throws(
    () => decodeChanged((wire) => ({ ...wire, endpoints: [...(wire.endpoints ?? []), { lbEndpoints: [] }] })),
    /endpoints\[0\]\.metadata: found withheld beside endpoints; expected one of them/,
  );
  assert.throws(
    () =>
      decodeChanged((wire) => ({
        ...wire,
        endpoints: [{ metadata: { filterMetadata: wire.endpoints?.[0]?.metadata?.filterMetadata ?? {} } }],
      })),
    /found ""; expected "type\.googleapis\.com\/envoy\.config\.rbac\.v3\.RBAC"/,
  );
});
