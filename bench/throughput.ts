import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { FreePorts } from "../src/runner/free-port.ts";
import { systemRandom } from "../src/random/system-random.ts";
import type { BenchProcess } from "./bench-process.ts";
import { type Leg, type LegPlace, startPeerLegs, startWeftLegs } from "./legs.ts";
import type { Machine } from "./machine.ts";
import { createPeerFiles, type PeerFiles, startHaproxyBackend, startNginxBackend } from "./peers.ts";
import { waitForAnswer } from "./probe.ts";
import { readCpuMicros } from "./process-cost.ts";
import { type Spread, summarise } from "./statistics.ts";
import { startWeftMesh } from "./weft-mesh.ts";
import { BACKEND_BODY, REALISTIC_BODY, type Workload, WORKLOADS } from "./workload.ts";
import { runLoad } from "./wrk.ts";

export interface ThroughputOptions {
  readonly machine: Machine;
  readonly folder: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly progress: (text: string) => void;
}

/** One leg under one workload; of closed loops on one proxy core. */
export interface ThroughputRow {
  readonly leg: string;
  readonly kind: Leg["kind"];
  readonly requestsPerSecond: Spread;
  /** To the peer with the highest rate, round by round; null without peers. */
  readonly rateRatio: Spread | null;
  /** User and system time of the leg's proxies; null for the backend alone. */
  readonly cpuMicrosPerRequest: Spread | null;
  /** To the peer that needs least, round by round. */
  readonly cpuRatio: Spread | null;
  /** How much of its core the proxies used, 0..1; well below 1 the load generator or the backend set the rate. */
  readonly coreRatio: Spread | null;
  readonly medianMicros: Spread;
  readonly errors: number;
}

export interface ThroughputTable {
  readonly path: Exclude<Leg["path"], "direct">;
  readonly workload: string;
  readonly rows: readonly ThroughputRow[];
}

export interface ThroughputResult {
  readonly connections: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly backend: string;
  /** Load and backend on one core, proxies on another; false = wherever the kernel put them. */
  readonly pinned: boolean;
  readonly tables: readonly ThroughputTable[];
}

interface Reading {
  readonly requestsPerSecond: number;
  readonly cpuMicros: number;
  readonly coreRatio: number;
  readonly medianMicros: number;
  readonly errors: number;
}

const LOAD_CORE = 0;
const PROXY_CORE = 1;
/** Compilers of JavaScript need some ten thousand requests; a peer is as fast at once as it gets. */
const WARM_UP_SECONDS: Readonly<Record<Leg["kind"], number>> = { direct: 1, peer: 1, weft: 6 };

/** Null when a tool is missing that nothing works without; `progress` has said which. */
export async function measureThroughput(options: ThroughputOptions): Promise<ThroughputResult | null> {
  const { machine, folder, progress, rounds, seconds, connections } = options;
  const { wrk, haproxy, nginx, taskset } = machine.tools;
  if (wrk === null || (haproxy === null && nginx === null)) {
    progress(
      `throughput is left out: it needs ${wrk === null ? "wrk" : "nginx or haproxy as the backend"} (on Debian: apt-get install wrk nginx haproxy)`,
    );
    return null;
  }
  if (nginx === null || haproxy === null)
    progress(`${nginx === null ? "nginx" : "haproxy"} is not installed: measured without it`);
  const pinned = taskset !== null && machine.cores > 1;
  if (!pinned)
    progress("without taskset and a second core nothing is pinned: rates say little, CPU per request somewhat more");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const files = await createPeerFiles(folder);
  const ports = new FreePorts(systemRandom);
  const place: LegPlace = { ports, backendPort: await ports.take(), proxyCore: pinned ? PROXY_CORE : null };
  const loadCore = pinned ? LOAD_CORE : null;
  const backend = startBackend(machine, files, { port: place.backendPort, core: loadCore });
  const direct: Leg = {
    title: "no proxy",
    path: "direct",
    kind: "direct",
    port: place.backendPort,
    authority: "echo",
    processes: [],
  };
  const mesh = await startWeftMesh(join(folder, "mesh"), loadCore);
  const legs: Leg[] = [direct, ...(await startPeerLegs(machine, files, place))];
  for (const runtime of machine.runtimes) legs.push(...(await startWeftLegs(mesh, runtime, place)));
  for (const leg of legs) await checkLeg(leg);

  const run = (leg: Leg, workload: Workload, lasting: number): Promise<Reading> =>
    measureLeg(leg, {
      workload,
      port: leg.port,
      authority: leg.authority,
      connections,
      seconds: lasting,
      core: loadCore,
      folder,
    });
  for (const workload of WORKLOADS) {
    for (const leg of legs) {
      progress(`warming up: ${leg.title}, ${leg.path}, ${workload.id}`);
      await run(leg, workload, WARM_UP_SECONDS[leg.kind]);
    }
  }
  const readings = new Map<string, Reading[]>();
  for (let round = 1; round <= rounds; round += 1) {
    for (const workload of WORKLOADS) {
      for (const leg of legs) {
        const reading = await run(leg, workload, seconds);
        const key = toKey(leg, workload);
        readings.set(key, [...(readings.get(key) ?? []), reading]);
        const cost = leg.processes.length === 0 ? "" : `, ${reading.cpuMicros.toFixed(1)} µs of CPU each`;
        progress(
          `round ${round} of ${rounds}: ${leg.path}, ${workload.id}, ${leg.title}: ${reading.requestsPerSecond.toFixed(0)} requests/s${cost}`,
        );
      }
    }
  }
  await Promise.all(legs.flatMap((leg) => leg.processes.map((process) => process.stop())));
  await mesh.close();
  await backend.process.stop();
  const tables = (["one-hop", "two-hop"] as const).flatMap((path) =>
    WORKLOADS.map((workload) => ({ path, workload: workload.title, rows: toRows(legs, readings, { path, workload }) })),
  );
  return { connections, rounds, seconds, backend: backend.title, pinned, tables };
}

