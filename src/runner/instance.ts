import type { AppProtocol } from "../proxy-node.ts";
import type { Backend } from "./app.ts";
import { DEFAULT_NAMESPACE } from "../resources/object-meta-schema.ts";
import type { InstanceEndpoint } from "./endpoint-slices.ts";
import type { Sidecar, SidecarPorts } from "./sidecar.ts";

export interface InstanceOptions {
  /** Left out: "default". */
  readonly namespace?: string;
  readonly workload: string;
  readonly service: string;
  /** "" for none. */
  readonly version: string;
  readonly protocol: AppProtocol;
  /** Name of the Service's port; "" when it has none. */
  readonly portName: string;
  /** Where it runs; "" = unknown. */
  readonly zone: string;
  /** When the backend starts: as soon as the sidecar's ports are known, or once it serves. */
  readonly backendWaitsFor: "listening" | "ready";
  readonly createSidecar: (events: SidecarEvents) => Sidecar;
  readonly createBackend: (events: BackendEvents) => Backend;
  /** The instance's state as callers should see it; called at every change, from the first moment it can be reached. */
  readonly onEndpoint: (endpoint: InstanceEndpoint) => void;
}

export interface SidecarEvents {
  readonly onListening: (ports: SidecarPorts) => void;
  readonly onReadyChange: (ready: boolean) => void;
}

export interface BackendEvents {
  readonly ports: () => SidecarPorts | null;
  readonly onAcceptingChange: (accepting: boolean) => void;
}

/**
 * One workload: a sidecar and what stands behind it. The backend starts when the sidecar has said its ports (an app
 * needs them in its environment) or, if so wished, when it serves. The instance is ready while the sidecar serves and the backend accepts connections.
 */
export class Instance {
  readonly workload: string;
  readonly service: string;
  readonly version: string;
  readonly #options: InstanceOptions;
  readonly #sidecar: Sidecar;
  readonly #backend: Backend;
  #hasStartedBackend = false;
  #hasJoined = false;
  #isStopping = false;
  #published: InstanceEndpoint | null = null;

  constructor(options: InstanceOptions) {
    this.#options = options;
    this.workload = options.workload;
    this.service = options.service;
    this.version = options.version;
    this.#sidecar = options.createSidecar({
      onListening: () => this.#onListening(),
      onReadyChange: (ready) => {
        this.#hasJoined ||= ready;
        if (ready) this.#startBackend();
        this.#publish();
      },
    });
    this.#backend = options.createBackend({
      ports: () => this.#sidecar.ports(),
      onAcceptingChange: () => this.#publish(),
    });
  }

  start(): void {
    this.#sidecar.start();
  }

  /** Its sidecar has been ready at least once. */
  hasJoined(): boolean {
    return this.#hasJoined;
  }

  isReady(): boolean {
    return !this.#isStopping && this.#sidecar.isReady() && this.#backend.isAccepting();
  }

  /** For people: "ready", or what it waits for. */
  state(): string {
    if (this.#isStopping) return "stops";
    if (this.isReady()) return "ready";
    return this.#sidecar.isReady() ? this.#backend.state() : "joins";
  }

  /** Callers are told to go elsewhere; everything goes on running. */
  leave(): void {
    this.#isStopping = true;
    this.#publish();
  }

  async stopSidecar(): Promise<void> {
    await this.#sidecar.stop();
  }

  async stopBackend(graceMs: number): Promise<void> {
    await this.#backend.stop(graceMs);
  }

  /** At once, without draining. */
  kill(): void {
    this.#backend.kill();
    this.#sidecar.kill();
  }

  #onListening(): void {
    if (this.#options.backendWaitsFor === "listening" && !this.#hasStartedBackend) {
      this.#startBackend();
    } else if (this.#hasStartedBackend && !this.#isStopping) {
      // With other ports than before, the app must be told: its environment holds them.
      this.#backend.restart();
      this.#publish();
    }
  }

  #startBackend(): void {
    if (this.#isStopping || this.#hasStartedBackend) return;
    this.#hasStartedBackend = true;
    this.#backend.start();
  }

  #publish(): void {
    const inbound = this.#sidecar.ports()?.inbound;
    if (inbound === undefined || inbound === null) return;
    const { namespace = DEFAULT_NAMESPACE, workload, service, version, protocol, portName, zone } = this.#options;
    const endpoint: InstanceEndpoint = {
      namespace,
      workload,
      service,
      version,
      serviceAccount: service,
      protocol,
      address: inbound.address,
      port: inbound.port,
      portName,
      zone,
      ready: this.isReady(),
      terminating: this.#isStopping,
    };
    const isNews = JSON.stringify(endpoint) !== JSON.stringify(this.#published);
    // Before an instance was ever ready nobody needs to hear that it is not.
    if (!isNews || (this.#published === null && !endpoint.ready)) return;
    this.#published = endpoint;
    this.#options.onEndpoint(endpoint);
  }
}
