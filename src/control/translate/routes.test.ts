import assert from "node:assert/strict";
import { test } from "node:test";
import { envoy } from "#gen/protos.js";
import type { Resource } from "../../resources/resource.ts";
import { ROUTE_TYPE } from "../../xds/names.ts";
import { sampleGroup, sampleMesh, sampleService, sampleSplit } from "../model/sample-resources.ts";
import { decodeFrom, sampleNode, sampleSource } from "./sample-node.ts";

type VirtualHost = envoy.config.route.v3.VirtualHost;

const REVIEWS: readonly Resource[] = ["reviews", "reviews-v1", "reviews-v2"].map((name) => sampleService(name));

test("S6 a Service is called by every one of its names, with the port and without it when it is 80", () => {
  const services = [sampleService("reviews"), sampleService("admin", { ports: [{ port: 8080 }] })];
  const hosts = outbound(services, "default");
  assert.deepEqual(hosts.get("default/reviews:80")?.domains, [
    "reviews",
    "reviews.default",
    "reviews.default.svc",
    "reviews.default.svc.cluster.local",
    "reviews:80",
    "reviews.default:80",
    "reviews.default.svc:80",
    "reviews.default.svc.cluster.local:80",
  ]);
  assert.deepEqual(hosts.get("default/admin:8080")?.domains?.[0], "admin:8080");
});

test("S6 the short name means the Service of the caller's own namespace", () => {
  const services = [sampleService("reviews"), sampleService("reviews", { namespace: "other" })];
  const hosts = outbound(services, "other");
  assert.ok(hosts.get("other/reviews:80")?.domains?.includes("reviews"));
  assert.deepEqual(hosts.get("default/reviews:80")?.domains?.[0], "reviews.default");
});

test("no domain is in two virtual hosts", () => {
  const resources = [
    sampleService("reviews"),
    sampleService("api", { namespace: "example" }),
    // Not a Service, but its name is one of a Service's.
    sampleSplit("s", "api.example", { weights: { reviews: 1 } }),
  ];
  const domains = [...outbound(resources, "default").values()].flatMap((host) => host.domains ?? []);
  assert.equal(new Set(domains).size, domains.length);
  assert.ok(outbound(resources, "default").get("example/api:80")?.domains?.includes("api.example"));
});

test("S1 S7 a Service without splits, and a backend called directly, lead to their own endpoints", () => {
  const hosts = outbound([...REVIEWS, sampleSplit("s", "reviews", { weights: { "reviews-v1": 1 } })], "default");
  assert.deepEqual(routesOf(hosts, "default/reviews-v1:80"), [["", "/", { "default/reviews-v1:80": 1 }]]);
});

test("S3 a split is a weighted route that has the split's name", () => {
  const hosts = outbound(
    [...REVIEWS, sampleSplit("s", "reviews", { weights: { "reviews-v1": 3, "reviews-v2": 1 } })],
    "default",
  );
  const expected = [["default/s", "/", { "default/reviews-v1:80": 3, "default/reviews-v2:80": 1 }]];
  assert.deepEqual(routesOf(hosts, "default/reviews:80"), expected);
});

test("S11 a split without a usable backend leads to the cluster without endpoints", () => {
  const hosts = outbound([...REVIEWS, sampleSplit("s", "reviews", { weights: { "reviews-v1": 0 } })], "default");
  assert.deepEqual(routesOf(hosts, "default/reviews:80"), [["default/s", "/", { none: 1 }]]);
});

test("S16 requests that a split does not match go on to the next split, and at last to the Service itself", () => {
  const resources = [
    ...REVIEWS,
    sampleGroup("g", [
      { name: "a", pathRegex: "/a" },
      { name: "b", pathRegex: "/b" },
    ]),
    sampleSplit("some", "reviews", { weights: { "reviews-v2": 1 }, groups: ["g"] }),
  ];
  const some = ["/a", "/b"].map((path) => ["default/some", path, { "default/reviews-v2:80": 1 }]);
  assert.deepEqual(routesOf(outbound(resources, "default"), "default/reviews:80"), [
    ...some,
    ["", "/", { "default/reviews:80": 1 }],
  ]);
  const every = sampleSplit("every", "reviews", { weights: { "reviews-v1": 1 } });
  assert.deepEqual(routesOf(outbound([...resources, every], "default"), "default/reviews:80"), [
    ...some,
    ["default/every", "/", { "default/reviews-v1:80": 1 }],
  ]);
});

