import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatProblem } from "./problem.ts";
import { parseYamlDocuments } from "./yaml-document.ts";

function problemsOf(text: string): string[] {
  return parseYamlDocuments(text, "f").problems.map(formatProblem);
}

const text = `# comment
mesh: shop
services:
  web:
    ports: [80, { name: http }]
    empty:
  "quoted.name": &a { x: 1 }
copy: *a
`;

describe("YamlDocument.locate()", () => {
  const [document] = parseYamlDocuments(text, "f").documents;
  assert.ok(document !== undefined);
  const rows: readonly (readonly [PropertyKey[], "key" | "value", string])[] = [
    [[], "value", "2:1"],
    [["mesh"], "key", "2:1"],
    [["mesh"], "value", "2:7"],
    [["services", "web", "ports"], "value", "5:12"],
    [["services", "web", "ports", 0], "value", "5:13"],
    [["services", "web", "ports", 1, "name"], "key", "5:19"],
    [["services", "web", "ports", 1, "name"], "value", "5:25"],
    // Nothing is written there: the key.
    [["services", "web", "empty"], "value", "6:5"],
    [["services", "quoted.name", "x"], "value", "7:26"],
    // Through an alias: where the value is written.
    [["copy"], "value", "8:7"],
    [["copy", "x"], "value", "7:26"],
    // Missing: what encloses it.
    [["services", "web", "command"], "value", "4:3"],
    [["services", "web", "ports", 7, "name"], "value", "5:5"],
    [["nothing"], "value", "2:1"],
  ];
  for (const [path, part, expected] of rows) {
    test(`finds the ${part} of ${JSON.stringify(path)} at ${expected}`, () => {
      const { line, column } = document.locate(path, part);
      assert.equal(`${line}:${column}`, expected);
    });
  }
});

test("parseYamlDocuments() counts lines over several documents, with carriage returns too", () => {
  const { documents } = parseYamlDocuments("a: 1\r\n---\r\n\r\nb:\r\n  c: 2\r\n", "f");
  assert.deepEqual(
    documents.map((document) => document.value),
    [{ a: 1 }, { b: { c: 2 } }],
  );
  assert.deepEqual(documents[1]?.locate(["b", "c"], "value"), { line: 5, column: 6 });
});

test("parseYamlDocuments() reads values as YAML 1.2 does", () => {
  const { documents } = parseYamlDocuments("{ a: yes, b: 0o17, c: 1_000, d: ~, e: 012, f: 2001-01-01, g: .5 }", "f");
  assert.deepEqual(documents[0]?.value, { a: "yes", b: 15, c: "1_000", d: null, e: 12, f: "2001-01-01", g: 0.5 });
});

test("parseYamlDocuments() skips empty documents and keeps an explicit null", () => {
  const { documents, problems } = parseYamlDocuments("---\n# nothing\n---\n---\nnull\n---\n", "f");
  assert.deepEqual(
    documents.map((document) => document.value),
    [null],
  );
  assert.deepEqual(problems, []);
});

describe("parseYamlDocuments() refuses", () => {
  const rows: readonly (readonly [string, string, RegExp])[] = [
    ["deep brackets", "[".repeat(20_000), /^f:1:66: error: found too many levels of nesting; expected at most 64$/],
    ["deep objects", "{a: ".repeat(10_000), /too many levels of nesting/],
    ["deep block lists", "- ".repeat(10_000), /too many levels of nesting/],
    ["deep complex keys", "? ".repeat(10_000), /too many levels of nesting/],
    ["a huge text", "#".repeat(5_000_000), /found 5000000 characters; expected at most 4194304/],
    ["a billion laughs", createLaughs(), /an anchor used too often; expected at most 100 uses/],
    ["an anchor inside itself", "a: &a [*a]", /an anchor used inside itself/],
    ["an alias without anchor", "a:\n  - *b", /^f:2:5: error: found \*b; expected an anchor set earlier/],
    ["a repeated key", "a: 1\nb: 2\na: 3", /^f:3:1: error: found a key that stands twice/],
    ["tags that make objects", "a: !!binary aGk=", /a tag that makes something else/],
    ["another YAML version", "%YAML 1.1\n---\na: yes", /found %YAML 1.1; expected YAML 1.2/],
    ["keys that are no strings", "1: a\n? [b]\n: c", /a key that is no string/],
  ];
  for (const [what, input, expected] of rows) {
    test(what, () => {
      const { documents, problems } = parseYamlDocuments(input, "f");
      assert.deepEqual(documents, []);
      assert.match(problems.map(formatProblem).join("\n"), expected);
    });
  }
});

test("parseYamlDocuments() does not count brackets inside texts as nesting", () => {
  const lines = Array.from({ length: 200 }, (_, index) => `k${index}: "[{[{"  # [[[`).join("\n");
  assert.deepEqual(problemsOf(lines), []);
});

test("parseYamlDocuments() reports at most ten syntax errors of a document", () => {
  const wrong = Array.from({ length: 50 }, (_, index) => `k${index}: !t${index} x`).join("\n");
  assert.equal(problemsOf(wrong).length, 10);
});

function createLaughs(): string {
  const lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i < 9; i += 1)
    lines.push(`l${i}: &l${i} [${Array.from({ length: 9 }, () => `*l${i - 1}`).join(", ")}]`);
  return lines.join("\n");
}
