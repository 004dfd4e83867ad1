import { mkdirSync, rmSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { isatty } from "node:tty";
import { readApiAccess } from "../apiserver/api-access.ts";
import { type ApiClient, createHomeClient } from "../apiserver/api-client.ts";
import type { CliContext } from "../cli/context.ts";
import { paint } from "../cli/output/style.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { AppProtocol } from "../proxy-node.ts";
import { createApp } from "./app.ts";
import { createCaptureEnvironment } from "./capture-environment.ts";
import type { ChildExit } from "./child.ts";
import { EndpointPublisher } from "./endpoint-publisher.ts";
import { toEndpointSlices } from "./endpoint-slices.ts";
import { createOwnProcessEnvironment, type Environment } from "./environment.ts";
import { FreePorts, isPortFree } from "./free-port.ts";
import { formatRunFolder, openLog } from "./home.ts";
import { Instance } from "./instance.ts";
import {
  ensureServiceAccount,
  ensureServices,
  findServicePort,
  type JoinOptions,
  listUdpTargets,
} from "./join-mesh.ts";
import { formatNamesPath } from "./mesh-names.ts";
import { probeUdp } from "./udp-probe.ts";
import { createConnectOnce } from "./port-probe.ts";
import { ProcessJournal } from "./process-journal.ts";
import { chooseProxyRuntime } from "./proxy-runtime.ts";
import { Sidecar, type SidecarPorts } from "./sidecar.ts";
import { createSpawnChild } from "./spawn-child.ts";

export interface RunOptions {
  readonly namespace: string;
  readonly service: string;
  /** "" for none. */
  readonly version: string;
  /** Where the program listens whatever PORT says; null = PORT, which weft assigns. */
  readonly port: number | null;
  /** Null: the existing Service's, else "http". */
  readonly protocol: AppProtocol | null;
  readonly servicePort: number | null;
  /** Processes that carry the sidecar's traffic. */
  readonly workers: number | "auto";
  /** Where it runs; "" = unknown. */
  readonly zone: string;
  readonly command: string;
  readonly parameters: readonly string[];
}

const DRAIN_MS = 5000;
const APP_GRACE_MS = 5000;
const LEAVE_LIMIT_MS = 1000;
/** A mesh that is away when we leave must not keep us. */
const FAREWELL_MS = 2000;

/**
 * Runs one program as a workload of a mesh that runs already. A program that listens on its port becomes an instance of
 * the service, and is started again when it ends. One that ends without ever having listened was a client: its exit code
 * becomes that of `weft run`.
 */
export async function runService(context: CliContext, options: RunOptions): Promise<void> {
  const home = context.findHome();
  const access = readApiAccess(home);
  const client = createHomeClient(access, () => readRoots(home) ?? access.caPem);
  const folder = formatRunFolder(home, process.pid);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    await runInMesh(context, options, { home, folder, client });
  } finally {
    client.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** As whoever runs the control plane wrote them last; undefined while it is about to. */
function readRoots(home: string): string | undefined {
  try {
    return readApiAccess(home).caPem;
  } catch {
    return undefined;
  }
}

interface Mesh {
  readonly home: string;
  /** State of this run. */
  readonly folder: string;
  readonly client: ApiClient;
}

async function runInMesh(context: CliContext, options: RunOptions, { home, folder, client }: Mesh): Promise<void> {
  const { clock, environment, random, stderr } = context;
  const say = (message: string): void => stderr.write(`${paint(stderr, "dim", "weft:")} ${message}\n`);
  const joining: JoinOptions = {
    namespace: options.namespace,
    service: options.service,
    version: options.version,
    protocol: options.protocol ?? "http",
    servicePort: options.servicePort,
  };
  const [existing, port, udp] = await Promise.all([
    findServicePort(client, joining),
    choosePort(options.port, new FreePorts(random)),
    listUdpTargets(client, options.namespace),
    ensureServiceAccount(client, options),
  ]);
  const protocol = options.protocol ?? existing?.protocol ?? "http";
  const workload = formatRunWorkload(options, Buffer.from(random.bytes(3)).toString("hex"));
  const journal = new ProcessJournal(folder);
  const spawn = createSpawnChild(clock, journal);
  const runtime = chooseProxyRuntime(environment["WEFT_RUNTIME"]);
  const stateDir = join(folder, "proxy");
  const names = new Set<string>();
  const publisher = new EndpointPublisher({
    clock,
    async apply(slice) {
      await ensureServices(client, { ...joining, protocol });
      names.add(slice.metadata.name);
      await client.apply(slice);
    },
    onFailing: (error) =>
      say(`endpoints wait for the control plane: ${error instanceof Error ? error.message : String(error)}`),
    onRecovered: () => say("endpoints are up to date again"),
    onIdle: () => undefined,
  });
  let end: (outcome: Outcome) => void = () => undefined;
  const ended = new Promise<Outcome>((resolve) => {
    end = resolve;
  });
  const instance = new Instance({
    namespace: options.namespace,
    workload,
    service: options.service,
    version: options.version,
    protocol,
    portName: existing?.name ?? "",
    zone: options.zone,
    backendWaitsFor: "ready",
    createSidecar: (events) =>
      new Sidecar({
        ...events,
        clock,
        spawn,
        workload,
        namespace: options.namespace,
        serviceAccount: options.service,
        app: { address: "127.0.0.1", port, protocol },
        ingress: [],
        udp,
        workers: options.workers,
        zone: options.zone,
        stateDir,
        logFile: openLog(home, `run-${options.service}`),
        accessLog: openLog(home, `run-${options.service}.access`),
        drainMs: DRAIN_MS,
        environment: createOwnProcessEnvironment(environment, join(home, "compile-cache")),
        runtimes: { current: runtime, fallback: chooseProxyRuntime("node") },
        grantJoin: (request) => client.grantJoin(request),
        onProblem(message) {
          say(message);
          if (!instance.hasJoined()) end({ kind: "failed", message });
        },
      }),
    createBackend: (events) =>
      createApp({
        clock,
        spawn,
        connect: protocol === "udp" ? probeUdp : createConnectOnce(clock),
        workload,
        process: {
          command: { kind: "program", file: options.command, parameters: options.parameters },
          stdin: "inherit",
          output: "inherit",
          // A program at a terminal must stay in the terminal's foreground group to be able to read from it.
          ownGroup: !isatty(0),
        },
        cwd: context.cwd,
        port,
        createEnvironment: () =>
          createProgramEnvironment(environment, { options, port, ports: events.ports(), stateDir }),
        silentAfterMs: null,
        onAcceptingChange(accepting) {
          events.onAcceptingChange(accepting);
          if (accepting) say(`${workload} serves ${options.service} (its port: ${port})`);
        },
        onEnd(exit, hasAccepted) {
          if (hasAccepted) return "restart";
          end({ kind: "ended", exit });
          return "leave";
        },
        onLine: () => undefined,
        onProblem: say,
      }),
    onEndpoint: (endpoint) => publisher.publish(toEndpointSlices(endpoint)),
  });
  const endAll = (): void => instance.kill();
  process.on("exit", endAll);
  const stopListening = listenForInterrupts(context, () => end({ kind: "interrupted" }), endAll);
  try {
    instance.start();
    const outcome = await ended;
    instance.leave();
    await publisher.settle(LEAVE_LIMIT_MS);
    publisher.close();
    await instance.stopSidecar();
    await instance.stopBackend(APP_GRACE_MS);
    await sayFarewell(client, { namespace: options.namespace, names }, context);
    finish(context, options, outcome);
  } finally {
    stopListening();
    process.off("exit", endAll);
  }
}

type Outcome =
  | { readonly kind: "ended"; readonly exit: ChildExit }
  | { readonly kind: "interrupted" }
  | { readonly kind: "failed"; readonly message: string };

function finish(context: CliContext, options: RunOptions, outcome: Outcome): void {
  if (outcome.kind === "interrupted") return;
  if (outcome.kind === "failed") {
    throw new WeftError(
      "WEFT_RUN_JOIN",
      `Cannot join the mesh as "${options.service}": ${outcome.message}; expected a proxy that serves`,
      {
        hint: "See `weft check`, and the log of the proxy in the state folder",
      },
    );
  }
  const { code, error, signal } = outcome.exit;
  if (error !== null) {
    throw new WeftError("WEFT_RUN_COMMAND", `Cannot run "${options.command}": found ${error}; expected a program`, {
      hint:
        error === "ENOENT"
          ? "Check its name and PATH; shell syntax needs a shell: -- sh -c '…'"
          : "Check that this user may run it",
    });
  }
  // As shells do: 128 and the signal's number.
  const exitCode = signal === null ? (code ?? 0) : 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
  if (exitCode !== 0) context.fail(exitCode);
}

function createProgramEnvironment(
  environment: Environment,
  {
    options,
    port,
    ports,
    stateDir,
  }: {
    readonly options: RunOptions;
    readonly port: number;
    readonly ports: SidecarPorts | null;
    readonly stateDir: string;
  },
): Environment {
  const own = { ...environment, PORT: String(port), WEFT_SERVICE: options.service, WEFT_VERSION: options.version };
  const outbound = ports?.outbound ?? null;
  return outbound === null
    ? own
    : {
        ...own,
        ...createCaptureEnvironment(own, { outbound, udp: ports?.udp ?? [], namesFile: formatNamesPath(stateDir) }),
      };
}

/** The given port must be free: else the program of somebody else would look like ours. */
async function choosePort(given: number | null, ports: FreePorts): Promise<number> {
  if (given === null) return ports.take();
  if (await isPortFree(given)) return given;
  throw new WeftError(
    "WEFT_RUN_PORT_TAKEN",
    `Cannot run a service on port ${given}: found another program there; expected a free port`,
    {
      hint: "Stop that program, or name the port that the command will listen on. To mesh what already runs, give it as an address in weft.yaml",
    },
  );
}

/** Unique on this machine and beyond: several people may run the same service. */
function formatRunWorkload({ service, version }: RunOptions, suffix: string): string {
  const name = version === "" ? service : `${service}-${version}`;
  return `${name.slice(0, 63 - suffix.length - 2)}-r${suffix}`;
}

/** The first one ends in order, the second one at once. */
function listenForInterrupts(context: CliContext, onFirst: () => void, onSecond: () => void): () => void {
  let count = 0;
  return context.onInterrupt(() => {
    count += 1;
    if (count === 1) onFirst();
    else onSecond();
  });
}

/** Endpoints that nobody stands behind any more go at once instead of when the control plane notices. */
async function sayFarewell(
  client: ApiClient,
  { namespace, names }: { readonly namespace: string; readonly names: ReadonlySet<string> },
  { clock }: CliContext,
): Promise<void> {
  const removals = [...names].map((name) =>
    client.delete({ group: "discovery.k8s.io", kind: "EndpointSlice", namespace, name }),
  );
  const limit = new Promise<void>((resolve) => clock.after(FAREWELL_MS, resolve, undefined));
  await Promise.race([Promise.allSettled(removals), limit]);
}
