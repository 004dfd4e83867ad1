import assert from "node:assert/strict";
import { test } from "node:test";
import { envoy } from "#gen/protos.js";
import { compileModel } from "../../src/control/model/compile-model.ts";
import { samplePolicy, sampleService } from "../../src/control/model/sample-resources.ts";
import { createConfigSource } from "../../src/control/translate/create-config-source.ts";
import { SAMPLE_BUNDLE, SAMPLE_TRUST_DOMAIN, sampleNode } from "../../src/control/translate/sample-node.ts";
import { SnapshotBuilder } from "../../src/proxy/config/snapshot-builder.ts";
import { type DownstreamStream, Exchange } from "../../src/proxy/exchange.ts";
import { pickWeighted } from "../../src/proxy/layers/pick-layer.ts";
import { hashRequest } from "../../src/proxy/route/affinity.ts";
import { findRoute, findVirtualHost } from "../../src/proxy/route/find-route.ts";
import type { ProxyRuntime } from "../../src/proxy/runtime.ts";
import type { RouteTable } from "../../src/proxy/snapshot.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import { parseResourceFile } from "../../src/resources/parse-file.ts";
import type { Resource } from "../../src/resources/resource.ts";
import { type Field, requestFields } from "../../src/testing/http2-frames.ts";
import { requestHead } from "../../src/testing/message-heads.ts";
import { DELIVERY_ORDER } from "../../src/xds/names.ts";

// Resources as users write them, to the Service that a caller's proxy sends a request to.

const SERVICES = ["reviews", "reviews-v1", "reviews-v2", "reviews-v3"].map((name) => sampleService(name));
const random = createSeededRandom(20_261_123);
const runtime = { random, splitDraws: new WeakMap() } as unknown as ProxyRuntime;

function read(text: string): readonly Resource[] {
  const { resources, problems } = parseResourceFile(text, "test.yaml");
  assert.deepEqual(problems, []);
  return resources;
}

function split(name: string, weights: string, matches: string = "[]"): readonly Resource[] {
  const backends = weights.split(", ").map((part) => {
    const [service, weight] = part.split(" ");
    return `{ service: ${service}, weight: ${weight} }`;
  });
  return read(`
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: ${name} }
spec: { service: reviews, backends: [${backends.join(", ")}], matches: ${matches} }
`);
}

function routesOf(...resources: readonly Resource[]): RouteTable {
  const node = sampleNode();
  const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
  source.update(compileModel([...SERVICES, ...resources], null), SAMPLE_BUNDLE);
  const builder = new SnapshotBuilder(`${node.namespace}/${node.serviceAccount}`);
  const view = source.viewFor(node);
  for (const typeUrl of DELIVERY_ORDER) {
    for (const [name, resource] of view.get(typeUrl) ?? []) {
      const wire = envoy.service.discovery.v3.Resource.decode(resource.bytes);
      assert.equal(builder.upsert(typeUrl, name, wire.resource?.value ?? new Uint8Array()), null, name);
    }
  }
  const table = builder.build().routes.get("outbound/default");
  assert.ok(table !== undefined);
  return table;
}

/** "v2" of `default/reviews-v2:80`; "root" of the Service that was called. */
function send(table: RouteTable, ...fields: readonly Field[]): string {
  const host = findVirtualHost(table, "reviews");
  assert.ok(host !== null);
  const x = new Exchange({} as DownstreamStream);
  x.request = requestHead(requestFields("/", "GET", fields));
  x.path = "/";
  x.authority = "reviews";
  const route = findRoute(host, x);
  assert.ok(route !== null);
  const { sticky } = route.policy;
  const hash = sticky === null ? 0 : hashRequest(x, [sticky], random);
  const cluster = pickWeighted(route.clusters, runtime, hash) ?? "none";
  return cluster === "default/reviews:80" ? "root" : cluster.replace(/^default\/reviews-(.*):80$/, "$1");
}

const GROUPS = read(`
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: { name: by-header }
spec: { matches: [{ name: b, headers: { x-group: ^b$ } }] }
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: { name: by-cookie }
spec: { matches: [{ name: b, headers: { cookie: "(^|; )group=b(;|$)" } }] }
`);
const TESTERS = "[{ kind: HTTPRouteGroup, name: by-header }, { kind: HTTPRouteGroup, name: by-cookie }]";

