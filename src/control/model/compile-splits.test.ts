import assert from "node:assert/strict";
import { test } from "node:test";
import type { Resource } from "../../resources/resource.ts";
import { compileModel } from "./compile-model.ts";
import type { MeshModel, SplitModel } from "./mesh-model.ts";
import { findPort, listReasons, sampleGroup, sampleService, sampleSplit } from "./sample-resources.ts";

// Names such as S9 and A12 are those of the test list for SMI.

const REVIEWS: readonly Resource[] = ["reviews", "reviews-v1", "reviews-v2"].map((name) => sampleService(name));

test("S8 a backend without weight may be missing and takes no part", () => {
  const model = compileModel(
    [...REVIEWS, sampleSplit("s", "reviews", { weights: { "reviews-v1": 1, "reviews-v9": 0 } })],
    null,
  );
  assert.deepEqual(splitsOf(model), [["default/s", null, { "reviews-v1": 1 }]]);
  assert.deepEqual(model.conditions, []);
});

test("S9 a missing backend with weight is left out, with a condition", () => {
  const model = compileModel(
    [...REVIEWS, sampleSplit("s", "reviews", { weights: { "reviews-v1": 1, "reviews-v9": 3 } })],
    null,
  );
  assert.deepEqual(splitsOf(model), [["default/s", null, { "reviews-v1": 1 }]]);
  assert.deepEqual(listReasons(model), ["TrafficSplit default/s ResolvedRefs BackendNotFound"]);
});

test("S10 a backend without endpoints keeps its share", () => {
  const model = compileModel(
    [...REVIEWS, sampleSplit("s", "reviews", { weights: { "reviews-v1": 3, "reviews-v2": 1 } })],
    null,
  );
  assert.deepEqual(splitsOf(model), [["default/s", null, { "reviews-v1": 3, "reviews-v2": 1 }]]);
});

test("S11 a split whose weights are all zero has no backend, and is not passed over", () => {
  const model = compileModel([...REVIEWS, sampleSplit("s", "reviews", { weights: { "reviews-v1": 0 } })], null);
  assert.deepEqual(splitsOf(model), [["default/s", null, {}]]);
  assert.deepEqual(listReasons(model), ["TrafficSplit default/s Accepted NoUsableBackend"]);
});

test("S12 a backend takes part for the ports that it has", () => {
  const model = compileModel(
    [
      sampleService("root", {
        ports: [
          { port: 80, name: "a" },
          { port: 81, name: "b" },
        ],
      }),
      sampleService("one", {
        ports: [
          { port: 80, name: "x" },
          { port: 81, name: "y" },
        ],
      }),
      sampleService("two", { ports: [{ port: 81, targetPort: 9999 }] }),
      sampleSplit("s", "root", { weights: { one: 1, two: 1 } }),
    ],
    null,
  );
  assert.deepEqual(splitsOf(model, "default/root", 80), [["default/s", null, { one: 1 }]]);
  assert.deepEqual(splitsOf(model, "default/root", 81), [["default/s", null, { one: 1, two: 1 }]]);
  assert.deepEqual(listReasons(model), ["TrafficSplit default/s PortsMatch PortNotFound"]);
});

test("a backend that says another protocol on the port takes no part", () => {
  const model = compileModel(
    [
      sampleService("reviews"),
      sampleService("raw", { ports: [{ port: 80, appProtocol: "tcp" }] }),
      sampleSplit("s", "reviews", { weights: { raw: 1 } }),
    ],
    null,
  );
  assert.deepEqual(splitsOf(model), [["default/s", null, {}]]);
  assert.ok(listReasons(model).includes("TrafficSplit default/s PortsMatch ProtocolDiffers"));
});

