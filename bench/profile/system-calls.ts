import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BenchProcess } from "../bench-process.ts";

/** Those a proxy may make per request; each counter takes perf some 40 ms to set up, so not all of Linux's. */
const COUNTED = [
  "sendto",
  "sendmsg",
  "write",
  "writev",
  "recvfrom",
  "recvmsg",
  "read",
  "readv",
  "epoll_wait",
  "epoll_pwait",
  "epoll_pwait2",
  "epoll_ctl",
  "io_uring_enter",
  "futex",
  "accept4",
  "close",
  "clock_gettime",
  "madvise",
] as const;

/**
 * Counts system calls of processes for `seconds` with the kernel's tracepoints, which does not slow them down as strace
 * would. Resolves with name → count, "all" included; null when the kernel has no tracepoints for us.
 */
export async function countSystemCalls(
  pids: readonly number[],
  seconds: number,
  folder: string,
): Promise<ReadonlyMap<string, number> | null> {
  const file = join(folder, "system-calls.csv");
  const events = ["raw_syscalls:sys_enter", ...COUNTED.map((name) => `syscalls:sys_enter_${name}`)];
  const perf = new BenchProcess({
    title: "perf stat",
    file: "perf",
    parameters: [
      "stat",
      "-x,",
      "-o",
      file,
      "-e",
      events.join(","),
      "-p",
      pids.join(","),
      "--",
      "sleep",
      String(seconds),
    ],
    cwd: folder,
    environment: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    core: null,
  });
  await perf.finish(seconds * 1000 + 30_000);
  const counts = new Map<string, number>();
  for (const line of readOrEmpty(file).split("\n")) {
    const [count = "", , event = ""] = line.split(",");
    if (!event.includes("sys_enter") || !/^\d+$/.test(count) || count === "0") continue;
    counts.set(event.startsWith("raw_") ? "all" : event.replace(/^.*sys_enter_/, ""), Number(count));
  }
  return counts.size === 0 ? null : counts;
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
