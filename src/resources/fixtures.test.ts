import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { checkReferences } from "./check-references.ts";
import { parseResourceFile } from "./parse-file.ts";
import { formatProblem } from "./problem.ts";
import { validateResource } from "./validate.ts";

/**
 * Each `<name>.yaml` (or .json) of test/fixtures/resources stands beside `<name>.expected.json`: the resources with
 * their defaults, and every problem as it is printed, dangling names last. A new pair is a new test.
 */
interface Expected {
  readonly resources: readonly unknown[];
  readonly problems: readonly string[];
}

const EXPECTED = ".expected.json";
const folder = findFixtures(dirname(fileURLToPath(import.meta.url)));

/** Upwards, because compiled tests do not stand beside the sources. */
function findFixtures(from: string): string {
  const candidate = join(from, "test", "fixtures", "resources");
  if (existsSync(candidate)) return candidate;
  assert.notEqual(dirname(from), from, "test/fixtures/resources is somewhere above the tests");
  return findFixtures(dirname(from));
}

const files = readdirSync(folder).filter((file) => !file.endsWith(EXPECTED));

test("every fixture has its expectation, and every expectation its fixture", () => {
  const names = files.map((file) => file.replace(/\.(yaml|json)$/, ""));
  const expected = readdirSync(folder).filter((file) => file.endsWith(EXPECTED));
  assert.ok(names.length > 15);
  assert.deepEqual(expected.map((file) => file.slice(0, -EXPECTED.length)).sort(), names.sort());
});

describe("parseResourceFile()", () => {
  for (const file of files) {
    test(`reads ${file} as its expectation says`, () => {
      const text = readFileSync(join(folder, file), "utf8");
      const expected = JSON.parse(
        readFileSync(join(folder, file.replace(/\.(yaml|json)$/, EXPECTED)), "utf8"),
      ) as Expected;
      const { resources, sources, problems } = parseResourceFile(text, file);
      const dangling = checkReferences(resources, [], { sources });
      assert.deepEqual([...problems, ...dangling].map(formatProblem), expected.problems);
      assert.deepEqual(resources, expected.resources);
      for (const resource of resources) {
        assert.ok(Object.isFrozen(resource) && Object.isFrozen(resource.metadata));
        const again = validateResource(resource, { file });
        assert.deepEqual(again, { resource, problems: [] }, "a stored resource is valid and stays as it is");
      }
    });
  }
});
