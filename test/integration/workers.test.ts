// Proxies with workers: connections go to the less loaded one, and nothing is lost when workers come and go.
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { call } from "./http-call.ts";
import { describeLoad, Load } from "./load.ts";
import { endProcess, Mesh, waitUntilGone } from "./mesh.ts";
import { pause, waitUntil } from "./wait-until.ts";

const RUNTIMES = ["node", "bun"] as const;
const INGRESS = "ingress-0";
/** Of 40 connections, 28 or more go to a given one of two workers by chance in 0.8 % of runs. */
const PROBES = 40;
const TO_LESS_LOADED = 28;
const PROBE_INTERVAL_MS = 25;
const PIPELINED = 32;
const LIFETIME_SECONDS = 10;

interface WorkerFacts {
  readonly worker: number;
  readonly pid: number;
  readonly serving: boolean;
  readonly busyRatio: number;
  readonly openConnections: number;
  readonly handed: number;
}

for (const runtime of RUNTIMES) {
  let mesh: Mesh;
  let port = 0;
  let slowPort = 0;

  before(async () => {
    mesh = await Mesh.start({
      runtime,
      yaml: `
mesh: workers-${runtime}
certificateLifetime: ${LIFETIME_SECONDS}s
ingress:
  - { port: 0, service: echo }
  - { port: 0, service: slow }
ingressWorkers: 2
services:
  echo: { command: node echo.mjs, workers: 2 }
  slow: { command: node slow.mjs }
`,
    });
    port = await mesh.ingressPort();
    slowPort = Number((await mesh.line(/^ {2}slow: http:\/\/127\.0\.0\.1:(\d+)\/$/))[1]);
    await bothServe(mesh, INGRESS);
    await bothServe(mesh, "echo-0");
  });

  after(() => mesh.stop());

  test(`two workers on ${runtime} share the work, and the proxy counts all of it`, async () => {
    await waitUntil("both workers rest after their start", async () => {
      return (await workersOf(mesh, INGRESS)).every(({ busyRatio }) => busyRatio < 0.1);
    });
    const before = await mesh.metric(INGRESS, "weft_request_total").catch(() => 0);
    const load = new Load({ port, host: "echo", path: "/who", connections: 8, count: 400 });
    const report = await load.end();
    assert.equal(report.failures.length, 0, describeLoad(report));
    const [first, second] = await workersOf(mesh, INGRESS);
    assert.ok((first?.handed ?? 0) >= 2 && (second?.handed ?? 0) >= 2, JSON.stringify([first, second]));
    await waitUntil("the counts of both workers", async () => {
      return (await mesh.metric(INGRESS, "weft_request_total")) === before + report.sent;
    });
    await waitUntil("no connection is open", async () => {
      return (await mesh.metric(INGRESS, "weft_connection_open_count")) === 0;
    });
  });

  test(`new connections on ${runtime} go to the worker that is less busy, not to the one with fewer connections`, async (t) => {
    const bulk = new Bulk(port);
    const idle: Socket[] = [];
    try {
      const busy = await waitUntil("one worker is busier", async () => {
        const [most, least] = [...(await workersOf(mesh, INGRESS))].sort((a, b) => b.busyRatio - a.busyRatio);
        return most !== undefined && least !== undefined && most.busyRatio - least.busyRatio > 0.25 ? most : null;
      });
      // From the second one on, the other worker has as many connections or more.
      for (let count = 0; count < PROBES; count += 1) {
        idle.push(await openIdle(port));
        // The main process hears of its workers ten times a second.
        await pause(PROBE_INTERVAL_MS);
      }
      const now = (await workersOf(mesh, INGRESS)).find(({ worker }) => worker === busy.worker);
      const toOther = PROBES - ((now?.handed ?? 0) - busy.handed);
      t.diagnostic(`${toOther} of ${PROBES} went to the less busy worker`);
      assert.ok(toOther >= TO_LESS_LOADED, `only ${toOther} of ${PROBES} went to the less busy worker`);
      assert.ok(bulk.answered > 0);
    } finally {
      bulk.close();
      for (const socket of idle) socket.destroy();
    }
  });

  test(`connections and certificates outlive renewals with workers on ${runtime}`, async () => {
    const expiry = await mesh.metric("echo-0", "weft_certificate_expiry_seconds");
    const load = new Load({ port, host: "echo", path: "/who", connections: 4, requestsPerSecond: 40 });
    await waitUntil(
      "two renewals",
      async () => (await mesh.metric("echo-0", "weft_certificate_expiry_seconds")) > expiry + LIFETIME_SECONDS,
      60_000,
    );
    // Past the end of every certificate that the load began with.
    const report = await load.stop();
    assert.equal(report.failures.length, 0, describeLoad(report));
    assert.equal(report.connects, 4, describeLoad(report));
    const fresh = await call({ port, host: "echo", path: "/who" });
    assert.equal(fresh.status, 200, fresh.body);
  });

  for (const workload of [INGRESS, "echo-0"]) {
    test(`a worker of ${workload} that dies on ${runtime} is replaced, and the other one serves meanwhile`, async () => {
      const [victim] = await workersOf(mesh, workload);
      assert.ok(victim !== undefined);
      const replaced = await mesh.metric(workload, "weft_worker_replaced_total");
      endProcess(victim.pid, "SIGKILL");
      // No request of these was under way, so none may fail.
      for (let count = 0; count < 30; count += 1) {
        const answer = await call({ port, host: "echo", path: "/who" });
        assert.equal(answer.status, 200, answer.body);
      }
      await waitUntilGone(victim.pid);
      await bothServe(mesh, workload);
      assert.equal(await mesh.metric(workload, "weft_worker_replaced_total"), replaced + 1);
      const answer = await call({ port, host: "echo", path: "/who" });
      assert.equal(answer.status, 200, answer.body);
    });
  }

  test(`a proxy with workers on ${runtime} that is told to stop lets every request end`, async () => {
    const workers = await workersOf(mesh, INGRESS);
    const calls = Array.from({ length: 8 }, () => call({ port: slowPort, host: "slow", path: "/" }));
    await waitUntil("all requests are under way", async () => {
      return (await mesh.metric(INGRESS, "weft_exchange_active_count")) === calls.length;
    });
    endProcess(mesh.processId(`proxy of ${INGRESS}`), "SIGTERM");
    for (const answer of await Promise.all(calls)) assert.equal(answer.status, 200, answer.body);
    for (const { pid } of workers) await waitUntilGone(pid);
    await bothServe(mesh, INGRESS);
    const again = await call({ port, host: "echo", path: "/who" });
    assert.equal(again.status, 200, again.body);
  });

  test(`workers on ${runtime} do not outlive a proxy that is killed`, async () => {
    const workers = await workersOf(mesh, INGRESS);
    endProcess(mesh.processId(`proxy of ${INGRESS}`), "SIGKILL");
    for (const { pid } of workers) await waitUntilGone(pid);
    await bothServe(mesh, INGRESS);
    const answer = await call({ port, host: "echo", path: "/who" });
    assert.equal(answer.status, 200, answer.body);
  });
}

