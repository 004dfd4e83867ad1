import type { ApiClient } from "../apiserver/api-client.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { BoundAddress, IngressPort } from "../proxy-node.ts";
import type { Random } from "../random/random.ts";
import { DEFAULT_NAMESPACE } from "../resources/object-meta-schema.ts";
import type { Clock } from "../time/clock.ts";
import { type Backend, createApp } from "./app.ts";
import { createCaptureEnvironment } from "./capture-environment.ts";
import type { SpawnChild } from "./child.ts";
import type { ControlPlane } from "./control-plane.ts";
import { EndpointPublisher } from "./endpoint-publisher.ts";
import { type InstanceEndpoint, toEndpointSlices } from "./endpoint-slices.ts";
import { createOwnProcessEnvironment, type Environment } from "./environment.ts";
import { FreePorts, isPortFree } from "./free-port.ts";
import { formatProxyStateDir, type Home, openLog } from "./home.ts";
import { type BackendEvents, Instance } from "./instance.ts";
import type { LoadedWeftYaml } from "./load-weft-yaml.ts";
import { formatNamesPath, seedNames } from "./mesh-names.ts";
import type { ConnectOnce } from "./port-probe.ts";
import { createRemoteAddress } from "./remote-address.ts";
import type { RuntimeChoice } from "./sidecar.ts";
import { Sidecar } from "./sidecar.ts";
import { removeOldEndpoints, syncResources } from "./sync-resources.ts";
import { waitUntilSynced } from "./wait-until-synced.ts";
import { formatVersionService, formatWorkload, INGRESS_ACCOUNT, type ServiceEntry, type VersionEntry } from "./weft-yaml.ts";

export interface MeshRunnerOptions {
  readonly loaded: LoadedWeftYaml;
  readonly home: Home;
  /** Started, not yet configured. */
  readonly control: ControlPlane;
  readonly clock: Clock;
  readonly random: Random;
  readonly spawn: SpawnChild;
  readonly connect: ConnectOnce;
  /** The user's. */
  readonly environment: Environment;
  readonly runtimes: RuntimeChoice;
  readonly api: BoundAddress;
  readonly xds: BoundAddress;
  /** Proxies write access logs. */
  readonly hasAccessLog: boolean;
  readonly onAppLine: (workload: string, line: string) => void;
  readonly onProblem: (message: string) => void;
  readonly onNotice: (message: string) => void;
}

/** How long open exchanges may finish when the mesh stops, and how long an app may take to end after that. */
const DRAIN_MS = 5000;
const APP_GRACE_MS = 5000;
const LEAVE_LIMIT_MS = 1000;
/** An app that listens nowhere is said so after this long, once. */
const SILENT_AFTER_MS = 10_000;
const INGRESS_WORKLOAD = `${INGRESS_ACCOUNT}-0`;

/** All processes of one mesh on this machine, and what connects them. */
export class MeshRunner {
  readonly instances: readonly Instance[];
  readonly #options: MeshRunnerOptions;
  readonly #control: ControlPlane;
  readonly #publisher: EndpointPublisher;
  readonly #ingress: Sidecar | null;
  /** Sidecars may join once the endpoints of the last run are gone. */
  readonly #canJoin: Promise<void>;
  #isStopping = false;
  /** The control plane could not start: that is said once, and not again for each proxy that waited for it. */
  #hasFailed = false;
  #onProgress: () => void = () => undefined;

  /** Checks that its listeners can be had, and prepares; nothing is started yet. */
  static async create(options: MeshRunnerOptions): Promise<MeshRunner> {
    for (const { bind, port } of options.loaded.config.ingress) {
      if (port === 0 || (await isPortFree(port, bind))) continue;
      throw new WeftError("WEFT_UP_PORT_TAKEN", `Cannot listen on ${bind}:${port} for the ingress: found another program there; expected a free port`, {
        hint: "Stop that program, or give the ingress another port in weft.yaml",
      });
    }
    const ports = new FreePorts(options.random);
    const appPorts = new Map<string, number>();
    for (const service of options.loaded.config.services) {
      for (const version of service.versions) {
        for (const workload of listWorkloads(service, version)) appPorts.set(workload, await choosePort(version, ports));
      }
    }
    return new MeshRunner(options, appPorts);
  }

