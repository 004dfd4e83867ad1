import { join } from "node:path";
import type { IngressPort } from "../proxy-node.ts";
import { DEFAULT_NAMESPACE } from "../resources/object-meta-schema.ts";
import type { Clock } from "../time/clock.ts";
import { type Backend, createApp } from "./app.ts";
import { createCaptureEnvironment } from "./capture-environment.ts";
import type { SpawnChild } from "./child.ts";
import { createOwnProcessEnvironment, type Environment } from "./environment.ts";
import { formatProxyStateDir, type Home, openLog } from "./home.ts";
import { type BackendEvents, Instance, type InstanceOptions } from "./instance.ts";
import type { LoadedWeftYaml } from "./load-weft-yaml.ts";
import { formatNamesPath, seedNames } from "./mesh-names.ts";
import type { ConnectOnce } from "./port-probe.ts";
import { createRemoteAddress } from "./remote-address.ts";
import { formatWorkloadSocket, type RuntimeChoice, Sidecar, type SidecarOptions, type UdpTarget } from "./sidecar.ts";
import { probeUdp } from "./udp-probe.ts";
import {
  formatVersionService,
  formatWorkload,
  INGRESS_ACCOUNT,
  type ServiceEntry,
  type VersionEntry,
} from "./weft-yaml.ts";

export interface WorkloadSettings {
  readonly loaded: LoadedWeftYaml;
  readonly home: Pick<Home, "path">;
  readonly clock: Clock;
  readonly spawn: SpawnChild;
  readonly connect: ConnectOnce;
  /** The user's. */
  readonly environment: Environment;
  readonly runtimes: RuntimeChoice;
  /** Proxies write access logs. */
  readonly hasAccessLog: boolean;
  readonly onAppLine: (workload: string, line: string) => void;
  readonly onProblem: (message: string) => void;
}

/** What ties workloads to the rest of the mesh. */
export interface WorkloadLinks {
  readonly grantJoin: SidecarOptions["grantJoin"];
  readonly onEndpoint: InstanceOptions["onEndpoint"];
  /** A proxy became ready, or no longer is. */
  readonly onProxyChange: () => void;
  readonly onProxyProblem: (message: string) => void;
}

/** One instance of a version of a service. */
export interface WorkloadPlace {
  readonly workload: string;
  readonly service: ServiceEntry;
  readonly version: VersionEntry;
  /** Where the app listens. */
  readonly port: number;
}

/** How long open exchanges may finish when a proxy stops. */
const DRAIN_MS = 5000;
/** An app that listens nowhere is said so after this long, once. */
const SILENT_AFTER_MS = 10_000;
const INGRESS_WORKLOAD = `${INGRESS_ACCOUNT}-0`;

/** Makes the workloads of a weft.yaml: each a proxy and, except at the edge, what stands behind it. */
export class WorkloadFactory {
  readonly #settings: WorkloadSettings;
  readonly #links: WorkloadLinks;

  constructor(settings: WorkloadSettings, links: WorkloadLinks) {
    this.#settings = settings;
    this.#links = links;
  }

