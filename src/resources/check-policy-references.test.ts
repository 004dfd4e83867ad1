import assert from "node:assert/strict";
import { test } from "node:test";
import { checkReferences } from "./check-references.ts";
import type { KnownResource } from "./known-resource.ts";
import { parseResourceFile } from "./parse-file.ts";
import { formatProblem } from "./problem.ts";

const NOW_MS = 1_767_225_600_000; // 2026-01-01T00:00:00Z

const KNOWN = parse(`
apiVersion: v1
kind: Service
metadata: { name: reviews }
spec: { ports: [{ name: web, port: 80 }, { name: dns, port: 53, protocol: UDP }] }
---
apiVersion: v1
kind: Service
metadata: { name: shadow }
spec: { ports: [{ port: 80 }] }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: web }
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: { name: reads }
spec: { matches: [{ name: get }, { name: list }] }
`);

function parse(text: string): readonly KnownResource[] {
  const { resources, problems } = parseResourceFile(text, "test.yaml");
  assert.deepEqual(problems, []);
  return resources;
}

/** What is said of a policy with this, without file and position. */
function warnings(spec: string, wallMs: number | null = null): readonly string[] {
  const policy = parse(`
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: { name: p }
spec: ${spec}
`);
  const found = checkReferences(policy, KNOWN, wallMs === null ? {} : { wallMs });
  assert.ok(found.every((problem) => problem.severity === "warning"));
  return found.map((problem) => formatProblem(problem).replace(/^.*? warning: /, ""));
}

const REVIEWS = "targetRef: { kind: Service, name: reviews }";

test("checkReferences() says nothing of a policy whose names are all known", () => {
  const spec = `{ targetRef: { kind: Service, name: reviews, port: 80 },
    matches: [{ kind: HTTPRouteGroup, name: reads, matches: [get] }],
    mirrors: [{ service: shadow, port: 80 }],
    rateLimits: [{ name: a, requests: 1, by: caller, overrides: [{ caller: default/web, requests: 1 }] }] }`;
  assert.deepEqual(warnings(spec, NOW_MS), []);
});

const UNKNOWN: readonly (readonly [spec: string, warning: string])[] = [
  [
    "{ targetRef: { kind: Service, name: review }, retries: {} }",
    'spec.targetRef.name: found unknown name "review"; expected a Service of namespace "default" (the policy has no effect)',
  ],
  [
    "{ targetRef: { kind: Service, name: reviews, port: 81 }, retries: {} }",
    "spec.targetRef.port: found 81; expected a TCP port of reviews: 80 (the policy has no effect)",
  ],
  [
    "{ targetRef: { kind: Service, name: reviews, port: 53 }, retries: {} }",
    "spec.targetRef.port: found 53; expected a TCP port of reviews: 80 (the policy has no effect)",
  ],
  [
    `{ ${REVIEWS}, matches: [{ kind: HTTPRouteGroup, name: writes }], retries: {} }`,
    'spec.matches[0].name: found unknown name "writes"; expected an HTTPRouteGroup of namespace "default" (no request fits it)',
  ],
  [
    `{ ${REVIEWS}, matches: [{ kind: HTTPRouteGroup, name: reads, matches: [get, put] }], retries: {} }`,
    'spec.matches[0].matches[1]: found unknown name "put"; expected a match of reads: get, list',
  ],
  [
    `{ ${REVIEWS}, mirrors: [{ service: shadow }, { service: dark }] }`,
    'spec.mirrors[1].service: found unknown name "dark"; expected a Service of namespace "default" (nothing is mirrored to it)',
  ],
  [
    `{ ${REVIEWS}, mirrors: [{ service: shadow, port: 8080 }] }`,
    "spec.mirrors[0].port: found 8080; expected a TCP port of shadow: 80 (nothing is mirrored to it)",
  ],
  [
    `{ ${REVIEWS}, rateLimits: [{ name: a, requests: 1, by: caller, overrides: [{ caller: shop/web, requests: 1 }] }] }`,
    'spec.rateLimits[0].overrides[0].caller: found unknown name "shop/web"; expected a ServiceAccount of namespace "shop" (the amount is nobody\'s)',
  ],
];
for (const [spec, warning] of UNKNOWN) {
  test(`checkReferences() warns: ${warning}`, () => {
    assert.deepEqual(warnings(spec), [warning]);
  });
}

test("checkReferences() warns of faults that are over and of faults that go on for long, when it knows the time", () => {
  const spec = (until: string): string =>
    `{ ${REVIEWS}, faults: [{ name: a, until: '${until}', percentage: 50, reset: true }] }`;
  const over =
    "spec.faults[0].until: found 2026-01-01T00:00:00Z, which has passed; expected a time to come, or no such fault: it does nothing";
  assert.deepEqual(warnings(spec("2026-01-01T00:00:00Z"), NOW_MS), [over]);
  assert.deepEqual(warnings(spec("2026-01-01T00:00:01Z"), NOW_MS), []);
  assert.deepEqual(warnings(spec("2026-01-08T00:00:00Z"), NOW_MS), []);
  assert.deepEqual(warnings(spec("2026-01-08T00:00:01+00:00"), NOW_MS), [
    "spec.faults[0].until: found 2026-01-08T00:00:01+00:00; expected a time within 7 days: a fault that lasts longer is forgotten",
  ]);
  assert.deepEqual(warnings(spec("2020-01-01T00:00:00Z")), []);
});
