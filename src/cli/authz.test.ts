import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import type { WouldDenyRow } from "../control/views.ts";
import { type CliRun, startTestCli, type TestCli } from "./test-host.ts";

let cli: TestCli;

const MESH = `
apiVersion: weft.dev/v1alpha1
kind: Mesh
metadata: { name: mesh }
spec: { access: strict }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: web }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: batch, namespace: jobs }
---
apiVersion: v1
kind: Service
metadata: { name: reviews }
spec: { ports: [{ port: 80, appProtocol: http }] }
---
apiVersion: v1
kind: Service
metadata: { name: db }
spec: { ports: [{ port: 5432, appProtocol: tcp }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: reviews-0
  labels: { kubernetes.io/service-name: reviews, weft.dev/workload: reviews-0, weft.dev/service-account: reviews }
addressType: IPv4
endpoints: [{ addresses: [127.0.0.1] }]
ports: [{ name: "", port: 9000 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: db-0
  labels: { kubernetes.io/service-name: db, weft.dev/workload: db-0, weft.dev/service-account: db }
addressType: IPv4
endpoints: [{ addresses: [127.0.0.1] }]
ports: [{ name: "", port: 9001 }]
`;

const ACCESS = `
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: { name: reads }
spec:
  matches:
    - { name: list, pathRegex: "/reviews$", methods: [GET] }
    - { name: one, pathRegex: "/reviews/[0-9]+$", methods: [GET, HEAD], headers: { x-role: ^reader$ } }
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: reviews }
spec:
  destination: { kind: ServiceAccount, name: reviews }
  rules: [{ kind: HTTPRouteGroup, name: reads }]
  sources: [{ kind: ServiceAccount, name: web }]
`;

beforeEach(async () => {
  cli = await startTestCli();
  cli.file("mesh.yaml", MESH);
  cli.file("access.yaml", ACCESS.trimStart());
  const applied = await cli.run("apply", "-f", "mesh.yaml", "-f", "access.yaml");
  assert.equal(applied.exitCode, 0, applied.stderr);
});

afterEach(() => cli.close());

async function apply(text: string): Promise<void> {
  const applied = await cli.runWith({ stdin: text }, "apply", "-f", "-");
  assert.equal(applied.exitCode, 0, applied.stderr);
}

async function can(...argv: readonly string[]): Promise<CliRun> {
  return cli.run("authz", "can", ...argv);
}

interface Shown {
  readonly allowed: boolean;
  readonly decisions: readonly {
    readonly allowed: boolean;
    readonly strictAllows: boolean;
    readonly rule: {
      readonly name: string;
      readonly file: string | null;
      readonly parts: readonly { readonly match?: string; readonly file: string }[];
    } | null;
    readonly wouldAllow: readonly object[];
  }[];
}

const PERMISSIVE = MESH.slice(0, MESH.indexOf("---")).replace("strict", "permissive");
const lines = (text: string): readonly string[] => text.trimEnd().split("\n");
const documents = (text: string): readonly unknown[] =>
  parseAllDocuments(text).map((document) => document.toJS() as unknown);

test("weft authz can names the rule that decides, the match it went through, and where each was written", async () => {
  const run = await can("web", "reviews", "GET", "/reviews/7?sort=up", "--header", "X-Role=reader");
  assert.equal(run.exitCode, 0);
  assert.deepEqual(lines(run.stdout), [
    "yes: default/web → default/reviews, GET /reviews/7?sort=up",
    "  at          default/reviews:80 (http)",
    "  allowed by  TrafficTarget default/reviews (access.yaml:9)",
    "  through     HTTPRouteGroup default/reads, match one (access.yaml:1)",
  ]);
});

test("weft authz can says of the caller alone whether some requests are allowed", async () => {
  const run = await can("web", "svc/default/reviews", "--port", "80");
  assert.equal(run.exitCode, 0);
  assert.match(run.stdout, /^yes, some requests: default\/web → default\/reviews, send any request\n/);
});

test("weft authz can exits with 1 when it is denied, and what it proposes allows exactly that", async () => {
  const question = ["jobs/batch", "reviews", "POST", "/reviews/7.x"];
  const denied = await can(...question);
  assert.equal(denied.exitCode, 1);
  assert.match(denied.stdout, /^no: jobs\/batch → default\/reviews, POST \/reviews\/7\.x\n/);
  assert.match(denied.stdout, /because .*no TrafficTarget for ServiceAccount "default\/reviews" matches/);
  const proposed = denied.stdout.slice(denied.stdout.indexOf("apiVersion"));
  await apply(proposed);
  const allowed = JSON.parse((await can(...question, "-o", "json")).stdout) as Shown;
  assert.equal(allowed.allowed, true);
  assert.equal(allowed.decisions[0]?.rule?.name, "reviews-from-batch");
  for (const [method, path] of [
    ["POST", "/reviews/7ax"],
    ["POST", "/reviews/7.x/y"],
    ["GET", "/reviews/7.x"],
  ] as const)
    assert.equal((await can("jobs/batch", "reviews", method, path)).exitCode, 1, `${method} ${path}`);
});

