import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { JoinGrant } from "../control/views.ts";
import type { ProxyBootstrap } from "../proxy-node.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { type FakeChild, FakeProcesses } from "../testing/fake-processes.ts";
import { createApp } from "./app.ts";
import type { InstanceEndpoint } from "./endpoint-slices.ts";
import { Instance } from "./instance.ts";
import { type RuntimeChoice, Sidecar } from "./sidecar.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-instance-"));
after(() => rmSync(folder, { recursive: true }));

const GRANT: JoinGrant = {
  workload: "web-0",
  namespace: "default",
  spiffeId: "spiffe://m.mesh/ns/default/sa/web",
  trustDomain: "m.mesh",
  joinCredential: "secret",
  expiresWallMs: 0,
  trustBundlePem: "PEM",
  xds: { host: "127.0.0.1", port: 9339 },
};

/** An instance on fake processes; the app's port accepts while `accepts` is true. */
function createWorld(
  options: { readonly runtime?: RuntimeChoice; readonly backendWaitsFor?: "listening" | "ready" } = {},
) {
  const clock = new FakeClock();
  const processes = new FakeProcesses();
  const world = {
    clock,
    processes,
    accepts: false,
    isControlPlaneAway: false,
    endpoints: [] as InstanceEndpoint[],
    problems: [] as string[],
    patience: [] as string[],
    ended: 0,
    instance: null as unknown as Instance,
    sidecar: (): FakeChild => processes.latest("proxy of web-0"),
    app: (): FakeChild => processes.latest("web-0"),
    bootstrap: (): ProxyBootstrap => JSON.parse(world.sidecar().lines[0] ?? "null") as ProxyBootstrap,
  };
  const node = { name: "node", file: "/node" } as const;
  const onProblem = (message: string): void => void world.problems.push(message);
  world.instance = new Instance({
    workload: "web-0",
    service: "web",
    version: "",
    protocol: "http",
    portName: "",
    zone: "",
    backendWaitsFor: options.backendWaitsFor ?? "listening",
    createSidecar: (events) =>
      new Sidecar({
        ...events,
        clock,
        spawn: processes.spawn,
        workload: "web-0",
        serviceAccount: "web",
        app: { address: "127.0.0.1", port: 20_001, protocol: "http" },
        ingress: [],
        stateDir: join(folder, "web-0"),
        logFile: join(folder, "web-0.log"),
        accessLog: null,
        drainMs: 5000,
        environment: {},
        runtimes: options.runtime ?? { current: node, fallback: node },
        grantJoin: async (_, patience) => {
          world.patience.push(patience);
          if (world.isControlPlaneAway) throw new Error("away");
          return GRANT;
        },
        onProblem,
      }),
    createBackend: (events) =>
      createApp({
        clock,
        spawn: processes.spawn,
        connect: (_host, _port, onResult) => clock.after(1, () => onResult(world.accepts), undefined).clear.bind(null),
        workload: "web-0",
        process: { command: { kind: "shell", line: "x" }, stdin: "ignore", output: "lines", ownGroup: true },
        cwd: "/",
        port: 20_001,
        createEnvironment: () => ({ WEFT_OUTBOUND: String(events.ports()?.outbound?.port) }),
        silentAfterMs: 10_000,
        onAcceptingChange: events.onAcceptingChange,
        onEnd: () => "restart",
        onLine: () => undefined,
        onProblem,
      }),
    onEndpoint: (endpoint) => world.endpoints.push(endpoint),
  });
  return world;
}

type World = ReturnType<typeof createWorld>;

function listening(outbound = 30_001, inbound = 30_002): unknown {
  return {
    event: "listening",
    outbound: { address: "127.0.0.1", port: outbound },
    inbound: [{ address: "127.0.0.1", port: inbound, appAddress: "127.0.0.1", appPort: 20_001, protocol: "http" }],
    ingress: [],
    admin: { address: "127.0.0.1", port: 30_003 },
  };
}

