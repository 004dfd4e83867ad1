/**
 * `npm run bench`: measures what weft promises, beside nginx, HAProxy and Envoy, in one run on this machine. Progress goes
 * to standard error, the tables to standard output, everything to .weft-bench/results.json. See docs/performance.md.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { systemClock } from "../src/time/system-clock.ts";
import { stopAllProcesses } from "./bench-process.ts";
import { measureGroups } from "./groups.ts";
import { measureIdleConnections } from "./idle-connections.ts";
import { type BenchRuntime, chooseRuntimes, describeMachine, isAimedAt, KEPT_FOLDER, type Machine } from "./machine.ts";
import { measureMemory } from "./memory.ts";
import { type BenchResults, formatResults } from "./report.ts";
import { measureScale, type ScaleOptions } from "./scale/measure-scale.ts";
import { measureStartup } from "./startup.ts";
import { GROUPS } from "./workloads.ts";

const PARTS = ["startup", "memory", "workloads", "idle", "scale"] as const;
/** What is promised of the control plane, and two smaller meshes that show how its cost grows. */
const SCALE: Omit<ScaleOptions, "folder" | "progress"> = {
  services: [100, 300, 1_000],
  endpointsPerService: 10,
  proxies: 1_000,
  changes: 200,
  burst: 200,
};
const WORKLOAD_IDS: readonly string[] = GROUPS.flatMap(({ workloads }) => workloads.map(({ id }) => id));

interface Options {
  readonly only?: readonly string[];
  readonly workload?: readonly string[];
  readonly runtime?: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly quick: boolean;
  readonly output: "table" | "json";
}

/** How often and how long, unless options say otherwise. */
interface Extent {
  readonly parts: readonly string[];
  readonly workloads: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly startups: number;
  readonly memories: number;
}

/** About half an hour on a quiet machine. */
const FULL: Extent = {
  parts: PARTS,
  workloads: WORKLOAD_IDS,
  rounds: 5,
  seconds: 2,
  warmUpSeconds: 6,
  startups: 5,
  memories: 3,
};
/** Below three minutes: one round says little, but shows that everything runs. */
const QUICK: Extent = {
  parts: ["workloads"],
  workloads: [
    "realistic-32",
    "minimal-32",
    "realistic-1",
    "latency-1000",
    "tls-connections",
    "one-hop-realistic",
    "grpc",
    "body-download",
    "tcp",
  ],
  rounds: 1,
  seconds: 1,
  warmUpSeconds: 2,
  startups: 1,
  memories: 1,
};

const program = new Command("npm run bench --")
  .description(
    "Measures weft beside nginx, HAProxy and Envoy. About half an hour; --quick takes less than three minutes.",
  )
  .addOption(new Option("--only <parts>", `some of ${PARTS.join(",")} (default: all)`).argParser(parseListOf(PARTS)))
  .addOption(
    new Option("--workload <ids>", `some of ${WORKLOAD_IDS.join(",")}; nothing else is measured then`).argParser(
      parseListOf(WORKLOAD_IDS),
    ),
  )
  .addOption(
    new Option("--runtime <ids>", "some of bun,node,node-lts (default: Bun and the newest Node here)").argParser(
      (text) => text.split(","),
    ),
  )
  .addOption(
    new Option("--rounds <count>", `rounds of each workload (default: ${FULL.rounds})`).argParser(parsePositive),
  )
  .addOption(
    new Option("--seconds <count>", `length of one reading (default: ${FULL.seconds})`).argParser(parsePositive),
  )
  .option("--quick", "one round of one second of the main workloads", false)
  .addOption(new Option("-o, --output <format>").choices(["table", "json"]).default("table"));
program.parse();

// Timers of weft's clock never keep a process alive; a message port does.
const holder = new MessageChannel().port1;
holder.ref();
const folder = mkdtempSync(join(tmpdir(), "weft-bench-"));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void end(130));
try {
  await run(program.opts<Options>());
  await end(0);
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  await end(1);
}

async function run(options: Options): Promise<void> {
  const startedMs = systemClock.nowMs();
  const base = options.quick ? QUICK : FULL;
  const named = options.workload === undefined ? base.parts : ["workloads"];
  const extent: Extent = {
    ...base,
    parts: options.only ?? named,
    workloads: options.workload ?? base.workloads,
    rounds: options.rounds ?? base.rounds,
    seconds: options.seconds ?? base.seconds,
  };
  const machine = describeMachine();
  const runtimes = pickRuntimes(machine, options.runtime);
  const shared = { machine, runtimes, progress };
  const wants = (part: (typeof PARTS)[number]): boolean => extent.parts.includes(part);
  const results: BenchResults = {
    machine: { ...machine, runtimes },
    startup: wants("startup")
      ? await measureStartup({ ...shared, folder: join(folder, "startup"), repeats: extent.startups })
      : null,
    memory: wants("memory")
      ? await measureMemory({ ...shared, folder: join(folder, "memory"), repeats: extent.memories })
      : null,
    groups: wants("workloads")
      ? await measureGroups({ ...shared, ...extent, folder: join(folder, "workloads") })
      : null,
    idle: wants("idle")
      ? await measureIdleConnections({ ...shared, folder: join(folder, "idle"), repeats: extent.memories })
      : null,
    scale: wants("scale") ? await measureScale({ ...SCALE, folder: join(folder, "scale"), progress }) : null,
  };
  mkdirSync(KEPT_FOLDER, { recursive: true });
  writeFileSync(join(KEPT_FOLDER, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
  progress(`took ${((systemClock.nowMs() - startedMs) / 60_000).toFixed(1)} minutes`);
  process.stdout.write(`${options.output === "json" ? JSON.stringify(results, null, 2) : formatResults(results)}\n`);
}

function pickRuntimes(machine: Machine, ids: readonly string[] | undefined): readonly BenchRuntime[] {
  if (ids === undefined) {
    const chosen = chooseRuntimes(machine);
    for (const runtime of chosen)
      if (!isAimedAt(runtime)) progress(`${runtime.label} is older than what the aims are for: expect it to miss them`);
    return chosen;
  }
  return ids.map((id) => {
    const found = machine.runtimes.find((runtime) => runtime.id === id);
    if (found !== undefined) return found;
    throw new Error(
      `Found no runtime "${id}"; expected some of ${machine.runtimes.map((runtime) => runtime.id).join(",")}`,
    );
  });
}

async function end(exitCode: number): Promise<never> {
  await stopAllProcesses();
  rmSync(folder, { recursive: true, force: true });
  process.exit(exitCode);
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

function parseListOf(known: readonly string[]): (text: string) => readonly string[] {
  return (text) => {
    const parts = text.split(",");
    const unknown = parts.find((part) => !known.includes(part));
    if (unknown !== undefined)
      throw new InvalidArgumentError(`Found "${unknown}"; expected some of ${known.join(",")}.`);
    return parts;
  };
}

function parsePositive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("Expected a whole number above 0.");
  return value;
}
