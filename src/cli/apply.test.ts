import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { startTestCli, type TestCli } from "./test-host.ts";

let cli: TestCli;

beforeEach(async () => {
  cli = await startTestCli();
});

afterEach(() => cli.close());

const SPLIT = `apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: reviews }
spec:
  service: reviews
  backends:
    - { service: reviews-v1, weight: 3 }
    - { service: reviews-v2, weight: 1 }
`;

const NO_ENDPOINTS = [7, 8]
  .map(
    (line, index) =>
      `split.yaml:${line}:18: warning: spec.backends[${index}].service: found "reviews-v${index + 1}", which has no endpoints; expected a Service with endpoints: until it has some, its share of the requests is answered with 503\n`,
  )
  .join("");

const SERVICES = ["reviews", "reviews-v1", "reviews-v2"]
  .map((name) => `apiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec: { ports: [{ port: 80 }] }\n`)
  .join("---\n");

test("weft apply creates, leaves unchanged and configures, what is referred to first", async () => {
  const files = ["apply", "-f", cli.file("split.yaml", SPLIT), "-f", cli.file("services.yaml", SERVICES)];
  assert.deepEqual(await cli.run(...files), {
    exitCode: 0,
    stdout:
      "service/reviews created\nservice/reviews-v1 created\nservice/reviews-v2 created\ntrafficsplit/reviews created\n",
    stderr: NO_ENDPOINTS,
  });
  cli.file("split.yaml", SPLIT.replace("weight: 3", "weight: 2"));
  assert.equal(
    (await cli.run(...files)).stdout,
    "service/reviews unchanged\nservice/reviews-v1 unchanged\nservice/reviews-v2 unchanged\ntrafficsplit/reviews configured\n",
  );
});

test("weft apply prints every problem of every file and applies nothing", async () => {
  const good = cli.file("services.yaml", SERVICES);
  const bad = cli.file(
    "bad.yaml",
    SPLIT.replace("weight: 3", "weight: -3").replace("service: reviews\n", "servce: reviews\n"),
  );
  const worse = cli.file("worse.yaml", "kind: [\n");
  const run = await cli.run("apply", "-f", good, bad, worse);
  assert.equal(run.exitCode, 1);
  assert.equal(run.stdout, "");
  const lines = run.stderr.trimEnd().split("\n");
  assert.ok(
    lines.includes("bad.yaml:7:38: error: spec.backends[0].weight: found -3; expected a whole number of 0 to 1000000"),
    run.stderr,
  );
  assert.match(run.stderr, /^bad\.yaml:5:3: error: spec: found unknown field "servce"; expected `service`$/m);
  assert.match(run.stderr, /^worse\.yaml:/m);
  assert.match(lines.at(-1) ?? "", /^Nothing was applied: found \d+ errors$/);
  const { items } = await cli.api.store.listAll();
  assert.deepEqual(
    items.map((item) => item.kind),
    ["Namespace"],
  );
});

test("weft apply warns of names that neither the files nor the mesh have", async () => {
  const run = await cli.run("apply", "-f", cli.file("split.yaml", SPLIT));
  assert.equal(run.exitCode, 0);
  assert.equal(run.stdout, "trafficsplit/reviews created\n");
  assert.match(
    run.stderr,
    /^split\.yaml:5:12: warning: spec\.service: found unknown name "reviews"; expected a Service of namespace "default"$/m,
  );
  await cli.run("apply", "-f", cli.file("services.yaml", SERVICES));
  assert.equal((await cli.run("apply", "-f", "split.yaml")).stderr, NO_ENDPOINTS);
});

test("weft apply reads folders and standard input, and refuses a resource that stands in two files", async () => {
  mkdirSync(join(cli.folder, "policies", "deep"), { recursive: true });
  mkdirSync(join(cli.folder, "policies", ".hidden"));
  cli.file("policies/services.yaml", SERVICES);
  cli.file("policies/deep/split.yml", SPLIT);
  cli.file("policies/notes.txt", "not a resource");
  cli.file("policies/.hidden/broken.yaml", "kind: [");
  assert.match((await cli.run("apply", "-f", "policies")).stdout, /trafficsplit\/reviews created\n$/);
  const stdin = await cli.runWith({ stdin: SPLIT }, "apply", "-f", "-");
  assert.equal(stdin.stdout, "trafficsplit/reviews unchanged\n");
  const twice = await cli.runWith({ stdin: SPLIT }, "apply", "-f", "policies", "-");
  assert.equal(twice.exitCode, 1);
  assert.match(
    twice.stderr,
    /^stdin:3:19: error: metadata\.name: found a second TrafficSplit "reviews"; expected each resource once \(the first is at policies\/deep\/split\.yml:3\)$/m,
  );
});

test("weft apply says what it cannot read", async () => {
  const run = await cli.run("apply", "-f", "nowhere.yaml");
  assert.equal(run.exitCode, 1);
  assert.equal(
    run.stderr,
    'error: Cannot read "nowhere.yaml": found no such file or folder; expected a file or folder with resources\n code: WEFT_CLI_FILE\n',
  );
});

test("weft apply with the control plane dead fails with what to do", async () => {
  await cli.api.close();
  const run = await cli.run("apply", "-f", cli.file("split.yaml", SPLIT));
  assert.equal(run.exitCode, 1);
  assert.equal(
    run.stderr,
    `error: Cannot reach the control plane at ${cli.api.baseUrl}: connection refused; expected it to be running\n` +
      " hint: Start the mesh with `weft up`; if it is running somewhere else, name its state folder with WEFT_HOME or --home\n" +
      " code: WEFT_API_UNREACHABLE\n",
  );
});

test("weft apply -o json says what became of each resource", async () => {
  const run = await cli.run("apply", "-o", "json", "-f", cli.file("services.yaml", SERVICES));
  assert.deepEqual(JSON.parse(run.stdout).items[0], {
    kind: "Service",
    name: "reviews",
    namespace: "default",
    outcome: "created",
    resourceVersion: "2",
  });
});

test("weft delete removes by name and by file, and says what was not there", async () => {
  await cli.run("apply", "-f", cli.file("services.yaml", SERVICES), cli.file("split.yaml", SPLIT));
  assert.deepEqual(await cli.run("delete", "ts/reviews"), {
    exitCode: 0,
    stdout: "trafficsplit/reviews deleted\n",
    stderr: "",
  });
  const run = await cli.run("delete", "-f", "services.yaml", "split.yaml");
  assert.equal(run.stdout, "service/reviews-v2 deleted\nservice/reviews-v1 deleted\nservice/reviews deleted\n");
  assert.equal(run.exitCode, 1);
  assert.match(run.stderr, /^error: Cannot delete TrafficSplit "reviews": there is none in namespace "default"$/m);
  assert.equal((await cli.run("delete", "--ignore-not-found", "-f", "services.yaml")).exitCode, 0);
  for (const argv of [["delete"], ["delete", "services"], ["delete", "svc", "x", "-f", "services.yaml"]]) {
    assert.equal((await cli.run(...argv)).exitCode, 2, argv.join(" "));
  }
});