const carried: readonly (readonly [root: string, backend: string, carries: boolean])[] = [
  ["http", "detect", true],
  ["tcp", "detect", true],
  ["detect", "detect", true],
  ["detect", "http", true],
  ["detect", "tcp", false],
  ["tcp", "http", false],
];
for (const [root, backend, carries] of carried) {
  test(`a root of ${root} ${carries ? "sends its share to" : "passes over"} a backend of ${backend}`, () => {
    const model = compileModel(
      [
        sampleService("root", { ports: [{ port: 80, appProtocol: root }] }),
        sampleService("backend", { ports: [{ port: 80, appProtocol: backend }] }),
        sampleSplit("s", "root", { weights: { backend: 1 } }),
      ],
      null,
    );
    assert.deepEqual(splitsOf(model, "default/root", 80), [["default/s", null, carries ? { backend: 1 } : {}]]);
  });
}

test("a root without a Service is detected only where all its backends are", () => {
  const model = compileModel(
    [
      sampleService("one", { ports: [80, 81, 82].map((port) => ({ port, name: `p-${port}`, appProtocol: "detect" })) }),
      sampleService("two", {
        ports: [
          { port: 81, name: "a", appProtocol: "tcp" },
          { port: 82, name: "b", appProtocol: "http" },
        ],
      }),
      sampleSplit("s", "root", { weights: { one: 1, two: 1 } }),
    ],
    null,
  );
  assert.deepEqual(
    model.services.get("default/root")?.ports.map(({ port, protocol }) => [port, protocol]),
    [
      [80, "detect"],
      [81, "tcp"],
      [82, "http"],
    ],
  );
});

test("S14 the root may be its own backend", () => {
  const model = compileModel(
    [...REVIEWS, sampleSplit("s", "reviews", { weights: { reviews: 1, "reviews-v2": 1 } })],
    null,
  );
  assert.deepEqual(splitsOf(model), [["default/s", null, { reviews: 1, "reviews-v2": 1 }]]);
  assert.deepEqual(model.conditions, []);
});

test("S15 splits of backends stay where they are, in a circle too", () => {
  const model = compileModel(
    [
      ...REVIEWS,
      sampleSplit("s", "reviews", { weights: { "reviews-v1": 1 } }),
      sampleSplit("back", "reviews-v1", { weights: { reviews: 1 } }),
    ],
    null,
  );
  assert.deepEqual(splitsOf(model), [["default/s", null, { "reviews-v1": 1 }]]);
  assert.deepEqual(splitsOf(model, "default/reviews-v1"), [["default/back", null, { reviews: 1 }]]);
});

test("S17 the matches of all groups of a split are alternatives", () => {
  const model = compileModel(
    [
      ...REVIEWS,
      sampleGroup("one", [{ name: "a", pathRegex: "/a" }]),
      sampleGroup("two", [{ name: "b", methods: ["POST", "GET"], headers: { "X-B": "b", "X-A": "a" } }]),
      sampleSplit("s", "reviews", { weights: { "reviews-v1": 1 }, groups: ["one", "two"] }),
    ],
    null,
  );
  assert.deepEqual(findPort(model, "default/reviews", 80).splits[0]?.matches, [
    { pathRegex: "/a", methods: null, headers: [] },
    {
      pathRegex: ".*",
      methods: ["GET", "POST"],
      headers: [
        ["x-a", "a"],
        ["x-b", "b"],
      ],
    },
  ]);
});

test("S18 a split whose groups are missing or empty has no effect, and never matches everything", () => {
  const model = compileModel(
    [
      ...REVIEWS,
      sampleGroup("empty", []),
      sampleSplit("gone", "reviews", { weights: { "reviews-v1": 1 }, groups: ["nowhere"] }),
      sampleSplit("empty", "reviews", { weights: { "reviews-v1": 1 }, groups: ["empty"] }),
    ],
    null,
  );
  assert.deepEqual(splitsOf(model), []);
  assert.deepEqual(listReasons(model), [
    "TrafficSplit default/empty ResolvedRefs NothingMatches",
    "TrafficSplit default/gone ResolvedRefs NothingMatches",
    "TrafficSplit default/gone ResolvedRefs RouteGroupNotFound",
  ]);
});

