import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { parse } from "yaml";
import { startTestCli, type TestCli } from "./test-host.ts";

let cli: TestCli;

const RESOURCES = `
apiVersion: v1
kind: Service
metadata: { name: reviews, labels: { tier: back } }
spec: { ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: reviews-v1, namespace: default, labels: { tier: back } }
spec: { ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: front, labels: { tier: front } }
spec: { ports: [{ name: http, port: 80 }, { name: admin, port: 81, protocol: TCP }] }
---
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: reviews }
spec: { service: reviews, backends: [{ service: reviews-v1, weight: 2 }, { service: reviews-v2, weight: 1 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: reviews-v1-0
  labels: { kubernetes.io/service-name: reviews-v1, weft.dev/service-account: reviews, weft.dev/version: v1, weft.dev/workload: reviews-v1-0 }
addressType: IPv4
endpoints: [{ addresses: [127.0.0.1] }, { addresses: [127.0.0.2], conditions: { ready: false } }]
ports: [{ name: "", port: 40001 }]
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: reviews }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: web, namespace: front }
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: { name: reads }
spec: { matches: [{ name: get, methods: [GET] }] }
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: reviews }
spec:
  destination: { kind: ServiceAccount, name: reviews }
  rules: [{ kind: HTTPRouteGroup, name: reads, matches: [get] }]
  sources: [{ kind: ServiceAccount, name: web, namespace: front }]
`;

beforeEach(async () => {
  cli = await startTestCli();
  const run = await cli.run("apply", "-f", cli.file("all.yaml", RESOURCES));
  assert.equal(run.exitCode, 0, run.stderr);
});

afterEach(() => cli.close());

/** The command's clock stands still at a time before the resources were made. */
function lines(text: string): readonly string[] {
  return text.trimEnd().split("\n");
}

test("weft get shows a table with what matters of each kind", async () => {
  const table = async (...argv: readonly string[]): Promise<readonly string[]> =>
    lines((await cli.run("get", ...argv)).stdout);
  assert.deepEqual(await table("services"), [
    "NAME         PORTS         SELECTOR   AGE",
    "reviews      80→8080/TCP   -          0s",
    "reviews-v1   80/TCP        -          0s",
  ]);
  assert.deepEqual(await table("TrafficSplit"), [
    "NAME      SERVICE   BACKENDS                             MATCHES   AGE",
    "reviews   reviews   reviews-v1 66.7%, reviews-v2 33.3%   -         0s",
  ]);
  assert.deepEqual(await table("endpointslices"), [
    "NAME           SERVICE      READY   ADDRESSES                          AGE",
    "reviews-v1-0   reviews-v1   1/2     127.0.0.1:40001, 127.0.0.2:40001   0s",
  ]);
  assert.deepEqual(await table("tt"), [
    "NAME      SOURCES     DESTINATION   RULES        AGE",
    "reviews   front/web   reviews       reads[get]   0s",
  ]);
  assert.deepEqual(await table("svc", "-A", "-l", "tier=front"), [
    "NAMESPACE   NAME   PORTS                       SELECTOR   AGE",
    "front       web    http:80/TCP, admin:81/TCP   -          0s",
  ]);
});

test("weft get of several kinds, or all, shows a table of each that has any, and says the kind with the name", async () => {
  const some = (await cli.run("get", "svc,ts,tcproutes")).stdout;
  const names = some.split("\n").map((line) => line.split(" ")[0]);
  assert.deepEqual(names, ["NAME", "service/reviews", "service/reviews-v1", "", "NAME", "trafficsplit/reviews", ""]);
  const all = (await cli.run("get", "all", "-A", "-o", "json")).stdout;
  const { items } = JSON.parse(all) as { items: readonly { kind: string; metadata: { name: string } }[] };
  assert.ok(
    items.some(({ kind }) => kind === "TrafficTarget"),
    all,
  );
  assert.ok(
    items.some(({ kind, metadata }) => kind === "Service" && metadata.name === "web"),
    all,
  );
  assert.match((await cli.run("get", "svc,servces")).stderr, /servces.*\n.*Did you mean services/);
});

