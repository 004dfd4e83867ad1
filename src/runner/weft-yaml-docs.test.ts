import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { formatProblem } from "../resources/problem.ts";
import { loadWeftYaml } from "./load-weft-yaml.ts";
import { parseWeftYaml } from "./parse-weft-yaml.ts";
import { weftYamlSchema } from "./weft-yaml-schema.ts";

/** The folder with package.json above this file, wherever the tests were compiled to. */
function findRoot(folder: string = import.meta.dirname): string {
  return existsSync(path.join(folder, "package.json")) ? folder : findRoot(path.dirname(folder));
}

const ROOT = findRoot();
const DOCS = readFileSync(path.join(ROOT, "docs", "weft-yaml.md"), "utf8");

test("docs/weft-yaml.md: every example is a weft.yaml without problems", () => {
  const examples = [...DOCS.matchAll(/^```yaml\n(.*?)^```$/gms)].map((match) => match[1] ?? "");
  assert.ok(examples.length >= 2);
  for (const example of examples) {
    assert.deepEqual(parseWeftYaml(example, "docs/weft-yaml.md").problems.map(formatProblem), []);
  }
});

test("docs/weft-yaml.md has a line for every key", () => {
  const parsed = weftYamlSchema.safeParse({
    mesh: "m",
    services: { a: { nonsense: 1 } },
    nonsense: 1,
    ingress: [{ nonsense: 1 }],
  });
  const fields = (parsed.error?.issues ?? []).flatMap((issue) => {
    const params = (issue as { params?: { knownFields?: readonly string[] } }).params;
    return params?.knownFields ?? [];
  });
  assert.ok(fields.includes("mesh") && fields.includes("replicas") && fields.includes("bind"), fields.join());
  for (const field of fields) assert.ok(DOCS.includes(`| \`${field}\` |`), field);
});

test("examples/shop/weft.yaml and its policies have neither errors nor warnings", () => {
  const { warnings } = loadWeftYaml(path.join(ROOT, "examples", "shop", "weft.yaml"), ROOT);
  assert.deepEqual(warnings.map(formatProblem), []);
});