  private constructor(options: MeshRunnerOptions, appPorts: ReadonlyMap<string, number>) {
    this.#options = options;
    const { clock, control, loaded, onNotice, onProblem } = options;
    this.#control = control;
    control.started.catch(() => {
      this.#hasFailed = true;
    });
    this.#canJoin = this.#control.started.then(() => removeOldEndpoints(this.#control.api()));
    this.#canJoin.catch(() => undefined);
    this.#publisher = new EndpointPublisher({
      clock,
      apply: async (slice) => {
        await this.#canJoin;
        await this.#control.api().apply(slice);
      },
      onIdle: () => this.#onProgress(),
      onFailing: (error) => onProblem(`endpoints wait for the control plane: ${error instanceof Error ? error.message : String(error)}`),
      onRecovered: () => onNotice("endpoints are up to date again"),
    });
    this.instances = loaded.config.services.flatMap((service) =>
      service.versions.flatMap((version) =>
        listWorkloads(service, version).map((workload) => this.#createInstance(workload, { service, version, port: appPorts.get(workload) ?? 0 })),
      ),
    );
    this.#ingress = loaded.config.ingress.length === 0 ? null : this.#createIngress();
  }

  /** Resolves when every service has a ready, meshed instance; rejects when the mesh cannot start. */
  async start(): Promise<void> {
    const ready = new Promise<void>((resolve) => {
      this.#onProgress = () => {
        if (this.#isComplete()) resolve();
      };
    });
    const { access, certificateLifetime, egress, mesh, trustDomain } = this.#options.loaded.config;
    const { api, xds } = this.#options;
    this.#control.configure({ mesh, trustDomain, api, xds, defaults: { access, egress, certificateLifetime }, logLevel: "info" });
    this.#ingress?.start();
    for (const instance of this.instances) instance.start();
    const address = await this.#control.started;
    this.#options.home.publish(address);
    await this.#canJoin;
    await syncResources(this.#control.api(), this.#options.loaded.resources);
    this.#onProgress();
    await ready;
    await waitUntilSynced({ clock: this.#options.clock, proxies: () => this.#control.api().proxies(), expected: this.instances.length + (this.#ingress === null ? 0 : 1), isStopping: () => this.#isStopping });
  }

  /** Call after `start` got as far as a control plane; null before. */
  api(): ApiClient | null {
    return this.#control.isUp() ? this.#control.api() : null;
  }

  /** Call when the control plane is back: what waited for it is written now. */
  retryNow(): void {
    this.#publisher.retryNow();
  }

  isControlPlaneUp(): boolean {
    return this.#control.isUp();
  }

  /** The listeners of the ingress, with the ports they have. */
  ingressPorts(): readonly IngressPort[] {
    return this.#ingress?.ports()?.ingress ?? [];
  }

  /** Edge first, control plane last: whatever still serves has all it needs. Resolves when no process is left. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const instance of this.instances) instance.leave();
    if (this.#control.isUp()) await this.#publisher.settle(LEAVE_LIMIT_MS);
    this.#publisher.close();
    await this.#ingress?.stop();
    await Promise.all(this.instances.map((instance) => instance.stopSidecar()));
    await Promise.all(this.instances.map((instance) => instance.stopBackend(APP_GRACE_MS)));
    await this.#control.stop();
  }

  /** At once. `stop`, when it runs already, ends soon after. */
  kill(): void {
    this.#ingress?.kill();
    for (const instance of this.instances) instance.kill();
    this.#control.kill();
  }

  #isComplete(): boolean {
    const services = new Map<string, boolean>();
    for (const { service, version, isReady } of this.instances.map((instance) => ({ service: instance.service, version: instance.version, isReady: instance.isReady() }))) {
      const name = `${service}/${version}`;
      services.set(name, services.get(name) === true || isReady);
    }
    const areReady = [...services.values()].every((isReady) => isReady);
    return areReady && this.#publisher.isIdle() && this.#ingress?.isReady() !== false;
  }

  #createInstance(workload: string, { service, version, port }: { readonly service: ServiceEntry; readonly version: VersionEntry; readonly port: number }): Instance {
    const { source } = version;
    const address = source.kind === "address" ? source.host : "127.0.0.1";
    return new Instance({
      workload,
      service: service.name,
      version: version.name,
      protocol: service.protocol,
      portName: "",
      backendWaitsFor: "listening",
      createSidecar: (events) => this.#createSidecar(workload, { serviceAccount: service.name, app: { address, port, protocol: service.protocol }, ingress: [], ...events }),
      createBackend: (events) => this.#createBackend(workload, { service, version, port, events }),
      onEndpoint: (endpoint) => this.#publish(endpoint),
    });
  }

  #createBackend(workload: string, place: { readonly service: ServiceEntry; readonly version: VersionEntry; readonly port: number; readonly events: BackendEvents }): Backend {
    const { clock, connect, spawn, onAppLine, onProblem, loaded } = this.#options;
    const { service, version, port, events } = place;
    const { source } = version;
    const shared = { clock, connect, workload, port, onAcceptingChange: events.onAcceptingChange, onProblem };
    if (source.kind === "address") return createRemoteAddress({ ...shared, host: source.host });
    return createApp({
      ...shared,
      spawn,
      process: { command: { kind: "shell", line: source.command }, stdin: "ignore", output: "lines", ownGroup: true },
      silentAfterMs: SILENT_AFTER_MS,
      onEnd: () => "restart",
      cwd: loaded.folder,
      createEnvironment: () => this.#createAppEnvironment(workload, { ...source.env, PORT: String(port), WEFT_SERVICE: service.name, WEFT_VERSION: version.name }, events),
      onLine: (line) => onAppLine(workload, line),
    });
  }

  #createAppEnvironment(workload: string, own: Readonly<Record<string, string>>, events: BackendEvents): Environment {
    const environment = { ...this.#options.environment, ...own };
    const outbound = events.ports()?.outbound;
    if (outbound === undefined || outbound === null) return environment;
    const namesFile = formatNamesPath(formatProxyStateDir(this.#options.home.path, workload));
    return { ...environment, ...createCaptureEnvironment(environment, { outbound, namesFile }) };
  }

  #createIngress(): Sidecar {
    const ingress = this.#options.loaded.config.ingress.map(
      ({ bind, port, service, servicePort }): IngressPort => ({ address: bind, port, service: `${DEFAULT_NAMESPACE}/${service}`, servicePort }),
    );
    return this.#createSidecar(INGRESS_WORKLOAD, {
      serviceAccount: INGRESS_ACCOUNT,
      app: null,
      ingress,
      onListening: () => undefined,
      onReadyChange: () => this.#onProgress(),
    });
  }

  #createSidecar(
    workload: string,
    own: Pick<ConstructorParameters<typeof Sidecar>[0], "serviceAccount" | "app" | "ingress" | "onListening" | "onReadyChange">,
  ): Sidecar {
    const { clock, hasAccessLog, home, loaded, runtimes, spawn, onProblem } = this.#options;
    const stateDir = formatProxyStateDir(home.path, workload);
    seedNames(stateDir, loaded.config.services.flatMap(({ name, versions }) => [name, ...versions.filter((version) => version.name !== "").map((version) => formatVersionService(name, version.name))]));
    return new Sidecar({
      ...own,
      clock,
      spawn,
      workload,
      stateDir,
      logFile: openLog(home.path, workload),
      accessLog: hasAccessLog ? openLog(home.path, `${workload}.access`) : null,
      drainMs: DRAIN_MS,
      environment: this.#createOwnEnvironment(),
      runtimes,
      grantJoin: async (request, patience) => {
        await this.#canJoin;
        return this.#control.grantJoin(request, patience);
      },
      onReadyChange: (ready) => {
        own.onReadyChange(ready);
        this.#onProgress();
      },
      onProblem: (message) => {
        if (!this.#hasFailed) onProblem(message);
      },
    });
  }

  #createOwnEnvironment(): Environment {
    return createOwnProcessEnvironment(this.#options.environment, `${this.#options.home.path}/compile-cache`);
  }

  #publish(endpoint: InstanceEndpoint): void {
    this.#publisher.publish(toEndpointSlices(endpoint));
  }
}

function listWorkloads(service: ServiceEntry, version: VersionEntry): readonly string[] {
  const count = version.source.kind === "command" ? version.source.replicas : 1;
  return Array.from({ length: count }, (_, i) => formatWorkload(service.name, version.name, i));
}

async function choosePort({ source }: VersionEntry, ports: FreePorts): Promise<number> {
  if (source.kind === "address") return source.port;
  return source.appPort ?? ports.take();
}
