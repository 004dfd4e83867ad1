import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { fieldNode, findMergeTree, itemNode, listMergeRules } from "./merge-keys.ts";
import { KINDS } from "./registry.ts";
import { validateResource } from "./validate.ts";

interface Repeated {
  readonly group: string;
  readonly kind: string;
  readonly path: string;
  readonly spec: unknown;
}

const HASH = "0".repeat(64);
const ROUTE = { targetRef: { kind: "Service", name: "a" } };
/** One for each list that is a map in a kind of weft or SMI: two entries with the same keys. */
const REPEATED: readonly Repeated[] = [
  {
    group: "",
    kind: "Service",
    path: "spec.ports",
    spec: {
      ports: [
        { name: "a", port: 80 },
        { name: "b", port: 80, protocol: "TCP" },
      ],
    },
  },
  {
    group: "specs.smi-spec.io",
    kind: "HTTPRouteGroup",
    path: "spec.matches",
    spec: { matches: [{ name: "a" }, { name: "a" }] },
  },
  {
    group: "split.smi-spec.io",
    kind: "TrafficSplit",
    path: "spec.backends",
    spec: {
      service: "a",
      backends: [
        { service: "b", weight: 1 },
        { service: "b", weight: 2 },
      ],
    },
  },
  {
    group: "weft.dev",
    kind: "TrafficPolicy",
    path: "spec.rateLimits",
    spec: {
      ...ROUTE,
      rateLimits: [
        { name: "a", requests: 1 },
        { name: "a", requests: 2 },
      ],
    },
  },
  {
    group: "weft.dev",
    kind: "TrafficPolicy",
    path: "spec.rateLimits[].overrides",
    spec: {
      ...ROUTE,
      rateLimits: [
        {
          name: "a",
          requests: 1,
          by: "caller",
          overrides: [
            { caller: "a/b", requests: 1 },
            { caller: "a/b", requests: 2 },
          ],
        },
      ],
    },
  },
  {
    group: "weft.dev",
    kind: "TrafficPolicy",
    path: "spec.faults",
    spec: {
      ...ROUTE,
      faults: [
        { name: "a", until: "2026-01-31T18:00:00Z", reset: true },
        { name: "a", until: "2026-01-31T18:00:00Z", delay: "1s" },
      ],
    },
  },
  {
    group: "weft.dev",
    kind: "User",
    path: "spec.tokens",
    spec: { role: "viewer", tokens: [{ sha256: HASH }, { sha256: HASH, notAfter: "2027-01-31T18:00:00Z" }] },
  },
  {
    group: "weft.dev",
    kind: "User",
    path: "spec.certificates",
    spec: { role: "viewer", certificates: [{ sha256: HASH }, { sha256: HASH }] },
  },
];

for (const { group, kind, path, spec } of REPEATED) {
  void test(`merge keys: ${kind} ${path} is a map, and no valid object has an entry twice`, () => {
    assert.equal(listMergeRules({ group, kind }).get(path)?.listType, "map");
    const definition = KINDS.find((known) => known.group === group && known.kind === kind);
    assert.ok(definition !== undefined);
    const apiVersion = group === "" ? definition.version : `${group}/${definition.version}`;
    const { problems } = validateResource({ apiVersion, kind, metadata: { name: "x" }, spec }, { file: "test" });
    assert.ok(
      problems.some((problem) => problem.expected.includes("no other entry has")),
      JSON.stringify(problems),
    );
  });
}

void test("merge keys: every list that is a map under spec has a document above", () => {
  for (const definition of KINDS) {
    for (const [path, rule] of listMergeRules(definition)) {
      if (rule.listType !== "map" || !path.startsWith("spec")) continue;
      assert.ok(
        REPEATED.some((known) => known.kind === definition.kind && known.path === path),
        `${definition.kind} ${path}`,
      );
    }
  }
});

void test("merge keys: every list that is merged by a patch says how, and every map has keys", () => {
  for (const definition of KINDS) {
    for (const [path, rule] of listMergeRules(definition)) {
      if (rule.listType === "map") assert.ok((rule.listMapKeys ?? []).length > 0, path);
      if (rule.patchStrategy === "merge" && rule.listType !== "set") assert.ok(rule.patchMergeKey !== undefined, path);
    }
  }
});

void test("findMergeTree() leads to the rules below lists, and has none where none is stated", () => {
  const spec = fieldNode(findMergeTree({ group: "weft.dev", kind: "TrafficPolicy" }), "spec");
  const overrides = fieldNode(itemNode(fieldNode(spec, "rateLimits")), "overrides");
  assert.deepEqual(overrides.rule.listMapKeys, ["caller"]);
  assert.deepEqual(fieldNode(spec, "constructor").rule, {});
  const unknown = fieldNode(findMergeTree({ group: "x", kind: "Y" }), "metadata");
  assert.equal(fieldNode(unknown, "finalizers").rule.listType, "set");
});

void test("merge keys: docs/patches.md lists every list that is a map or a set", () => {
  const text = readFileSync(join(findRoot(dirname(fileURLToPath(import.meta.url))), "docs", "patches.md"), "utf8");
  const listed = new Set(
    [...text.matchAll(/^\| (\w+) \| `([^`]+)` \| (.+) \|$/gm)].map(([, kind, path, keys]) => `${kind} ${path} ${keys}`),
  );
  const stated = new Set<string>();
  const everywhere = listMergeRules({ group: "", kind: "" });
  for (const definition of KINDS) {
    for (const [path, rule] of listMergeRules(definition)) {
      if (rule.listType === undefined) continue;
      const keys = rule.listType === "set" ? "value" : (rule.listMapKeys ?? []).map((key) => `\`${key}\``).join(", ");
      stated.add(`${everywhere.has(path) ? "every" : definition.kind} ${path} ${keys}`);
    }
  }
  assert.deepEqual([...listed].sort(), [...stated].sort());
});

/** Upwards, because compiled tests do not stand beside the sources. */
function findRoot(from: string): string {
  if (existsSync(join(from, "docs", "patches.md"))) return from;
  assert.notEqual(dirname(from), from, "docs/patches.md is somewhere above the tests");
  return findRoot(dirname(from));
}