async function bringUp(world: World): Promise<void> {
  world.instance.start();
  await world.clock.runUntilIdle();
  world.sidecar().status(listening());
  world.sidecar().status({ event: "ready" });
  world.accepts = true;
  await world.clock.elapse(100);
  assert.ok(world.instance.isReady());
}

function readiness(world: World): readonly boolean[] {
  return world.endpoints.map((endpoint) => endpoint.ready);
}

test("Instance hands its proxy the bootstrap on standard input, with the credential", async () => {
  const world = createWorld();
  world.instance.start();
  await world.clock.runUntilIdle();
  assert.deepEqual(world.bootstrap(), {
    workload: "web-0",
    namespace: "default",
    serviceAccount: "web",
    role: "sidecar",
    trustDomain: "m.mesh",
    stateDir: join(folder, "web-0"),
    xds: { host: "127.0.0.1", port: 9339 },
    trustBundlePem: "PEM",
    joinCredential: "secret",
    outbound: { address: "127.0.0.1", port: 0 },
    inbound: [{ address: "127.0.0.1", port: 0, appAddress: "127.0.0.1", appPort: 20_001, protocol: "http" }],
    ingress: [],
    admin: { address: "127.0.0.1", port: 0 },
    accessLog: null,
    logLevel: "info",
    drainMs: 5000,
  } satisfies ProxyBootstrap);
});

test("Instance starts the app when its proxy has said its ports, and tells it them", async () => {
  const world = createWorld();
  world.instance.start();
  await world.clock.runUntilIdle();
  assert.equal(world.processes.count("web-0"), 0);
  world.sidecar().status(listening());
  assert.equal(world.app().spec.environment["WEFT_OUTBOUND"], "30001");
});

test("Instance that waits for a proxy that serves starts the app only then", async () => {
  const world = createWorld({ backendWaitsFor: "ready" });
  world.instance.start();
  await world.clock.runUntilIdle();
  world.sidecar().status(listening());
  assert.equal(world.processes.count("web-0"), 0);
  world.sidecar().status({ event: "ready" });
  assert.equal(world.processes.count("web-0"), 1);
});

test("Instance is published when its proxy serves and its app accepts, not before", async () => {
  const world = createWorld();
  world.instance.start();
  await world.clock.runUntilIdle();
  world.sidecar().status(listening());
  await world.clock.elapse(500);
  world.sidecar().status({ event: "ready" });
  assert.deepEqual(world.endpoints, []);
  world.accepts = true;
  await world.clock.elapse(200);
  assert.deepEqual(world.endpoints, [
    {
      namespace: "default",
      workload: "web-0",
      service: "web",
      version: "",
      serviceAccount: "web",
      protocol: "http",
      address: "127.0.0.1",
      port: 30_002,
      portName: "",
      zone: "",
      ready: true,
      terminating: false,
    },
  ]);
});

test("Instance whose app crashed is not ready at once, and ready again after the restart", async () => {
  const world = createWorld();
  await bringUp(world);
  world.accepts = false;
  world.app().exit({ code: 1 });
  assert.deepEqual(readiness(world), [true, false]);
  assert.deepEqual(world.problems, ["web-0 exited with code 1; it starts again in 1 s"]);
  assert.equal(world.instance.state(), "restarts");
  await world.clock.elapse(1000);
  assert.equal(world.processes.count("web-0"), 2);
  world.accepts = true;
  await world.clock.elapse(200);
  assert.deepEqual(readiness(world), [true, false, true]);
});

test("Instance whose proxy crashed is not ready at once; the proxy comes back on its ports and the app stays", async () => {
  const world = createWorld();
  await bringUp(world);
  world.sidecar().exit({ signal: "SIGKILL" });
  assert.deepEqual(readiness(world), [true, false]);
  await world.clock.elapse(100);
  assert.equal(world.processes.count("proxy of web-0"), 2);
  assert.deepEqual(world.bootstrap().outbound, { address: "127.0.0.1", port: 30_001 });
  assert.equal(world.bootstrap().inbound[0]?.port, 30_002);
  assert.equal(world.bootstrap().admin.port, 30_003);
  world.sidecar().status(listening());
  world.sidecar().status({ event: "ready" });
  assert.deepEqual(readiness(world), [true, false, true]);
  assert.equal(world.processes.count("web-0"), 1);
});

