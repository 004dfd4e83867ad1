import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { envoy } from "#gen/protos.js";
import { compileModel } from "../../src/control/model/compile-model.ts";
import type { MeshModel, ServicePortModel } from "../../src/control/model/mesh-model.ts";
import type { OverloadModel, RoutePolicyModel } from "../../src/control/model/policy-model.ts";
import {
  sampleGroup,
  sampleMesh,
  sampleService,
  sampleSlice,
  sampleSplit,
} from "../../src/control/model/sample-resources.ts";
import { createConfigSource } from "../../src/control/translate/create-config-source.ts";
import {
  SAMPLE_BUNDLE,
  SAMPLE_TRUST_DOMAIN,
  sampleInbound,
  sampleNode,
} from "../../src/control/translate/sample-node.ts";
import type { ProxyNode } from "../../src/control/config-source.ts";
import { validateResource } from "../../src/resources/validate.ts";
import { describeSnapshot } from "../../src/proxy/admin/describe-snapshot.ts";
import { SnapshotBuilder } from "../../src/proxy/config/snapshot-builder.ts";
import { DEFAULT_CLUSTER_POLICY, LOCAL_CLUSTER_POLICY } from "../../src/proxy/policy/cluster-policy.ts";
import { DEFAULT_ROUTE_POLICY, LOCAL_ROUTE_POLICY, type RoutePolicy } from "../../src/proxy/policy/route-policy.ts";
import type { Route, Snapshot } from "../../src/proxy/snapshot.ts";
import { DELIVERY_ORDER } from "../../src/xds/names.ts";
import { expectClusterPolicy, expectOverload, expectRoutePolicy } from "./policy-expectations.ts";
import { EVERY_SECTION } from "./every-section.ts";
import { anyClusterPolicy, anyRedirect, anyRoutePolicy, overload, routePolicy } from "./policy-models.ts";

// Policies from the mesh model to a proxy's snapshot: what one side writes the other reads, whole and unchanged.

const RUNS = { numRuns: 200, seed: 20_261_123 };
const REVIEWS = "default/reviews:80";
/** Every proxy gets every cluster. */
const OPEN = sampleMesh({ access: "permissive" });

const BASE: MeshModel = compileModel(
  [
    OPEN,
    sampleService("reviews"),
    sampleService("reviews-v1"),
    sampleSlice("r", "reviews", { port: 9000, workload: "reviews-0" }),
    sampleSlice("r1", "reviews-v1", { port: 9000, workload: "reviews-0" }),
  ],
  null,
);
const CALLER = sampleNode();
const CALLEE = sampleNode({ workload: "reviews-0", serviceAccount: "reviews", inbound: [sampleInbound()] });

test("without policies a proxy has the objects of the defaults", () => {
  const snapshot = snapshotOf(BASE, CALLER);
  assert.equal(outboundRoutes(snapshot)[0]?.policy, DEFAULT_ROUTE_POLICY);
  assert.equal(snapshot.clusters.get(REVIEWS)?.policy, DEFAULT_CLUSTER_POLICY);
  const callee = snapshotOf(BASE, CALLEE);
  assert.deepEqual(
    inboundRoutes(callee).map((route) => route.policy === LOCAL_ROUTE_POLICY),
    [true],
  );
  assert.equal(callee.clusters.get("local:8000")?.policy, LOCAL_CLUSTER_POLICY);
});

test("any policy of requests arrives whole", () => {
  fc.assert(
    fc.property(anyRoutePolicy, (policy) => {
      const routes = outboundRoutes(snapshotOf(withPolicies({ routePolicies: [policy] }), CALLER));
      assert.equal(routes.length, 1);
      assert.deepEqual(plain(routes[0]?.policy), plain(expectRoutePolicy(policy)));
    }),
    RUNS,
  );
});

test("any redirect arrives whole, and leads nowhere", () => {
  fc.assert(
    fc.property(anyRedirect, (redirect) => {
      const policy = routePolicy({ redirect });
      const [route] = outboundRoutes(snapshotOf(withPolicies({ routePolicies: [policy] }), CALLER));
      assert.deepEqual(plain(route?.policy), plain(expectRoutePolicy(policy)));
      assert.deepEqual(route?.clusters.names, ["none"]);
    }),
    RUNS,
  );
});

test("any policy of instances arrives whole", () => {
  fc.assert(
    fc.property(anyClusterPolicy, fc.constantFrom("http" as const, "tcp" as const), (policy, protocol) => {
      const cluster = snapshotOf(withPolicies({ policy, protocol }), CALLER).clusters.get(REVIEWS);
      assert.deepEqual(plain(cluster?.policy), plain(expectClusterPolicy(policy)));
      assert.equal(cluster?.connectTimeoutMs, policy.connectMs ?? 5_000);
    }),
    RUNS,
  );
});

