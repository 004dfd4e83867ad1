import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { formatWorkloadId } from "../../src/identity/spiffe-id.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import type { Random } from "../../src/random/random.ts";
import { systemClock } from "../../src/time/system-clock.ts";
import { readCpuMicros } from "../process-cost.ts";
import { fillState } from "./fill-state.ts";
import { LoadFleet } from "./load-fleet.ts";
import { type AckRow, readMonotonicMs } from "./load-orders.ts";
import { ScaleControl } from "./scale-control.ts";
import { createInstanceSlice, createScaleMesh, type ScaleMesh, type ScaleProxy } from "./scale-mesh.ts";

export interface ScaleOptions {
  readonly folder: string;
  readonly services: readonly number[];
  readonly endpointsPerService: number;
  readonly proxies: number;
  /** Endpoint changes, one after the other; each waits until the one before has reached everyone. */
  readonly changes: number;
  /** Endpoint changes as fast as the API takes them. */
  readonly burst: number;
  /** Of the control plane's executable. */
  readonly parameters?: readonly string[];
  readonly progress: (text: string) => void;
}

/** What one size of mesh cost. Bytes are of xDS messages before HTTP/2 and TLS; CPU time is of the control plane. */
export interface ScaleRow {
  readonly services: number;
  readonly endpoints: number;
  readonly proxies: number;
  readonly start: { readonly readyMs: number; readonly cpuMs: number; readonly residentBytes: number };
  /** All proxies connect, and have nothing yet. */
  readonly sync: SyncCost;
  readonly idleBytes: number;
  readonly changes: ChangeCost;
  readonly burst: BurstCost;
  readonly afterBytes: number;
  readonly peakBytes: number;
  /** The control plane starts again, and all proxies come back with what they hold. */
  readonly restart: SyncCost & { readonly readyMs: number; readonly residentBytes: number };
  /** Of the process of all simulated proxies, over everything. */
  readonly loadCpuMs: number;
}

export interface SyncCost {
  /** From the start (of the proxies, or of the control plane's process) to the last proxy that has everything. */
  readonly completeMs: number;
  readonly cpuMs: number;
  readonly bytes: number;
  readonly resources: number;
  /** Resources sent to a proxy that held just this version. */
  readonly repeats: number;
}

export interface ChangeCost {
  readonly count: number;
  /** From the API's answer to the write to the last ACK of any proxy. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly touchedMean: number;
  /** How many proxies may call the Service that changed. */
  readonly concernedMean: number;
  /** Proxies that were sent something and may not call the Service, over all changes. */
  readonly strangers: number;
  readonly bytesMean: number;
  readonly messagesMean: number;
  readonly cpuMsMean: number;
}

export interface BurstCost {
  readonly count: number;
  readonly perSecond: number;
  /** From the last write's answer to the last ACK. */
  readonly settleMs: number;
  readonly messages: number;
  readonly cpuMsPerChange: number;
}

const MESH = "scale";
const TRUST_DOMAIN = `${MESH}.mesh`;
const CONTROL_PLANE = formatWorkloadId({
  trustDomain: TRUST_DOMAIN,
  namespace: "weft",
  serviceAccount: "control-plane",
});
const SYNC_LIMIT_MS = 300_000;
const CHANGE_LIMIT_MS = 60_000;
/** When nothing more comes for this long, a change has reached everyone it will reach. */
const QUIET_MS = 60;
const SETTLE_MS = 1_000;
const REST_MS = 3_000;

export async function measureScale(options: ScaleOptions): Promise<readonly ScaleRow[]> {
  const rows: ScaleRow[] = [];
  for (const services of options.services) rows.push(await measureSize(options, services));
  return rows;
}

