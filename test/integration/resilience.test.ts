// What a mesh under constant load must get through: a control plane that is killed, a stream of changes, instances and
// proxies that die. One mesh for all of it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { systemClock } from "../../src/time/system-clock.ts";
import { call } from "./http-call.ts";
import { describeFailures, describeLoad, Load } from "./load.ts";
import { Mesh, waitUntilGone } from "./mesh.ts";
import { waitUntil } from "./wait-until.ts";

const RATE = 250;
const CONNECTIONS = 16;
const CHANGES = 100;
/** After this a request must not meet an instance that died. */
const DETECTION_MS = 1000;
/** After this a control plane that is back must have brought a change to the proxies. */
const FLOW_MS = 2000;

let mesh: Mesh;
let port: number;
/** Of a workload that may not call color. */
let otherPort: number;

before(async () => {
  mesh = await Mesh.start({
    yaml: `
mesh: resilience
services:
  client: { command: node echo.mjs }
  echo: { command: node echo.mjs, replicas: 2, allow: [client] }
  color:
    allow: [client]
    versions:
      v1: { command: node echo.mjs }
      v2: { command: node echo.mjs }
`,
  });
  port = await mesh.outboundPort("client-0");
  otherPort = await mesh.outboundPort("echo-0");
  await applySplit(100);
  await waitUntil("the split is in force", async () => (await version()) === "v1");
});

after(() => mesh.stop());

test("kill -9 of the control plane loses no request; apply fails clearly meanwhile; then config flows again", async (t) => {
  const load = startLoad("color");
  await load.more(RATE / 2);
  const printed = mesh.lines.length;
  const old = mesh.processId("control plane");
  // The runner is held for as long as the control plane shall be away.
  process.kill(mesh.pid, "SIGSTOP");
  try {
    process.kill(old, "SIGKILL");
    await waitUntilGone(old);
    const failed = await mesh.weft(["apply", "-f", "-"], formatSplit(0));
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /Cannot reach the control plane at http:\/\/127\.0\.0\.1:\d+: connection refused/);
    assert.match(failed.stderr, /WEFT_API_UNREACHABLE/);
    await load.more(RATE);
    assert.equal(load.report().byLabel.get("v2"), undefined, "what failed to apply is not in force");
  } finally {
    process.kill(mesh.pid, "SIGCONT");
  }
  await mesh.line(/the control plane is back/, 30_000, printed);
  const backAtMs = systemClock.nowMs();
  assert.notEqual(mesh.processId("control plane"), old);
  await applySplit(0);
  await waitUntil("the change is in force", () => load.report().byLabel.has("v2"), FLOW_MS);
  const flowMs = Math.round(systemClock.nowMs() - backAtMs);
  const report = await load.stop();
  t.diagnostic(`${describeLoad(report)}; a change was in force ${flowMs} ms after the control plane was back`);
  assert.equal(report.failures.length, 0, describeLoad(report));
  assert.equal(report.connects, CONNECTIONS, "no connection was dropped");
  assert.ok(flowMs <= FLOW_MS, `${flowMs} ms`);
});

test(`${CHANGES} changes of a split in a row lose no request`, async (t) => {
  const load = startLoad("color");
  await load.more(RATE / 2);
  for (let change = 1; change <= CHANGES; change += 1) {
    await applySplit(change % 2 === 0 ? 100 : 0);
    // Requests pass between changes, and every tenth one is waited for, so that they do not all become one.
    if (change % 10 === 0) await waitUntil(`change ${change} is in force`, async () => (await version()) === "v1");
    else await load.more(5);
  }
  await applySplit(0);
  await waitUntil("the last change is in force", async () => (await version()) === "v2");
  const report = await load.stop();
  const counts = JSON.stringify(Object.fromEntries(report.byLabel));
  t.diagnostic(`${describeLoad(report)}; answers by version: ${counts}`);
  assert.equal(report.failures.length, 0, describeLoad(report));
  assert.equal(report.connects, CONNECTIONS, "no connection was dropped");
  assert.ok(
    (report.byLabel.get("v1") ?? 0) > 50 && (report.byLabel.get("v2") ?? 0) > 50,
    `both versions answered: ${counts}`,
  );
});

