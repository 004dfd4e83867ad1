import assert from "node:assert/strict";
import { test } from "node:test";
import { explainPolicies } from "./explain-policies.ts";
import { sampleGroup, samplePolicy, sampleService } from "./sample-resources.ts";

const OLD = { createdAt: "2026-01-01T00:00:00Z" };
const YOUNG = { createdAt: "2026-02-01T00:00:00Z" };
const RESOURCES = [
  sampleService("reviews", {
    ports: [
      { name: "http", port: 80 },
      { name: "tcp-raw", port: 9000 },
    ],
  }),
  sampleGroup("reads", [{ name: "get", methods: ["GET"] }]),
  samplePolicy("old", { timeouts: { request: "1s" }, limits: { connections: 5, requests: 6 } }, OLD),
  samplePolicy("young", { timeouts: { request: "2s" }, retries: {} }, YOUNG),
  samplePolicy("reads", { matches: [{ kind: "HTTPRouteGroup", name: "reads" }], cache: {} }, YOUNG),
  samplePolicy("nowhere", { matches: [{ kind: "HTTPRouteGroup", name: "nowhere" }], cache: {} }, YOUNG),
  samplePolicy("lost", { retries: {} }, { createdAt: "2026-03-01T00:00:00Z" }),
  samplePolicy("other", { targetRef: { kind: "Service", name: "other" }, retries: {} }, OLD),
];

test("explainPolicies() says of each port which policy says what", () => {
  const expected = [
    { policy: "default/reads", port: 80, isNarrow: true, sections: ["cache"] },
    { policy: "default/old", port: 80, isNarrow: false, sections: ["limits", "timeouts"] },
    { policy: "default/young", port: 80, isNarrow: false, sections: ["retries"] },
    { policy: "default/old", port: 9000, isNarrow: false, sections: ["limits"] },
  ];
  assert.deepEqual(explainPolicies(RESOURCES, "default/reviews"), expected);
  assert.deepEqual(explainPolicies(RESOURCES.toReversed(), "default/reviews"), expected);
});

test("explainPolicies() says nothing of a Service that is not there, or has no policies", () => {
  assert.deepEqual(explainPolicies(RESOURCES, "default/other"), []);
  assert.deepEqual(explainPolicies([sampleService("other"), ...RESOURCES.slice(0, 1)], "default/other"), []);
});