test("a split with one missing group of two goes by the other", () => {
  const model = compileModel(
    [
      ...REVIEWS,
      sampleGroup("one", [{ name: "a", pathRegex: "/a" }]),
      sampleSplit("s", "reviews", { weights: { "reviews-v1": 1 }, groups: ["gone", "one"] }),
    ],
    null,
  );
  assert.equal(findPort(model, "default/reviews", 80).splits[0]?.matches?.length, 1);
  assert.deepEqual(listReasons(model), ["TrafficSplit default/s ResolvedRefs RouteGroupNotFound"]);
});

test("S19 splits of one root are tried with matches first, then by age, then by name; a second unconditional one is refused", () => {
  const weights = { "reviews-v1": 1 };
  const resources = [
    ...REVIEWS,
    sampleGroup("g", [{ name: "a", pathRegex: "/a" }]),
    sampleSplit("young", "reviews", { weights, createdAt: "2026-02-01T00:00:00Z" }),
    sampleSplit("old", "reviews", { weights, createdAt: "2026-01-01T00:00:00Z" }),
    sampleSplit("b", "reviews", { weights, groups: ["g"], createdAt: "2026-03-01T00:00:00Z" }),
    sampleSplit("a", "reviews", { weights, groups: ["g"], createdAt: "2026-03-01T00:00:00Z" }),
    sampleSplit("c", "reviews", { weights, groups: ["g"], createdAt: "2026-01-01T00:00:00Z" }),
  ];
  const model = compileModel(resources, null);
  assert.deepEqual(
    splitsOf(model).map(([key]) => key),
    ["default/c", "default/a", "default/b", "default/old"],
  );
  assert.deepEqual(listReasons(model), ["TrafficSplit default/young Conflicted AnotherSplit"]);
  const without = resources.filter((resource) => resource.metadata.name !== "old");
  assert.deepEqual(splitsOf(compileModel(without, model)).at(-1), ["default/young", null, weights]);
});

test("S21 a root without a Service has the ports of its backends", () => {
  const model = compileModel(
    [
      sampleService("one", {
        ports: [
          { port: 80, name: "http-a" },
          { port: 5432, name: "tcp" },
        ],
      }),
      sampleSplit("s", "root", { weights: { one: 1 } }),
    ],
    null,
  );
  const root = model.services.get("default/root");
  assert.equal(root?.exists, false);
  assert.deepEqual(
    root?.ports.map(({ port, protocol }) => [port, protocol]),
    [
      [80, "http"],
      [5432, "tcp"],
    ],
  );
  assert.deepEqual(listReasons(model), ["TrafficSplit default/s ResolvedRefs RootNotFound"]);
});

for (const root of ["reviews.default", "reviews.default.svc", "reviews.default.svc.cluster.local"]) {
  test(`a split of "${root}" is one of the Service reviews`, () => {
    const model = compileModel([...REVIEWS, sampleSplit("s", root, { weights: { "reviews-v1": 1 } })], null);
    assert.deepEqual(splitsOf(model), [["default/s", null, { "reviews-v1": 1 }]]);
  });
}

test("S22 on an opaque port a split with matches has no effect", () => {
  const ports = [{ port: 5432, name: "tcp" }];
  const model = compileModel(
    [
      sampleService("db", { ports }),
      sampleService("db-b", { ports }),
      sampleGroup("g", [{ name: "a" }]),
      sampleSplit("some", "db", { weights: { "db-b": 1 }, groups: ["g"] }),
      sampleSplit("every", "db", { weights: { db: 9, "db-b": 1 } }),
    ],
    null,
  );
  assert.deepEqual(splitsOf(model, "default/db", 5432), [["default/every", null, { db: 9, "db-b": 1 }]]);
  assert.deepEqual(listReasons(model), ["TrafficSplit default/some Accepted MatchesNeedHttp"]);
});

type SplitSummary = readonly [key: string, matches: SplitModel["matches"], weights: Readonly<Record<string, number>>];

function splitsOf(model: MeshModel, key: string = "default/reviews", port: number = 80): SplitSummary[] {
  return findPort(model, key, port).splits.map((split) => [
    split.key,
    split.matches,
    Object.fromEntries(split.backends.map(({ service, weight }) => [service, weight])),
  ]);
}
