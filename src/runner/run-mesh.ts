import { DEFAULT_XDS_ADDRESS } from "../control-bootstrap.ts";
import { findHome, formatKubeconfigPath } from "../apiserver/api-access.ts";
import type { CliContext } from "../cli/context.ts";
import { printProblems } from "../cli/output/problem-printer.ts";
import type { StatRow } from "../control/views.ts";
import type { SpawnChild } from "./child.ts";
import type { ControlPlane } from "./control-plane.ts";
import type { Home } from "./home.ts";
import { InvalidWeftYamlError, type LoadedWeftYaml, loadWeftYaml } from "./load-weft-yaml.ts";
import { MeshRunner } from "./mesh-runner.ts";
import { createConnectOnce } from "./port-probe.ts";
import { chooseProxyRuntime } from "./proxy-runtime.ts";
import { resolveCertificate } from "./resolve-certificate.ts";
import type { ControlPlaneListener, UpOptions } from "./up.ts";
import { UpDisplay } from "./up-display.ts";

export interface MeshRun {
  readonly options: UpOptions;
  /** Of weft.yaml, absolute. */
  readonly path: string;
  readonly home: Home;
  /** Started, not yet configured; the caller stops it when `runMesh` did not get as far. */
  readonly control: ControlPlane;
  readonly spawn: SpawnChild;
  readonly listener: ControlPlaneListener;
}

const TABLE_INTERVAL_MS = 1000;
const TABLE_WINDOW_MS = 10_000;

/** Everything of `weft up` after the control plane's process was started. */
export async function runMesh(context: CliContext, run: MeshRun): Promise<void> {
  const { clock, environment, random, stdout } = context;
  const { control, home, listener, options, spawn } = run;
  const loaded = load(context, run.path);
  const names = loaded.config.services.flatMap((service) =>
    service.versions.map((version) => `${service.name}-${version.name}-00`),
  );
  const display = new UpDisplay({
    terminal: stdout,
    prefixWidth: Math.max(0, ...names.map((name) => name.length - 1)),
    isQuiet: options.isQuiet,
  });
  const runtime = chooseProxyRuntime(environment["WEFT_RUNTIME"]);
  const runner = await MeshRunner.create({
    loaded,
    home,
    clock,
    random,
    control,
    spawn,
    connect: createConnectOnce(clock),
    environment,
    runtimes: { current: runtime, fallback: chooseProxyRuntime("node") },
    api: { address: options.api.address, port: options.api.port },
    apiNames: options.api.names,
    apiCertificate: resolveCertificate(context.cwd, options.api.certificate),
    xds: { ...DEFAULT_XDS_ADDRESS, port: options.xdsPort },
    hasAccessLog: options.hasAccessLog,
    onAppLine: (workload, line) => display.appLine(workload, line),
    onProblem: (message) => display.problem(message),
    onNotice: (message) => display.notice(message),
  });
  listener.onProblem = (message) => display.problem(message);
  listener.onBack = () => {
    display.notice("the control plane is back");
    runner.retryNow();
  };
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
    const loaded = loadWeftYaml(path, context.cwd, context.clock.wallMs());
    printProblems(context.stderr, loaded.warnings);
    return loaded;
  } catch (error) {
    if (error instanceof InvalidWeftYamlError) printProblems(context.stderr, error.problems);
    throw error;
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

function printReady(
  context: CliContext,
  {
    runner,
    display,
    loaded,
    home,
  }: {
    readonly runner: MeshRunner;
    readonly display: UpDisplay;
    readonly loaded: LoadedWeftYaml;
    readonly home: string;
  },
): void {
  display.line(`weft is ready in ${(context.clock.nowMs() / 1000).toFixed(1)} s`);
  for (const { address, port, tls = false, service, passthrough = [] } of runner.ingressPorts()) {
    const host = address.includes(":") ? `[${address}]` : address;
    const name = service === "" ? "ingress" : service.slice(service.indexOf("/") + 1);
    if (tls) display.line(`  ${name}: https://${host}:${port}/`);
    else if (service !== "" || passthrough.length === 0) display.line(`  ${name}: http://${host}:${port}/`);
    for (const rule of passthrough) {
      display.line(`  ${rule.service.slice(rule.service.indexOf("/") + 1)}: TLS for ${rule.host} at ${host}:${port}`);
    }
  }
  display.line(`  API: ${runner.api()?.baseUrl ?? ""} (state, token and logs: ${home})`);
  // Elsewhere the command line looks beside the nearest weft.yaml, and in the folder it is called in.
  if (findHome({ cwd: context.cwd }) !== home)
    display.line(`  in other terminals: export WEFT_HOME=${quoteForShell(home)}`);
  display.line(`  kubectl: export KUBECONFIG=${quoteForShell(formatKubeconfigPath(home))}`);
  if (loaded.config.access === "permissive")
    display.line("  access is permissive: every call is allowed, and counted where strict would deny it");
}

function quoteForShell(path: string): string {
  return /^[\w./@-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