async function measureSize(options: ScaleOptions, services: number): Promise<ScaleRow> {
  const { endpointsPerService, parameters = [], progress } = options;
  const folder = join(options.folder, String(services));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const mesh = createScaleMesh({ services, endpointsPerService, proxies: options.proxies });
  progress(`scale: ${services} services, ${mesh.resources.length} resources, ${mesh.proxies.length} proxies: filling`);
  const state = await fillState(join(folder, "control"), mesh, TRUST_DOMAIN);
  const control = new ScaleControl({ folder, mesh: MESH, trustDomain: TRUST_DOMAIN, parameters });
  const fleet = new LoadFleet();
  try {
    const readyMs = await control.start();
    const start = { readyMs, cpuMs: control.cpuMicros() / 1000, residentBytes: control.residentBytes() };
    progress(`scale: control plane ready after ${readyMs.toFixed(0)} ms`);
    const proxies = mesh.proxies.map(({ metadata }, index) => {
      const identity = state.identities[index];
      if (identity === undefined) throw new Error(`Found no identity for proxy ${index}`);
      return { index, metadata, ...identity };
    });
    const { trustBundlePem } = state;
    const sync = await measureSync(control, fleet, mesh, () => {
      fleet.start({ xdsPort: control.xdsPort, trustBundlePem, serverSpiffeId: CONTROL_PLANE, proxies });
      return Promise.resolve();
    });
    progress(`scale: all proxies complete after ${sync.completeMs.toFixed(0)} ms`);
    await rest(fleet);
    const idleBytes = control.residentBytes();
    const changer = new EndpointChanger(control, mesh);
    const changes = await measureChanges({ control, fleet, mesh, changer }, options.changes);
    const burst = await measureBurst({ control, fleet, mesh, changer }, options.burst);
    await rest(fleet);
    const [afterBytes, peakBytes] = [control.residentBytes(), control.peakResidentBytes()];
    progress(`scale: changes p99 ${changes.p99Ms.toFixed(0)} ms; restarting the control plane`);
    const restart = await measureRestart(control, fleet, mesh);
    const loadCpuMs = readCpuMicros(fleet.pid) / 1000;
    return {
      services,
      endpoints: services * endpointsPerService,
      proxies: mesh.proxies.length,
      start,
      sync,
      idleBytes,
      changes,
      burst,
      afterBytes,
      peakBytes,
      restart,
      loadCpuMs,
    };
  } catch (error) {
    const end = control.describeEnd();
    if (end !== null) progress(`scale: the control plane ended: ${end}`);
    throw error;
  } finally {
    fleet.stop();
    await control.close();
  }
}

async function measureSync(
  control: ScaleControl,
  fleet: LoadFleet,
  mesh: ScaleMesh,
  begin: () => Promise<void>,
): Promise<SyncCost> {
  const startedMs = readMonotonicMs();
  const cpuMicros = control.cpuMicros();
  await begin();
  const complete = new Set<number>();
  let seen = 0;
  const rows = await fleet.until(
    (soFar) => {
      for (; seen < soFar.length; seen += 1) {
        const row = soFar[seen];
        if (row?.isComplete === true) complete.add(row.proxy);
      }
      return complete.size === mesh.proxies.length;
    },
    SYNC_LIMIT_MS,
    "A complete configuration for every proxy",
  );
  const lastMs = Math.max(...rows.filter((row) => row.isComplete).map((row) => row.atMs));
  const cpuMs = (control.cpuMicros() - cpuMicros) / 1000;
  await fleet.settle(SETTLE_MS);
  const all = [...rows, ...fleet.take()];
  return {
    completeMs: lastMs - startedMs,
    cpuMs,
    bytes: sum(all.map(({ bytes }) => bytes)),
    resources: sum(all.map(({ upserts, removals }) => upserts + removals)),
    repeats: sum(all.map(({ repeats }) => repeats)),
  };
}

async function measureRestart(control: ScaleControl, fleet: LoadFleet, mesh: ScaleMesh): Promise<ScaleRow["restart"]> {
  await control.stop();
  await fleet.settle(SETTLE_MS);
  fleet.take();
  const spawnedMs = readMonotonicMs();
  const readyMs = await control.start();
  // What the process needed before it was ready is part of the cost, so the clock starts at its birth.
  const before = control.cpuMicros();
  const waitedMs = readMonotonicMs() - spawnedMs;
  const sync = await measureSync(control, fleet, mesh, () => Promise.resolve());
  await rest(fleet);
  return {
    ...sync,
    completeMs: sync.completeMs + waitedMs,
    cpuMs: sync.cpuMs + before / 1000,
    readyMs,
    residentBytes: control.residentBytes(),
  };
}

interface Running {
  readonly control: ScaleControl;
  readonly fleet: LoadFleet;
  readonly mesh: ScaleMesh;
  readonly changer: EndpointChanger;
}

