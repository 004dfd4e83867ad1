import assert from "node:assert/strict";
import { test } from "node:test";
import { envoy } from "#gen/protos.js";
import type { Resource } from "../../resources/resource.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE } from "../../xds/names.ts";
import type { ChangeScope, ProxyNode, ProxyView } from "../config-source.ts";
import { compileModel } from "../model/compile-model.ts";
import type { MeshModel } from "../model/mesh-model.ts";
import {
  sampleGroup,
  sampleMesh,
  sampleService,
  sampleSlice,
  sampleSplit,
  sampleTarget,
} from "../model/sample-resources.ts";
import { createConfigSource } from "./create-config-source.ts";
import { decodeFrom, SAMPLE_BUNDLE, SAMPLE_TRUST_DOMAIN, sampleNode } from "./sample-node.ts";

const ORDERS: readonly Resource[] = [
  sampleService("orders"),
  sampleSlice("o-1", "orders", { port: 9001 }),
  sampleService("stock"),
  sampleSlice("s-1", "stock", { port: 9002 }),
  sampleGroup("any", [{ name: "read", pathRegex: "/read", methods: ["GET"] }]),
  sampleTarget("orders", "orders", { sources: ["web"], rules: ["HTTPRouteGroup/any"] }),
];

const WEB = sampleNode({ workload: "web-0", serviceAccount: "web" });
const JOBS = sampleNode({ workload: "jobs-0", serviceAccount: "jobs" });

interface Mesh {
  readonly view: (node: ProxyNode) => ProxyView;
  /** Puts resources in force beside those there are; an earlier one of the same kind and name goes. */
  readonly apply: (...resources: readonly Resource[]) => ChangeScope | null;
  readonly remove: (kind: string, name: string) => ChangeScope | null;
}

function createMesh(...initial: readonly Resource[]): Mesh {
  const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
  const resources = new Map<string, Resource>();
  let model: MeshModel | null = null;
  let scope: ChangeScope | null = null;
  source.onChange((concerns) => {
    scope = concerns;
  });
  const update = (): ChangeScope | null => {
    scope = null;
    model = compileModel([...resources.values()], model);
    source.update(model, SAMPLE_BUNDLE);
    return scope;
  };
  const put = (resource: Resource): unknown => resources.set(`${resource.kind} ${resource.metadata.name}`, resource);
  initial.forEach(put);
  update();
  return {
    view: (node) => source.viewFor(node),
    apply: (...changed) => {
      changed.forEach(put);
      return update();
    },
    remove: (kind, name) => {
      resources.delete(`${kind} ${name}`);
      return update();
    },
  };
}

/** "127.0.0.1:9001", or "withheld: <SPIFFE ID>", or "none". */
function describe(view: ProxyView, name: string): string {
  const cluster = decodeFrom(view, CLUSTER_TYPE, name, envoy.config.cluster.v3.Cluster);
  const withheld = cluster.metadata?.filterMetadata?.["weft.dev"]?.fields?.["withheld"]?.stringValue;
  if (withheld) {
    assert.equal(cluster.type, envoy.config.cluster.v3.Cluster.DiscoveryType.STATIC);
    assert.equal(view.get(ENDPOINT_TYPE)?.has(name), false);
    return `withheld: ${withheld.replace("spiffe://shop.mesh/ns/", "").replace("/sa/", "/")}`;
  }
  assert.equal(cluster.type, envoy.config.cluster.v3.Cluster.DiscoveryType.EDS);
  const assignment = decodeFrom(view, ENDPOINT_TYPE, name, envoy.config.endpoint.v3.ClusterLoadAssignment);
  const addresses = (assignment.endpoints ?? []).flatMap((locality) =>
    (locality.lbEndpoints ?? []).map((one) => one.endpoint?.address?.socketAddress),
  );
  return addresses.map((address) => `${address?.address}:${address?.portValue}`).join(" ") || "none";
}

test("under strict access a proxy gets the endpoints of what its identity may call, and a mark for the others", () => {
  const { view } = createMesh(...ORDERS);
  assert.equal(describe(view(WEB), "default/orders:80"), "127.0.0.1:9001");
  assert.equal(describe(view(WEB), "default/stock:80"), "withheld: default/stock");
  assert.equal(describe(view(JOBS), "default/orders:80"), "withheld: default/orders");
});

test("under permissive access every proxy gets all endpoints", () => {
  const { view } = createMesh(...ORDERS, sampleMesh({ access: "permissive" }));
  assert.equal(describe(view(JOBS), "default/orders:80"), "127.0.0.1:9001");
  assert.equal(view(JOBS).get(ENDPOINT_TYPE), view(WEB).get(ENDPOINT_TYPE));
});

