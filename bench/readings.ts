import type { BenchProcess } from "./bench-process.ts";
import type { LoadResult } from "./load-program.ts";
import { readCoreBusyMicros, readCpuMicros, readMemory } from "./process-cost.ts";
import { systemClock } from "../src/time/system-clock.ts";

/** One leg under one workload, once. */
export interface Reading extends LoadResult {
  /** User and system time of the proxies per request; 0 without a proxy. */
  readonly cpuMicros: number;
  /** How much of one core the proxies used, 0..1. */
  readonly coreRatio: number;
  /** How busy the core of load and backend was, 0..1; null when nothing is pinned. */
  readonly loadCoreRatio: number | null;
  /** How busy the proxies' core was with other work, 0..1; null when nothing is pinned. Much of it spoils the reading. */
  readonly otherWorkRatio: number | null;
  /** Of all its proxies together, right after. */
  readonly residentBytes: number;
}

/** Cores of load and proxies; null = not pinned. */
export interface Cores {
  readonly load: number | null;
  readonly proxies: number | null;
}

/** Runs a load over `leg` and reads what it cost `counted` meanwhile; the leg's other proxies are no other work. */
export async function takeReading(
  leg: { readonly counted: readonly BenchProcess[]; readonly all: readonly BenchProcess[] },
  cores: Cores,
  load: () => Promise<LoadResult>,
): Promise<Reading> {
  const readCpu = (processes: readonly BenchProcess[]): number => sum(processes.map(({ pid }) => readCpuMicros(pid)));
  const readAll = (): readonly number[] => [
    readCpu(leg.counted),
    readCpu(leg.all),
    readBusy(cores.load),
    readBusy(cores.proxies),
  ];
  const [before, atMs] = [readAll(), systemClock.nowMs()];
  const result = await load();
  const [cpuMicros = 0, allMicros = 0, loadMicros = 0, proxiesMicros = 0] = readAll().map(
    (micros, index) => micros - (before[index] ?? 0),
  );
  const tookMicros = (systemClock.nowMs() - atMs) * 1000;
  const cpuPerRequest = result.count === 0 ? Number.NaN : cpuMicros / result.count;
  return {
    ...result,
    cpuMicros: cpuPerRequest,
    coreRatio: (cpuPerRequest * result.perSecond) / 1e6,
    loadCoreRatio: cores.load === null ? null : loadMicros / tookMicros,
    otherWorkRatio: cores.proxies === null ? null : Math.max(0, (proxiesMicros - allMicros) / tookMicros),
    residentBytes: sum(leg.counted.map(({ pid }) => readMemory(pid).residentBytes)),
  };
}

function readBusy(core: number | null): number {
  return core === null ? 0 : readCoreBusyMicros(core);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
