import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AppProtocol } from "../../proxy-node.ts";
import type { Resource } from "../../resources/resource.ts";
import { compileModel } from "./compile-model.ts";
import type { PortProtocol } from "./mesh-model.ts";
import {
  findPort,
  listReasons,
  sampleGroup,
  sampleMesh,
  sampleService,
  sampleSlice,
  sampleSplit,
  sampleTarget,
  sampleTcpRoute,
} from "./sample-resources.ts";

const REVIEWS: readonly Resource[] = ["reviews", "reviews-v1", "reviews-v2"].map((name) => sampleService(name));

test("compileModel() gives a mesh without a Mesh resource the defaults", () => {
  assert.deepEqual(compileModel([], null).settings, {
    access: "strict",
    egress: "allow",
    certificateLifetimeMs: 86_400_000,
  });
});

test("compileModel() takes the settings of the Mesh resource", () => {
  const mesh = sampleMesh({ access: "permissive", egress: "deny", certificateLifetime: "20s" });
  assert.deepEqual(compileModel([mesh], null).settings, {
    access: "permissive",
    egress: "deny",
    certificateLifetimeMs: 20_000,
  });
});

test("compileModel() takes only ready endpoints, with identity and version", () => {
  const model = compileModel(
    [
      sampleService("reviews"),
      sampleSlice("r-1", "reviews", { port: 9001, version: "v1", serviceAccount: "reviews-a" }),
      sampleSlice("r-2", "reviews", { port: 9002, ready: false, serviceAccount: "reviews-b" }),
      sampleSlice("other", "reviews", { port: 9003, namespace: "elsewhere" }),
    ],
    null,
  );
  const port = findPort(model, "default/reviews", 80);
  assert.deepEqual(port.endpoints, [{ address: "127.0.0.1", port: 9001, version: "v1", workload: "r-1", zone: "" }]);
  // An instance that is not ready now may be in a moment: its identity is expected all the while.
  assert.deepEqual(port.serviceAccounts, ["reviews-a", "reviews-b"]);
});

test("compileModel() leaves out endpoints without an identity and says so", () => {
  const model = compileModel([sampleService("a"), sampleSlice("a-1", "a", { port: 9001, serviceAccount: null })], null);
  assert.deepEqual(findPort(model, "default/a", 80).endpoints, []);
  assert.deepEqual(listReasons(model), ["EndpointSlice default/a-1 Accepted IdentityMissing"]);
});

test("compileModel() reports a slice without a Service and one whose ports have other names", () => {
  const resources = [
    sampleService("a"),
    sampleSlice("a-1", "a", { port: 9001, portName: "http" }),
    sampleSlice("b-1", "b", { port: 9002 }),
  ];
  assert.deepEqual(listReasons(compileModel(resources, null)), [
    "EndpointSlice default/a-1 PortsMatch PortNotFound",
    "EndpointSlice default/b-1 ResolvedRefs ServiceNotFound",
  ]);
});

const protocols: readonly (readonly [port: Readonly<Record<string, unknown>>, protocol: PortProtocol | null])[] = [
  [{ port: 1 }, "detect"],
  [{ port: 1, name: "web" }, "detect"],
  [{ port: 5432 }, "tcp"],
  [{ port: 5432, name: "http-admin" }, "http"],
  [{ port: 5432, appProtocol: "detect" }, "detect"],
  [{ port: 1, name: "https" }, "tcp"],
  [{ port: 1, name: "redis-cache" }, "tcp"],
  [{ port: 1, appProtocol: "amqp" }, "tcp"],
  [{ port: 1, appProtocol: "example.com/custom" }, "detect"],
  [{ port: 1, appProtocol: "example.com/custom", name: "tcp" }, "tcp"],
  [{ port: 1, name: "http" }, "http"],
  [{ port: 1, name: "tcp" }, "tcp"],
  [{ port: 1, name: "tcp-redis" }, "tcp"],
  [{ port: 1, name: "tcpdump" }, "detect"],
  [{ port: 1, appProtocol: "tcp" }, "tcp"],
  [{ port: 1, appProtocol: "http", name: "tcp" }, "http"],
  [{ port: 1, appProtocol: "grpc" }, "http"],
  [{ port: 1, protocol: "UDP" }, null],
];
const appProtocols: readonly (readonly [port: Readonly<Record<string, unknown>>, protocol: AppProtocol])[] = [
  [{ port: 1 }, "detect"],
  [{ port: 1, name: "grpc" }, "grpc"],
  [{ port: 1, name: "grpc-orders" }, "grpc"],
  [{ port: 1, name: "grpc-web" }, "http"],
  [{ port: 1, name: "http2-orders" }, "http2"],
  [{ port: 1, name: "grpcs" }, "detect"],
  [{ port: 1, appProtocol: "grpc" }, "grpc"],
  [{ port: 1, appProtocol: "http2" }, "http2"],
  [{ port: 1, appProtocol: "h2c" }, "http2"],
  [{ port: 1, appProtocol: "kubernetes.io/h2c" }, "http2"],
  [{ port: 1, appProtocol: "kubernetes.io/ws" }, "http"],
  [{ port: 1, appProtocol: "example.com/custom" }, "detect"],
  [{ port: 1, appProtocol: "TCP" }, "tcp"],
  [{ port: 1, appProtocol: "http", name: "grpc" }, "http"],
];
for (const [written, protocol] of appProtocols) {
  test(`compileModel() sends an app behind port ${JSON.stringify(written)} ${protocol}`, () => {
    const name = typeof written["name"] === "string" ? written["name"] : "";
    const resources = [sampleService("a", { ports: [written] }), sampleSlice("w", "a", { port: 9001, portName: name })];
    assert.equal(compileModel(resources, null).workloads.get("default/w")?.ports[0]?.protocol, protocol);
  });
}

