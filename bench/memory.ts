import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../src/time/system-clock.ts";
import type { BenchRuntime } from "./machine.ts";
import { type MemoryUse, readMemory } from "./process-cost.ts";
import { type Spread, summarise } from "./statistics.ts";
import { startWeftMesh } from "./weft-mesh.ts";

export interface MemoryOptions {
  readonly runtimes: readonly BenchRuntime[];
  readonly folder: string;
  /** Sidecars per runtime. */
  readonly repeats: number;
  readonly progress: (text: string) => void;
}

/** Bytes. */
export interface MemoryRow {
  readonly process: string;
  readonly resident: Spread;
  /** Null when the kernel does not tell. */
  readonly proportional: Spread | null;
  readonly private: Spread | null;
}

const SETTLE_MS = 5_000;

/** Sidecars that have the shop's configuration and carry nothing. Null where memory cannot be read (no /proc). */
export async function measureMemory(options: MemoryOptions): Promise<readonly MemoryRow[] | null> {
  const { runtimes, folder, repeats, progress } = options;
  if (process.platform !== "linux") {
    progress("memory is left out: it is read from /proc, which only Linux has");
    return null;
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const mesh = await startWeftMesh(join(folder, "mesh"), null);
  try {
    const rows: MemoryRow[] = [];
    for (const runtime of runtimes) {
      const readings: MemoryUse[] = [];
      for (let count = 1; count <= repeats; count += 1) {
        const workload = `web-${runtime.id}-${count}`;
        const sidecar = await mesh.startSidecar({
          runtime,
          workload,
          service: "web",
          appPort: 9,
          protocol: "http",
          core: null,
        });
        await new Promise<void>((resolve) => systemClock.after(SETTLE_MS, resolve, undefined));
        const memory = readMemory(sidecar.process.pid);
        readings.push(memory);
        progress(
          `idle sidecar on ${runtime.label}, ${count} of ${repeats}: ${(memory.residentBytes / 1e6).toFixed(1)} MB resident`,
        );
        await sidecar.process.stop();
      }
      rows.push(toRow(`sidecar on ${runtime.label}`, readings));
    }
    rows.push(toRow(`control plane on Node ${process.versions.node}`, [readMemory(mesh.controlPid())]));
    return rows;
  } finally {
    await mesh.close();
  }
}

function toRow(title: string, readings: readonly MemoryUse[]): MemoryRow {
  const resident = summarise(readings.map((reading) => reading.residentBytes));
  if (resident === null) throw new Error("Nothing was measured: found no repeats; expected at least one");
  const known = (values: readonly (number | null)[]): number[] => values.filter((value) => value !== null);
  return {
    process: title,
    resident,
    proportional: summarise(known(readings.map((reading) => reading.proportionalBytes))),
    private: summarise(known(readings.map((reading) => reading.privateBytes))),
  };
}
