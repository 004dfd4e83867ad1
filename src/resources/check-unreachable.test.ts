import assert from "node:assert/strict";
import { test } from "node:test";
import { parseWallTime } from "../time/wall-time.ts";
import { checkReferences } from "./check-references.ts";
import { parseResourceFile } from "./parse-file.ts";
import { formatProblem } from "./problem.ts";

const NOW_MS = parseWallTime("2026-01-01T00:00:00Z");

const SERVICES = ["web", "web-v1", "web-v2"]
  .map((name) => `apiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec: { ports: [{ port: 80 }] }`)
  .join("\n---\n");

/** Of what is written, beside what exists; all Services `web…` do. */
function warnings(written: string, existing = ""): readonly string[] {
  const read = parseResourceFile(written, "written.yaml");
  const known = parseResourceFile(`${SERVICES}\n---\n${existing}`, "existing.yaml");
  assert.deepEqual([...read.problems, ...known.problems], []);
  const options = { wallMs: NOW_MS, knowsEndpoints: true, knowsTargets: true };
  return checkReferences(read.resources, known.resources, options).map((problem) =>
    formatProblem(problem).replace(/^.*? warning: /, ""),
  );
}

function slice(service: string, endpoints: string): string {
  return `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${service}-1, labels: { kubernetes.io/service-name: ${service} } }
addressType: IPv4
endpoints: ${endpoints}
ports: [{ port: 8080 }]
---`;
}

function split(name: string, rest: string, created = ""): string {
  const born = created === "" ? "" : `, creationTimestamp: "${created}"`;
  return `
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: ${name}${born} }
spec: { service: web, backends: [{ service: web-v1, weight: 1 }, { service: web-v2, weight: 0 }], ${rest} }
---`;
}

function group(name: string, matches: string): string {
  return `
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: { name: ${name} }
spec: { matches: ${matches} }
---`;
}

test("checkReferences() warns of a split to a Service without endpoints, unless its weight is 0", () => {
  const noEndpoints =
    'spec.backends[0].service: found "web-v1", which has no endpoints; expected a Service with endpoints: until it has some, its share of the requests is answered with 503';
  assert.deepEqual(warnings(split("a", "")), [noEndpoints]);
  assert.deepEqual(warnings(split("a", ""), slice("web-v1", "[]")), [noEndpoints]);
  assert.deepEqual(warnings(split("a", ""), slice("web-v1", "[{ addresses: [127.0.0.1] }]")), []);
});

test("checkReferences() says nothing of endpoints when it does not know them", () => {
  const { resources } = parseResourceFile(`${SERVICES}\n---${split("a", "")}`, "a.yaml");
  assert.deepEqual(checkReferences(resources, []), []);
});

test("checkReferences() warns of a split that an older one leaves nothing for", () => {
  const groups =
    group("reads", "[{ name: get, pathRegex: /a, methods: [GET], headers: { x: y } }]") +
    group("all-of-a", "[{ name: any, pathRegex: /a }]") +
    group("writes", "[{ name: put, pathRegex: /a, methods: [PUT] }]");
  const up = slice("web-v1", "[{ addresses: [127.0.0.1] }]");
  const newer = split("b", "matches: [{ kind: HTTPRouteGroup, name: reads }]");
  const older = (name: string): string =>
    split("old", `matches: [{ kind: HTTPRouteGroup, name: ${name} }]`, "2025-01-01T00:00:00Z");
  const expected =
    'spec.matches: found only requests that TrafficSplit "old" takes first; expected others, too: this split never decides (the oldest split that fits does)';
  assert.deepEqual(warnings(newer, groups + up + older("all-of-a")), [expected]);
  assert.deepEqual(warnings(newer, groups + up + older("reads")), [expected]);
  assert.deepEqual(warnings(newer, groups + up + older("writes")), []);
  // The older of the two, applied again from a file that does not know its age.
  const again = split("old", "matches: [{ kind: HTTPRouteGroup, name: all-of-a }]");
  const other = split("a", "matches: [{ kind: HTTPRouteGroup, name: all-of-a }]", "2025-06-01T00:00:00Z");
  assert.deepEqual(warnings(again, groups + up + other + older("all-of-a")), []);
});

