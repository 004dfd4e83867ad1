/**
 * `node dist/bench/profile.js`: one weft leg under load, and where its time goes: CPU time per request and process, shares
 * of kernel, native code and JavaScript, the functions on top, system calls per request. Linux with perf and wrk only.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { FreePorts } from "../src/runner/free-port.ts";
import { systemRandom } from "../src/random/system-random.ts";
import { BenchProcess, stopAllProcesses } from "./bench-process.ts";
import { startBackend } from "./groups.ts";
import { type Leg, planVariants, planWeft } from "./legs.ts";
import { LoadProgram, type LoadResult } from "./load-program.ts";
import { type BenchRuntime, describeMachine } from "./machine.ts";
import { createPeerFiles } from "./peers/peer.ts";
import type { PolicyVariant } from "./policy-variants.ts";
import { readCpuMicros } from "./process-cost.ts";
import { JitCode } from "./profile/jit-code.ts";
import { parseSamples, type Sample } from "./profile/samples.ts";
import { countSystemCalls } from "./profile/system-calls.ts";
import { startWeftMesh } from "./weft-mesh.ts";
import { MINIMAL, REALISTIC } from "./requests.ts";
import { closedLoop, type Group, GROUPS, type LoadTools, type Workload } from "./workloads.ts";

interface Options {
  readonly leg: string;
  readonly runtime: string;
  readonly workload: string;
  readonly connections: number;
  readonly seconds: number;
  readonly top: number;
  readonly policy: PolicyVariant | null;
}

const WARM_UP_SECONDS = 6;
const COUNT_SECONDS = 2;
const SAMPLES_PER_SECOND = 1999;
/** perf has to attach before the load is at its end. */
const ATTACH_SECONDS = 1;

const program = new Command("node dist/bench/profile.js")
  .description("Shows where the time of one weft leg goes.")
  .addOption(new Option("--leg <group>").choices(GROUPS.map(({ id }) => id)).default("two-hop"))
  .addOption(new Option("--runtime <id>", "bun, node, node-lts").default("bun"))
  .addOption(
    new Option("--workload <id>", "realistic or minimal with --connections, or one of the bench").default("realistic"),
  )
  .addOption(new Option("--connections <count>").default(32).argParser(parsePositive))
  .addOption(new Option("--seconds <count>", "length of each measurement").default(5).argParser(parsePositive))
  .addOption(
    new Option("--policy <json>", "spec of a TrafficPolicy for the called Service, without targetRef")
      .default(null)
      .argParser(parsePolicy),
  )
  .addOption(new Option("--top <count>", "functions shown").default(40).argParser(parsePositive));
program.parse();

