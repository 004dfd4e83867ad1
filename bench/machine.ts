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
  /** Of resource names, e.g. "bun". */
  readonly id: string;
  readonly file: string;
  /** Of the executable, before the script's name; none in the bench, those of profilers in a profile. */
  readonly parameters?: readonly string[];
  /** Beside what weft's own processes get. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Programs the bench uses when they are there; null = not found. */
export interface Tools {
  readonly nginx: string | null;
  readonly haproxy: string | null;
  readonly wrk: string | null;
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
      wrk: readVersion("wrk", ["-v"]),
      taskset: readVersion("taskset", ["--version"]),
    },
  };
}

/** Bun where weft finds it, the Node that runs this, and the newest LTS of Node where the tests have put one. */
function listRuntimes(): readonly BenchRuntime[] {
  const found: BenchRuntime[] = [];
  const preferred = chooseProxyRuntime(undefined);
  if (preferred.name === "bun")
    found.push({ id: "bun", label: `Bun ${runForVersion(preferred.file)}`, file: preferred.file });
  found.push({ id: "node", label: `Node ${process.versions.node}`, file: process.execPath });
  const lts = join(
    PROJECT_FOLDER,
    ".build",
    "node-lts",
    "node_modules",
    `node-${process.platform}-${process.arch}`,
    "bin",
    "node",
  );
  if (existsSync(lts)) found.push({ id: "node-lts", label: `Node ${runForVersion(lts)}`, file: lts });
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
