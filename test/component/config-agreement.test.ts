import assert from "node:assert/strict";
import { test } from "node:test";
import { envoy } from "#gen/protos.js";
import { compileModel } from "../../src/control/model/compile-model.ts";
import {
  sampleGroup,
  sampleMesh,
  sampleService,
  sampleSlice,
  sampleSplit,
  sampleTarget,
  sampleTcpRoute,
} from "../../src/control/model/sample-resources.ts";
import { createConfigSource } from "../../src/control/translate/create-config-source.ts";
import {
  SAMPLE_BUNDLE,
  SAMPLE_TRUST_DOMAIN,
  sampleInbound,
  sampleNode,
} from "../../src/control/translate/sample-node.ts";
import type { ProxyNode } from "../../src/control/config-source.ts";
import type { Resource } from "../../src/resources/resource.ts";
import { SnapshotBuilder } from "../../src/proxy/config/snapshot-builder.ts";
import type { Snapshot } from "../../src/proxy/snapshot.ts";
import { DELIVERY_ORDER } from "../../src/xds/names.ts";

// What the control plane writes is what the proxy understands: both sides are the real ones, with nothing between.

const RESOURCES: readonly Resource[] = [
  sampleService("web"),
  sampleService("reviews"),
  sampleService("reviews-v1"),
  sampleService("reviews-v2"),
  sampleService("db", { ports: [{ port: 5432, name: "tcp" }] }),
  sampleSlice("r-1", "reviews", { port: 9001, version: "v1" }),
  sampleSlice("r1-1", "reviews-v1", { port: 9001, version: "v1" }),
  sampleSlice("r2-1", "reviews-v2", { port: 9002, version: "v2" }),
  sampleSlice("d-1", "db", { port: 9003, portName: "tcp" }),
  sampleGroup("g", [
    { name: "a", pathRegex: "/a", methods: ["GET", "PUT"], headers: { b: "x", host: "y" } },
    { name: "b", pathRegex: "/b/[0-9]+" },
  ]),
  sampleTcpRoute("tcp", []),
  sampleSplit("m", "reviews", { weights: { "reviews-v2": 1 }, groups: ["g"] }),
  sampleSplit("s", "reviews", { weights: { "reviews-v1": 3, "reviews-v2": 1 } }),
  sampleTarget("t", "web", { sources: ["a", "b"], rules: ["HTTPRouteGroup/g"] }),
  sampleTarget("u", "web", { sources: ["c"], rules: ["TCPRoute/tcp"] }),
  sampleTarget("r", "reviews-v1", { sources: ["web"], rules: ["HTTPRouteGroup/g"] }),
];

function snapshotOf(resources: readonly Resource[], node: ProxyNode): Snapshot {
  const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
  source.update(compileModel(resources, null), SAMPLE_BUNDLE);
  const builder = new SnapshotBuilder(`${node.namespace}/${node.serviceAccount}`);
  const view = source.viewFor(node);
  for (const typeUrl of DELIVERY_ORDER) {
    for (const [name, resource] of view.get(typeUrl) ?? []) {
      const wire = envoy.service.discovery.v3.Resource.decode(resource.bytes);
      assert.equal(builder.upsert(typeUrl, name, wire.resource?.value ?? new Uint8Array()), null, `${typeUrl} ${name}`);
    }
  }
  assert.ok(builder.isComplete(), "every name that is referred to has arrived");
  return builder.build();
}