test("the mark carries the rules of the instances without those whom they allow", () => {
  const { view } = createMesh(...ORDERS);
  const cluster = decodeFrom(view(JOBS), CLUSTER_TYPE, "default/orders:80", envoy.config.cluster.v3.Cluster);
  const any = cluster.metadata?.typedFilterMetadata?.["weft.dev"];
  assert.equal(any?.typeUrl, "type.googleapis.com/envoy.config.rbac.v3.RBAC");
  const { policies } = envoy.config.rbac.v3.RBAC.decode(any?.value ?? new Uint8Array());
  assert.deepEqual(Object.keys(policies ?? {}), ["default/orders"]);
  assert.equal(policies?.["default/orders"]?.permissions?.length, 1);
  assert.equal(policies?.["default/orders"]?.principals?.length ?? 0, 0);
});

test("a change of endpoints concerns those alone who may call them", () => {
  const { view, apply } = createMesh(...ORDERS);
  const [web, jobs] = [view(WEB), view(JOBS)];
  const concerns = apply(sampleSlice("o-2", "orders", { port: 9003 }));
  assert.equal(concerns?.(WEB), true);
  assert.equal(concerns?.(JOBS), false);
  assert.notEqual(view(WEB), web);
  assert.equal(view(JOBS), jobs);
  assert.equal(describe(view(WEB), "default/orders:80"), "127.0.0.1:9001 127.0.0.1:9003");
});

test("a change of endpoints that nobody may call concerns nobody", () => {
  const { apply } = createMesh(...ORDERS);
  const concerns = apply(sampleSlice("s-2", "stock", { port: 9003 }));
  assert.equal(concerns?.(WEB), false);
  assert.equal(concerns?.(JOBS), false);
});

test("a grant brings the endpoints to the caller and concerns nobody else; its end takes them away", () => {
  const { view, apply, remove } = createMesh(...ORDERS);
  const grant = sampleTarget("orders", "orders", { sources: ["jobs", "web"], rules: ["HTTPRouteGroup/any"] });
  const web = view(WEB);
  const concerns = apply(grant);
  assert.equal(concerns?.(JOBS), true);
  assert.equal(concerns?.(WEB), false);
  assert.equal(describe(view(JOBS), "default/orders:80"), "127.0.0.1:9001");
  assert.equal(view(WEB), web);
  remove("TrafficTarget", "orders");
  assert.equal(describe(view(JOBS), "default/orders:80"), "withheld: default/orders");
  assert.equal(describe(view(WEB), "default/orders:80"), "withheld: default/orders");
});

test("a new rule in front of an app concerns its own proxy", () => {
  const { apply } = createMesh(...ORDERS);
  const own = sampleNode({ workload: "o-1", serviceAccount: "orders" });
  const concerns = apply(sampleTarget("orders", "orders", { sources: ["jobs", "web"], rules: ["HTTPRouteGroup/any"] }));
  assert.equal(concerns?.(own), true);
});

test("a grant of any requests, or to one identity of several behind a name, is enough for the endpoints", () => {
  const second = sampleSlice("o-2", "orders", { port: 9003, serviceAccount: "orders-canary" });
  const grant = sampleTarget("canary", "orders-canary", { sources: ["jobs"], rules: ["HTTPRouteGroup/missing"] });
  const { view } = createMesh(...ORDERS, second, grant);
  assert.equal(describe(view(JOBS), "default/orders:80"), "127.0.0.1:9001 127.0.0.1:9003");
});

test("a split leads to a backend that its own targets open, not those of the root", () => {
  const split = sampleSplit("s", "orders", { weights: { orders: 1, stock: 1 } });
  const { view, apply } = createMesh(...ORDERS, split);
  assert.equal(describe(view(WEB), "default/stock:80"), "withheld: default/stock");
  apply(sampleTarget("stock", "stock", { sources: ["web"], rules: ["HTTPRouteGroup/any"] }));
  assert.equal(describe(view(WEB), "default/stock:80"), "127.0.0.1:9002");
});

test("a port without a known instance has nothing to withhold", () => {
  const { view, apply } = createMesh(sampleService("orders"));
  assert.equal(describe(view(JOBS), "default/orders:80"), "none");
  // Nor is it told from one whose instances are not ready by those who may not call it.
  apply(sampleSlice("o-1", "orders", { port: 9001, ready: false }));
  assert.equal(describe(view(JOBS), "default/orders:80"), "withheld: default/orders");
});

test("an identity that an instance gets concerns the callers of its Service, and nobody else", () => {
  const { apply } = createMesh(...ORDERS);
  const concerns = apply(sampleSlice("o-2", "orders", { port: 9003, serviceAccount: "orders-canary" }));
  assert.equal(concerns?.(WEB), true);
  assert.equal(concerns?.(JOBS), false);
});

test("a Service that is gone is gone from every view", () => {
  const { view, remove } = createMesh(...ORDERS);
  remove("Service", "orders");
  assert.equal(view(JOBS).get(CLUSTER_TYPE)?.has("default/orders:80"), false);
  assert.equal(view(WEB).get(ENDPOINT_TYPE)?.has("default/orders:80"), false);
  assert.equal(view(JOBS).get(ENDPOINT_TYPE)?.has("default/orders:80"), false);
});