const holder = new MessageChannel().port1;
holder.ref();
const folder = mkdtempSync(join(tmpdir(), "weft-profile-"));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void end(130));
try {
  await run(program.opts<Options>());
  await end(0);
} catch (error) {
  process.stderr.write(`profile: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  await end(1);
}

async function run(options: Options): Promise<void> {
  const machine = describeMachine();
  const runtime = machine.runtimes.find(({ id }) => id === options.runtime);
  if (runtime === undefined)
    throw new Error(
      `Found no runtime "${options.runtime}"; expected one of ${machine.runtimes.map(({ id }) => id).join(", ")}`,
    );
  const group = GROUPS.find(({ id }) => id === options.leg);
  if (group === undefined) throw new Error(`Found no group "${options.leg}"`);
  const workload = findWorkload(group, options);
  const pinned = machine.tools.taskset !== null && machine.cores > 1;
  const [loadCore, proxyCore] = pinned ? [0, 1] : [null, null];
  const files = await createPeerFiles(folder);
  const ports = new FreePorts(systemRandom);
  const program = machine.tools.go === null ? null : await LoadProgram.build(folder, loadCore);
  const tools: LoadTools = { program, folder, loadCore, halfRate: 1000, seed: 1 };
  const mesh = await startWeftMesh(join(folder, "mesh"), loadCore);
  const place = { machine, runtimes: [withSymbols(runtime)], files, ports, mesh, proxyCore };
  const backendPort = await ports.take();
  const backend = await startBackend(group, place, tools, backendPort);
  const request = { id: group.id, hops: group.hops, carries: group.carries, backendPort };
  const [plan] = options.policy === null ? planWeft(place, request) : planVariants(place, request, [options.policy]);
  if (plan === undefined) throw new Error("expected a leg");
  const leg = await plan.start();
  await group.check(leg, tools);
  const { seconds } = options;
  const load = (lasting: number): Promise<LoadResult> => workload(leg, lasting, tools);

  progress(`warming up for ${WARM_UP_SECONDS} s`);
  await load(WARM_UP_SECONDS);
  progress(`CPU time, ${seconds} s`);
  printCost(leg, await measureCost(leg, () => load(seconds)));
  const pids = leg.processes.map(({ pid }) => pid);
  progress(`system calls, ${COUNT_SECONDS} s`);
  await printSystemCalls(pids, load);
  progress(`samples, ${seconds} s`);
  const data = join(folder, "perf.data");
  const loaded = load(seconds + 2 * ATTACH_SECONDS);
  await runPerf([
    "record",
    "-q",
    "-e",
    "cpu-clock",
    "-F",
    String(SAMPLES_PER_SECOND),
    "-g",
    "-o",
    data,
    "-p",
    pids.join(","),
    "--",
    "sleep",
    String(seconds),
  ]);
  await loaded;
  const text = execFileSync("perf", ["script", "-i", data, "-F", "comm,pid,ip,sym,dso"], {
    encoding: "utf8",
    maxBuffer: 2 ** 30,
    stdio: ["ignore", "pipe", "ignore"],
  });
  // A jitdump is complete once its process has ended.
  await Promise.all(leg.processes.map((process) => process.stop()));
  const jitCodes = new Map(pids.map((pid) => [pid, JitCode.ofProcess(pid, folder)]));
  for (const pid of pids) rmSync(`/tmp/perf-${pid}.map`, { force: true });
  printSamples(parseSamples(text, jitCodes), options.top);
  await mesh.close();
  await backend.stop();
}

function parsePolicy(text: string): PolicyVariant {
  try {
    return { id: "policy", title: "with a policy", spec: JSON.parse(text) as Record<string, unknown> };
  } catch {
    throw new InvalidArgumentError("expected JSON");
  }
}

/** The group's only one where it takes neither kind of request. */
function findWorkload(group: Group, { workload, connections }: Options): Workload["load"] {
  const kind = [REALISTIC, MINIMAL].find(({ id }) => id === workload);
  if (group.backend === "answers" && kind !== undefined) return closedLoop(kind, connections);
  const found = group.workloads.find(({ id }) => id === workload) ?? group.workloads[0];
  if (found === undefined) throw new Error(`Found no workload in ${group.id}`);
  return found.load;
}

/** The same runtime, telling perf the names of what it compiles. */
function withSymbols(runtime: BenchRuntime): BenchRuntime {
  return runtime.kind === "bun"
    ? { ...runtime, environment: { BUN_JSC_useJITDump: "1", BUN_JSC_jitDumpDirectory: folder } }
    : { ...runtime, parameters: ["--perf-basic-prof-only-functions", "--interpreted-frames-native-stack"] };
}

interface Cost {
  readonly result: LoadResult;
  /** Per process of the leg: of the measured requests. */
  readonly cpuMicros: readonly number[];
}

async function measureCost(leg: Leg, load: () => Promise<LoadResult>): Promise<Cost> {
  const read = (): number[] => leg.processes.map(({ pid }) => readCpuMicros(pid));
  const before = read();
  const result = await load();
  return { result, cpuMicros: read().map((micros, index) => micros - (before[index] ?? 0)) };
}

function printCost(leg: Leg, { result, cpuMicros }: Cost): void {
  const each = cpuMicros.map((micros) => micros / result.count);
  const names = leg.processes.length === 1 ? ["caller"] : ["caller", "called"];
  const parts = each.map((micros, index) => `${names[index]} ${micros.toFixed(1)}`);
  print(
    `${leg.title}: ${sum(each).toFixed(1)} µs of CPU per request (${parts.join(", ")}), ${result.perSecond.toFixed(0)} requests/s, median ${result.medianMicros} µs, p99 ${result.p99Micros} µs, ${result.errors} errors`,
  );
}

async function printSystemCalls(
  pids: readonly number[],
  load: (seconds: number) => Promise<LoadResult>,
): Promise<void> {
  const loaded = load(COUNT_SECONDS + 2 * ATTACH_SECONDS);
  const perProcess = await Promise.all(
    pids.map((pid) => countSystemCalls([pid], COUNT_SECONDS, join(createFolder(`count-${pid}`)))),
  );
  const { perSecond } = await loaded;
  perProcess.forEach((counts, index) => {
    if (counts === null) return print("system calls: unknown (this kernel has no tracepoints for us)");
    const perRequest = [...counts].map(([name, count]) => [name, count / (perSecond * COUNT_SECONDS)] as const);
    const shown = perRequest.filter(([, count]) => count >= 0.005).toSorted((a, b) => b[1] - a[1]);
    print(
      `system calls per request, ${index === 0 ? "caller" : "called"}: ${shown.map(([name, count]) => `${name} ${count.toFixed(2)}`).join(", ")}`,
    );
  });
}

function printSamples(samples: readonly Sample[], top: number): void {
  const share = (count: number): string => `${((count / samples.length) * 100).toFixed(1).padStart(5)} %`;
  print(`\n${samples.length} samples at ${SAMPLES_PER_SECOND} Hz`);
  for (const [kind, count] of countBy(samples, ({ kind }) => kind)) print(`${share(count)}  ${kind}`);
  print("\nthreads");
  for (const [thread, count] of countBy(samples, ({ thread }) => thread)) print(`${share(count)}  ${thread}`);
  print("\nof it inside system calls");
  const inside = samples.filter(({ systemCall }) => systemCall !== null);
  for (const [name, count] of countBy(inside, ({ systemCall }) => systemCall ?? "").slice(0, 10))
    print(`${share(count)}  ${name}`);
  print("\nfunctions of JavaScript");
  const scripts = samples.filter(({ kind }) => kind === "javascript");
  for (const [symbol, count] of countBy(scripts, ({ symbol }) => symbol).slice(0, top))
    print(`${share(count)}  ${symbol}`);
  print("\nnative code outside system calls, by the JavaScript that called it");
  const native = samples.filter(({ kind, systemCall }) => kind === "native" && systemCall === null);
  for (const [symbol, count] of countBy(native, ({ caller }) => caller ?? "(none)").slice(0, top))
    print(`${share(count)}  ${symbol}`);
  print("\nall functions");
  for (const [symbol, count] of countBy(samples, ({ symbol }) => symbol).slice(0, top))
    print(`${share(count)}  ${symbol}`);
}

/** Most first. */
function countBy(samples: readonly Sample[], key: (sample: Sample) => string): (readonly [string, number])[] {
  const counts = new Map<string, number>();
  for (const sample of samples) counts.set(key(sample), (counts.get(key(sample)) ?? 0) + 1);
  return [...counts].toSorted((a, b) => b[1] - a[1]);
}

async function runPerf(parameters: readonly string[]): Promise<void> {
  const perf = new BenchProcess({
    title: `perf ${parameters[0]}`,
    file: "perf",
    parameters,
    cwd: folder,
    environment: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    core: null,
  });
  await perf.finish(120_000);
}

function createFolder(name: string): string {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  return path;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

async function end(exitCode: number): Promise<never> {
  await stopAllProcesses();
  rmSync(folder, { recursive: true, force: true });
  process.exit(exitCode);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

function parsePositive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("Expected a whole number above 0.");
  return value;
}
