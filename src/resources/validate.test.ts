import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatProblem } from "./problem.ts";
import { formatApiVersion, KINDS } from "./registry.ts";
import { validateResource } from "./validate.ts";

const split = {
  apiVersion: "split.smi-spec.io/v1alpha4",
  kind: "TrafficSplit",
  metadata: { name: "a" },
  spec: { service: "a", backends: [{ service: "b", weight: 1 }] },
  status: { seen: { deep: true } },
};

test("validateResource() gives problems without a position when there is none", () => {
  const { resource, problems } = validateResource(
    { ...split, spec: { ...split.spec, backends: [] } },
    { file: "request" },
  );
  assert.equal(resource, null);
  assert.deepEqual(problems.map(formatProblem), [
    "request: error: spec.backends: found an empty list; expected at least one backend",
  ]);
});

test("validateResource() neither changes nor freezes its input", () => {
  const input = structuredClone(split);
  const { resource } = validateResource(input, { file: "request" });
  assert.deepEqual(input, split);
  assert.ok(!Object.isFrozen(input.status.seen));
  assert.ok(Object.isFrozen((resource?.status as typeof split.status | undefined)?.seen));
});

test("validateResource() takes an empty namespace for none", () => {
  const { resource } = validateResource({ ...split, metadata: { name: "a", namespace: "" } }, { file: "request" });
  assert.equal(resource?.metadata.namespace, "default");
});

test("validateResource() limits annotations as Kubernetes does", () => {
  const annotations = { note: "x".repeat(256 * 1024) };
  const { problems } = validateResource({ ...split, metadata: { name: "a", annotations } }, { file: "request" });
  assert.deepEqual(problems.map(formatProblem), [
    "request: error: metadata.annotations: found an object; expected at most 262144 bytes of annotations",
  ]);
});

test("validateResource() limits regular expressions", () => {
  const matches = [{ name: "long", pathRegex: "a".repeat(1025), headers: { x: "a".repeat(1024) } }];
  const group = {
    apiVersion: "specs.smi-spec.io/v1alpha4",
    kind: "HTTPRouteGroup",
    metadata: { name: "a" },
    spec: { matches },
  };
  const { problems } = validateResource(group, { file: "request" });
  assert.deepEqual(
    problems.map((problem) => [problem.path, problem.expected]),
    [["spec.matches[0].pathRegex", "a regular expression of at most 1024 characters"]],
  );
});

test("validateResource() shows at most some of a long value", () => {
  const { problems } = validateResource({ ...split, metadata: { name: "X".repeat(10_000) } }, { file: "request" });
  assert.ok(formatProblem(problems[0] ?? assert.fail("one problem")).length < 300);
});

test("validateResource() refuses every field it does not know, in every kind", () => {
  for (const { group, version, kind } of KINDS) {
    const input = {
      apiVersion: formatApiVersion(group, version),
      kind,
      metadata: { name: "mesh", extra: 1 },
      extra: 2,
    };
    const { problems } = validateResource(input, { file: "request" });
    const unknown = problems
      .filter((problem) => problem.found === 'unknown field "extra"')
      .map((problem) => problem.path);
    assert.deepEqual(unknown.sort(), ["", "metadata"], kind);
  }
});

test("validateResource() answers any JSON with a resource or with errors, and never throws", () => {
  const apiVersions = KINDS.map((kind) => formatApiVersion(kind.group, kind.version));
  const field = fc.constantFrom(
    "spec",
    "matches",
    "backends",
    "ports",
    "service",
    "weight",
    "headers",
    "rules",
    "sources",
    "name",
  );
  const tree = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 6, withCrossShrink: true },
      fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.boolean(), fc.constantFrom("a", "*", "(", "__proto__")),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.oneof(field, fc.string()), tie("value"), { maxKeys: 5 }),
    ),
  })).value;
  const resource = fc.record({
    apiVersion: fc.constantFrom(...apiVersions),
    kind: fc.constantFrom(...KINDS.map((kind) => kind.kind)),
    metadata: fc.oneof(fc.constant({ name: "mesh" }), tree),
    spec: tree,
  });
  fc.assert(
    fc.property(fc.oneof(resource, tree), (input) => {
      const { resource: valid, problems } = validateResource(input, { file: "request" });
      assert.equal(
        valid === null,
        problems.some((problem) => problem.severity === "error"),
      );
      for (const problem of problems) assert.ok(problem.found !== "" && problem.expected !== "");
    }),
    { seed: 1, numRuns: 2000 },
  );
});