/** One connection that never rests: pipelined requests, a new one for every answer. */
class Bulk {
  answered = 0;
  readonly #socket: Socket;

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1", () => this.#send(PIPELINED));
    this.#socket.on("data", (bytes: Buffer) => {
      const answers = bytes.toString("latin1").split("HTTP/1.1 200").length - 1;
      this.answered += answers;
      this.#send(answers);
    });
    this.#socket.on("error", () => undefined);
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(count: number): void {
    if (count > 0) this.#socket.write("GET /who HTTP/1.1\r\nhost: echo\r\n\r\n".repeat(count));
  }
}

async function workersOf(mesh: Mesh, workload: string): Promise<readonly WorkerFacts[]> {
  const status = (await mesh.api().proxies()).find((proxy) => proxy.id === `default/${workload}`);
  const admin = status?.admin ?? assert.fail(`no admin address of ${workload}`);
  const stats = (await (await fetch(`http://${admin.address}:${admin.port}/stats`)).json()) as {
    readonly workers: readonly WorkerFacts[];
  };
  return stats.workers;
}

async function bothServe(mesh: Mesh, workload: string): Promise<void> {
  await waitUntil(`both workers of ${workload} serve`, async () => {
    const workers = await workersOf(mesh, workload);
    return workers.length === 2 && workers.every(({ serving }) => serving);
  });
}

/** A connection that has had one answer and then does nothing. */
function openIdle(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("GET /who HTTP/1.1\r\nhost: echo\r\n\r\n"));
    socket.once("data", () => resolve(socket));
    socket.on("error", reject);
  });
}