test("weft authz can asks what the proxy would see: canonical paths, whole headers", async () => {
  assert.equal((await can("web", "reviews", "GET", "/x/../%72eviews")).exitCode, 0);
  assert.equal((await can("web", "reviews", "GET", "/reviews/7")).exitCode, 1);
  assert.equal((await can("web", "reviews", "GET", "/reviews/7", "--header", "x-role=readers")).exitCode, 1);
  const bad = await can("web", "reviews", "GET", "/a%2fb");
  assert.equal(bad.exitCode, 2);
  assert.match(bad.stderr, /No proxy takes this request: /);
});

test("weft authz can answers for ports that take opaque bytes, also before there is an instance", async () => {
  const denied = JSON.parse((await can("web", "db", "-o", "json")).stdout) as Shown;
  assert.equal(denied.allowed, false);
  assert.equal(JSON.stringify(denied.decisions[0]?.wouldAllow).includes('"ports":[5432]'), true);
  await apply(
    denied.decisions.flatMap((decision) => decision.wouldAllow.map((one) => JSON.stringify(one))).join("\n---\n"),
  );
  assert.equal((await can("web", "db", "--port", "5432")).exitCode, 0);
  await cli.run("delete", "endpointslice", "db-0");
  assert.equal((await can("web", "db")).exitCode, 0);
});

test("weft authz can says under permissive access what strict access would", async () => {
  await apply(PERMISSIVE);
  const run = await can("jobs/batch", "reviews", "GET", "/");
  assert.equal(run.exitCode, 0);
  assert.match(run.stdout, /^yes: /);
  assert.match(
    run.stdout,
    /because +access is permissive, which allows every call; strict access would deny it\n +strict says /,
  );
});

test("weft authz can exits with 2 for questions that make no sense", async () => {
  for (const [argv, message] of [
    [["webb", "reviews"], /Cannot find a service account, Service or workload "webb".*\n hint: Did you mean web\?/],
    [["batch", "reviews"], /There is jobs\/batch: write it so, or add -n/],
    [["web", "reviews", "GET"], /expected a method and a path, or neither/],
    [["web", "reviews", "--port", "81"], /Cannot find port 81 of "reviews".*expected 80/],
    [["web", "a/b/c"], /expected a name, NAMESPACE\/NAME/],
    [["web", "reviews", "GET", "/", "--header", "x"], /Expected NAME=VALUE/],
  ] as const) {
    const run = await can(...argv);
    assert.equal(run.exitCode, 2, argv.join(" "));
    assert.match(run.stderr, message);
  }
});

function seen(source: string, destination: string, change: Partial<WouldDenyRow>): WouldDenyRow {
  const call = { protocol: "http", port: 9000, method: "GET", path: "/" } as const;
  return { source, destination, ...call, count: 1, firstSeenAgoMs: 90_000, lastSeenAgoMs: 30_000, ...change };
}

const ROWS: readonly WouldDenyRow[] = [
  seen("default/web", "default/reviews", { path: "/reviews", count: 40 }),
  seen("default/web", "default/reviews", { path: "/reviews/{id}/votes", count: 7 }),
  seen("default/web", "default/reviews", { path: "/reviews/{id}/votes", port: 9000, method: "POST", count: 2 }),
  seen("jobs/batch", "default/reviews", { method: "?", path: "", port: 0, count: 900 }),
  seen("jobs/batch", "default/db", { protocol: "tcp", port: 9001, method: "", path: "", count: 3 }),
  seen("", "default/reviews", { path: "/x" }),
];

test("weft authz audit shows what strict access would deny by the rules of now, most first", async () => {
  await apply(PERMISSIVE);
  cli.api.views.wouldDenyRows = ROWS;
  const run = await cli.run("authz", "audit", "--since", "10m");
  assert.equal(run.exitCode, 0);
  assert.equal(cli.api.views.windowMs, 600_000);
  assert.deepEqual(lines(run.stdout), [
    "SOURCE        DESTINATION       CALL                       COUNT   LAST SEEN",
    "jobs/batch    default/reviews   (other requests)             900     30s ago",
    "default/web   default/reviews   GET /reviews/{id}/votes        7     30s ago",
    "jobs/batch    default/db        (connection)                   3     30s ago",
    "default/web   default/reviews   POST /reviews/{id}/votes       2     30s ago",
    "?             default/reviews   GET /x                         1     30s ago",
  ]);
  const elsewhere = await cli.run("authz", "audit", "-n", "jobs", "-o", "json");
  assert.deepEqual(JSON.parse(elsewhere.stdout), { access: "permissive", items: [] });
});

