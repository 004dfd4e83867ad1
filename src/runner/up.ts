import { join, resolve } from "node:path";
import { existsSync } from "node:fs";
import { DEFAULT_API_ADDRESS, DEFAULT_XDS_ADDRESS } from "../control-bootstrap.ts";
import type { CliContext } from "../cli/context.ts";
import { printProblems } from "../cli/output/problem-printer.ts";
import type { StatRow } from "../control/views.ts";
import { WeftError } from "../lib/weft-error.ts";
import { type Home, openHome } from "./home.ts";
import { InvalidWeftYamlError, type LoadedWeftYaml, loadWeftYaml } from "./load-weft-yaml.ts";
import { MeshRunner } from "./mesh-runner.ts";
import { createConnectOnce } from "./port-probe.ts";
import { chooseProxyRuntime } from "./proxy-runtime.ts";
import { createSpawnChild } from "./spawn-child.ts";
import { UpDisplay } from "./up-display.ts";

export interface UpOptions {
  /** weft.yaml, or its folder; left out: the nearest one upward. */
  readonly file: string | undefined;
  /** Chosen by `--home` or WEFT_HOME; null: `.weft` beside weft.yaml. */
  readonly home: string | null;
  readonly isQuiet: boolean;
  readonly hasAccessLog: boolean;
  /** 0 = any free. */
  readonly apiPort: number;
  readonly xdsPort: number;
}

const TABLE_INTERVAL_MS = 1000;
const TABLE_WINDOW_MS = 10_000;
const DEFAULT_FILE = "weft.yaml";

/** Runs a mesh until it is interrupted. Resolves when no process of it is left. */
export async function runUp(context: CliContext, options: UpOptions): Promise<void> {
  const loaded = load(context, findWeftYaml(context.cwd, options.file));
  const home = openHome(options.home === null ? join(loaded.folder, ".weft") : resolve(context.cwd, options.home));
  try {
    await runMesh(context, { options, loaded, home });
  } finally {
    home.close();
  }
}

interface Run {
  readonly options: UpOptions;
  readonly loaded: LoadedWeftYaml;
  readonly home: Home;
}

async function runMesh(context: CliContext, { options, loaded, home }: Run): Promise<void> {
  const { clock, environment, random, stdout } = context;
  const names = loaded.config.services.flatMap((service) => service.versions.map((version) => `${service.name}-${version.name}-00`));
  const display = new UpDisplay({ terminal: stdout, prefixWidth: Math.max(0, ...names.map((name) => name.length - 1)), isQuiet: options.isQuiet });
  const runtime = chooseProxyRuntime(environment["WEFT_RUNTIME"]);
  const runner = await MeshRunner.create({
    loaded,
    home,
    clock,
    random,
    spawn: createSpawnChild(clock, home.journal),
    connect: createConnectOnce(clock),
    environment,
    runtimes: { current: runtime, fallback: chooseProxyRuntime("node") },
    api: { ...DEFAULT_API_ADDRESS, port: options.apiPort },
    xds: { ...DEFAULT_XDS_ADDRESS, port: options.xdsPort },
    hasAccessLog: options.hasAccessLog,
    onAppLine: (workload, line) => display.appLine(workload, line),
    onProblem: (message) => display.problem(message),
    onNotice: (message) => display.notice(message),
  });
  // Whatever ends this process, no app outlives it: the proxies see their input end, apps do not.
  const endAll = (): void => runner.kill();
  process.on("exit", endAll);
  if (home.leftovers.length > 0) display.notice(`ended what an earlier run left behind: ${home.leftovers.join(", ")}`);
  const interrupted = watchInterrupts(context, runner, display);
  const table = startTable(context, runner, display);
  try {
    const outcome = await Promise.race([runner.start().then(() => "ready" as const), interrupted.first]);
    if (outcome === "ready") {
      printReady(context, { runner, display, loaded, home: home.path });
      await interrupted.first;
    }
    await runner.stop();
  } catch (error) {
    await runner.stop();
    throw error;
  } finally {
    table.stop();
    interrupted.stop();
    display.close();
    process.off("exit", endAll);
  }
  stdout.write("weft has stopped\n");
}

function load(context: CliContext, path: string): LoadedWeftYaml {
  try {
    const loaded = loadWeftYaml(path, context.cwd);
    printProblems(context.stderr, loaded.warnings);
    return loaded;
  } catch (error) {
    if (error instanceof InvalidWeftYamlError) printProblems(context.stderr, error.problems);
    throw error;
  }
}

function findWeftYaml(cwd: string, given: string | undefined): string {
  if (given !== undefined) {
    const path = resolve(cwd, given);
    const inside = join(path, DEFAULT_FILE);
    return existsSync(inside) ? inside : path;
  }
  for (let folder = cwd; ; folder = resolve(folder, "..")) {
    const path = join(folder, DEFAULT_FILE);
    if (existsSync(path)) return path;
    if (resolve(folder, "..") !== folder) continue;
    throw new WeftError("WEFT_YAML_MISSING", `Cannot find a weft.yaml: found none in "${cwd}" or above; expected one`, {
      hint: "Write one (docs/weft-yaml.md), or try the example: weft up examples/shop/weft.yaml",
    });
  }
}

interface Interrupts {
  readonly first: Promise<"interrupted">;
  stop(): void;
}

/** The first Ctrl-C asks for an orderly end, the second one ends everything at once. */
function watchInterrupts(context: CliContext, runner: MeshRunner, display: UpDisplay): Interrupts {
  let count = 0;
  let stop: () => void = () => undefined;
  const first = new Promise<"interrupted">((resolve) => {
    stop = context.onInterrupt(() => {
      count += 1;
      if (count === 1) {
        display.notice("stopping; once more to stop at once");
        resolve("interrupted");
      } else {
        runner.kill();
      }
    });
  });
  return { first, stop: () => stop() };
}

function startTable(context: CliContext, runner: MeshRunner, display: UpDisplay): { stop(): void } {
  if (!context.stdout.isTty) return { stop: () => undefined };
  let stat: readonly StatRow[] = [];
  let isBusy = false;
  async function refresh(): Promise<void> {
    display.table(runner.instances, stat, runner.isControlPlaneUp());
    if (isBusy) return;
    isBusy = true;
    try {
      stat = (await runner.api()?.stat(TABLE_WINDOW_MS)) ?? [];
    } catch {
      stat = [];
    } finally {
      isBusy = false;
    }
  }
  const timer = context.clock.every(TABLE_INTERVAL_MS, () => void refresh(), undefined);
  return { stop: () => timer.clear() };
}

function printReady(context: CliContext, { runner, display, loaded, home }: { readonly runner: MeshRunner; readonly display: UpDisplay; readonly loaded: LoadedWeftYaml; readonly home: string }): void {
  display.line(`weft is ready in ${(context.clock.nowMs() / 1000).toFixed(1)} s`);
  for (const { address, port, service } of runner.ingressPorts()) {
    const host = address.includes(":") ? `[${address}]` : address;
    display.line(`  ${service.slice(service.indexOf("/") + 1)}: http://${host}:${port}/`);
  }
  display.line(`  API: ${runner.api()?.baseUrl ?? ""} (state, token and logs: ${home})`);
  if (loaded.config.access === "permissive") display.line("  access is permissive: every call is allowed, and counted where strict would deny it");
}