test("any overload protection arrives at the proxy beside the app, and there alone", () => {
  fc.assert(
    fc.property(overload, (model) => {
      const mesh = withPolicies({ policy: overloadOnly(model) });
      const local = snapshotOf(mesh, CALLEE).clusters.get("local:8000");
      assert.deepEqual(local?.policy, { ...LOCAL_CLUSTER_POLICY, overload: expectOverload(model) });
      assert.equal(snapshotOf(mesh, CALLER).clusters.get(REVIEWS)?.policy, DEFAULT_CLUSTER_POLICY);
    }),
    { ...RUNS, numRuns: 100 },
  );
});

test("any rate limits arrive at the proxy beside the app, and there alone", () => {
  fc.assert(
    fc.property(anyRoutePolicy, (policy) => {
      const limits = routePolicy({ rateLimits: policy.rateLimits });
      const mesh = withPolicies({ routePolicies: [limits] });
      const [route, ...rest] = inboundRoutes(snapshotOf(mesh, CALLEE));
      assert.deepEqual(rest, []);
      const rateLimits = policy.rateLimits.map((limit) => ({
        ...limit,
        match: null,
        overrides: new Map(limit.overrides),
      }));
      const expected: RoutePolicy = {
        ...LOCAL_ROUTE_POLICY,
        name: rateLimits.length === 0 ? "" : "default/p",
        rateLimits,
      };
      assert.deepEqual(route?.policy, expected);
      assert.deepEqual(outboundRoutes(snapshotOf(mesh, CALLER))[0]?.policy.rateLimits, []);
    }),
    { ...RUNS, numRuns: 100 },
  );
});

test("equal policies are equal bytes, and a policy of one Service leaves the resources of others alone", () => {
  const policies = { routePolicies: [routePolicy({ timeouts: TIMEOUTS })], policy: overloadOnly(null) };
  const bytes = (mesh: MeshModel): string[] => {
    const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
    source.update(mesh, SAMPLE_BUNDLE);
    return [...source.viewFor(CALLER).values()].flatMap((all) => {
      return [...all.values()].map((resource) => `${resource.name} ${resource.version}`);
    });
  };
  assert.deepEqual(bytes(withPolicies(policies)), bytes(withPolicies(structuredClone(policies))));
  const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
  source.update(BASE, SAMPLE_BUNDLE);
  const nodes = [CALLER, CALLEE];
  const list = (): ReadonlySet<unknown> => {
    return new Set(nodes.flatMap((node) => [...source.viewFor(node).values()].flatMap((all) => [...all.values()])));
  };
  const before = list();
  source.update(withPolicies({ policy: { ...overloadOnly(null), idleMs: 5_000 } }), SAMPLE_BUNDLE);
  const changed = [...list()].filter((resource) => !before.has(resource));
  assert.deepEqual(
    changed.map((resource) => (resource as { readonly name: string }).name),
    [REVIEWS],
  );
});

test("policies with matches come first, each crossed with the splits, and the defaults last", () => {
  const resources = [
    ...["reviews", "reviews-v1", "reviews-v2"].map((name) => sampleService(name)),
    sampleGroup("g", [{ name: "a", pathRegex: "/a", methods: ["GET", "PUT"] }]),
    sampleSplit("some", "reviews", { weights: { "reviews-v2": 1 }, groups: ["g"] }),
  ];
  const match = (pathRegex: string, methods: readonly string[] | null = null) => ({ pathRegex, methods, headers: [] });
  const policies: RoutePolicyModel[] = [
    routePolicy({ key: "default/one", retries: null, timeouts: TIMEOUTS }, [match("/a/b"), match("/z", ["PUT"])]),
    routePolicy({ key: "default/two", redirect: REDIRECT }, [match("/r.*[0-9]$")]),
    routePolicy({ key: "default/three", timeouts: TIMEOUTS }, [match("/x.*[0-9]$", ["POST", "GET"])]),
  ];
  const mesh = change(compileModel([...resources, OPEN], null), { routePolicies: policies });
  const routes = outboundRoutes(snapshotOf(mesh, CALLER));
  const text = routes.map(({ name, match: joint, clusters, policy }) => {
    const { path, methods, headers } = joint;
    const where = path.kind === "any" ? "*" : path.kind === "regex" ? path.pattern.source : path.value;
    return [
      `${path.kind} ${where}`,
      [...(methods ?? ["*"])].join("|"),
      headers.map((header) => header.name).join(),
      name,
      clusters.names.join(),
      policy.name,
    ].join(" ; ");
  });
  assert.deepEqual(text, [
    "prefix /a/b ; GET|PUT ;  ; default/some ; default/reviews-v2:80 ; default/one",
    "prefix /a/b ; * ;  ;  ; default/reviews:80 ; default/one",
    "prefix /z ; PUT ;  ;  ; default/reviews:80 ; default/one",
    "regex (?:/r.*[0-9]$)(?s:.*) ; * ;  ;  ; none ; default/two",
    "prefix /a ; GET ; :path ; default/some ; default/reviews-v2:80 ; default/three",
    "regex (?:/x.*[0-9]$)(?s:.*) ; POST|GET ;  ;  ; default/reviews:80 ; default/three",
    "prefix /a ; GET|PUT ;  ; default/some ; default/reviews-v2:80 ; ",
    "any * ; * ;  ;  ; default/reviews:80 ; ",
  ]);
});