interface Backend {
  readonly title: string;
  readonly process: BenchProcess;
}

function startBackend(
  machine: Machine,
  files: PeerFiles,
  { port, core }: { readonly port: number; readonly core: number | null },
): Backend {
  const { haproxy, nginx } = machine.tools;
  if (haproxy !== null)
    return { title: `HAProxy ${haproxy}, http-request return`, process: startHaproxyBackend(files, port, core) };
  return { title: `nginx ${nginx ?? ""}, return 200`, process: startNginxBackend(files, port, core) };
}

async function checkLeg(leg: Leg): Promise<void> {
  const target = { title: `${leg.title} (${leg.path})`, port: leg.port, authority: leg.authority };
  await waitForAnswer({ ...target, path: "/", body: BACKEND_BODY });
  await waitForAnswer({ ...target, path: "/products/1", body: REALISTIC_BODY });
}

async function measureLeg(leg: Leg, load: Parameters<typeof runLoad>[0]): Promise<Reading> {
  const readCpu = (): number => leg.processes.reduce((sum, process) => sum + readCpuMicros(process.pid), 0);
  const before = readCpu();
  const result = await runLoad(load);
  const cpuMicros = readCpu() - before;
  return {
    requestsPerSecond: result.requestsPerSecond,
    cpuMicros: cpuMicros / result.requests,
    coreRatio: ((cpuMicros / result.requests) * result.requestsPerSecond) / 1e6,
    medianMicros: result.medianMicros,
    errors: result.errors,
  };
}

function toKey(leg: Leg, workload: Workload): string {
  return `${leg.path} ${workload.id} ${leg.title}`;
}

function toRows(
  legs: readonly Leg[],
  readings: ReadonlyMap<string, readonly Reading[]>,
  table: { readonly path: Leg["path"]; readonly workload: Workload },
): ThroughputRow[] {
  const shown = legs.filter((leg) => leg.path === table.path || leg.path === "direct");
  const of = (leg: Leg): readonly Reading[] => readings.get(toKey(leg, table.workload)) ?? [];
  const peers = shown.filter((leg) => leg.kind === "peer").map(of);
  const rates = (list: readonly Reading[]): number[] => list.map((reading) => reading.requestsPerSecond);
  const costs = (list: readonly Reading[]): number[] => list.map((reading) => reading.cpuMicros);
  const fastest = best(peers.map(rates), (a, b) => b - a);
  const cheapest = best(peers.map(costs), (a, b) => a - b);
  const rows: ThroughputRow[] = [];
  for (const leg of shown) {
    const list = of(leg);
    const requestsPerSecond = summarise(rates(list));
    const medianMicros = summarise(list.map((reading) => reading.medianMicros));
    if (requestsPerSecond === null || medianMicros === null) continue;
    const isDirect = leg.kind === "direct";
    rows.push({
      leg: leg.title,
      kind: leg.kind,
      requestsPerSecond,
      rateRatio: isDirect ? null : summariseRatios(rates(list), fastest),
      cpuMicrosPerRequest: isDirect ? null : summarise(costs(list)),
      cpuRatio: isDirect ? null : summariseRatios(costs(list), cheapest),
      coreRatio: isDirect ? null : summarise(list.map((reading) => reading.coreRatio)),
      medianMicros,
      errors: list.reduce((sum, reading) => sum + reading.errors, 0),
    });
  }
  return rows;
}

/** The readings of the peer whose median comes first. */
function best(peers: readonly number[][], order: (a: number, b: number) => number): readonly number[] {
  const median = (values: readonly number[]): number => summarise(values)?.median ?? 0;
  return peers.toSorted((a, b) => order(median(a), median(b)))[0] ?? [];
}

/** Readings of one round belong together, as the machine was equally busy. */
function summariseRatios(values: readonly number[], base: readonly number[]): Spread | null {
  return summarise(values.flatMap((value, round) => (base[round] === undefined ? [] : [value / base[round]])));
}
