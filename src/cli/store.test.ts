import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createSplit } from "../store/store-samples.ts";
import { startTestCli } from "./test-host.ts";

test("weft store export writes a file for its owner alone, and import gives it to a running mesh", async (context) => {
  const from = await startTestCli();
  context.after(() => from.close());
  const to = await startTestCli();
  context.after(() => to.close());
  from.file("split.yaml", JSON.stringify(createSplit("reviews", 3)));
  assert.equal((await from.run("apply", "-f", "split.yaml")).exitCode, 0);
  const exported = await from.run("store", "export", "mesh.jsonl");
  assert.equal(exported.stderr, "");
  assert.match(exported.stdout, /^\d+ resources written to mesh\.jsonl\n$/);
  assert.equal(statSync(join(from.folder, "mesh.jsonl")).mode & 0o777, 0o600);

  to.file("mesh.jsonl", readFileSync(join(from.folder, "mesh.jsonl"), "utf8"));
  const imported = await to.run("store", "import", "mesh.jsonl");
  assert.equal(imported.stderr, "");
  assert.match(imported.stdout, /^1 created, 0 changed, 0 deleted, \d+ unchanged\n$/);
  assert.match((await to.run("get", "trafficsplit", "reviews", "-o", "json")).stdout, /"weight": 3/);
  assert.match((await to.run("store", "import", "mesh.jsonl")).stdout, /^0 created, 0 changed, 0 deleted, /);
});

test("weft store import leaves a mesh alone that holds something else, unless it may replace", async (context) => {
  const cli = await startTestCli();
  context.after(() => cli.close());
  cli.file("split.yaml", JSON.stringify(createSplit("reviews", 3)));
  cli.file("other.yaml", JSON.stringify(createSplit("reviews", 4)));
  await cli.run("apply", "-f", "split.yaml");
  await cli.run("store", "export", "mesh.jsonl");
  await cli.run("apply", "-f", "other.yaml");
  const refused = await cli.run("store", "import", "mesh.jsonl");
  assert.equal(refused.exitCode, 1);
  assert.match(refused.stderr, /found other content of TrafficSplit "default\/reviews"/);
  assert.match(
    (await cli.run("store", "import", "--replace", "mesh.jsonl")).stdout,
    /^0 created, 1 changed, 0 deleted/,
  );
  assert.match((await cli.run("get", "trafficsplit", "reviews", "-o", "json")).stdout, /"weight": 3/);
});

test("weft store import of something else says what it found", async (context) => {
  const cli = await startTestCli();
  context.after(() => cli.close());
  cli.file("mesh.jsonl", "apiVersion: v1\n");
  const result = await cli.run("store", "import", "mesh.jsonl");
  assert.equal(result.exitCode, 1);
  assert.match(result.stderr, /Cannot read mesh\.jsonl:1: found a line that is not JSON/);
  assert.match((await cli.run("store", "import", "none.jsonl")).stderr, /Cannot read "none\.jsonl"/);
});