for (const [written, protocol] of protocols) {
  test(`compileModel() takes port ${JSON.stringify(written)} for ${protocol ?? "nothing it carries"}`, () => {
    const model = compileModel([sampleService("a", { ports: [written] })], null);
    assert.equal(model.services.get("default/a")?.ports[0]?.protocol ?? null, protocol);
  });
}

test("compileModel() knows which Service ports lead to a workload, ready or not", () => {
  const model = compileModel(
    [
      sampleService("a", {
        ports: [
          { port: 80, name: "web" },
          { port: 8080, name: "alt" },
        ],
      }),
      sampleService("b"),
      sampleSlice("a-1", "a", { port: 9001, portName: "web", workload: "w", ready: false }),
      sampleSlice("a-2", "a", { port: 9001, portName: "alt", workload: "w" }),
      sampleSlice("b-1", "b", { port: 9001, workload: "w" }),
      sampleSlice("b-2", "b", { port: 9002, workload: "other" }),
    ],
    null,
  );
  assert.deepEqual(model.workloads.get("default/w")?.ports, [
    { port: 9001, service: "a", servicePort: 80, protocol: "detect" },
    { port: 9001, service: "a", servicePort: 8080, protocol: "detect" },
    { port: 9001, service: "b", servicePort: 80, protocol: "http" },
  ]);
});

// ---- Identity and order

const GROUP = sampleGroup("g", [
  { name: "a", pathRegex: "/a" },
  { name: "b", pathRegex: "/b" },
]);

const EVERYTHING: readonly Resource[] = [
  ...REVIEWS,
  sampleService("db", { ports: [{ port: 5432, name: "tcp" }] }),
  sampleSlice("r-1", "reviews", { port: 9001, version: "v1" }),
  sampleSlice("r-2", "reviews", { port: 9002, version: "v2" }),
  sampleSlice("r-3", "reviews", { port: 9002, version: "v3", workload: "r-2", serviceAccount: "second" }),
  sampleSlice("d-1", "db", { port: 9003, portName: "tcp" }),
  GROUP,
  sampleTcpRoute("tcp", [5432, 80]),
  sampleSplit("s", "reviews", { weights: { "reviews-v1": 1, gone: 1 } }),
  sampleSplit("z", "reviews", { weights: { "reviews-v2": 1 } }),
  sampleSplit("m", "reviews", { weights: { "reviews-v2": 1 }, groups: ["g"] }),
  sampleTarget("t", "db", { sources: ["reviews", "b/c"], rules: ["TCPRoute/tcp", "HTTPRouteGroup/g"] }),
  sampleTarget("u", "db", { sources: ["reviews"], rules: ["HTTPRouteGroup/g/a"] }),
];

test("compileModel() gives equal models for the same resources in any order", () => {
  const expected = compileModel(EVERYTHING, null);
  fc.assert(
    fc.property(fc.shuffledSubarray([...EVERYTHING], { minLength: EVERYTHING.length }), (resources) => {
      const model = compileModel(resources, null);
      assert.deepEqual(model, expected);
      assert.deepEqual([...model.services.keys()], [...expected.services.keys()]);
      assert.deepEqual([...model.access.keys()], [...expected.access.keys()]);
    }),
    { numRuns: 50 },
  );
});

test("compileModel() returns the previous model when nothing changed", () => {
  const model = compileModel(EVERYTHING, null);
  assert.equal(compileModel(structuredClone([...EVERYTHING]), model), model);
});

test("compileModel() keeps every object that a new endpoint does not touch", () => {
  const before = compileModel(EVERYTHING, null);
  const after = compileModel([...EVERYTHING, sampleSlice("r-9", "reviews", { port: 9009 })], before);
  assert.notEqual(after.services.get("default/reviews"), before.services.get("default/reviews"));
  for (const key of ["default/db", "default/reviews-v1", "default/reviews-v2"]) {
    assert.equal(after.services.get(key), before.services.get(key));
  }
  assert.equal(findPort(after, "default/reviews", 80).splits, findPort(before, "default/reviews", 80).splits);
  assert.equal(after.access, before.access);
  assert.equal(after.conditions, before.conditions);
});