test("the limits of all Services of an app hold, and one limit is one object in all of its routes", () => {
  const match = { pathRegex: "/a", methods: null, headers: [] };
  const one = routePolicy({ key: "default/one", rateLimits: [limit("one")] }, [match]);
  const all = routePolicy({ key: "default/all", rateLimits: [limit("all")] });
  const free = routePolicy({ key: "default/free" }, [{ ...match, pathRegex: "/free" }]);
  const mesh = change(change(BASE, { routePolicies: [free, one] }), { routePolicies: [all] }, "reviews-v1");
  const routes = inboundRoutes(snapshotOf(mesh, CALLEE));
  assert.deepEqual(
    routes.map(({ match: joint, policy }) => [
      joint.path.kind === "prefix" ? joint.path.value : joint.path.kind,
      policy.name,
      policy.rateLimits.map((rate) => rate.name).join(),
    ]),
    [
      ["/free", "default/all", "all"],
      ["/a", "default/one, default/all", "one,all"],
      ["any", "default/all", "all"],
    ],
  );
  assert.equal(routes[1]?.policy.rateLimits[1], routes[0]?.policy.rateLimits[0]);
  assert.equal(routes[2]?.policy.rateLimits[0], routes[0]?.policy.rateLimits[0]);
});

test("equal limits of several Services of an app count once", () => {
  const policies = { routePolicies: [routePolicy({ rateLimits: [limit("same")] })] };
  const mesh = change(change(BASE, policies), structuredClone(policies), "reviews-v1");
  const [route] = inboundRoutes(snapshotOf(mesh, CALLEE));
  assert.deepEqual(
    route?.policy.rateLimits.map((rate) => rate.name),
    ["same"],
  );
});

test("a TrafficPolicy with every section is taken by the proxies on both sides", () => {
  const policy = {
    apiVersion: "weft.dev/v1alpha1",
    kind: "TrafficPolicy",
    metadata: { name: "all", namespace: "default" },
    spec: EVERY_SECTION,
  };
  const resources = [
    sampleService("reviews"),
    sampleService("shadow"),
    sampleSlice("r", "reviews", { port: 9000, workload: "reviews-0" }),
  ];
  const { resource, problems } = validateResource(policy, { file: "all.yaml" });
  assert.deepEqual(problems, []);
  assert.ok(resource !== null);
  const model = compileModel([...resources, resource, OPEN], null);
  const caller = snapshotOf(model, CALLER);
  const policyThere = outboundRoutes(caller)[0]?.policy;
  assert.equal(policyThere?.name, "default/all");
  assert.deepEqual(policyThere?.retry.statuses, new Set([503]));
  assert.equal(policyThere?.faults.length, 4);
  assert.equal(policyThere?.rewrite?.path?.kind, "regex");
  assert.equal(caller.clusters.get(REVIEWS)?.policy.balancing.strategy, "ringHash");
  assert.equal(caller.clusters.get(REVIEWS)?.policy.healthChecks.length, 3);
  const callee = snapshotOf(model, CALLEE);
  assert.equal(inboundRoutes(callee)[0]?.policy.rateLimits.length, 3);
  assert.equal(callee.clusters.get("local:8000")?.policy.overload?.concurrency.kind, "adaptive");
});

