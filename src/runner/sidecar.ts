import { join } from "node:path";
import { mkdirSync } from "node:fs";
import type { JoinGrant, JoinRequest } from "../control/views.ts";
import { DEFAULT_NAMESPACE } from "../resources/object-meta-schema.ts";
import type {
  AppProtocol,
  BoundAddress,
  InboundPort,
  IngressPort,
  ProxyAdmission,
  ProxyBootstrap,
  ProxyStatusLine,
  UdpPort,
} from "../proxy-node.ts";
import type { Clock } from "../time/clock.ts";
import { type Child, type ChildExit, type ChildSpec, describeExit, type SpawnChild } from "./child.ts";
import { type ProxyRuntime, proxyParameters } from "./proxy-runtime.ts";
import { OWN_BACKOFF } from "./restart-backoff.ts";
import { Supervisor } from "./supervisor.ts";

export interface SidecarOptions {
  readonly clock: Clock;
  readonly spawn: SpawnChild;
  readonly workload: string;
  /** Left out: "default". */
  readonly namespace?: string;
  readonly serviceAccount: string;
  /** What the app beside it listens on; null at an ingress. */
  readonly app: { readonly address: string; readonly port: number; readonly protocol: AppProtocol } | null;
  readonly ingress: readonly IngressPort[];
  /** UDP ports of Services ("<namespace>/<name>") that the app may call; left out: none. */
  readonly udp?: readonly UdpTarget[];
  /** 0700 folder of its own. */
  readonly stateDir: string;
  /** What it prints goes here. */
  readonly logFile: string;
  readonly accessLog: string | null;
  readonly drainMs: number;
  /** Processes that carry its traffic; default 1. */
  readonly workers?: number | "auto";
  /** It serves the Workload API at `formatWorkloadSocket`; default false. */
  readonly workloadApi?: boolean;
  /** Where it runs; default "" (unknown). */
  readonly zone?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly runtimes: RuntimeChoice;
  /** Waits until the control plane is there, the first time. Later: rejects soon when it is not. */
  readonly grantJoin: (request: JoinRequest, patience: "wait" | "once") => Promise<JoinGrant>;
  /** New addresses: at its start, and after a restart that could not have the old ones. */
  readonly onListening: (ports: SidecarPorts) => void;
  /** "ready" or no longer. */
  readonly onReadyChange: (ready: boolean) => void;
  /** Something a person should read. */
  readonly onProblem: (message: string) => void;
}

/** The runtime of all proxies of a runner: when Bun turns out not to run here, all of them take Node. */
export interface RuntimeChoice {
  current: ProxyRuntime;
  readonly fallback: ProxyRuntime;
}

export type UdpTarget = Omit<UdpPort, keyof BoundAddress>;

export interface SidecarPorts {
  /** Null at an ingress. */
  readonly outbound: BoundAddress | null;
  /** Where the app finds UDP ports of Services. */
  readonly udp: readonly UdpPort[];
  /** Where other proxies reach the app; null at an ingress. */
  readonly inbound: BoundAddress | null;
  readonly ingress: readonly IngressPort[];
  readonly admin: BoundAddress;
}

const LOOPBACK = "127.0.0.1";
const ANY_PORT: BoundAddress = { address: LOOPBACK, port: 0 };
/** After this many failures to come up on its old ports a sidecar takes new ones. */
const SAME_PORT_ATTEMPTS = 3;

/** One proxy process, kept running. It keeps its ports over restarts, so that the app's settings stay true. */
export class Sidecar {
  readonly #options: SidecarOptions;
  readonly #supervisor: Supervisor;
  #ports: SidecarPorts | null = null;
  #grant: JoinGrant | null = null;
  #child: Child | null = null;
  #isListening = false;
  #isReady = false;
  #hasFailed = false;
  #failedStarts = 0;
  #startedOn: ProxyRuntime | null = null;

