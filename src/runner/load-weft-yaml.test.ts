import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { formatProblem } from "../resources/problem.ts";
import { globPaths } from "./glob-paths.ts";
import { InvalidWeftYamlError, loadWeftYaml } from "./load-weft-yaml.ts";
import { MANAGED_BY_LABEL } from "./weft-yaml-resources.ts";

const root = mkdtempSync(join(tmpdir(), "weft-yaml-"));
after(() => rmSync(root, { recursive: true }));

let folders = 0;

function createFolder(files: Readonly<Record<string, string>>): string {
  folders += 1;
  const folder = join(root, String(folders));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

const SPLIT = `apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: reviews }
spec: { service: reviews, backends: [{ service: reviews-v1, weight: 1 }] }
`;

test("loadWeftYaml() loads the resource files that weft.yaml names, marked as weft's", () => {
  const folder = createFolder({
    "weft.yaml": "mesh: m\nservices: { reviews: { versions: { v1: { command: x } } } }\nresources: [policies/*.yaml]\n",
    "policies/split.yaml": SPLIT,
    "policies/notes.txt": "not a resource",
  });
  const loaded = loadWeftYaml(join(folder, "weft.yaml"), folder);
  const split = loaded.resources.find((resource) => resource.kind === "TrafficSplit");
  assert.equal(split?.metadata.labels?.[MANAGED_BY_LABEL], "weft");
  assert.deepEqual(loaded.warnings, []);
  assert.equal(loaded.folder, folder);
});

test("loadWeftYaml() reports the errors of all files together", () => {
  const folder = createFolder({
    "weft.yaml": "mesh: m\nservices: { a: { command: x } }\nresources: [one.yaml, two.yaml, three.yaml]\n",
    "one.yaml": SPLIT.replace("weight: 1", "weight: -1"),
    "two.yaml": SPLIT.replace("kind: TrafficSplit", "kind: TrafficSpilt"),
  });
  assert.throws(
    () => loadWeftYaml(join(folder, "weft.yaml"), folder),
    (error) => {
      assert.ok(error instanceof InvalidWeftYamlError);
      const lines = error.problems.map(formatProblem);
      assert.equal(lines.length, 3);
      assert.match(
        lines[0] ?? "",
        /^weft\.yaml:3:33: error: resources\[2\]: found no file for "three.yaml"; expected a file below/,
      );
      assert.match(lines[1] ?? "", /^one\.yaml:4:\d+: error: spec\.backends\[0\]\.weight: found -1;/);
      assert.match(lines[2] ?? "", /^two\.yaml:2:\d+: error: kind: found "TrafficSpilt";/);
      return true;
    },
  );
});

test("loadWeftYaml() refuses a resource that weft.yaml stands for already, and one that stands in two files", () => {
  const service = "apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec: { ports: [{ port: 80 }] }\n";
  const folder = createFolder({
    "weft.yaml": "mesh: m\nservices: { a: { command: x } }\nresources: [p/*]\n",
    "p/one.yaml": SPLIT,
    "p/two.yaml": `${SPLIT}---\n${service}`,
  });
  assert.throws(
    () => loadWeftYaml(join(folder, "weft.yaml"), folder),
    (error) => {
      assert.ok(error instanceof InvalidWeftYamlError);
      assert.deepEqual(error.problems.map(formatProblem), [
        'p/two.yaml:3:19: error: metadata.name: found a second TrafficSplit "reviews"; expected each resource once (another is in p/one.yaml)',
        'p/two.yaml:8:19: error: metadata.name: found a second Service "a"; expected a name that weft.yaml does not use itself',
      ]);
      return true;
    },
  );
});

test("loadWeftYaml() warns of a glob without files and of dangling names", () => {
  const folder = createFolder({
    "weft.yaml": "mesh: m\nservices: { a: { command: x } }\nresources: [none/*.yaml, split.yaml]\n",
    "split.yaml": SPLIT,
  });
  const lines = loadWeftYaml(join(folder, "weft.yaml"), folder).warnings.map(formatProblem);
  assert.match(
    lines[0] ?? "",
    /^weft\.yaml:3:13: warning: resources\[0\]: found no file for "none\/\*\.yaml"; expected at least one/,
  );
  assert.ok(lines.slice(1).every((line) => line.startsWith("split.yaml:4:") && line.includes("unknown name")));
  assert.equal(lines.length, 3);
});

test("loadWeftYaml() warns of a fault that has ended, when it is told the time", () => {
  const folder = createFolder({
    "weft.yaml": "mesh: m\nservices: { a: { command: x } }\nresources: [fault.yaml]\n",
    "fault.yaml": `apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: { name: fault }
spec:
  targetRef: { kind: Service, name: a }
  faults: [{ name: late, until: "2026-01-01T00:00:00Z", delay: 1s }]
`,
  });
  const warn = (wallMs?: number): readonly string[] =>
    loadWeftYaml(join(folder, "weft.yaml"), folder, wallMs).warnings.map(formatProblem);
  assert.deepEqual(warn(), []);
  const [line = "", ...others] = warn(1_770_000_000_000);
  assert.match(
    line,
    /^fault\.yaml:6:\d+: warning: spec\.faults\[0\]\.until: found 2026-01-01T00:00:00Z, which has passed/,
  );
  assert.deepEqual(others, []);
});

test("loadWeftYaml() says which file it could not read", () => {
  assert.throws(() => loadWeftYaml(join(root, "absent", "weft.yaml"), root), {
    code: "WEFT_YAML_MISSING",
    message: 'Cannot read "absent/weft.yaml": found ENOENT; expected a file this user can read',
  });
});

test("globPaths() matches names, folders and single characters, sorted and without hidden files", () => {
  const folder = createFolder({
    "a.yaml": "",
    "b1.yaml": "",
    ".hidden.yaml": "",
    "p/c.yaml": "",
    "p/q/d.yaml": "",
    "p/q/e.txt": "",
  });
  assert.deepEqual(globPaths(folder, "*.yaml"), ["a.yaml", "b1.yaml"]);
  assert.deepEqual(globPaths(folder, "b?.yaml"), ["b1.yaml"]);
  assert.deepEqual(globPaths(folder, "**/*.yaml"), ["a.yaml", "b1.yaml", "p/c.yaml", "p/q/d.yaml"]);
  assert.deepEqual(globPaths(folder, "p/**"), ["p/c.yaml", "p/q/d.yaml", "p/q/e.txt"]);
  assert.deepEqual(globPaths(folder, "p/*/*.yaml"), ["p/q/d.yaml"]);
  assert.deepEqual(globPaths(folder, "./p/c.yaml"), ["./p/c.yaml"]);
  assert.deepEqual(globPaths(folder, "absent.yaml"), []);
  assert.deepEqual(globPaths(folder, join(folder, "p/*.yaml")), [join(folder, "p/c.yaml")]);
});
