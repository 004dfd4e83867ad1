import type { ApiClient } from "../apiserver/api-client.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { ApiCertificateFiles } from "../control-bootstrap.ts";
import type { BoundAddress, IngressPort } from "../proxy-node.ts";
import type { Random } from "../random/random.ts";
import type { ControlPlane } from "./control-plane.ts";
import { EndpointPublisher } from "./endpoint-publisher.ts";
import { toEndpointSlices } from "./endpoint-slices.ts";
import { FreePorts, isPortFree } from "./free-port.ts";
import type { Home } from "./home.ts";
import type { Instance } from "./instance.ts";
import type { Sidecar } from "./sidecar.ts";
import { prepareStore, readStore } from "./read-store.ts";
import { removeOldEndpoints, syncResources } from "./sync-resources.ts";
import { waitUntilSynced } from "./wait-until-synced.ts";
import type { VersionEntry } from "./weft-yaml.ts";
import { listWorkloads, WorkloadFactory, type WorkloadSettings } from "./workload-factory.ts";

export interface MeshRunnerOptions extends WorkloadSettings {
  /** Started, not yet configured. */
  readonly control: ControlPlane;
  readonly home: Home;
  readonly random: Random;
  readonly api: BoundAddress;
  readonly apiNames: readonly string[];
  readonly apiCertificate: ApiCertificateFiles | null;
  readonly xds: BoundAddress;
  readonly onNotice: (message: string) => void;
}

/** How long an app may take to end, after its proxy has drained. */
const APP_GRACE_MS = 5000;
const LEAVE_LIMIT_MS = 1000;

/** All processes of one mesh on this machine, and what connects them. */
export class MeshRunner {
  readonly instances: readonly Instance[];
  readonly #options: MeshRunnerOptions;
  readonly #control: ControlPlane;
  readonly #publisher: EndpointPublisher;
  readonly #ingress: Sidecar | null;
  /** Sidecars may join once the endpoints of the last run are gone. */
  readonly #canJoin: Promise<void>;
  /** Other control planes, and other runners, may be of the same mesh. */
  readonly #isShared: boolean;
  #isStopping = false;
  /** The control plane could not start: that is said once, and not again for each proxy that waited for it. */
  #hasFailed = false;
  #onProgress: () => void = () => undefined;

  /** Checks that its listeners can be had, and prepares; nothing is started yet. */
  static async create(options: MeshRunnerOptions): Promise<MeshRunner> {
    const listeners = options.loaded.config.ingress.flatMap(({ bind, port, tls }) => [
      { bind, port },
      ...(tls === null ? [] : [{ bind, port: tls }]),
    ]);
    for (const { bind, port } of listeners) {
      if (port === 0 || (await isPortFree(port, bind))) continue;
      throw new WeftError(
        "WEFT_UP_PORT_TAKEN",
        `Cannot listen on ${bind}:${port} for the ingress: found another program there; expected a free port`,
        {
          hint: "Stop that program, or give the ingress another port in weft.yaml",
        },
      );
    }
    const ports = new FreePorts(options.random);
    const appPorts = new Map<string, number>();
    for (const service of options.loaded.config.services) {
      for (const version of service.versions) {
        for (const workload of listWorkloads(service, version))
          appPorts.set(workload, await choosePort(version, ports));
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
    const workloads = loaded.config.services.flatMap((service) =>
      service.versions.flatMap((version) => listWorkloads(service, version)),
    );
    // Others may run parts of the same mesh: what is theirs is left alone.
    this.#isShared = readStore(loaded, options.home.path).kind === "etcd";
    const own = this.#isShared ? new Set(workloads) : null;
    this.#canJoin = this.#control.started.then(() => removeOldEndpoints(this.#control.api(), own));
    this.#canJoin.catch(() => undefined);
    this.#publisher = new EndpointPublisher({
      clock,
      apply: async (slice) => {
        await this.#canJoin;
        await this.#control.api().apply(slice);
      },
      onIdle: () => this.#onProgress(),
      onFailing: (error) =>
        onProblem(`endpoints wait for the control plane: ${error instanceof Error ? error.message : String(error)}`),
      onRecovered: () => onNotice("endpoints are up to date again"),
    });
    const factory = new WorkloadFactory(options, {
      grantJoin: async (request, patience) => {
        await this.#canJoin;
        return this.#control.grantJoin(request, patience);
      },
      onEndpoint: (endpoint) => this.#publisher.publish(toEndpointSlices(endpoint)),
      onProxyChange: () => this.#onProgress(),
      onProxyProblem: (message) => {
        if (!this.#hasFailed) onProblem(message);
      },
    });
    this.instances = loaded.config.services.flatMap((service) =>
      service.versions.flatMap((version) =>
        listWorkloads(service, version).map((workload) =>
          factory.createInstance({ workload, service, version, port: appPorts.get(workload) ?? 0 }),
        ),
      ),
    );
    this.#ingress = loaded.config.ingress.length === 0 ? null : factory.createIngress();
  }

  /** Resolves when every service has a ready, meshed instance; rejects when the mesh cannot start. */
  async start(): Promise<void> {
    const ready = new Promise<void>((resolve) => {
      this.#onProgress = () => {
        if (this.#isComplete()) resolve();
      };
    });
    const { access, certificateLifetime, egress, mesh, trustDomain } = this.#options.loaded.config;
    const { api, apiCertificate, apiNames, xds } = this.#options;
    const store = readStore(this.#options.loaded, this.#options.home.path);
    await prepareStore(store, this.#options.home.path, this.#options.random);
    this.#control.configure({
      store,
      mesh,
      trustDomain,
      api,
      apiNames,
      apiCertificate,
      xds,
      defaults: { access, egress, certificateLifetime },
      logLevel: "info",
    });
    this.#ingress?.start();
    for (const instance of this.instances) instance.start();
    const address = await this.#control.started;
    this.#options.home.publish(address);
    await this.#canJoin;
    await syncResources(this.#control.api(), this.#options.loaded.resources, { removesOthers: !this.#isShared });
    this.#onProgress();
    await ready;
    await waitUntilSynced({
      clock: this.#options.clock,
      proxies: () => this.#control.api().proxies(),
      expected: this.instances.length + (this.#ingress === null ? 0 : 1),
      isStopping: () => this.#isStopping,
    });
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
    for (const { service, version, isReady } of this.instances.map((instance) => ({
      service: instance.service,
      version: instance.version,
      isReady: instance.isReady(),
    }))) {
      const name = `${service}/${version}`;
      services.set(name, services.get(name) === true || isReady);
    }
    const areReady = [...services.values()].every((isReady) => isReady);
    return areReady && this.#publisher.isIdle() && this.#ingress?.isReady() !== false;
  }
}

async function choosePort({ source }: VersionEntry, ports: FreePorts): Promise<number> {
  if (source.kind === "address") return source.port;
  return source.appPort ?? ports.take();
}
