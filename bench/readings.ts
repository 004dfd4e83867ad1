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
  /** Of all its proxies together, right after. */
  readonly residentBytes: number;
}

/** Runs a load and reads what it cost `processes` meanwhile. */
export async function takeReading(
  processes: readonly BenchProcess[],
  loadCore: number | null,
  load: () => Promise<LoadResult>,
): Promise<Reading> {
  const readCpu = (): number => sum(processes.map(({ pid }) => readCpuMicros(pid)));
  const readLoadCore = (): number => (loadCore === null ? Number.NaN : readCoreBusyMicros(loadCore));
  const [cpuBefore, busyBefore, atMs] = [readCpu(), readLoadCore(), systemClock.nowMs()];
  const result = await load();
  const [cpuMicros, busyMicros] = [readCpu() - cpuBefore, readLoadCore() - busyBefore];
  const tookMicros = (systemClock.nowMs() - atMs) * 1000;
  const cpuPerRequest = result.count === 0 ? Number.NaN : cpuMicros / result.count;
  return {
    ...result,
    cpuMicros: cpuPerRequest,
    coreRatio: (cpuPerRequest * result.perSecond) / 1e6,
    loadCoreRatio: loadCore === null ? null : busyMicros / tookMicros,
    residentBytes: sum(processes.map(({ pid }) => readMemory(pid).residentBytes)),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