test("the zone of an endpoint arrives with it", () => {
  const slice = sampleSlice("r", "reviews", { port: 9000 });
  const [endpoint] = slice["endpoints"] as readonly object[];
  const zoned = { ...slice, endpoints: [{ ...endpoint, zone: "west" }] };
  const more = sampleSlice("s", "reviews", { port: 9001 });
  const model = compileModel([sampleService("reviews"), zoned, more, OPEN], null);
  const endpoints = snapshotOf(model, CALLER).clusters.get(REVIEWS)?.endpoints ?? [];
  assert.deepEqual(endpoints.map(({ port, zone, priority, weight }) => [port, zone, priority, weight]).sort(), [
    [9000, "west", 0, 1],
    [9001, "", 0, 1],
  ]);
});

test("the description of a snapshot shows the policies in force", () => {
  const policy = routePolicy({ faults: [FAULT], rewrite: { host: "", path: REGEX } });
  const mesh = withPolicies({ routePolicies: [policy], policy: { ...overloadOnly(null), idleMs: 5_000 } });
  const shown = JSON.stringify(describeSnapshot(snapshotOf(mesh, CALLER)));
  assert.match(shown, /"name":"default\/p","timeouts":\{"requestMs":0,"responseMs":15000/);
  assert.match(
    shown,
    /"faults":\[\{"name":"f","match":null,"percentage":5,"untilMs":9,"action":\{"kind":"reset"\}\}\]/,
  );
  assert.match(shown, /"pattern":\{"source":"a\+","mode":"search"\},"replacement":"b"/);
  assert.match(shown, /"idleMs":5000/);
  assert.match(shown, /"strategy":"adaptive"/);
});

const TIMEOUTS = { requestMs: 1_000, responseMs: null, perTryMs: null, streamIdleMs: null };
const REDIRECT = { status: 301, scheme: "https", host: "", port: 0, path: null };
const FAULT = { name: "f", percentage: 5, untilMs: 9, action: { kind: "reset" as const } };
const REGEX = { kind: "regex" as const, pattern: "a+", replacement: "b" };

function limit(name: string): RoutePolicyModel["rateLimits"][number] {
  return { name, by: "route", header: "", requests: 5, periodMs: 1_000, burst: 5, overrides: [], maxBuckets: 10 };
}

function overloadOnly(model: OverloadModel | null): NonNullable<ServicePortModel["policy"]> {
  return {
    loadBalancing: null,
    healthChecks: null,
    outlierDetection: null,
    limits: null,
    circuitBreaker: null,
    instanceCircuitBreaker: null,
    retryBudget: null,
    overload: model,
    connectMs: null,
    idleMs: null,
  };
}

function withPolicies(fields: Partial<ServicePortModel>): MeshModel {
  return change(BASE, fields);
}

/** The model with other things said of the port of one Service. */
function change(model: MeshModel, fields: Partial<ServicePortModel>, name: string = "reviews"): MeshModel {
  const services = new Map(model.services);
  const service = services.get(`default/${name}`);
  assert.ok(service !== undefined);
  services.set(`default/${name}`, { ...service, ports: service.ports.map((port) => ({ ...port, ...fields })) });
  return { ...model, services };
}

function snapshotOf(model: MeshModel, node: ProxyNode): Snapshot {
  const source = createConfigSource({ trustDomain: SAMPLE_TRUST_DOMAIN });
  source.update(model, SAMPLE_BUNDLE);
  const builder = new SnapshotBuilder(`${node.namespace}/${node.serviceAccount}`);
  const view = source.viewFor(node);
  for (const typeUrl of DELIVERY_ORDER) {
    for (const [name, resource] of view.get(typeUrl) ?? []) {
      const wire = envoy.service.discovery.v3.Resource.decode(resource.bytes);
      assert.equal(builder.upsert(typeUrl, name, wire.resource?.value ?? new Uint8Array()), null, `${typeUrl} ${name}`);
    }
  }
  return builder.build();
}

function outboundRoutes(snapshot: Snapshot): readonly Route[] {
  return snapshot.routes.get("outbound/default")?.exact.get("reviews")?.routes ?? [];
}

function inboundRoutes(snapshot: Snapshot): readonly Route[] {
  const handler = snapshot.listeners.get("inbound/8000")?.defaultChain?.handler;
  return handler?.kind === "http" ? (handler.inlineRoutes?.fallback?.routes ?? []) : [];
}

/** Patterns are compared by what they say: two compiled ones are never equal. */
function plain(value: unknown): unknown {
  if (value instanceof Set) return new Set([...value].sort());
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object" || value instanceof Map) return value;
  const fields = Object.entries(value).filter(([, inner]) => typeof inner !== "function");
  return Object.fromEntries(fields.map(([key, inner]) => [key, plain(inner)]));
}
