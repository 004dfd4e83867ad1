import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Resource } from "../../resources/resource.ts";
import { CLUSTER_TYPE, DELIVERY_ORDER, ENDPOINT_TYPE, ROUTE_TYPE, SECRET_TYPE } from "../../xds/names.ts";
import type { EncodedResource, ProxyView } from "../config-source.ts";
import { LayeredResources } from "../layered-resources.ts";
import { compileModel } from "../model/compile-model.ts";
import {
  sampleGroup,
  sampleMesh,
  sampleService,
  sampleSlice,
  sampleSplit,
  sampleTarget,
  sampleTcpRoute,
} from "../model/sample-resources.ts";
import { createConfigSource } from "./create-config-source.ts";
import { SAMPLE_BUNDLE, SAMPLE_TRUST_DOMAIN, sampleInbound, sampleNode, sampleSource } from "./sample-node.ts";

const RESOURCES: readonly Resource[] = [
  sampleService("web"),
  sampleService("reviews"),
  sampleService("reviews-v1"),
  sampleService("reviews-v2"),
  sampleService("db", { ports: [{ port: 5432, name: "tcp" }] }),
  sampleSlice("w", "web", { port: 9000, workload: "web-0" }),
  sampleSlice("r-1", "reviews", { port: 9001, version: "v1" }),
  sampleSlice("r-2", "reviews", { port: 9002, version: "v2" }),
  sampleSlice("d-1", "db", { port: 9003, portName: "tcp" }),
  sampleGroup("g", [
    { name: "a", pathRegex: "/a", methods: ["GET", "PUT"], headers: { b: "x", a: "y" } },
    { name: "b" },
  ]),
  sampleTcpRoute("tcp", [80]),
  sampleSplit("s", "reviews", { weights: { "reviews-v1": 3, "reviews-v2": 1 } }),
  sampleSplit("m", "reviews", { weights: { "reviews-v2": 1 }, groups: ["g"] }),
  sampleTarget("t", "web", { sources: ["a", "b"], rules: ["HTTPRouteGroup/g"] }),
  sampleTarget("u", "web", { sources: ["b"], rules: ["TCPRoute/tcp"] }),
  sampleTarget("v", "reviews", { sources: ["web"], rules: ["HTTPRouteGroup/g"] }),
  sampleTarget("d", "db", { sources: ["web"], rules: ["TCPRoute/tcp"] }),
];

const WEB = { inbound: [sampleInbound()] };
const INGRESS = { ingress: [{ address: "127.0.0.1", port: 8080, service: "default/reviews", servicePort: 80 }] };

test("a config source has empty views before the first model", () => {
  const view = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN }).viewFor(sampleNode());
  assert.deepEqual([...view.keys()].sort(), [...DELIVERY_ORDER].sort());
  assert.equal(listAll(view).length, 0);
});

test("proxies of one identity share maps, and all share secrets", () => {
  const source = sampleSource(RESOURCES);
  const one = source.viewFor(sampleNode({ workload: "a" }));
  const two = source.viewFor(sampleNode({ workload: "b" }));
  const foreign = source.viewFor(sampleNode({ workload: "c", namespace: "other" }));
  for (const type of [ENDPOINT_TYPE, SECRET_TYPE, ROUTE_TYPE]) assert.equal(one.get(type), two.get(type), type);
  // Clusters of their own are laid over those that they share.
  const shared = (view: ProxyView): unknown => {
    const clusters = view.get(CLUSTER_TYPE);
    return clusters instanceof LayeredResources ? clusters.shared : clusters;
  };
  assert.equal(shared(one), shared(two));
  assert.equal(shared(one), shared(foreign));
  assert.equal(one.get(SECRET_TYPE), foreign.get(SECRET_TYPE));
  assert.notEqual(one.get(ROUTE_TYPE), foreign.get(ROUTE_TYPE));
});

test("a view is the same object until something in it changes", () => {
  const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
  const model = compileModel(RESOURCES, null);
  source.update(model, SAMPLE_BUNDLE);
  const node = sampleNode(WEB);
  const view = source.viewFor(node);
  assert.equal(source.viewFor(node), view);
  // Another namespace's access rules are in no listener of this proxy.
  const target = sampleTarget("t", "x", { namespace: "other", sources: ["y"], rules: ["TCPRoute/r"] });
  source.update(compileModel([...RESOURCES, target], model), SAMPLE_BUNDLE);
  assert.equal(source.viewFor(node), view);
});