for (const [what, title] of [
  ["the app of one of two replicas", "echo-0"],
  ["the sidecar of one of two replicas", "proxy of echo-1"],
] as const) {
  test(`kill -9 of ${what}: no request sent more than 1 s later fails`, async (t) => {
    await waitUntil("both replicas are ready", areBothReady);
    const load = startLoad("echo");
    await load.more(RATE / 2);
    const victim = mesh.processId(title);
    process.kill(victim, "SIGKILL");
    const killedAtMs = systemClock.nowMs();
    // Long enough for the victim to be back and get requests again.
    await waitUntil(`${title} runs again`, () => (mesh.processes().get(title) ?? victim) !== victim);
    await waitUntil("both replicas are ready again", areBothReady);
    await load.more(RATE * 2);
    const report = await load.stop();
    const late = report.failures.filter(({ sentAtMs }) => sentAtMs > killedAtMs + DETECTION_MS);
    t.diagnostic(`${describeLoad(report)}; ${late.length} of the failed were sent more than 1 s later`);
    assert.equal(late.length, 0, `sent more than 1 s after the kill: ${describeFailures(late)}`);
    const hung = report.failures.filter(({ what }) => what.includes("no answer in"));
    assert.equal(hung.length, 0, `every request ends: ${describeLoad(report)}`);
    assert.ok(report.answered > RATE * 2, describeLoad(report));
  });
}

test("a sidecar that dies while the control plane hangs restarts from its disk and serves", async (t) => {
  const control = mesh.processId("control plane");
  const victim = mesh.processId("proxy of color-v2-0");
  process.kill(control, "SIGSTOP");
  let downMs = 0;
  try {
    process.kill(victim, "SIGKILL");
    const killedAtMs = systemClock.nowMs();
    await waitUntilGone(victim);
    await waitUntil("color answers again", async () => (await version()) === "v2");
    downMs = Math.round(systemClock.nowMs() - killedAtMs);
    assert.notEqual(mesh.processId("proxy of color-v2-0"), victim);
    // Access control came back with it.
    const denied = await call({ port: otherPort, host: "color", path: "/who" });
    assert.equal(denied.status, 403, denied.body);
  } finally {
    process.kill(control, "SIGCONT");
  }
  t.diagnostic(`it served again after ${downMs} ms`);
  await waitUntil("the proxy follows the control plane again", async () => {
    const status = (await mesh.api().proxies()).find(({ id }) => id === "default/color-v2-0");
    return status?.connected === true && status.state === "SYNCED";
  });
  await applySplit(100);
  await waitUntil("a change is in force", async () => (await version()) === "v1");
});

function startLoad(host: string): Load {
  const label = (body: string): string => body.split(" ")[1] ?? "";
  return new Load({ port, host, path: "/who", connections: CONNECTIONS, requestsPerSecond: RATE, label });
}

/** Of the color service, as a caller sees it; null when the call failed. */
async function version(): Promise<string | null> {
  const { status, body } = await call({ port, host: "color", path: "/who" });
  return status === 200 ? (body.split(" ")[1] ?? "") : null;
}

async function areBothReady(): Promise<boolean> {
  const slices = await mesh
    .api()
    .list(
      { group: "discovery.k8s.io", kind: "EndpointSlice" },
      { namespace: "default", labelSelector: "kubernetes.io/service-name=echo" },
    );
  const endpoints = slices.items.flatMap(
    (slice) => (slice as { readonly endpoints?: readonly Endpoint[] }).endpoints ?? [],
  );
  return endpoints.filter(({ conditions }) => conditions?.ready === true).length === 2;
}

interface Endpoint {
  readonly conditions?: { readonly ready?: boolean };
}

async function applySplit(v1Percent: number): Promise<void> {
  await mesh.api().apply(JSON.parse(formatSplit(v1Percent)));
}

function formatSplit(v1Percent: number): string {
  return JSON.stringify({
    apiVersion: "split.smi-spec.io/v1alpha4",
    kind: "TrafficSplit",
    metadata: { name: "color", namespace: "default" },
    spec: {
      service: "color",
      backends: [
        { service: "color-v1", weight: v1Percent },
        { service: "color-v2", weight: 100 - v1Percent },
      ],
    },
  });
}
