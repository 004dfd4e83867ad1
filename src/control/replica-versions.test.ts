// What lets a proxy go from one control plane to another without being sent anything again: equal resources have equal
// versions, however a control plane came to know them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createSeededRandom } from "../random/seeded-random.ts";
import type { Resource } from "../resources/resource.ts";
import type { ProxyView } from "./config-source.ts";
import { CONTROL_PLANE_ENDPOINTS, ENDPOINT_TYPE } from "../xds/names.ts";
import { addControlPlanes } from "./control-plane-endpoints.ts";
import { compileModel } from "./model/compile-model.ts";
import type { MeshModel } from "./model/mesh-model.ts";
import {
  sampleGroup,
  samplePolicy,
  sampleService,
  sampleSlice,
  sampleSplit,
  sampleTarget,
  sampleTcpRoute,
} from "./model/sample-resources.ts";
import { createConfigSource } from "./translate/create-config-source.ts";
import { SAMPLE_BUNDLE, SAMPLE_TRUST_DOMAIN, sampleInbound, sampleNode } from "./translate/sample-node.ts";

const RESOURCES: readonly Resource[] = [
  ...["web", "reviews", "reviews-v1", "reviews-v2", "other"].map((name) => sampleService(name)),
  sampleService("db", { ports: [{ port: 5432, name: "tcp" }] }),
  sampleService("web", { namespace: "elsewhere" }),
  ...[1, 2, 3, 4].map((n) => sampleSlice(`r-${n}`, "reviews", { port: 9000 + n, version: `v${1 + (n % 2)}` })),
  sampleSlice("w", "web", { port: 9010, workload: "web-0" }),
  sampleSlice("d", "db", { port: 9011, portName: "tcp" }),
  sampleGroup("g", [
    { name: "a", pathRegex: "/a", methods: ["GET", "PUT"], headers: { b: "x", a: "y" } },
    { name: "b" },
  ]),
  sampleGroup("h", [{ name: "c", pathRegex: "/c" }]),
  sampleTcpRoute("tcp", [80]),
  sampleSplit("s", "reviews", { weights: { "reviews-v1": 3, "reviews-v2": 1 } }),
  sampleSplit("m", "reviews", { weights: { "reviews-v2": 1 }, groups: ["g", "h"] }),
  sampleTarget("t", "web", { sources: ["a", "b"], rules: ["HTTPRouteGroup/g", "HTTPRouteGroup/h"] }),
  sampleTarget("u", "web", { sources: ["b"], rules: ["TCPRoute/tcp"] }),
  sampleTarget("v", "reviews", { sources: ["web"], rules: ["HTTPRouteGroup/g"] }),
  samplePolicy("p", { retries: {} }),
];

const NODES = [
  sampleNode({ inbound: [sampleInbound()] }),
  sampleNode({ ingress: [{ address: "127.0.0.1", port: 8080, service: "default/reviews", servicePort: 80 }] }),
];
const ADDRESSES = [
  { host: "10.0.0.2", port: 9339 },
  { host: "10.0.0.1", port: 9339 },
  { host: "10.0.0.1", port: 9338 },
];

/** By type and name. */
function versionsOf(view: ProxyView): Record<string, string> {
  const all = [...view].flatMap(([type, resources]) =>
    [...resources].map(([name, { version }]): [string, string] => [`${type} ${name}`, version]),
  );
  return Object.fromEntries(all);
}

function shuffle<T>(items: readonly T[], seed: number): T[] {
  const random = createSeededRandom(seed);
  return items
    .map((item) => ({ item, at: random.next() }))
    .toSorted((x, y) => x.at - y.at)
    .map(({ item }) => item);
}

/** A control plane that learnt the resources one by one (or all at once), in an order of its own. */
function serve(seed: number, isOneByOne: boolean): Record<string, string>[] {
  const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
  const served = addControlPlanes(source);
  served.setControlPlanes(shuffle(ADDRESSES, seed));
  const order = shuffle(RESOURCES, seed);
  let model: MeshModel | null = null;
  for (let count = isOneByOne ? 1 : order.length; count <= order.length; count += 1) {
    model = compileModel(order.slice(0, count), model);
    source.update(model, SAMPLE_BUNDLE);
  }
  return NODES.map((node) => versionsOf(served.viewFor(node)));
}

test("control planes that learnt the same resources in different orders serve the same versions", () => {
  const first = serve(1, false);
  assert.ok(Object.keys(first[0] ?? {}).length > 15);
  assert.ok(first[0]?.[`${ENDPOINT_TYPE} ${CONTROL_PLANE_ENDPOINTS}`] !== undefined);
  for (let seed = 2; seed <= 20; seed += 1) assert.deepEqual(serve(seed, seed % 2 === 0), first, `order ${seed}`);
});