const TO_B: readonly (readonly Field[])[] = [
  [["x-group", "b"]],
  [["cookie", "group=b"]],
  [["cookie", "a=1; group=b; c=2"]],
  // HTTP/2 sends each pair as a field of its own.
  [
    ["cookie", "a=1"],
    ["cookie", "group=b"],
    ["cookie", "c=2"],
  ],
  [
    ["x-group", "b"],
    ["cookie", "group=a"],
  ],
];
const TO_A: readonly (readonly Field[])[] = [
  [],
  [["x-group", "bb"]],
  [["x-group", "a"]],
  [["cookie", "group=a"]],
  [["cookie", "mygroup=b"]],
  [["cookie", "group=bc"]],
  [["cookie", "a=group=b"]],
];

test("A/B by header or cookie sends who fits to the other version, and everybody else to the root", () => {
  const table = routesOf(...GROUPS, ...split("testers", "reviews-v2 1", TESTERS));
  for (const fields of TO_B) assert.equal(send(table, ...fields), "v2", JSON.stringify(fields));
  for (const fields of TO_A) assert.equal(send(table, ...fields), "root", JSON.stringify(fields));
});

test("A/B stands before a split of all the others", () => {
  const table = routesOf(...GROUPS, ...split("all", "reviews-v1 1"), ...split("testers", "reviews-v2 1", TESTERS));
  for (const fields of TO_B) assert.equal(send(table, ...fields), "v2", JSON.stringify(fields));
  for (const fields of TO_A) assert.equal(send(table, ...fields), "v1", JSON.stringify(fields));
});

test("a split follows its weights", () => {
  const table = routesOf(...split("all", "reviews-v1 90, reviews-v2 10"));
  const counts: Record<string, number> = {};
  for (let i = 0; i < 1_000; i += 1) {
    const version = send(table);
    counts[version] = (counts[version] ?? 0) + 1;
  }
  assert.deepEqual(Object.keys(counts).sort(), ["v1", "v2"]);
  assert.ok(Math.abs((counts["v2"] ?? 0) - 100) <= 30, JSON.stringify(counts));
});

test("blue-green moves everybody at once, and back", () => {
  const blue = routesOf(...split("all", "reviews-v1 100, reviews-v2 0"));
  const green = routesOf(...split("all", "reviews-v1 0, reviews-v2 100"));
  for (let i = 0; i < 100; i += 1) assert.deepEqual([send(blue), send(green)], ["v1", "v2"]);
});

const USERS = Array.from({ length: 2_000 }, (_, index) => `user-${index}`);

for (const [kind, sticky, field] of [
  ["header", { header: "X-User" }, (user: string): Field => ["x-user", user]],
  ["cookie", { cookie: { name: "side" } }, (user: string): Field => ["cookie", `a=1; side=${user}`]],
] as const) {
  test(`a canary that is sticky by ${kind} keeps each user on one side, and takes nobody back while it grows`, () => {
    const policy = samplePolicy("p", { sticky });
    let onCanary = new Set<string>();
    for (const [weights, share] of [
      ["reviews-v1 95, reviews-v2 5", 0.05],
      ["reviews-v1 4, reviews-v2 1", 0.2],
      ["reviews-v1 50, reviews-v2 50", 0.5],
      ["reviews-v1 0, reviews-v2 1", 1],
    ] as const) {
      const table = routesOf(policy, ...split("all", weights));
      const now = new Set(USERS.filter((user) => send(table, field(user)) === "v2"));
      for (const user of USERS.slice(0, 50)) assert.equal(send(table, field(user)) === "v2", now.has(user));
      for (const user of onCanary) assert.ok(now.has(user), `${user} at ${weights}`);
      assert.ok(Math.abs(now.size / USERS.length - share) < 0.03, `${now.size} at ${weights}`);
      onCanary = now;
    }
    assert.equal(onCanary.size, USERS.length);
  });
}

test("a sticky policy of some requests leaves the others to the draw", () => {
  const matches = [{ kind: "HTTPRouteGroup", name: "by-header" }];
  const table = routesOf(
    ...GROUPS,
    ...split("all", "reviews-v1 1, reviews-v2 1"),
    samplePolicy("p", { matches, sticky: { header: "x-user" } }),
  );
  const seen = (...fields: readonly Field[]): number =>
    new Set(USERS.slice(0, 100).map(() => send(table, ...fields))).size;
  assert.equal(seen(["x-user", "ann"], ["x-group", "b"]), 1);
  assert.equal(seen(["x-user", "ann"]), 2);
});
