import type { Machine } from "./machine.ts";
import type { MemoryRow } from "./memory.ts";
import type { StartupResult } from "./startup.ts";
import type { Spread } from "./statistics.ts";
import type { ThroughputResult, ThroughputTable } from "./throughput.ts";

/** What a run measured; null = not asked for, or impossible here. */
export interface BenchResults {
  readonly machine: Machine;
  readonly startup: StartupResult | null;
  readonly memory: readonly MemoryRow[] | null;
  readonly throughput: ThroughputResult | null;
}

type Cells = readonly string[];

/** The results as a page of plain text. */
export function formatResults(results: BenchResults): string {
  const { machine, startup, memory, throughput } = results;
  return [
    formatMachine(machine),
    ...(startup === null ? [] : [formatStartup(startup)]),
    ...(memory === null ? [] : [formatMemory(memory)]),
    ...(throughput === null ? [] : [formatMethod(throughput), ...throughput.tables.map(formatThroughput)]),
  ].join("\n\n");
}

function formatMachine(machine: Machine): string {
  const { nginx, haproxy, wrk, taskset } = machine.tools;
  const tools = Object.entries({ nginx, haproxy, wrk, taskset }).map(
    ([name, version]) => `${name} ${version ?? "not installed"}`,
  );
  return [
    `weft ${machine.weft}, ${machine.date}`,
    `${machine.cpu}, ${machine.cores} cores, ${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB, ${machine.kernel}`,
    [...machine.runtimes.map((runtime) => runtime.label), ...tools].join(", "),
    "Figures are medians, with the first and third quartile in brackets.",
  ].join("\n");
}

function formatStartup(startup: StartupResult): string {
  const rows: Cells[] = [["start, ms", "listening", "ready", "first answer"]];
  rows.push(["weft up, examples/shop", "", formatSpread(startup.up, 0), ""]);
  for (const { runtime, listening, ready, serving } of startup.sidecars) {
    rows.push([`sidecar on ${runtime}`, formatSpread(listening, 0), formatSpread(ready, 0), formatSpread(serving, 0)]);
  }
  return formatTable(rows);
}

function formatMemory(memory: readonly MemoryRow[]): string {
  const megabytes = (spread: Spread | null): string => (spread === null ? "unknown" : formatSpread(spread, 1, 1e6));
  const rows: Cells[] = [["idle for 5 s, MB", "resident", "proportional", "private"]];
  for (const row of memory)
    rows.push([row.process, megabytes(row.resident), megabytes(row.proportional), megabytes(row.private)]);
  return formatTable(rows);
}

function formatMethod(throughput: ThroughputResult): string {
  const { rounds, seconds, connections, backend, pinned } = throughput;
  const cores = pinned ? "proxies on core 1, load and backend on core 0" : "nothing pinned";
  return `Throughput: ${rounds} rounds of ${seconds} s, legs in turn, wrk with ${connections} connections, ${cores}; backend: ${backend}.
Ratios are to the best peer of the same round (rate: above 1 is better; CPU: below 1 is better). No access logs.`;
}

function formatThroughput(table: ThroughputTable): string {
  const path = table.path === "one-hop" ? "One plain HTTP/1.1 hop" : "Two hops with mutual TLS between";
  const rows: Cells[] = [["", "requests/s", "ratio", "CPU µs/request", "ratio", "core used", "median µs", "errors"]];
  const optional = (spread: Spread | null, digits: number): string =>
    spread === null ? "" : formatSpread(spread, digits);
  for (const row of table.rows) {
    rows.push([
      row.leg,
      formatSpread(row.requestsPerSecond, 0),
      optional(row.rateRatio, 2),
      optional(row.cpuMicrosPerRequest, 1),
      optional(row.cpuRatio, 2),
      row.coreRatio === null ? "" : `${(row.coreRatio.median * 100).toFixed(0)} %`,
      row.medianMicros.median.toFixed(0),
      String(row.errors),
    ]);
  }
  return `${path}; ${table.workload}\n${formatTable(rows)}`;
}

function formatSpread(spread: Spread, digits: number, unit: number = 1): string {
  const show = (value: number): string => (value / unit).toFixed(digits);
  return spread.count === 1 ? show(spread.median) : `${show(spread.median)} (${show(spread.low)}-${show(spread.high)})`;
}

/** The first column to the left, the others to the right. */
function formatTable(rows: readonly Cells[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
