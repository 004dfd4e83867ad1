import { execFile } from "node:child_process";
import { appendFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { WeftError } from "../../src/lib/weft-error.ts";
import { type FaultBench, SMALL_DISK_MEMBER } from "./fault-bench.ts";

export interface Fault {
  readonly name: string;
  /** Needs namespaces. */
  readonly network: boolean;
  /** Needs an etcd whose clock can be moved. */
  readonly clocks?: true;
  /** Makes the fault and heals it. */
  readonly run: (bench: FaultBench) => Promise<void>;
}

/** Longer than an election of 500 ms, and than a store's patience with a member (2 s). */
const OUTAGE_MS = 3_000;
const HOUR_SECONDS = 3_600;
const HOUR_MS = HOUR_SECONDS * 1_000;
const LEASE_SECONDS = 6;
const JUNK = "/junk/";
const JUNK_BYTES = 1_000_000;
const MAX_JUNK = 80;

export const FAULTS: readonly Fault[] = [
  {
    name: "the leader is killed",
    network: false,
    run: async (bench) => await killed(bench, await bench.leader()),
  },
  {
    name: "a follower is killed",
    network: false,
    run: async (bench) => await killed(bench, bench.another(await bench.leader())),
  },
  {
    name: "the leader hangs",
    network: false,
    run: async (bench) => {
      const leader = await bench.leader();
      bench.cluster.signal(leader, "SIGSTOP");
      await bench.pause(OUTAGE_MS);
      bench.cluster.signal(leader, "SIGCONT");
      await bench.cluster.ready();
    },
  },
  {
    name: "the leader is cut off from the members, not from its clients",
    network: true,
    run: async (bench) => await isolated(bench, await bench.leader(), "members"),
  },
  {
    name: "a follower is cut off from the members, not from its clients",
    network: true,
    run: async (bench) => await isolated(bench, bench.another(await bench.leader()), "members"),
  },
  {
    name: "the leader is cut off from everybody",
    network: true,
    run: async (bench) => await isolated(bench, await bench.leader(), "everybody"),
  },
  {
    name: "answers to a store are lost",
    network: false,
    run: async (bench) => {
      const relays = bench.relays[bench.random.below(bench.relays.length)] ?? [];
      for (const relay of relays) relay.mute();
      await bench.pause(OUTAGE_MS / 2);
      for (const relay of relays) relay.heal();
    },
  },
  {
    name: "a store's connections break again and again",
    network: false,
    run: async (bench) => {
      const relays = bench.relays[bench.random.below(bench.relays.length)] ?? [];
      for (let time = 0; time < 10; time += 1) {
        for (const relay of relays) relay.cut();
        for (const relay of relays) relay.heal();
        await bench.pause(100 + bench.random.below(200));
      }
    },
  },
  {
    name: "compaction under the watchers",
    network: false,
    run: async (bench) => {
      for (let time = 0; time < 5; time += 1) {
        const { revision } = await bench.operator.range({ key: "x" });
        // Not the very last: who tells the truth here must follow too.
        await bench.operator.compact(Math.max(revision - 50, 1)).catch(() => {});
        await bench.pause(200);
      }
    },
  },
  {
    name: "a store is cut off while etcd compacts what it has not seen",
    network: false,
    run: async (bench) => {
      const relays = bench.relays[bench.random.below(bench.relays.length)] ?? [];
      for (const relay of relays) relay.cut();
      await bench.progress(200);
      const { revision } = await bench.operator.range({ key: "x" });
      await bench.operator.compact(revision - 20);
      for (const relay of relays) relay.heal();
    },
  },
  {
    name: "the space quota is used up",
    network: false,
    run: async (bench) => {
      await fillWithJunk(bench, (error) => error?.code === "WEFT_STORE_FULL");
      await bench.refusals("WEFT_STORE_FULL", 20);
      await dropJunk(bench);
      await etcdctl(bench, "defrag");
      await etcdctl(bench, "alarm", "disarm");
    },
  },
  {
    name: "a member's disk is full",
    network: true,
    run: async (bench) => {
      const folder = bench.cluster.folderOf(SMALL_DISK_MEMBER);
      const filler = join(folder, "filler");
      await fillDisk(filler);
      await fillWithJunk(bench, () => !bench.cluster.isRunning(SMALL_DISK_MEMBER));
      await bench.progress(50);
      await rm(filler);
      await dropJunk(bench);
      bench.cluster.restart(SMALL_DISK_MEMBER);
      await bench.cluster.ready();
      await etcdctl(bench, "defrag");
      await etcdctl(bench, "alarm", "disarm");
    },
  },
  {
    name: "the clocks of the control planes jump",
    network: false,
    run: async (bench) => {
      for (const clock of bench.clocks) clock.jump((bench.random.below(3) - 1) * 2 * HOUR_MS);
      await bench.pause(500);
    },
  },
  {
    name: "the leader's clock jumps two hours ahead, and back",
    network: false,
    clocks: true,
    run: async (bench) => await jumped(bench, [await bench.leader()], 2 * HOUR_SECONDS),
  },
  {
    name: "a follower's clock jumps two hours back, and ahead again",
    network: false,
    clocks: true,
    run: async (bench) => await jumped(bench, [bench.another(await bench.leader())], -2 * HOUR_SECONDS),
  },
  {
    name: "every member's clock jumps a day ahead, and back",
    network: false,
    clocks: true,
    run: async (bench) => await jumped(bench, [...bench.stores.keys()], 24 * HOUR_SECONDS),
  },
  {
    name: "the leader is killed and comes back two hours in the past",
    network: false,
    clocks: true,
    run: async (bench) => {
      const leader = await bench.leader();
      await bench.cluster.kill(leader);
      await bench.cluster.jumpClock(leader, -2 * HOUR_SECONDS);
      bench.cluster.restart(leader);
      await bench.cluster.ready();
      await bench.progress(20);
      await bench.cluster.jumpClock(leader, 0);
    },
  },
];

/** A lease that is renewed outlasts it, and one that is not ends in its time: etcd counts with the monotonic clock. */
async function jumped(bench: FaultBench, members: readonly number[], seconds: number): Promise<void> {
  const { operator } = bench;
  const [kept, left] = [await operator.grantLease(LEASE_SECONDS), await operator.grantLease(LEASE_SECONDS)];
  for (const away of [seconds, 0]) {
    for (const member of members) await bench.cluster.jumpClock(member, away);
    await bench.progress(20);
    await bench.pause((LEASE_SECONDS * 1_000) / 2);
    if ((await operator.renewLease(kept)) === 0) throw new Error("a clock that jumped ended a lease that was renewed");
  }
  // More than its time is over, less than the jump.
  await bench.pause((LEASE_SECONDS * 1_000) / 2);
  if ((await operator.renewLease(left)) !== 0)
    throw new Error("a clock that jumped made a lease last that nobody renewed");
  await operator.revokeLease(kept);
}

async function killed(bench: FaultBench, member: number): Promise<void> {
  await bench.cluster.kill(member);
  await bench.pause(OUTAGE_MS / 2);
  bench.cluster.restart(member);
  await bench.cluster.ready();
}

async function isolated(bench: FaultBench, member: number, from: "members" | "everybody"): Promise<void> {
  const { network } = bench;
  if (network === null) throw new Error("this fault needs namespaces");
  if (from === "members") await network.isolateFromMembers(member);
  else await network.isolate(member);
  await bench.pause(OUTAGE_MS);
  await network.heal(member);
  await bench.cluster.ready();
}

/** Large values beside weft's own until `enough`. */
async function fillWithJunk(bench: FaultBench, enough: (error: WeftError | null) => boolean): Promise<void> {
  const value = Buffer.alloc(JUNK_BYTES, "junk");
  for (let count = 0; count < MAX_JUNK; count += 1) {
    let failure: WeftError | null = null;
    try {
      await bench.operator.txn({ compare: [], success: [{ put: `${JUNK}${count}`, value }] });
    } catch (error) {
      if (!(error instanceof WeftError)) throw error;
      failure = error;
    }
    if (enough(failure)) return;
  }
  throw new Error(`${MAX_JUNK} values of ${JUNK_BYTES} bytes did not bring etcd to its limit`);
}

async function dropJunk(bench: FaultBench): Promise<void> {
  const dropped = await bench.operator.txn({ compare: [], success: [{ delete: JUNK, rangeEnd: "/junk0" }] });
  await bench.operator.compact(dropped.revision);
}

async function etcdctl(bench: FaultBench, ...words: readonly string[]): Promise<void> {
  await promisify(execFile)("etcdctl", ["--endpoints", bench.cluster.endpoints().join(","), ...words], {
    env: { ETCDCTL_API: "3", PATH: "/usr/sbin:/usr/bin:/bin:/usr/local/bin" },
  });
}

/** Until the disk takes no more. */
async function fillDisk(file: string): Promise<void> {
  for (const bytes of [1_000_000, 10_000, 100]) {
    try {
      for (;;) await appendFile(file, Buffer.alloc(bytes));
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
    }
  }
}
