import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { ProxyStatus } from "../control/views.ts";
import { checkIdentity } from "./check/identity-checks.ts";
import { checkMachine } from "./check/machine-checks.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import type { Timer } from "../time/clock.ts";
import { startTestCli, type TestCli } from "./test-host.ts";

const WALL_MS = 1_767_225_600_000;

let cli: TestCli;

beforeEach(async () => {
  cli = await startTestCli();
});

afterEach(() => cli.close());

const HEALTHY = `
apiVersion: v1
kind: Service
metadata: { name: reviews }
spec: { ports: [{ port: 80 }] }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: reviews }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: web }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: reviews-0, labels: { kubernetes.io/service-name: reviews, weft.dev/service-account: reviews, weft.dev/workload: reviews-0 } }
addressType: IPv4
endpoints: [{ addresses: [127.0.0.1] }]
ports: [{ name: "", port: 40001 }]
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: { name: all }
spec: { matches: [{ name: all }] }
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: reviews }
spec:
  destination: { kind: ServiceAccount, name: reviews }
  rules: [{ kind: HTTPRouteGroup, name: all }]
  sources: [{ kind: ServiceAccount, name: web }]
`;

function proxy(name: string, change: Partial<ProxyStatus> = {}): ProxyStatus {
  return {
    id: `default/${name}`,
    role: "sidecar",
    spiffeId: `spiffe://test.mesh/ns/default/sa/${name}`,
    runtime: "bun 1.4.5",
    weftVersion: "0.1.0",
    connected: true,
    sinceWallMs: WALL_MS - 60_000,
    state: "SYNCED",
    types: [{ type: "route", state: "SYNCED", resources: 1, reason: null }],
    certificateNotAfterWallMs: WALL_MS + 20 * 3_600_000,
    ...change,
  };
}

interface Line {
  readonly name: string;
  readonly outcome: string;
  readonly found: readonly string[];
  readonly hint: string | null;
}

async function check(
  ...argv: readonly string[]
): Promise<{ readonly exitCode: number; readonly bad: readonly Line[] }> {
  const run = await cli.run("check", "-o", "json", ...argv);
  const lines = JSON.parse(run.stdout).checks as readonly Line[];
  // Whether Bun is there depends on the machine.
  return { exitCode: run.exitCode, bad: lines.filter((line) => line.outcome !== "ok" && !line.name.startsWith("Bun")) };
}

async function applyHealthy(): Promise<void> {
  await cli.run("apply", "-f", cli.file("healthy.yaml", HEALTHY));
  cli.api.views.proxyList = [proxy("reviews-0")];
  cli.api.views.meshView = { ...cli.api.views.meshView, trustRootNotAfterWallMs: WALL_MS + 400 * 86_400_000 };
}

test("weft check of a healthy mesh is all √ and exits 0", async () => {
  await applyHealthy();
  assert.deepEqual(await check(), { exitCode: 0, bad: [] });
  const { stdout } = await cli.run("check");
  assert.match(
    stdout,
    /\n\ncontrol plane\n√ a mesh was started in .*\.weft\n√ only this user can read the token\n√ it answers at http/,
  );
  assert.match(stdout, /\n√ the root certificate of test\.mesh is valid \(for 400d\)\n/);
});

test("weft check says that the mesh is not running, and checks nothing that needs it", async () => {
  await cli.api.close();
  const { exitCode, bad } = await check();
  assert.equal(exitCode, 1);
  assert.equal(bad.length, 1);
  assert.deepEqual(bad[0]?.found, [
    `Cannot reach the control plane at ${cli.api.baseUrl}: connection refused; expected it to be running`,
  ]);
  assert.match(bad[0]?.hint ?? "", /weft up/);
  const { stdout } = await cli.run("check");
  assert.match(stdout, /\n× it answers at .*\n {4}Cannot reach .*\n {4}→ Start the mesh with `weft up`/);
  assert.match(stdout, /\n× 1 failed, \d warned, \d fine\n$/);
});

test("weft check says that no mesh was started", async () => {
  const run = await cli.run("check", "--home", "nowhere", "-o", "json");
  assert.equal(run.exitCode, 1);
  assert.match(run.stdout, /a mesh was started in .*nowhere/);
});