  /** Nothing of it runs before its `start`. */
  createInstance(place: WorkloadPlace): Instance {
    const { workload, service, version, port } = place;
    const { source } = version;
    const address = source.kind === "address" ? source.host : "127.0.0.1";
    return new Instance({
      workload,
      service: service.name,
      version: version.name,
      protocol: service.protocol,
      portName: "",
      zone: version.zone,
      backendWaitsFor: "listening",
      createSidecar: (events) =>
        this.#createSidecar(workload, {
          serviceAccount: service.name,
          app: { address, port, protocol: service.protocol },
          ingress: [],
          udp: this.#listUdpTargets(),
          workers: service.workers,
          ...(service.workloadApi === true ? { workloadApi: true } : {}),
          zone: version.zone,
          ...events,
        }),
      createBackend: (events) => this.#createBackend(place, events),
      onEndpoint: this.#links.onEndpoint,
    });
  }

  #createBackend({ workload, service, version, port }: WorkloadPlace, events: BackendEvents): Backend {
    const { clock, connect, spawn, onAppLine, onProblem, loaded } = this.#settings;
    const { source } = version;
    const probe = service.protocol === "udp" ? probeUdp : connect;
    const shared = { clock, connect: probe, workload, port, onAcceptingChange: events.onAcceptingChange, onProblem };
    if (source.kind === "address") return createRemoteAddress({ ...shared, host: source.host });
    return createApp({
      ...shared,
      spawn,
      process: { command: { kind: "shell", line: source.command }, stdin: "ignore", output: "lines", ownGroup: true },
      silentAfterMs: SILENT_AFTER_MS,
      onEnd: () => "restart",
      cwd: loaded.folder,
      createEnvironment: () =>
        this.#createAppEnvironment(
          workload,
          {
            ...(service.workloadApi === true ? this.#workloadApiEnvironment(workload) : {}),
            ...source.env,
            PORT: String(port),
            WEFT_SERVICE: service.name,
            WEFT_VERSION: version.name,
          },
          events,
        ),
      onLine: (line) => onAppLine(workload, line),
    });
  }

  /** Every UDP port that weft.yaml has. */
  #listUdpTargets(): readonly UdpTarget[] {
    return this.#settings.loaded.config.services
      .filter(({ protocol }) => protocol === "udp")
      .flatMap(({ name, port, versions }) =>
        [
          name,
          ...versions
            .filter((version) => version.name !== "")
            .map((version) => formatVersionService(name, version.name)),
        ].map((service) => ({ service: `${DEFAULT_NAMESPACE}/${service}`, servicePort: port })),
      );
  }

  #createAppEnvironment(workload: string, own: Readonly<Record<string, string>>, events: BackendEvents): Environment {
    const environment = { ...this.#settings.environment, ...own };
    const { outbound = null, udp = [] } = events.ports() ?? {};
    if (outbound === null) return environment;
    const namesFile = formatNamesPath(formatProxyStateDir(this.#settings.home.path, workload));
    return { ...environment, ...createCaptureEnvironment(environment, { outbound, udp, namesFile }) };
  }

  /** SPIFFE Workload Endpoint, 4: where every client library looks. */
  #workloadApiEnvironment(workload: string): Readonly<Record<string, string>> {
    const path = formatWorkloadSocket(formatProxyStateDir(this.#settings.home.path, workload));
    return { SPIFFE_ENDPOINT_SOCKET: `unix://${path}` };
  }

  /** One proxy for all listeners at the edge. */
  createIngress(): Sidecar {
    const ingress = this.#settings.loaded.config.ingress.flatMap((entry): IngressPort[] => {
      const { bind: address, port, tls, service, servicePort, passthrough } = entry;
      const rules = passthrough.map((rule) => ({ ...rule, service: `${DEFAULT_NAMESPACE}/${rule.service}` }));
      const plain = {
        address,
        port,
        service: service === "" ? "" : `${DEFAULT_NAMESPACE}/${service}`,
        servicePort,
        ...(rules.length === 0 ? {} : { passthrough: rules }),
      };
      return tls === null ? [plain] : [plain, { ...plain, port: tls, tls: true }];
    });
    return this.#createSidecar(INGRESS_WORKLOAD, {
      serviceAccount: INGRESS_ACCOUNT,
      app: null,
      ingress,
      workers: this.#settings.loaded.config.ingressWorkers,
      zone: this.#settings.loaded.config.zone,
      onListening: () => undefined,
      onReadyChange: () => undefined,
    });
  }

  #createSidecar(
    workload: string,
    own: Pick<
      ConstructorParameters<typeof Sidecar>[0],
      | "serviceAccount"
      | "app"
      | "ingress"
      | "udp"
      | "workers"
      | "workloadApi"
      | "zone"
      | "onListening"
      | "onReadyChange"
    >,
  ): Sidecar {
    const { clock, hasAccessLog, home, loaded, runtimes, spawn } = this.#settings;
    const stateDir = formatProxyStateDir(home.path, workload);
    seedNames(
      stateDir,
      loaded.config.services.flatMap(({ name, versions }) => [
        name,
        ...versions.filter((version) => version.name !== "").map((version) => formatVersionService(name, version.name)),
      ]),
    );
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
      grantJoin: this.#links.grantJoin,
      onReadyChange: (ready) => {
        own.onReadyChange(ready);
        this.#links.onProxyChange();
      },
      onProblem: this.#links.onProxyProblem,
    });
  }

  #createOwnEnvironment(): Environment {
    return createOwnProcessEnvironment(this.#settings.environment, join(this.#settings.home.path, "compile-cache"));
  }
}

/** The names of all instances of a version. */
export function listWorkloads(service: ServiceEntry, version: VersionEntry): readonly string[] {
  const count = version.source.kind === "command" ? version.source.replicas : 1;
  return Array.from({ length: count }, (_, i) => formatWorkload(service.name, version.name, i));
}