  constructor(options: SidecarOptions) {
    this.#options = options;
    mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
    this.#supervisor = new Supervisor({
      clock: options.clock,
      spawn: options.spawn,
      backoff: OWN_BACKOFF,
      createSpec: () => this.#createSpec(),
      onStart: (child) => void this.#introduce(child),
      onStatus: (status) => this.#read(status as ProxyStatusLine),
      onLine: () => undefined,
      onExit: (exit) => this.#exit(exit),
    });
  }

  /** Null until it listens for the first time. */
  ports(): SidecarPorts | null {
    return this.#ports;
  }

  isReady(): boolean {
    return this.#isReady;
  }

  start(): void {
    this.#supervisor.start();
  }

  /** SIGTERM, so that it drains; SIGKILL when that takes longer than its drain time and a second. */
  async stop(): Promise<void> {
    this.#setReady(false);
    await this.#supervisor.stop(this.#options.drainMs + 1000);
  }

  kill(): void {
    this.#supervisor.kill();
  }

  #createSpec(): ChildSpec {
    const { workload, stateDir, logFile, environment, runtimes } = this.#options;
    this.#startedOn = runtimes.current;
    return {
      title: `proxy of ${workload}`,
      command: { kind: "program", file: runtimes.current.file, parameters: proxyParameters(runtimes.current.name) },
      cwd: stateDir,
      environment,
      stdin: "pipe",
      output: { file: logFile },
      hasStatus: true,
      ownGroup: true,
    };
  }

  /** The process starts while the credential is on its way: loading its code takes longer than most things here. */
  async #introduce(child: Child): Promise<void> {
    this.#isListening = false;
    this.#hasFailed = false;
    this.#child = child;
    let joinCredential: string | null = null;
    try {
      this.#grant = await this.#options.grantJoin(this.#joinRequest(), this.#grant === null ? "wait" : "once");
      joinCredential = this.#grant.joinCredential;
    } catch (error) {
      // Without the control plane it starts from the identity and configuration in its state folder.
      if (this.#grant === null) {
        this.#options.onProblem(
          `the proxy of ${this.#options.workload} cannot join: ${error instanceof Error ? error.message : String(error)}`,
        );
        child.kill("SIGKILL");
        return;
      }
    }
    child.sendLine(JSON.stringify(this.#createBootstrap(this.#grant, joinCredential)));
  }

  #joinRequest(): JoinRequest {
    const { workload, namespace = DEFAULT_NAMESPACE, serviceAccount } = this.#options;
    return { namespace, workload, serviceAccount };
  }

  /** The proxy goes on, with whatever certificate: its connections may outlive this. */
  async #admitAgain(): Promise<void> {
    const child = this.#child;
    try {
      this.#grant = await this.#options.grantJoin(this.#joinRequest(), "once");
    } catch {
      // The proxy asks again; why the control plane does not answer is told elsewhere.
      return;
    }
    const { joinCredential, trustBundlePem } = this.#grant;
    const admission: ProxyAdmission = { joinCredential, trustBundlePem };
    if (child === this.#child) child?.sendLine(JSON.stringify(admission));
  }

  #createBootstrap(grant: JoinGrant, joinCredential: string | null): ProxyBootstrap {
    const { workload, serviceAccount, app, ingress, stateDir, accessLog, drainMs, workers, zone = "" } = this.#options;
    const known = this.#failedStarts < SAME_PORT_ATTEMPTS ? this.#ports : null;
    return {
      workload,
      namespace: this.#options.namespace ?? DEFAULT_NAMESPACE,
      serviceAccount,
      role: app === null ? "ingress" : "sidecar",
      trustDomain: grant.trustDomain,
      stateDir,
      xds: grant.xds,
      ...(grant.controlPlanes === undefined ? {} : { controlPlanes: grant.controlPlanes }),
      trustBundlePem: grant.trustBundlePem,
      joinCredential,
      outbound: app === null ? null : (known?.outbound ?? ANY_PORT),
      ...this.#listUdpPorts(known),
      inbound:
        app === null
          ? []
          : [{ ...(known?.inbound ?? ANY_PORT), appAddress: app.address, appPort: app.port, protocol: app.protocol }],
      ingress: ingress.map((entry, i) => ({ ...entry, port: known?.ingress[i]?.port ?? entry.port })),
      admin: known?.admin ?? ANY_PORT,
      accessLog,
      logLevel: "info",
      drainMs,
      ...(workers === undefined ? {} : { workers }),
      ...(this.#options.workloadApi === true ? { workloadSocket: formatWorkloadSocket(stateDir) } : {}),
      ...(zone === "" ? {} : { zone }),
    };
  }

  /** On their old ports, if there are any. With several workers there are none: flows are one process's. */
  #listUdpPorts(known: SidecarPorts | null): Pick<ProxyBootstrap, "udp"> {
    const { udp = [], workers = 1 } = this.#options;
    if (udp.length === 0 || workers !== 1) return {};
    return { udp: udp.map((target, i) => ({ ...target, ...ANY_PORT, port: known?.udp[i]?.port ?? 0 })) };
  }

  #read(status: ProxyStatusLine): void {
    switch (status.event) {
      case "listening":
        this.#isListening = true;
        this.#failedStarts = 0;
        this.#setPorts(status);
        break;
      case "ready":
        this.#setReady(true);
        break;
      case "roots":
        if (this.#grant !== null) this.#grant = { ...this.#grant, trustBundlePem: status.trustBundlePem };
        break;
      case "wanting":
        void this.#admitAgain();
        break;
      case "failed":
        this.#hasFailed = true;
        this.#options.onProblem(`the proxy of ${this.#options.workload} failed: ${status.message} (${status.code})`);
        break;
    }
  }

  #setPorts(status: Extract<ProxyStatusLine, { readonly event: "listening" }>): void {
    const [inbound] = status.inbound as readonly [InboundPort?];
    const ports: SidecarPorts = {
      outbound: status.outbound,
      udp: status.udp ?? [],
      inbound: inbound === undefined ? null : { address: inbound.address, port: inbound.port },
      ingress: status.ingress,
      admin: status.admin,
    };
    const same = JSON.stringify(ports) === JSON.stringify(this.#ports);
    this.#ports = ports;
    if (!same) this.#options.onListening(ports);
  }

  #exit(exit: ChildExit): "restart" {
    this.#setReady(false);
    const { runtimes, workload, logFile, onProblem } = this.#options;
    if (!this.#isListening) this.#failedStarts += 1;
    const couldNotRun = !this.#isListening && !this.#hasFailed && this.#grant !== null;
    if (couldNotRun && this.#startedOn?.name === "bun" && this.#ports === null) {
      if (runtimes.current.name === "bun")
        onProblem(`Bun does not run here (${describeExit(exit)}); proxies take Node instead`);
      runtimes.current = runtimes.fallback;
    } else {
      onProblem(`the proxy of ${workload} ${describeExit(exit)}; it starts again (its log: ${logFile})`);
    }
    return "restart";
  }

  #setReady(ready: boolean): void {
    if (this.#isReady === ready) return;
    this.#isReady = ready;
    this.#options.onReadyChange(ready);
  }
}

/** Where the app beside a proxy finds the Workload API: in the proxy's own folder, which is its owner's alone. */
export function formatWorkloadSocket(stateDir: string): string {
  return join(stateDir, "workload.sock");
}