test(
  "weft check finds a token that others can read",
  { skip: process.platform === "win32" && "Windows has no such modes" },
  async () => {
    await applyHealthy();
    const token = join(cli.folder, ".weft", "token");
    chmodSync(token, 0o644);
    const { exitCode, bad } = await check();
    assert.equal(exitCode, 1);
    assert.deepEqual(bad[0]?.found, [`${token} has mode 0644; expected 0600`]);
  },
);

test("weft check finds proxies that are away, reject, lag, are of another version or hold a dying certificate", async () => {
  await applyHealthy();
  cli.api.views.proxyList = [
    proxy("reviews-0", { connected: false, state: "STALE", sinceWallMs: WALL_MS - 90_000 }),
    proxy("ended-client", { connected: false, state: "STALE", certificateNotAfterWallMs: WALL_MS - 1 }),
    proxy("rejects", {
      state: "REJECTED",
      types: [{ type: "route", state: "REJECTED", resources: 1, reason: "regex ( is bad" }],
    }),
    proxy("lags", { state: "STALE", types: [{ type: "cluster", state: "STALE", resources: 3, reason: null }] }),
    proxy("old", { weftVersion: "0.0.9" }),
    proxy("expired", { certificateNotAfterWallMs: WALL_MS - 120_000 }),
    proxy("late", { certificateNotAfterWallMs: WALL_MS + 3_600_000 }),
  ];
  const { exitCode, bad } = await check();
  assert.equal(exitCode, 1);
  assert.deepEqual(
    bad.map((line) => [line.outcome, ...line.found]),
    [
      ["error", "default/expired: ended 2m ago"],
      ["warning", "default/late: ends in 60m"],
      ["error", "default/reviews-0: not connected for 90s"],
      ["error", "default/rejects: route: regex ( is bad"],
      ["warning", "default/lags: clusters sent, not acknowledged yet"],
      ["warning", "default/old: weft 0.0.9"],
    ],
  );
  for (const line of bad) assert.ok((line.hint ?? "").length > 10, line.name);
});

test("weft check finds services without endpoints, splits to nowhere, unknown names and services nobody may call", async () => {
  await applyHealthy();
  await cli.run("delete", "tt", "reviews");
  await cli.run(
    "apply",
    "-f",
    cli.file(
      "more.yaml",
      `
apiVersion: v1
kind: Service
metadata: { name: empty }
spec: { ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: split-root }
spec: { ports: [{ port: 80 }] }
---
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: nowhere }
spec: { service: split-root, backends: [{ service: empty, weight: 1 }] }
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: other }
spec:
  destination: { kind: ServiceAccount, name: web }
  rules: [{ kind: HTTPRouteGroup, name: all }]
  sources: [{ kind: ServiceAccount, name: ghost }]
`,
    ),
  );
  const { exitCode, bad } = await check();
  assert.equal(exitCode, 1);
  assert.deepEqual(
    bad.map((line) => [line.outcome, ...line.found]),
    [
      [
        "warning",
        'TrafficTarget/other: spec.sources[0].name: found unknown name "ghost"; expected a ServiceAccount of namespace "default"',
      ],
      ["warning", "default/empty:80 has none, so requests are answered with 503 (no_endpoint)"],
      ["error", "TrafficSplit default/nowhere leaves default/split-root:80 without a ready endpoint"],
      ["warning", "default/reviews: no TrafficTarget has the destination ServiceAccount default/reviews"],
    ],
  );
});

test("weft check under permissive access does not ask who may call", async () => {
  await applyHealthy();
  await cli.run("delete", "tt", "reviews");
  assert.equal((await check()).bad.length, 1);
  await cli.run(
    "apply",
    "-f",
    cli.file(
      "mesh.yaml",
      "apiVersion: weft.dev/v1alpha1\nkind: Mesh\nmetadata: { name: mesh }\nspec: { access: permissive }\n",
    ),
  );
  assert.deepEqual((await check()).bad, []);
});

