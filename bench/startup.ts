import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createOwnProcessEnvironment, readEnvironment } from "../src/runner/environment.ts";
import { FreePorts } from "../src/runner/free-port.ts";
import { systemRandom } from "../src/random/system-random.ts";
import { systemClock } from "../src/time/system-clock.ts";
import { BenchProcess } from "./bench-process.ts";
import { type BenchRuntime, PROJECT_FOLDER } from "./machine.ts";
import { waitForAnswer } from "./probe.ts";
import { type Spread, summarise } from "./statistics.ts";
import { startWeftMesh } from "./weft-mesh.ts";
import { BACKEND_BODY } from "./requests.ts";

export interface StartupOptions {
  readonly runtimes: readonly BenchRuntime[];
  readonly folder: string;
  readonly repeats: number;
  readonly progress: (text: string) => void;
}

/** Milliseconds since the process was started. */
export interface StartupResult {
  /** `weft up` on examples/shop to "weft is ready", with an empty state folder. */
  readonly up: Spread;
  readonly sidecars: readonly SidecarStartup[];
}

export interface SidecarStartup {
  readonly runtime: string;
  /** Has its certificate and its sockets. */
  readonly listening: Spread;
  /** Has its configuration. */
  readonly ready: Spread;
  /** The first request, sent when it was ready, came back over mutual TLS from another sidecar. */
  readonly serving: Spread;
}

const UP_LIMIT_MS = 60_000;

export async function measureStartup(options: StartupOptions): Promise<StartupResult> {
  const { folder, repeats, progress } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const up: number[] = [];
  for (let count = 1; count <= repeats; count += 1) {
    up.push(await timeUp(join(folder, `up-${count}`)));
    progress(`weft up, ${count} of ${repeats}: ready after ${up.at(-1)?.toFixed(0)} ms`);
  }
  return { up: required(up), sidecars: await measureSidecars(options) };
}

/** Runs `weft up` on a copy of the shop whose ingress has a free port, and stops it again. */
async function timeUp(folder: string): Promise<number> {
  const shop = join(folder, "shop");
  cpSync(join(PROJECT_FOLDER, "examples", "shop"), shop, {
    recursive: true,
    filter: (path) => !path.endsWith(".weft"),
  });
  const file = join(shop, "weft.yaml");
  const port = await new FreePorts(systemRandom).take();
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replace(/^(\s*- port: )8080$/m, `$1${port}`));
  if (readFileSync(file, "utf8") === text)
    throw new Error("Cannot give the shop another port: found no `- port: 8080` in its weft.yaml");
  const home = join(folder, "home");
  const up = new BenchProcess({
    title: "weft up",
    file: process.execPath,
    parameters: [
      join(import.meta.dirname, "..", "src", "bin", "weft.js"),
      "--home",
      home,
      "up",
      "--api-port",
      "0",
      "--xds-port",
      "0",
      file,
    ],
    cwd: folder,
    environment: {
      ...createOwnProcessEnvironment(readEnvironment(), join(folder, "compile-cache")),
      NODE_COMPILE_CACHE: undefined,
    },
    core: null,
  });
  try {
    await up.line(/^weft is ready in/, UP_LIMIT_MS);
    return systemClock.nowMs() - up.startedMs;
  } finally {
    await up.stop(10_000);
  }
}

async function measureSidecars({
  runtimes,
  folder,
  repeats,
  progress,
}: StartupOptions): Promise<readonly SidecarStartup[]> {
  const mesh = await startWeftMesh(join(folder, "mesh"), null);
  const app = await startApp();
  const appPort = (app.address() as AddressInfo).port;
  try {
    await mesh.addService("echo", "caller");
    const [first] = runtimes;
    if (first === undefined) throw new Error("There is no runtime for proxies");
    const called = await mesh.startSidecar({
      runtime: first,
      workload: "echo-0",
      service: "echo",
      appPort,
      protocol: "http",
      core: null,
    });
    await mesh.publish("echo", "echo-0", called.inbound);
    const rows = runtimes.map((runtime) => ({
      runtime,
      listening: [] as number[],
      ready: [] as number[],
      serving: [] as number[],
    }));
    for (let count = 1; count <= repeats; count += 1) {
      for (const row of rows) {
        const sidecar = await mesh.startSidecar({
          runtime: row.runtime,
          workload: `caller-${row.runtime.id}-${count}`,
          service: "caller",
          appPort,
          protocol: "http",
          core: null,
        });
        const target = {
          title: "the new sidecar",
          port: sidecar.outbound.port,
          authority: "echo",
          path: "/",
          body: BACKEND_BODY,
        };
        row.listening.push(sidecar.listeningMs);
        row.ready.push(sidecar.readyMs);
        row.serving.push((await waitForAnswer(target, 1)) - sidecar.process.startedMs);
        progress(
          `sidecar on ${row.runtime.label}, ${count} of ${repeats}: ready after ${sidecar.readyMs.toFixed(0)} ms, first answer after ${row.serving.at(-1)?.toFixed(0)} ms`,
        );
        await sidecar.process.stop();
      }
    }
    await called.process.stop();
    return rows.map((row) => ({
      runtime: row.runtime.label,
      listening: required(row.listening),
      ready: required(row.ready),
      serving: required(row.serving),
    }));
  } finally {
    app.closeAllConnections();
    app.close();
    await mesh.close();
  }
}

function startApp(): Promise<Server> {
  const server = createServer((_request, response) => response.end(BACKEND_BODY));
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

function required(values: readonly number[]): Spread {
  const spread = summarise(values);
  if (spread === null) throw new Error("Nothing was measured: found no repeats; expected at least one");
  return spread;
}