test("weft authz suggest writes what makes the audit empty, and says what it could not know", async () => {
  await apply(PERMISSIVE);
  cli.api.views.wouldDenyRows = ROWS;
  const run = await cli.run("authz", "suggest");
  assert.equal(run.exitCode, 0);
  for (const note of [
    /^# What was seen and no rule allows yet \(kinds of call: 4\), to 2026/m,
    /headers were not looked at/,
    /Calls of default\/reviews came from callers without an identity \(1\)/,
  ])
    assert.match(run.stdout, note);
  assert.match(
    run.stdout,
    /# jobs\/batch sent default\/reviews too many kinds of request to keep: all requests are allowed/,
  );
  assert.deepEqual(
    documents(run.stdout).map(
      (one) => `${(one as { kind: string }).kind} ${(one as { metadata: { name: string } }).metadata.name}`,
    ),
    [
      "TCPRoute db-5432",
      "TrafficTarget db-from-batch-connections",
      "HTTPRouteGroup reviews-requests",
      "TrafficTarget reviews-from-web",
      "TrafficTarget reviews-from-batch",
    ],
  );
  await apply(run.stdout);
  const after = JSON.parse((await cli.run("authz", "audit", "-o", "json")).stdout) as {
    readonly items: readonly WouldDenyRow[];
  };
  assert.deepEqual(
    after.items.map((row) => row.path),
    ["/x"],
    "nobody can be allowed without an identity",
  );
  // Nothing more than what was seen.
  assert.equal((await cli.run("apply", "-f", "mesh.yaml")).exitCode, 0);
  assert.equal((await can("web", "reviews", "POST", "/reviews/8/votes")).exitCode, 0);
  assert.equal((await can("web", "reviews", "DELETE", "/reviews/8/votes")).exitCode, 1);
  assert.equal((await can("web", "reviews", "GET", "/reviews/8/votes/9")).exitCode, 1);
  assert.equal((await can("web", "db")).exitCode, 1);
});

test("weft authz suggest shares a target among sources that need the same, and takes no name that is in use", async () => {
  await apply(PERMISSIVE);
  const path = "/a+b";
  cli.api.views.wouldDenyRows = [
    seen("jobs/batch", "default/reviews", { path }),
    seen("jobs/cron", "default/reviews", { path }),
  ];
  await apply(ACCESS.replaceAll("name: reads", "name: reviews-requests"));
  const { items, notes } = JSON.parse((await cli.run("authz", "suggest", "-o", "json")).stdout) as {
    readonly items: readonly {
      readonly kind: string;
      readonly metadata: { readonly name: string };
      readonly spec: Readonly<Record<string, unknown>>;
    }[];
    readonly notes: readonly string[];
  };
  assert.deepEqual(
    items.map((item) => item.metadata.name),
    ["reviews-requests-2", "reviews-from-2-callers"],
  );
  assert.deepEqual(items[0]?.spec, { matches: [{ name: "get-a-b", pathRegex: "^/a\\+b$", methods: ["GET"] }] });
  assert.equal((items[1]?.spec["sources"] as readonly unknown[] | undefined)?.length, 2);
  assert.ok(notes.every((note) => !note.startsWith("Not allowed by this")));
});

test("weft authz suggest and audit say it when there is nothing, and when access is strict", async () => {
  const run = await cli.run("authz", "suggest");
  assert.match(run.stdout, /^# Nothing to allow: .*\n# Access is strict: /);
  assert.deepEqual(parse(run.stdout), null);
  const audit = await cli.run("authz", "audit");
  assert.match(audit.stderr, /^Nothing that strict access would deny was seen in the last 60m\nAccess is strict/);
  assert.equal((await cli.run("authz", "audit", "--since", "2d")).exitCode, 2);
});

test("weft apply notes the file and line of access rules, and a resource applied from nowhere keeps them", async () => {
  const source = async (): Promise<unknown> =>
    (parse((await cli.run("get", "tt", "reviews", "-o", "yaml")).stdout) as { metadata: { annotations?: unknown } })
      .metadata.annotations;
  assert.deepEqual(await source(), { "weft.dev/source": "access.yaml:9" });
  assert.match((await cli.runWith({ stdin: ACCESS }, "apply", "-f", "-")).stdout, /traffictarget\/reviews unchanged/);
  assert.deepEqual(await source(), { "weft.dev/source": "access.yaml:9" });
  cli.file("access.yaml", `# moved by a line\n${ACCESS.trimStart()}`);
  await cli.run("apply", "-f", "access.yaml");
  assert.deepEqual(await source(), { "weft.dev/source": "access.yaml:10" });
});