test("checkReferences() warns of a policy that an older one leaves nothing for", () => {
  const policy = (name: string, port: string, created: string): string => `
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: { name: ${name}${created} }
spec: { targetRef: { kind: Service, name: web${port} }, matches: [{ kind: HTTPRouteGroup, name: all }], retries: {} }
---`;
  const all = group("all", "[{ name: any }]");
  const old = ', creationTimestamp: "2025-01-01T00:00:00Z"';
  const expected =
    'spec.matches: found only requests that TrafficPolicy "old" takes first; expected others, too: this policy has no effect (the oldest one that fits has)';
  assert.deepEqual(warnings(policy("new", ", port: 80", ""), all + policy("old", "", old)), [expected]);
  assert.deepEqual(warnings(policy("new", "", ""), all + policy("old", ", port: 80", old)), []);
});

const PATHS: readonly (readonly [pathRegex: string, expected: string | null])[] = [
  ["api/.*", "a path that begins with /, as all do"],
  ["^api", "a path that begins with /, as all do"],
  ["api/[0-9]+", "a path that begins with /, as all do"],
  ["/search\\\\?q=.*", "a path alone: what stands behind ? or # is no part of it"],
  ["a*/x", null],
  ["a|/b", null],
  [".*", null],
  ["/api", null],
  ["(?i)api", null],
];
for (const [pathRegex, expected] of PATHS) {
  test(`checkReferences() ${expected === null ? "takes" : "warns of"} the path ${pathRegex}`, () => {
    const found = warnings(group("g", `[{ name: a, pathRegex: "${pathRegex}" }]`));
    const shown = JSON.stringify(pathRegex.replaceAll("\\\\", "\\"));
    const warning = `spec.matches[0].pathRegex: found ${shown}; expected ${expected ?? ""} (no request fits it)`;
    assert.deepEqual(found, expected === null ? [] : [warning]);
  });
}

test("checkReferences() warns of a target that allows nothing", () => {
  const target = (rules: string): string => `
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: t }
spec:
  destination: { kind: ServiceAccount, name: web }
  rules: ${rules}
  sources: [{ kind: ServiceAccount, name: web }]
---`;
  const known =
    group("impossible", '[{ name: a, pathRegex: "api" }]') +
    group("good", "[{ name: a }]") +
    "\napiVersion: v1\nkind: ServiceAccount\nmetadata: { name: web }\n";
  const expected = "spec.rules: found no rule that any request fits; expected one at least: nobody is allowed";
  const impossible = "{ kind: HTTPRouteGroup, name: impossible }";
  assert.deepEqual(warnings(target(`[${impossible}]`), known), [expected]);
  assert.deepEqual(warnings(target(`[${impossible}, { kind: HTTPRouteGroup, name: good }]`), known), []);
});

test("checkReferences() warns of strict access without a TrafficTarget", () => {
  const mesh = (access: string): string =>
    `apiVersion: weft.dev/v1alpha1\nkind: Mesh\nmetadata: { name: mesh }\nspec: { access: ${access} }`;
  assert.deepEqual(warnings(mesh("strict")), [
    "spec.access: found strict, and no TrafficTarget in the mesh; expected a TrafficTarget at least: until there is one, every request between services is denied",
  ]);
  assert.deepEqual(warnings(mesh("permissive")), []);
});

test("checkReferences() warns of a fault that fails every request now", () => {
  const policy = (fault: string): string => `
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: { name: p }
spec: { targetRef: { kind: Service, name: web }, faults: [{ name: f, ${fault} }] }`;
  const soon = "until: 2026-01-02T00:00:00Z";
  const expected =
    "spec.faults[0]: found a failure of all requests; expected a percentage below 100, or matches: the Service answers nobody";
  assert.deepEqual(warnings(policy(`${soon}, reset: true`)), [expected]);
  assert.deepEqual(warnings(policy(`${soon}, abort: { httpStatus: 503 }, percentage: 100`)), [expected]);
  assert.deepEqual(warnings(policy(`${soon}, reset: true, percentage: 99`)), []);
  assert.deepEqual(warnings(policy(`${soon}, delay: 1s`)), []);
});
