import type { Verdict } from "./comparison.ts";
import type { GroupResults, WorkloadTable } from "./groups.ts";
import { IDLE_CONNECTIONS, type IdleRow } from "./idle-connections.ts";
import type { Machine } from "./machine.ts";
import type { MemoryRow } from "./memory.ts";
import { listScaleCells } from "./scale/format-scale.ts";
import type { ScaleRow } from "./scale/measure-scale.ts";
import type { StartupResult } from "./startup.ts";
import { type Spread, summarise } from "./statistics.ts";

/** What a run measured; null = not asked for, or impossible here. */
export interface BenchResults {
  readonly machine: Machine;
  readonly startup: StartupResult | null;
  readonly memory: readonly MemoryRow[] | null;
  readonly groups: GroupResults | null;
  readonly idle: readonly IdleRow[] | null;
  readonly scale: readonly ScaleRow[] | null;
}

type Cells = readonly string[];

/** The results as a page of plain text. */
export function formatResults(results: BenchResults): string {
  const { machine, startup, memory, groups, idle, scale } = results;
  return [
    formatMachine(machine),
    ...(startup === null ? [] : [formatStartup(startup)]),
    ...(memory === null ? [] : [formatMemory(memory)]),
    ...(groups === null ? [] : [formatMethod(groups), ...groups.tables.map(formatWorkload)]),
    ...(idle === null ? [] : [formatIdle(idle)]),
    ...(scale === null ? [] : [formatScale(scale)]),
    formatSummary(results),
  ].join("\n\n");
}