test("Instance starts its proxy again without a credential while the control plane is away", async () => {
  const world = createWorld();
  await bringUp(world);
  world.isControlPlaneAway = true;
  world.sidecar().exit({ signal: "SIGKILL" });
  await world.clock.elapse(100);
  assert.equal(world.bootstrap().joinCredential, null);
  assert.equal(world.bootstrap().trustBundlePem, "PEM");
  assert.deepEqual(world.patience, ["wait", "once"]);
});

test("Instance gives a proxy that cannot have its ports new ones, and the app a new environment", async () => {
  const world = createWorld();
  await bringUp(world);
  world.sidecar().exit({ signal: "SIGKILL" });
  for (let i = 0; i < 3; i += 1) {
    await world.clock.elapse(2000);
    assert.equal(world.bootstrap().outbound?.port, 30_001);
    world.sidecar().status({ event: "failed", code: "WEFT_TRANSPORT_LISTEN", message: "Cannot listen" });
    world.sidecar().exit({ code: 1 });
  }
  await world.clock.elapse(5000);
  assert.equal(world.bootstrap().outbound?.port, 0);
  world.sidecar().status(listening(31_001, 31_002));
  await world.clock.runUntilIdle();
  assert.equal(world.app().spec.environment["WEFT_OUTBOUND"], "31001");
  world.sidecar().status({ event: "ready" });
  await world.clock.elapse(200);
  assert.equal(world.endpoints.at(-1)?.port, 31_002);
  assert.equal(world.endpoints.at(-1)?.ready, true);
});

test("Instance goes over to Node when Bun does not run", async () => {
  const runtime: RuntimeChoice = { current: { name: "bun", file: "/bun" }, fallback: { name: "node", file: "/node" } };
  const world = createWorld({ runtime });
  world.instance.start();
  await world.clock.runUntilIdle();
  assert.equal((world.sidecar().spec.command as { readonly file: string }).file, "/bun");
  world.sidecar().exit({ signal: "SIGILL" });
  await world.clock.elapse(200);
  assert.equal((world.sidecar().spec.command as { readonly file: string }).file, "/node");
  assert.deepEqual(world.problems, ["Bun does not run here (was killed by SIGILL); proxies take Node instead"]);
});

test("Instance that leaves is published as terminating, then stops proxy and app for good", async () => {
  const world = createWorld();
  await bringUp(world);
  world.instance.leave();
  assert.deepEqual(
    world.endpoints.map(({ ready, terminating }) => [ready, terminating]),
    [
      [true, false],
      [false, true],
    ],
  );
  await world.instance.stopSidecar();
  await world.instance.stopBackend(1000);
  assert.deepEqual(world.sidecar().signals, ["SIGTERM"]);
  assert.deepEqual(world.app().signals, ["SIGTERM"]);
  await world.clock.elapse(60_000);
  assert.equal(world.processes.children.length, 2);
  assert.equal(world.clock.pendingTimers(), 0);
});

test("Instance says once that an app listens nowhere", async () => {
  const world = createWorld();
  world.instance.start();
  await world.clock.runUntilIdle();
  world.sidecar().status(listening());
  await world.clock.elapse(60_000);
  assert.equal(world.problems.length, 1);
  assert.match(
    world.problems[0] ?? "",
    /^web-0 does not listen on 127\.0\.0\.1:20001 yet; it should listen on the port in its PORT variable/,
  );
});

test("Instance passes on why its proxy failed", async () => {
  const world = createWorld();
  world.instance.start();
  await world.clock.runUntilIdle();
  world.sidecar().status({ event: "failed", code: "WEFT_X", message: "Cannot do it" });
  world.sidecar().exit({ code: 1 });
  assert.equal(world.problems[0], "the proxy of web-0 failed: Cannot do it (WEFT_X)");
  assert.match(world.problems[1] ?? "", /^the proxy of web-0 exited with code 1; it starts again/);
  world.instance.kill();
});