const changes: readonly (readonly [what: string, added: readonly Resource[], replaced: readonly string[]])[] = [
  ["an endpoint", [sampleSlice("r-3", "reviews", { port: 9009 })], ["default/reviews:80"]],
  [
    "an endpoint with a new identity",
    [sampleSlice("r-3", "reviews", { port: 9009, serviceAccount: "n" })],
    ["default/reviews:80", "default/reviews:80"],
  ],
  [
    "a weight",
    [sampleSplit("s", "reviews", { weights: { "reviews-v1": 1, "reviews-v2": 1 } })],
    ["outbound/default", "ingress/8080"],
  ],
  ["an access rule", [sampleTarget("u", "web", { sources: ["c"], rules: ["TCPRoute/tcp"] })], ["inbound/8000"]],
  // Nobody may call web, so its cluster and its endpoints were withheld so far.
  ["the access mode", [sampleMesh({ access: "permissive" })], ["inbound/8000", "default/web:80", "default/web:80"]],
  ["the lifetime of certificates", [sampleMesh({ certificateLifetime: "1h" })], []],
];
for (const [what, added, replaced] of changes) {
  test(`a change of ${what} encodes ${replaced.length === 0 ? "nothing" : `only ${replaced.join(" and ")}`} again`, () => {
    const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
    const model = compileModel(RESOURCES, null);
    source.update(model, SAMPLE_BUNDLE);
    const nodes = [sampleNode(WEB), sampleNode(INGRESS)];
    const listVersions = (): string[] =>
      nodes.flatMap((node) => listAll(source.viewFor(node)).map(({ name, version }) => `${name} ${version}`));
    const before = new Set(listVersions());
    let fired = 0;
    source.onChange(() => {
      fired += 1;
    });
    const keys = new Set(added.map((resource) => `${resource.kind} ${resource.metadata.name}`));
    const kept = RESOURCES.filter((resource) => !keys.has(`${resource.kind} ${resource.metadata.name}`));
    source.update(compileModel([...kept, ...added], model), SAMPLE_BUNDLE);
    const made = [...new Set(listVersions())].filter((version) => !before.has(version));
    const names = made.map((version) => version.split(" ")[0] ?? "");
    assert.deepEqual(names.sort(), [...replaced].sort());
    assert.equal(fired, replaced.length === 0 ? 0 : 1);
  });
}

test("an update that changes nothing, or only conditions, calls nobody", () => {
  const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
  const model = compileModel(RESOURCES, null);
  source.update(model, SAMPLE_BUNDLE);
  let fired = 0;
  source.onChange(() => {
    fired += 1;
  });
  source.update(compileModel(structuredClone([...RESOURCES]), model), SAMPLE_BUNDLE);
  source.update(compileModel([...RESOURCES, sampleSlice("lost", "nowhere", { port: 9 })], model), SAMPLE_BUNDLE);
  assert.equal(fired, 0);
});

test("a new trust bundle replaces the secret and nothing else", () => {
  const source = sampleSource(RESOURCES);
  const node = sampleNode(WEB);
  const before = source.viewFor(node);
  source.update(compileModel(RESOURCES, null), `${SAMPLE_BUNDLE}more\n`);
  const after = source.viewFor(node);
  for (const type of DELIVERY_ORDER) assert.equal(after.get(type) === before.get(type), type !== SECRET_TYPE, type);
});

test("onChange() returns a function that stops, also from inside a call", () => {
  const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
  const calls: string[] = [];
  const stop = source.onChange(() => {
    calls.push("once");
    stop();
  });
  source.onChange(() => calls.push("always"));
  source.update(compileModel([], null), SAMPLE_BUNDLE);
  source.update(compileModel(RESOURCES, null), SAMPLE_BUNDLE);
  assert.deepEqual(calls, ["once", "always", "always"]);
});

test("equal resources in any order have equal bytes and versions", () => {
  const expected = [sampleNode(WEB), sampleNode(INGRESS)].flatMap((node) =>
    contents(sampleSource(RESOURCES).viewFor(node)),
  );
  fc.assert(
    fc.property(fc.shuffledSubarray([...RESOURCES], { minLength: RESOURCES.length }), (resources) => {
      const source = sampleSource(resources);
      assert.deepEqual(
        [sampleNode(WEB), sampleNode(INGRESS)].flatMap((node) => contents(source.viewFor(node))),
        expected,
      );
    }),
    { numRuns: 30 },
  );
});

test("different contents have different versions", () => {
  const version = (port: number): string | undefined => {
    const resources = [sampleService("a"), sampleSlice("a-1", "a", { port }), sampleMesh({ access: "permissive" })];
    const view = sampleSource(resources).viewFor(sampleNode());
    return view.get(ENDPOINT_TYPE)?.get("default/a:80")?.version;
  };
  assert.equal(version(1), version(1));
  assert.notEqual(version(1), version(2));
});

function listAll(view: ProxyView): EncodedResource[] {
  return [...view.values()].flatMap((resources) => [...resources.values()]);
}

function contents(view: ProxyView): string[] {
  return listAll(view).map(({ typeUrl, name, version, bytes }) => {
    return `${typeUrl} ${name} ${version} ${Buffer.from(bytes).toString("base64")}`;
  });
}