test("weft get fits a narrow terminal and is whole in a pipe", async () => {
  const narrow = await cli.runWith({ columns: 60 }, "get", "ts");
  for (const line of lines(narrow.stdout)) assert.ok(line.length <= 60, line);
  assert.match(narrow.stdout, /reviews-v1 66\.7%.*…/);
});

test("weft get -o yaml and json print the stored resource", async () => {
  const one = parse((await cli.run("get", "service/reviews", "-o", "yaml")).stdout);
  assert.deepEqual([one.kind, one.metadata.name, one.spec.ports[0].targetPort], ["Service", "reviews", 8080]);
  const all = JSON.parse((await cli.run("get", "svc", "-A", "-o", "json")).stdout);
  assert.deepEqual([all.kind, all.items.length, all.metadata.resourceVersion], ["List", 3, "11"]);
});

test("weft get of an unknown kind or name says which was probably meant", async () => {
  const kind = await cli.run("get", "trafficsplitz");
  assert.equal(kind.exitCode, 2);
  assert.match(
    kind.stderr,
    /^error: Cannot find the kind "trafficsplitz"; expected one that weft has\n hint: Did you mean trafficsplits\?/,
  );
  const name = await cli.run("get", "svc", "reveiws");
  assert.equal(name.exitCode, 1);
  assert.equal(
    name.stderr,
    'error: Cannot find Service "reveiws" in namespace "default"; expected a name that `weft get services` shows\n hint: Did you mean reviews?\n code: WEFT_CLI_NOT_FOUND\n',
  );
  assert.match((await cli.run("get", "svc", "web")).stderr, /hint: There is one in namespace "front": add -n front/);
  assert.deepEqual(await cli.run("get", "tcproutes"), {
    exitCode: 0,
    stdout: "",
    stderr: 'No tcproutes found in namespace "default"\n',
  });
  assert.match((await cli.run("get", "svc", "-l", "a b")).stderr, /Cannot read labelSelector: found "a b"/);
});

test("weft describe service shows endpoints, splits, who may call it, and problems", async () => {
  cli.api.views.statRows = [
    {
      direction: "inbound",
      source: "front/web",
      destination: "default/reviews-v1",
      version: "v1",
      protocol: "http",
      requests: 600,
      failures: 6,
      rate: 10,
      successRatio: 0.99,
      p50Ms: 1.25,
      p90Ms: 12,
      p99Ms: 1500,
      requestBytes: 0,
      responseBytes: 0,
      failureCodes: { upstream_reset: 6 },
    },
  ];
  assert.equal(
    (await cli.run("describe", "svc", "reviews-v1")).stdout.replace(/created .*\)/, "created TIME)"),
    `Service reviews-v1
  Namespace:   default
  Labels:      tier=back
  Age:         0s (created TIME)
  Version:     3

Port 80 (detect), 1 ready endpoint
  ADDRESS           WORKLOAD       VERSION
  127.0.0.1:40001   reviews-v1-0   v1

Who may call it (access: strict)
  front/web: reads[get] (TrafficTarget default/reviews)

Traffic of the last minute
  DIRECTION   SOURCE      DESTINATION          VERSION   SUCCESS    RPS     P50    P90     P99   FAILURES
  inbound     front/web   default/reviews-v1   v1         99.00%   10.0   1.3ms   12ms   1.50s   upstream_reset 6
`,
  );
  const split = (await cli.run("describe", "ts/reviews")).stdout;
  assert.match(split, /\nContent\n {2}spec:\n {4}service: reviews\n/);
  assert.match(split, /\nProblems\n {2}‼ .*reviews-v2/);
  const json = JSON.parse((await cli.run("describe", "ts", "reviews", "-o", "json")).stdout);
  assert.equal(json.resource.metadata.name, "reviews");
  assert.equal((await cli.run("describe", "svc")).exitCode, 2);
});