function formatMachine(machine: Machine): string {
  const tools = Object.entries(machine.tools).map(([name, version]) => `${name} ${version ?? "not installed"}`);
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

function formatMethod(groups: GroupResults): string {
  const { rounds, seconds, pinned, leftOut } = groups;
  const cores = pinned ? "proxies on core 1, load and backend on core 0" : "nothing pinned";
  return [
    `Workloads: ${rounds} rounds of ${seconds} s (open loops ${seconds * 2} s), legs in turn, ${cores}. No access logs.`,
    "Ratios are to the best peer of the same round: x rate = requests per second; x core = requests per second of the proxies'",
    "CPU time. Above 1 is better. Resident memory is of all proxies of a leg. A leg with any error has failed.",
    ...describeOtherWork(groups),
    ...leftOut,
  ].join("\n");
}

/** A tenth of a core gone to others moves a 99th percentile by milliseconds. */
function describeOtherWork({ tables }: GroupResults): string[] {
  const ratios = tables.flatMap(({ rows }) => rows.flatMap(({ otherWorkRatio }) => otherWorkRatio?.median ?? []));
  const median = summarise(ratios)?.median ?? 0;
  const text = `Other work took ${(median * 100).toFixed(0)} % of the proxies' core (median of all rows).`;
  return ratios.length === 0
    ? []
    : [median < 0.05 ? text : `${text} The machine was not quiet: read rates and latencies with care.`];
}

function formatWorkload(table: WorkloadTable): string {
  return `${table.id}: ${table.title}\n${table.judge === "added" ? formatOpenLoop(table) : formatClosedLoop(table)}`;
}

function formatClosedLoop({ unit, rows }: WorkloadTable): string {
  const head: Cells = [
    "",
    `${unit}/s`,
    "x rate",
    "CPU µs each",
    "x core",
    "core",
    "load core",
    "p50 µs",
    "p99 µs",
    "MB",
    "must reach",
  ];
  return (
    formatTable([
      head,
      ...rows.map((row): Cells => [
        row.leg,
        row.failure === null ? optional(row.perSecond, 0) : "failed",
        optional(row.rateRatio, 2),
        optional(row.cpuMicros, 1),
        optional(row.perCoreRatio, 2),
        percent(row.coreRatio),
        percent(row.loadCoreRatio),
        row.medianMicros?.median.toFixed(0) ?? "",
        row.p99Micros?.median.toFixed(0) ?? "",
        row.residentBytes === null ? "" : (row.residentBytes.median / 1e6).toFixed(0),
        formatVerdict(row.verdict),
      ]),
    ]) + formatFailures(rows)
  );
}

function formatOpenLoop({ rate, rows }: WorkloadTable): string {
  const head: Cells = [
    `${rate?.toFixed(0) ?? "no"} requests/s`,
    "p50 µs",
    "p99 µs",
    "p50 added",
    "p99 added",
    "CPU µs each",
    "must reach",
  ];
  return (
    formatTable([
      head,
      ...rows.map((row): Cells => [
        row.leg,
        row.failure === null ? optional(row.medianMicros, 0) : "failed",
        optional(row.p99Micros, 0),
        optional(row.addedMedianMicros, 0),
        optional(row.addedP99Micros, 0),
        optional(row.cpuMicros, 1),
        formatVerdict(row.verdict),
      ]),
    ]) + formatFailures(rows)
  );
}

function formatFailures(rows: readonly { readonly leg: string; readonly failure: string | null }[]): string {
  const failed = rows.filter(({ failure }) => failure !== null);
  return failed.map(({ leg, failure }) => `\n  ${leg} failed: ${(failure ?? "").slice(0, 300)}`).join("");
}

function formatIdle(rows: readonly IdleRow[]): string {
  const megabytes = (spread: Spread | null): string => (spread === null ? "" : formatSpread(spread, 1, 1e6));
  return (
    `idle: ${IDLE_CONNECTIONS} idle downstream connections, one request each; the caller's proxy of two hops\n` +
    formatTable([
      ["resident MB", "before", "grown by", "must reach"],
      ...rows.map((row): Cells => [
        row.leg,
        row.failure === null ? megabytes(row.beforeBytes) : "failed",
        megabytes(row.grownBytes),
        formatVerdict(row.verdict),
      ]),
    ]) +
    formatFailures(rows)
  );
}

function formatScale(rows: readonly ScaleRow[]): string {
  return `scale: the control plane with many services and many simulated proxies\n${formatTable(listScaleCells(rows))}`;
}

/** One line per aim: what was to be reached and what was found. */
function formatSummary({ machine, groups, idle }: BenchResults): string {
  const runtimes = machine.runtimes.filter(({ id }) => listVerdicts(groups, idle).some((one) => one.runtime === id));
  const rows: Cells[] = [["what must be reached", ...runtimes.map(({ label }) => label)]];
  for (const name of new Set(listVerdicts(groups, idle).map(({ workload }) => workload))) {
    const ofName = listVerdicts(groups, idle).filter(({ workload }) => workload === name);
    rows.push([
      name,
      ...runtimes.map(({ id }) => formatVerdict(ofName.find(({ runtime }) => runtime === id)?.verdict ?? null)),
    ]);
  }
  return rows.length === 1 ? "" : formatTable(rows);
}

interface NamedVerdict {
  readonly workload: string;
  readonly runtime: string;
  readonly verdict: Verdict;
}

function listVerdicts(groups: GroupResults | null, idle: readonly IdleRow[] | null): NamedVerdict[] {
  const pick = (
    workload: string,
    rows: readonly { runtime: string | null; verdict: Verdict | null }[],
  ): NamedVerdict[] =>
    rows.flatMap(({ runtime, verdict }) =>
      runtime === null || verdict === null ? [] : [{ workload, runtime, verdict }],
    );
  return [...(groups?.tables ?? []).flatMap(({ id, rows }) => pick(id, rows)), ...pick("idle", idle ?? [])];
}

function formatVerdict(verdict: Verdict | null): string {
  if (verdict === null) return "";
  const { basis, mustReach, found, isReached } = verdict;
  if (found === null) return `failed, aim ${mustReach}`;
  const isRatio = basis === "rate" || basis === "per core";
  const unit = { rate: "x rate", "per core": "x core", "added milliseconds": "ms", megabytes: "MB", failed: "" }[basis];
  // Rounded to the side that flatters less.
  const shown = ((isRatio ? Math.floor : Math.ceil)(found * 100) / 100).toFixed(2);
  return `${isRatio ? ">=" : "<="} ${mustReach} ${unit}: ${shown} ${isReached ? "reached" : "MISSED"}`;
}

function optional(spread: Spread | null, digits: number): string {
  return spread === null ? "" : formatSpread(spread, digits);
}

function percent(spread: Spread | null): string {
  return spread === null ? "" : `${(spread.median * 100).toFixed(0)} %`;
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
