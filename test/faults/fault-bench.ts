import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Random } from "../../src/random/random.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import { systemRandom } from "../../src/random/system-random.ts";
import { createEtcdClient } from "../../src/store/etcd/create-etcd-client.ts";
import type { EtcdClient } from "../../src/store/etcd/etcd-client.ts";
import type { EtcdStore } from "../../src/store/etcd/etcd-store.ts";
import { openEtcdStore } from "../../src/store/etcd/open-etcd-store.ts";
import { EtcdCluster, SILENT } from "../integration/etcd-cluster.ts";
import { pause, waitUntil } from "../integration/wait-until.ts";
import { checkHistory } from "./check-history.ts";
import { CutRelay } from "./cut-relay.ts";
import { JumpingClock } from "./jumping-clock.ts";
import { MemberNetwork } from "./member-network.ts";
import { StoreLoad } from "./store-load.ts";
import { TruthLog } from "./truth-log.ts";

export interface FaultBenchOptions {
  readonly seed: number;
  /** Also namespaces: needs root. */
  readonly network: boolean;
  readonly arguments?: readonly string[];
  readonly program?: string;
}

export interface FaultReport {
  readonly acknowledged: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly unknown: number;
  readonly reads: number;
  /** Events seen by all watchers together, and how often one was told to list again. */
  readonly events: number;
  readonly relists: number;
  readonly watchers: number;
  readonly violations: readonly string[];
}

const STORES = 3;
const MEMBERS = 3;
const WRITERS_PER_STORE = 3;
const SETTLE_MS = 60_000;
const MESH = "faults";
/** The member whose folder is a disk of its own that can be filled. etcd takes 128 MB of it and more for its log. */
export const SMALL_DISK_MEMBER = 2;
const SMALL_DISK = "size=640m";
const QUOTA_BYTES = 33_554_432;
const SHORT_LOG: readonly string[] = ["--snapshot-count", "1000", "--max-wals", "2", "--max-snapshots", "1"];

/** Three members, three stores (each behind relays of its own), writers, readers, watchers, and etcd's own account of it all. */
export class FaultBench {
  readonly cluster: EtcdCluster;
  readonly network: MemberNetwork | null;
  /** By store, then member. */
  readonly relays: readonly (readonly CutRelay[])[];
  readonly clocks: readonly JumpingClock[];
  readonly random: Random;
  readonly load: StoreLoad;
  /** Of the operator, straight to the members. */
  readonly operator: EtcdClient;
  readonly stores: readonly EtcdStore[];
  readonly #clients: readonly EtcdClient[];
  readonly #truth: TruthLog;
  readonly #disk: string | null;

  private constructor(parts: {
    readonly cluster: EtcdCluster;
    readonly network: MemberNetwork | null;
    readonly disk: string | null;
    readonly relays: readonly (readonly CutRelay[])[];
    readonly clocks: readonly JumpingClock[];
    readonly clients: readonly EtcdClient[];
    readonly stores: readonly EtcdStore[];
    readonly operator: EtcdClient;
    readonly seed: number;
  }) {
    this.cluster = parts.cluster;
    this.network = parts.network;
    this.#disk = parts.disk;
    this.relays = parts.relays;
    this.clocks = parts.clocks;
    this.stores = parts.stores;
    this.operator = parts.operator;
    this.#clients = parts.clients;
    this.random = createSeededRandom(parts.seed);
    this.load = new StoreLoad(parts.stores, createSeededRandom(parts.seed + 1));
    this.#truth = new TruthLog(parts.cluster.endpoints(), `/weft/${MESH}/resources/split.smi-spec.io/`, 1);
  }

