import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Resident memory of one process, in bytes. */
export interface MemoryUse {
  /** VmRSS: what it has mapped in, shared libraries and program text included. */
  readonly residentBytes: number;
  /** Shared pages counted in parts; null when the kernel does not tell. */
  readonly proportionalBytes: number | null;
  /** Pages that nobody else has; null when the kernel does not tell. */
  readonly privateBytes: number | null;
}

let ticksPerSecond: number | null = null;

/** User and system time of a process with all its threads so far, in microseconds. Throws where there is no /proc. */
export function readCpuMicros(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is a name in parentheses that may hold anything; utime and stime are the 12th and 13th after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) / readTicksPerSecond()) * 1e6;
}

/** How long a core has been busy so far, in microseconds, whatever with. Throws where there is no /proc. */
export function readCoreBusyMicros(core: number): number {
  const line = readFileSync("/proc/stat", "utf8")
    .split("\n")
    .find((text) => text.startsWith(`cpu${core} `));
  // user, nice, system, idle, iowait, irq, softirq, steal
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (line ?? "")
    .split(" ")
    .slice(1)
    .map(Number);
  return ((user + nice + system + irq + softirq + steal) / readTicksPerSecond()) * 1e6;
}

/** Throws where there is no /proc. */
export function readMemory(pid: number): MemoryUse {
  const rollup = readOptional(`/proc/${pid}/smaps_rollup`);
  const clean = readKilobytes(rollup, "Private_Clean");
  const dirty = readKilobytes(rollup, "Private_Dirty");
  return {
    residentBytes: readKilobytes(readFileSync(`/proc/${pid}/status`, "utf8"), "VmRSS") ?? Number.NaN,
    proportionalBytes: readKilobytes(rollup, "Pss"),
    privateBytes: clean === null || dirty === null ? null : clean + dirty,
  };
}

function readTicksPerSecond(): number {
  ticksPerSecond ??= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  return ticksPerSecond;
}

function readKilobytes(text: string, name: string): number | null {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text);
  return match === null ? null : Number(match[1]) * 1024;
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
