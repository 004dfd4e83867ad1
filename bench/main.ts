/**
 * `npm run bench`: measures what weft promises, beside nginx and HAProxy, in one run on this machine. Progress goes to
 * standard error, the tables to standard output, everything to .weft-bench/results.json. See docs/performance.md.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { stopAllProcesses } from "./bench-process.ts";
import { describeMachine, PROJECT_FOLDER } from "./machine.ts";
import { measureMemory } from "./memory.ts";
import { type BenchResults, formatResults } from "./report.ts";
import { measureStartup } from "./startup.ts";
import { measureThroughput } from "./throughput.ts";

const PARTS = ["startup", "memory", "throughput"] as const;
const STARTUP_REPEATS = 5;
const MEMORY_REPEATS = 3;

interface Options {
  readonly only: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly output: "table" | "json";
}

const program = new Command("npm run bench --")
  .description("Measures start, memory and throughput of weft beside nginx and HAProxy.")
  .addOption(
    new Option("--only <parts>", "some of startup,memory,throughput").default(PARTS, "all").argParser(parseParts),
  )
  .addOption(new Option("--rounds <count>", "rounds of throughput").default(5).argParser(parsePositive))
  .addOption(new Option("--seconds <count>", "length of one measurement").default(2).argParser(parsePositive))
  .addOption(new Option("--connections <count>", "connections of the load").default(32).argParser(parsePositive))
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
  const machine = describeMachine();
  const wants = (part: (typeof PARTS)[number]): boolean => options.only.includes(part);
  const shared = { machine, progress };
  const startup = wants("startup")
    ? await measureStartup({ ...shared, folder: join(folder, "startup"), repeats: STARTUP_REPEATS })
    : null;
  const memory = wants("memory")
    ? await measureMemory({ ...shared, folder: join(folder, "memory"), repeats: MEMORY_REPEATS })
    : null;
  const { rounds, seconds, connections } = options;
  const throughput = wants("throughput")
    ? await measureThroughput({ ...shared, folder: join(folder, "throughput"), rounds, seconds, connections })
    : null;
  const results: BenchResults = { machine, startup, memory, throughput };
  const kept = join(PROJECT_FOLDER, ".weft-bench");
  mkdirSync(kept, { recursive: true });
  writeFileSync(join(kept, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
  process.stdout.write(`${options.output === "json" ? JSON.stringify(results, null, 2) : formatResults(results)}\n`);
}

async function end(exitCode: number): Promise<never> {
  await stopAllProcesses();
  rmSync(folder, { recursive: true, force: true });
  process.exit(exitCode);
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

function parseParts(text: string): readonly string[] {
  const parts = text.split(",");
  const unknown = parts.find((part) => !PARTS.some((known) => known === part));
  if (unknown !== undefined) throw new InvalidArgumentError(`Found "${unknown}"; expected some of ${PARTS.join(",")}.`);
  return parts;
}

function parsePositive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("Expected a whole number above 0.");
  return value;
}