test("S21 a root that is no Service can be called in the split's own namespace", () => {
  const resources = [...REVIEWS, sampleSplit("s", "api.example.com", { weights: { reviews: 1 } })];
  const own = outbound(resources, "default").get("default/api.example.com:80");
  assert.deepEqual(own?.domains, ["api.example.com", "api.example.com:80"]);
  assert.equal(outbound(resources, "other").has("default/api.example.com:80"), false);
});

test("requests for other hosts go out where the mesh allows it", () => {
  const egress = outbound(REVIEWS, "default").get("egress");
  assert.deepEqual(egress?.domains, ["*"]);
  assert.equal(egress?.routes?.[0]?.route?.cluster, "egress");
  assert.equal(outbound([...REVIEWS, sampleMesh({ egress: "deny" })], "default").has("egress"), false);
});

test("a route without a policy says nothing but that there is no limit for a whole exchange", () => {
  const routes = outbound(REVIEWS, "default").get("default/reviews:80")?.routes;
  const action = routes?.[0]?.route;
  assert.deepEqual([action?.timeout?.seconds, action?.timeout?.nanos], [0, 0]);
  assert.deepEqual([action?.retryPolicy ?? null, routes?.[0]?.metadata ?? null], [null, null]);
});

test("an ingress sends everything to its Service, split as inside", () => {
  const resources = [...REVIEWS, sampleSplit("s", "reviews", { weights: { "reviews-v1": 3, "reviews-v2": 1 } })];
  const hosts = ingress(resources, "default/reviews");
  assert.deepEqual(
    [...hosts.values()].map((host) => host.domains),
    [["*"]],
  );
  assert.deepEqual(routesOf(hosts, "ingress"), [
    ["default/s", "/", { "default/reviews-v1:80": 3, "default/reviews-v2:80": 1 }],
  ]);
});

test("an ingress whose Service does not exist has no endpoint", () => {
  assert.deepEqual(routesOf(ingress(REVIEWS, "default/gone"), "ingress"), [["", "/", { none: 1 }]]);
});

function outbound(resources: readonly Resource[], namespace: string): ReadonlyMap<string, VirtualHost> {
  const view = sampleSource(resources).viewFor(sampleNode({ namespace }));
  assert.deepEqual([...(view.get(ROUTE_TYPE)?.keys() ?? [])], [`outbound/${namespace}`]);
  return hostsOf(decodeFrom(view, ROUTE_TYPE, `outbound/${namespace}`, envoy.config.route.v3.RouteConfiguration));
}

function ingress(resources: readonly Resource[], service: string): ReadonlyMap<string, VirtualHost> {
  const node = sampleNode({ ingress: [{ address: "127.0.0.1", port: 8080, service, servicePort: 80 }] });
  const view = sampleSource(resources).viewFor(node);
  return hostsOf(decodeFrom(view, ROUTE_TYPE, "ingress/8080", envoy.config.route.v3.RouteConfiguration));
}

function hostsOf(config: envoy.config.route.v3.RouteConfiguration): ReadonlyMap<string, VirtualHost> {
  return new Map((config.virtualHosts ?? []).map((host) => [host.name ?? "", host]));
}

/** Name, path prefix and clusters by weight. */
function routesOf(hosts: ReadonlyMap<string, VirtualHost>, name: string): unknown[] {
  return (hosts.get(name)?.routes ?? []).map(({ name: route, match, route: action }) => {
    const clusters = action?.weightedClusters?.clusters ?? [{ name: action?.cluster ?? "", weight: { value: 1 } }];
    return [route, match?.prefix, Object.fromEntries(clusters.map((cluster) => [cluster.name, cluster.weight?.value]))];
  });
}
