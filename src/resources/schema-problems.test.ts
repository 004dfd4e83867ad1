import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { formatProblem } from "./problem.ts";
import { checkSchema, describeFound, formatPath } from "./schema-problems.ts";
import { strictObject } from "./strict-object.ts";
import { parseYamlDocuments } from "./yaml-document.ts";

function check(schema: z.ZodType, yaml: string): string[] {
  const [document] = parseYamlDocuments(yaml, "weft.yaml").documents;
  assert.ok(document !== undefined);
  const { value, problems } = checkSchema(schema, document.value, { file: "weft.yaml", locate: document.locate });
  assert.equal(value === null, problems.length > 0);
  return problems.map(formatProblem);
}

test("checkSchema() says what is expected for schemas that do not say it themselves", () => {
  const schema = z.strictObject({
    a: z.number().min(3),
    b: z.enum(["x", "y"]),
    c: z.array(z.string()),
    d: z.boolean(),
    e: z.int().max(5),
    f: z.record(z.string(), z.literal(1)),
  });
  const yaml = "a: 2\nb: z\nc: {}\nd: yes\ne: 1.5\nf: { k: 2 }\ng: 1\n";
  assert.deepEqual(check(schema, yaml), [
    "weft.yaml:1:4: error: a: found 2; expected 3 or more",
    'weft.yaml:2:4: error: b: found "z"; expected one of x, y',
    "weft.yaml:3:4: error: c: found an empty object; expected a list",
    'weft.yaml:4:4: error: d: found "yes" (string); expected true or false',
    "weft.yaml:5:4: error: e: found 1.5; expected a whole number",
    "weft.yaml:6:9: error: f.k: found 2; expected 1",
    'weft.yaml:7:1: error: found unknown field "g"; expected only known fields',
  ]);
});

test("checkSchema() explains a union by the alternative that was meant", () => {
  const version = strictObject<{ command: string }>({ command: z.string() });
  const schema = strictObject<{ run: string | { command: string } }>({
    run: z.union([z.string(), version], "a command"),
  });
  assert.deepEqual(check(schema, "run: { comand: x }"), [
    "weft.yaml:1:1: error: run.command: found nothing; expected a string",
    'weft.yaml:1:8: error: run: found unknown field "comand"; expected `command`',
  ]);
  assert.deepEqual(check(schema, "run: 7"), ["weft.yaml:1:6: error: run: found 7; expected a command"]);
});

test("strictObject() guesses what a wrong field name meant, else lists all fields", () => {
  const schema = strictObject<{ command: string; port?: number }>({
    command: z.string(),
    port: z.number().exactOptional(),
  });
  assert.deepEqual(check(schema, "command: x\nprot: 1\nPORT: 1\nsomething: 1"), [
    'weft.yaml:2:1: error: found unknown field "prot"; expected `port`',
    'weft.yaml:3:1: error: found unknown field "PORT"; expected `port`',
    'weft.yaml:4:1: error: found unknown field "something"; expected one of command, port',
  ]);
});

test("formatPath() quotes what is not a plain field", () => {
  assert.equal(formatPath([]), "");
  assert.equal(formatPath(["spec", "backends", 1, "weight"]), "spec.backends[1].weight");
  assert.equal(formatPath(["metadata", "labels", "a.b/c"]), 'metadata.labels["a.b/c"]');
});

test("describeFound() is short", () => {
  assert.deepEqual([undefined, null, [], [1], {}, { a: 1 }, true, -1.5, "a\n"].map(describeFound), [
    "nothing",
    "null",
    "an empty list",
    "a list",
    "an empty object",
    "an object",
    "true",
    "-1.5",
    '"a\\n"',
  ]);
  assert.ok(describeFound("x".repeat(1000)).length < 70);
});