  static async start(options: FaultBenchOptions): Promise<FaultBench> {
    const network = options.network ? await MemberNetwork.create(MEMBERS) : null;
    const disk = options.network ? await mountSmallDisk() : null;
    const cluster = await EtcdCluster.start({
      members: MEMBERS,
      ...(network === null
        ? {}
        : {
            place: (index) => ({
              command: network.command(index),
              address: network.address(index),
              ...(disk !== null && index === SMALL_DISK_MEMBER ? { folder: disk } : {}),
            }),
          }),
      arguments: ["--quota-backend-bytes", String(QUOTA_BYTES), ...SHORT_LOG, ...(options.arguments ?? [])],
      ...(options.program === undefined ? {} : { program: options.program }),
    });
    const relays: CutRelay[][] = [];
    const clocks: JumpingClock[] = [];
    const clients: EtcdClient[] = [];
    const stores: EtcdStore[] = [];
    for (let store = 0; store < STORES; store += 1) {
      const own = await Promise.all(cluster.endpoints().map((url) => CutRelay.start(url)));
      const clock = new JumpingClock();
      const endpoints = own.map((relay) => relay.endpoint());
      const client = createEtcdClient({ endpoints, clock, random: systemRandom, log: SILENT, requestTimeoutMs: 2_000 });
      relays.push(own);
      clocks.push(clock);
      clients.push(client);
      stores.push(await openEtcdStore({ client, mesh: MESH, clock, random: systemRandom, log: SILENT }));
    }
    const operator = createEtcdClient({
      endpoints: cluster.endpoints(),
      clock: new JumpingClock(),
      random: systemRandom,
      log: SILENT,
    });
    const bench = new FaultBench({
      cluster,
      network,
      disk,
      relays,
      clocks,
      clients,
      stores,
      operator,
      seed: options.seed,
    });
    bench.#truth.start();
    bench.load.start(WRITERS_PER_STORE);
    return bench;
  }

  /** Until this many more writes were acknowledged. */
  async progress(writes: number): Promise<void> {
    const count = (): number =>
      this.load.history.writes.filter(({ outcome }) => outcome.kind === "acknowledged").length;
    const before = count();
    await waitUntil(`${writes} more acknowledged writes`, () => count() >= before + writes, SETTLE_MS);
  }

  /** Until so many more writes were refused with `code`. */
  async refusals(code: string, writes: number): Promise<void> {
    const count = (): number =>
      this.load.history.writes.filter(({ outcome }) => outcome.kind === "refused" && outcome.code === code).length;
    const before = count();
    await waitUntil(`${writes} more writes refused with ${code}`, () => count() >= before + writes, SETTLE_MS);
  }

  pause(ms: number): Promise<void> {
    return pause(ms);
  }

  async leader(): Promise<number> {
    return await waitUntil("a leader", () => this.cluster.leader(), SETTLE_MS);
  }

  /** A member that is not `index`. */
  another(index: number): number {
    return (index + 1 + this.random.below(MEMBERS - 1)) % MEMBERS;
  }

  /** Ends the load, waits until every watcher has seen the last write, and compares everything with etcd's account. */
  async finish(): Promise<FaultReport> {
    await this.load.finish();
    const { writes, reads, segments } = this.load.history;
    const last = this.load.lastVersion();
    const violations: string[] = [];
    const settle = async (label: string, check: () => boolean): Promise<void> => {
      await waitUntil(label, check, SETTLE_MS).catch(() => violations.push(`not in ${SETTLE_MS} ms: ${label}`));
    };
    await settle("etcdctl tells the last write", () => this.#truth.newest() >= last || this.#truth.failure !== null);
    if (this.#truth.failure !== null) violations.push(`etcdctl could not follow: ${this.#truth.failure}`);
    await settle("every watcher sees the last write", () => this.load.behind(last).length === 0);
    violations.push(...this.load.behind(last).map((watcher) => `behind: ${watcher}`), ...this.load.watcherErrors());
    violations.push(...checkHistory(this.load.history, this.#truth.events));
    const refused: Record<string, number> = {};
    for (const { outcome } of writes) {
      if (outcome.kind === "refused") refused[outcome.code] = (refused[outcome.code] ?? 0) + 1;
    }
    return {
      acknowledged: writes.filter(({ outcome }) => outcome.kind === "acknowledged").length,
      refused,
      unknown: writes.filter(({ outcome }) => outcome.kind === "unknown").length,
      reads: reads.length,
      events: segments.reduce((sum, segment) => sum + segment.events.length, 0),
      relists: segments.filter((segment) => segment.endedTooOld).length,
      watchers: new Set(segments.map((segment) => segment.label)).size,
      violations,
    };
  }

  async close(): Promise<void> {
    this.load.stopWatching();
    await this.load.finish();
    await this.#truth.stop();
    for (const store of this.stores) await store.close();
    for (const client of [...this.#clients, this.operator]) client.close();
    for (const relay of this.relays.flat()) relay.close();
    await this.cluster.stop();
    await this.network?.remove();
    if (this.#disk !== null) await unmount(this.#disk);
  }
}

async function mountSmallDisk(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "weft-etcd-disk-"));
  await promisify(execFile)("mount", ["-t", "tmpfs", "-o", SMALL_DISK, "tmpfs", folder]);
  return folder;
}

async function unmount(folder: string): Promise<void> {
  await promisify(execFile)("umount", [folder]);
  await rm(folder, { recursive: true, force: true });
}