test("weft check finds denied calls and failures of the mesh, not those of apps", async () => {
  await applyHealthy();
  const row = {
    source: "default/web",
    destination: "default/reviews",
    version: "",
    protocol: "http",
    requests: 10,
    failures: 9,
    rate: 1,
    successRatio: 0.1,
    p50Ms: 1,
    p90Ms: 1,
    p99Ms: 1,
    requestBytes: 0,
    responseBytes: 0,
  } as const;
  cli.api.views.statRows = [
    { ...row, direction: "inbound", failureCodes: { access_denied: 3 } },
    { ...row, direction: "outbound", failureCodes: { no_endpoint: 2, downstream_closed: 5, access_denied: 3 } },
  ];
  const { exitCode, bad } = await check();
  assert.equal(exitCode, 0);
  assert.equal(cli.api.views.windowMs, 300_000);
  assert.deepEqual(
    bad.map((line) => line.found),
    [
      ["default/web → default/reviews: 3 × access_denied. No policy allows this caller to make this request."],
      ["default/web → default/reviews: 2 × no_endpoint. The service has no ready instance."],
    ],
  );
  assert.equal((await check("--fail-on-warning")).exitCode, 1);
});

/** Tells when somebody waits for it. */
class WaitingClock extends FakeClock {
  readonly waited: Promise<void>;
  #resolve: () => void = () => undefined;

  constructor() {
    super();
    this.waited = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  override after<T>(delayMs: number, run: (argument: T) => void, argument: T): Timer {
    const timer = super.after(delayMs, run, argument);
    this.#resolve();
    return timer;
  }
}

test("weft check --wait checks again until nothing fails", async () => {
  await applyHealthy();
  cli.api.views.proxyList = [proxy("reviews-0", { connected: false })];
  const clock = new WaitingClock();
  const running = cli.runWith({ clock }, "check", "--wait", "1h");
  await clock.waited;
  cli.api.views.proxyList = [proxy("reviews-0")];
  clock.advance(1_000);
  assert.equal((await running).exitCode, 0);
});

test("checkIdentity() tells an ended root from one that ends soon", () => {
  const outcome = (leftMs: number): readonly string[] => {
    const mesh = {
      name: "m",
      trustDomain: "m.mesh",
      access: "strict",
      egress: "allow",
      weftVersion: "",
      startedWallMs: 0,
      trustRootNotAfterWallMs: WALL_MS + leftMs,
    } as const;
    const root = checkIdentity(
      { mesh, proxies: [], resources: [], traffic: [], expiries: [] },
      { wallMs: WALL_MS, certificateLifetimeMs: 1 },
    )[0];
    return [root?.outcome ?? "", ...(root?.found ?? [])];
  };
  assert.deepEqual(
    [outcome(-7_200_000), outcome(86_400_000 * 3), outcome(86_400_000 * 31)],
    [["error", "it ended 2h ago"], ["warning", "it ends in 3d"], ["ok"]],
  );
});

test("weft check tells of what ends within 30 days, and of what has ended", async () => {
  await applyHealthy();
  const { trustView } = cli.api.views;
  const ending = (kind: "api-certificate" | "trust-bundle", name: string, days: number) =>
    ({ kind, name, notAfterWallMs: WALL_MS + days * 86_400_000 }) as const;
  cli.api.views.trustView = {
    ...trustView,
    expiries: [ending("api-certificate", "CN=api", 6), ending("trust-bundle", "bank", 31)],
  };
  const soon = await check();
  assert.deepEqual([soon.exitCode, soon.bad[0]?.outcome], [0, "warning"]);
  assert.deepEqual(soon.bad[0]?.found, ["api-certificate CN=api: ends in 6d"]);
  assert.match(soon.bad[0]?.hint ?? "", /Replace the files/);
  cli.api.views.trustView = { ...trustView, expiries: [ending("trust-bundle", "bank", -1)] };
  const ended = await check();
  assert.deepEqual([ended.exitCode, ended.bad[0]?.found], [1, ["trust-bundle bank: ended 1d ago"]]);
});

test("checkMachine() refuses an old Node and warns without Bun", () => {
  const outcomes = (nodeVersion: string, bun: string | null): readonly string[] =>
    checkMachine({ nodeVersion, bun }).map((line) => line.outcome);
  assert.deepEqual(outcomes("20.19.0", "/bun"), ["ok", "ok"]);
  assert.deepEqual(outcomes("24.1.0", null), ["ok", "warning"]);
  assert.deepEqual(
    [outcomes("20.18.3", "/bun"), outcomes("18.20.0", "/bun")],
    [
      ["error", "ok"],
      ["error", "ok"],
    ],
  );
});
