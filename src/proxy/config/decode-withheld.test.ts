import assert from "node:assert/strict";
import { test } from "node:test";
import { envoy } from "#gen/protos.js";
import type { ClusterConfig } from "../snapshot.ts";
import { createMeshCluster, createWithheldCluster } from "../../testing/xds-fixture.ts";
import { decodeCluster, type DecodedCluster } from "./decode-cluster.ts";

const { Cluster } = envoy.config.cluster.v3;
type Wire = envoy.config.cluster.v3.Cluster;

const DESTINATION = "spiffe://test.mesh/ns/a/sa/b";

function decode(change: (wire: Wire) => Wire = (wire) => wire): DecodedCluster {
  const rules = { "a/t": { permissions: [{ any: true }] } };
  const wire = Cluster.decode(createWithheldCluster("c", DESTINATION, rules));
  return decodeCluster(Cluster.decode(Cluster.encode(change(wire)).finish()));
}

test("a cluster is not withheld unless it says so", () => {
  const { config } = decodeCluster(Cluster.decode(createMeshCluster("c", [DESTINATION])));
  assert.equal(config.withheld, null);
});

test("a withheld cluster says whose instances it has none of, and by what rules", () => {
  const { config, edsName } = decode();
  const found: ClusterConfig = config;
  assert.equal(edsName, null);
  assert.deepEqual([found.kind, found.endpoints, [...(found.peerIdentities ?? [])]], ["static", [], [DESTINATION]]);
  assert.deepEqual([found.withheld?.destination, found.withheld?.enforced], ["a/b", true]);
  assert.deepEqual(
    found.withheld?.rules.map(({ name, principals, matches }) => [name, principals.size, matches]),
    [["a/t", 0, null]],
  );
});

test("a withheld cluster with endpoints to come, without rules or of nobody is refused", () => {
  assert.throws(() => decode((wire) => ({ ...wire, type: 3 })), /type: found a withheld cluster; expected STATIC/);
  assert.throws(
    () => decode((wire) => ({ ...wire, metadata: { filterMetadata: wire.metadata?.filterMetadata ?? {} } })),
    /typed_filter_metadata\["weft\.dev"\]: found ""; expected ".*RBAC"/,
  );
  assert.throws(
    () => decodeCluster(Cluster.decode(createWithheldCluster("c", "a/b", {}))),
    /withheld: found "a\/b"; expected a workload's SPIFFE ID/,
  );
});