test("a sidecar understands every resource that the control plane writes for it", () => {
  const snapshot = snapshotOf(RESOURCES, sampleNode({ inbound: [sampleInbound()] }));
  const outbound = snapshot.listeners.get("outbound");
  assert.equal(outbound?.defaultChain?.handler.kind, "http");
  assert.equal(outbound?.chains[0]?.handler.kind, "tcp");
  assert.ok(outbound?.chains[0]?.serverNames.includes("db.default.svc.cluster.local"));
  const host = snapshot.routes.get("outbound/default")?.exact.get("reviews.default");
  assert.deepEqual(
    host?.routes.map((route) => route.name),
    ["default/m", "default/m", "default/s"],
  );
  const split = host?.routes.at(-1)?.clusters;
  assert.deepEqual(
    [split?.names, split?.cumulative],
    [
      ["default/reviews-v1:80", "default/reviews-v2:80"],
      [3, 4],
    ],
  );
  const cluster = snapshot.clusters.get("default/reviews-v1:80");
  assert.deepEqual([...(cluster?.peerIdentities ?? [])], ["spiffe://shop.mesh/ns/default/sa/reviews-v1"]);
  assert.deepEqual(
    cluster?.endpoints.map((endpoint) => [endpoint.port, endpoint.version]),
    [[9001, "v1"]],
  );
  assert.equal(cluster?.service, "default/reviews-v1");
});

test("clusters that no target lets a sidecar call arrive as withheld, with the rules of their own proxy", () => {
  const snapshot = snapshotOf(RESOURCES, sampleNode({ serviceAccount: "cart" }));
  const cluster = snapshot.clusters.get("default/reviews-v1:80");
  assert.deepEqual(cluster?.endpoints, []);
  assert.equal(cluster?.withheld?.destination, "default/reviews-v1");
  assert.equal(cluster?.withheld?.enforced, true);
  assert.deepEqual(
    cluster?.withheld?.rules.map((rule) => [rule.name, rule.principals.size, rule.matches?.length]),
    [["default/r", 0, 2]],
  );
  const bare = snapshot.clusters.get("default/reviews-v2:80");
  assert.deepEqual([bare?.endpoints, bare?.withheld?.rules], [[], []]);
  const permissive = snapshotOf([...RESOURCES, sampleMesh({ access: "permissive" })], sampleNode());
  assert.equal(permissive.clusters.get("default/reviews-v2:80")?.withheld, null);
});

test("access rules arrive with their targets' names, principals and matches", () => {
  const snapshot = snapshotOf(RESOURCES, sampleNode({ inbound: [sampleInbound()] }));
  const handler = [...snapshot.listeners.values()].find((listener) => listener.direction === "inbound")?.defaultChain
    ?.handler;
  assert.ok(handler !== undefined && handler.kind === "http" && handler.access !== null);
  assert.equal(handler.access.enforced, true);
  assert.deepEqual(
    handler.access.rules.map((rule) => rule.name),
    ["default/t", "default/u"],
  );
  assert.equal(handler.access.rules[0]?.principals.size, 2);
  assert.equal(handler.access.rules[0]?.matches?.length, 2);
  assert.equal(handler.access.rules[1]?.matches, null);
});

test("permissive access arrives as shadow rules and strict access without targets as rules that deny all", () => {
  const open = snapshotOf(
    [...RESOURCES, sampleMesh({ access: "permissive" })],
    sampleNode({ inbound: [sampleInbound()] }),
  );
  const shadow = [...open.listeners.values()].find((listener) => listener.direction === "inbound")?.defaultChain
    ?.handler.access;
  assert.equal(shadow?.enforced, false);
  const closed = snapshotOf([sampleService("web")], sampleNode({ inbound: [sampleInbound()] }));
  const deny = [...closed.listeners.values()].find((listener) => listener.direction === "inbound")?.defaultChain
    ?.handler.access;
  assert.deepEqual([deny?.enforced, deny?.rules.length], [true, 0]);
});

test("an ingress understands its listener and routes", () => {
  const node = sampleNode({
    ingress: [{ address: "127.0.0.1", port: 8080, service: "default/reviews", servicePort: 80 }],
  });
  const snapshot = snapshotOf(RESOURCES, node);
  assert.equal(snapshot.listeners.get("ingress/8080")?.direction, "ingress");
  assert.ok(snapshot.routes.get("ingress/8080")?.fallback !== null);
});
