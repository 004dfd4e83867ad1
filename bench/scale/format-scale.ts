import type { ScaleRow } from "./measure-scale.ts";

/** What the largest mesh must reach. */
export const SCALE_AIMS = { changeP99Ms: 500, residentBytes: 400e6, restartMs: 10_000 } as const;

/** One column for each size; the last column says what must be reached with the largest. */
export function listScaleCells(rows: readonly ScaleRow[]): readonly (readonly string[])[] {
  const line = (title: string, read: (row: ScaleRow) => string, aim: string = ""): readonly string[] => [
    title,
    ...rows.map(read),
    aim,
  ];
  return [
    line("services x endpoints", (row) => `${row.services} x ${row.endpoints / row.services}`, "must reach"),
    line("proxies", (row) => String(row.proxies)),
    line("start to ready, ms (CPU ms)", ({ start }) => `${fixed(start.readyMs)} (${fixed(start.cpuMs)})`),
    line("all proxies complete, ms", ({ sync }) => fixed(sync.completeMs)),
    line("  CPU ms", ({ sync }) => fixed(sync.cpuMs)),
    line("  sent, MB", ({ sync }) => megabytes(sync.bytes)),
    line("change to last ACK, p50 ms", ({ changes }) => fixed(changes.p50Ms, 1)),
    line("  p99 ms", ({ changes }) => fixed(changes.p99Ms, 1), `<= ${SCALE_AIMS.changeP99Ms}`),
    line("  slowest ms", ({ changes }) => fixed(changes.maxMs, 1)),
    line("  proxies touched", ({ changes }) => fixed(changes.touchedMean, 1)),
    line("  proxies concerned", ({ changes }) => fixed(changes.concernedMean, 1)),
    line("  not concerned, all changes", ({ changes }) => fixed(changes.strangers), "0"),
    line("  bytes sent", ({ changes }) => fixed(changes.bytesMean)),
    line("  messages", ({ changes }) => fixed(changes.messagesMean, 1)),
    line("  CPU ms", ({ changes }) => fixed(changes.cpuMsMean, 1)),
    line("burst, changes/s", ({ burst }) => fixed(burst.perSecond)),
    line("  settled after, ms", ({ burst }) => fixed(burst.settleMs)),
    line("  CPU ms per change", ({ burst }) => fixed(burst.cpuMsPerChange, 1)),
    line("resident, MB: empty of proxies", ({ start }) => megabytes(start.residentBytes)),
    line("  idle", ({ idleBytes }) => megabytes(idleBytes)),
    line("  after changes", ({ afterBytes }) => megabytes(afterBytes)),
    line("  at most", ({ peakBytes }) => megabytes(peakBytes), `<= ${megabytes(SCALE_AIMS.residentBytes)}`),
    line("restart to ready, ms", ({ restart }) => fixed(restart.readyMs)),
    line("  all proxies complete, ms", ({ restart }) => fixed(restart.completeMs), `<= ${SCALE_AIMS.restartMs}`),
    line("  CPU ms", ({ restart }) => fixed(restart.cpuMs)),
    line("  sent, MB", ({ restart }) => megabytes(restart.bytes)),
    line("  resources sent", ({ restart }) => fixed(restart.resources)),
    line("  sent again", ({ restart }) => fixed(restart.repeats), "0"),
    line("  resident, MB", ({ restart }) => megabytes(restart.residentBytes)),
    line("CPU ms of the simulated proxies", ({ loadCpuMs }) => fixed(loadCpuMs)),
  ];
}

function fixed(value: number, digits: number = 0): string {
  return value.toFixed(digits);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