/** Takes random instances out of service and puts them back. */
class EndpointChanger {
  readonly #control: ScaleControl;
  readonly #mesh: ScaleMesh;
  readonly #random: Random = createSeededRandom(1);
  readonly #notReady = new Set<ScaleProxy>();

  constructor(control: ScaleControl, mesh: ScaleMesh) {
    this.#control = control;
    this.#mesh = mesh;
  }

  /** Resolves with the instance when the API has acknowledged the write. */
  async change(): Promise<ScaleProxy> {
    const { proxies } = this.#mesh;
    for (;;) {
      const proxy = proxies[this.#random.below(proxies.length)];
      // A Service that nobody may call concerns nobody.
      if (proxy === undefined || (this.#mesh.services[proxy.service]?.callers.size ?? 0) === 0) continue;
      const ready = this.#notReady.has(proxy);
      if (ready) this.#notReady.delete(proxy);
      else this.#notReady.add(proxy);
      await this.#control.api.apply(createInstanceSlice(this.#mesh, proxy, ready));
      return proxy;
    }
  }
}

async function measureChanges({ control, fleet, mesh, changer }: Running, count: number): Promise<ChangeCost> {
  const latencies: number[] = [];
  const touched: number[] = [];
  const concernedCounts: number[] = [];
  let strangers = 0;
  let bytes = 0;
  let messages = 0;
  const cpuMicros = control.cpuMicros();
  for (let change = 0; change < count; change += 1) {
    fleet.take();
    const changed = await changer.change();
    const atMs = readMonotonicMs();
    const concerned = listConcerned(mesh, changed);
    await fleet.settleAfter((rows) => hasReached(rows, concerned), CHANGE_LIMIT_MS, QUIET_MS);
    const rows = fleet.take();
    const reached = new Set(rows.map(({ proxy }) => proxy));
    latencies.push(Math.max(0, Math.max(...rows.map((row) => row.atMs)) - atMs));
    touched.push(reached.size);
    concernedCounts.push(concerned.size);
    for (const proxy of reached) if (!concerned.has(proxy)) strangers += 1;
    bytes += sum(rows.map((row) => row.bytes));
    messages += rows.length;
  }
  latencies.sort((one, other) => one - other);
  return {
    count,
    p50Ms: latencies[Math.floor(count * 0.5)] ?? Number.NaN,
    p99Ms: latencies[Math.ceil(count * 0.99) - 1] ?? Number.NaN,
    maxMs: latencies.at(-1) ?? Number.NaN,
    touchedMean: sum(touched) / count,
    concernedMean: sum(concernedCounts) / count,
    strangers,
    bytesMean: bytes / count,
    messagesMean: messages / count,
    cpuMsMean: (control.cpuMicros() - cpuMicros) / 1000 / count,
  };
}

function listConcerned(mesh: ScaleMesh, { service }: ScaleProxy): ReadonlySet<number> {
  const callers = mesh.services[service]?.callers ?? new Set<number>();
  return new Set(mesh.proxies.flatMap((proxy, index) => (callers.has(proxy.service) ? [index] : [])));
}

function hasReached(rows: readonly AckRow[], concerned: ReadonlySet<number>): boolean {
  const reached = new Set(rows.filter(({ isEndpoints }) => isEndpoints).map(({ proxy }) => proxy));
  return [...concerned].every((proxy) => reached.has(proxy));
}

async function measureBurst({ control, fleet, changer }: Running, count: number): Promise<BurstCost> {
  fleet.take();
  const startedMs = readMonotonicMs();
  const cpuMicros = control.cpuMicros();
  for (let change = 0; change < count; change += 1) await changer.change();
  const writtenMs = readMonotonicMs();
  await fleet.settle(SETTLE_MS);
  const rows = fleet.take();
  return {
    count,
    perSecond: (count / (writtenMs - startedMs)) * 1000,
    settleMs: Math.max(0, Math.max(...rows.map((row) => row.atMs)) - writtenMs),
    messages: rows.length,
    cpuMsPerChange: (control.cpuMicros() - cpuMicros) / 1000 / count,
  };
}

async function rest(fleet: LoadFleet): Promise<void> {
  await new Promise<void>((resolve) => systemClock.after(REST_MS, resolve, undefined));
  fleet.take();
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
