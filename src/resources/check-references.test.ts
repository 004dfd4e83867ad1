import assert from "node:assert/strict";
import { test } from "node:test";
import { checkReferences } from "./check-references.ts";
import { parseResourceFile } from "./parse-file.ts";
import { formatProblem } from "./problem.ts";

const split = parseResourceFile(
  `
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: a }
spec: { service: web, backends: [{ service: web, weight: 1 }] }
`,
  "split.yaml",
).resources;

const services = parseResourceFile(
  `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: other }
spec: { ports: [{ port: 80 }] }
`,
  "services.yaml",
).resources;

test("checkReferences() finds names among the existing resources", () => {
  assert.deepEqual(checkReferences(split, services), []);
});

test("checkReferences() looks in the resource's own namespace only", () => {
  const problems = checkReferences(split, services.slice(1));
  assert.deepEqual(
    problems.map((problem) => [problem.severity, problem.path]),
    [
      ["warning", "spec.service"],
      ["warning", "spec.backends[0].service"],
    ],
  );
});

test("checkReferences() names the resource when it does not know the file", () => {
  const [problem] = checkReferences(split, []);
  assert.ok(problem !== undefined);
  assert.equal(
    formatProblem(problem),
    'TrafficSplit/a: warning: spec.service: found unknown name "web"; expected a Service of namespace "default"',
  );
});

test("checkReferences() takes a new version of a resource for the existing one", () => {
  assert.deepEqual(checkReferences(split, [...services, ...split]), []);
});

test("checkReferences() takes the full name of a Service for the Service", () => {
  const [written] = parseResourceFile(
    `
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: full }
spec: { service: web.default.svc.cluster.local, backends: [{ service: web, weight: 1 }] }
`,
    "full.yaml",
  ).resources;
  assert.ok(written !== undefined);
  assert.deepEqual(checkReferences([written], services), []);
  assert.deepEqual(
    checkReferences([written, ...split], services).map((problem) => problem.found),
    ['another split of "web.default.svc.cluster.local", "a"', 'another split of "web", "full"'],
  );
});
