import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type ApiClient, createApiClient } from "../src/apiserver/api-client.ts";
import type { ControlPlaneBootstrap, ControlPlaneStatusLine } from "../src/control-bootstrap.ts";
import type { AppProtocol, BoundAddress, ProxyBootstrap, ProxyStatusLine } from "../src/proxy-node.ts";
import type { Resource } from "../src/resources/resource.ts";
import { createApiToken } from "../src/runner/control-plane.ts";
import { toEndpointSlices } from "../src/runner/endpoint-slices.ts";
import { createOwnProcessEnvironment, readEnvironment } from "../src/runner/environment.ts";
import { loadWeftYaml } from "../src/runner/load-weft-yaml.ts";
import { proxyParameters, resolveOwnScript } from "../src/runner/proxy-runtime.ts";
import { createMeta, createService, toServiceAccount } from "../src/runner/weft-yaml-resources.ts";
import { BenchProcess } from "./bench-process.ts";
import { type BenchRuntime, PROJECT_FOLDER } from "./machine.ts";

type Listening = Extract<ProxyStatusLine, { readonly event: "listening" }>;
type Ready = Extract<ProxyStatusLine, { readonly event: "ready" }>;
type ControlReady = Extract<ControlPlaneStatusLine, { readonly event: "ready" }>;

export interface BenchSidecar {
  readonly process: BenchProcess;
  /** Holds its identity and its last configuration. */
  readonly stateDir: string;
  readonly outbound: BoundAddress;
  readonly inbound: BoundAddress;
  /** Since the process was started. */
  readonly listeningMs: number;
  readonly readyMs: number;
}

export interface SidecarRequest {
  readonly runtime: BenchRuntime;
  readonly workload: string;
  readonly service: string;
  /** Where the app listens, and what it speaks. */
  readonly appPort: number;
  readonly protocol: AppProtocol;
  readonly core: number | null;
}

const LOOPBACK = "127.0.0.1";
const ANY_PORT: BoundAddress = { address: LOOPBACK, port: 0 };
const MESH = "bench";
/** What the shop's own `allow` lists refer to. */
const ANY_HTTP = "weft-any";
const ANY_TCP: Resource = {
  apiVersion: "specs.smi-spec.io/v1alpha4",
  kind: "TCPRoute",
  metadata: createMeta("bench-any"),
  spec: { matches: { ports: [] } },
};

/** Starts the control plane with its files under `folder`. */
export async function startWeftMesh(folder: string, core: number | null): Promise<WeftMesh> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const token = createApiToken();
  const control = new BenchProcess({
    title: "control plane",
    file: process.execPath,
    parameters: [resolveOwnScript("weft-control.js")],
    cwd: folder,
    environment: ownEnvironment(folder),
    core,
  });
  const bootstrap: ControlPlaneBootstrap = {
    stateDir: join(folder, "control"),
    mesh: MESH,
    trustDomain: `${MESH}.mesh`,
    api: ANY_PORT,
    xds: ANY_PORT,
    apiToken: token,
    defaults: { access: "strict", egress: "allow", certificateLifetime: "24h" },
    logLevel: "warn",
  };
  control.sendLine(JSON.stringify(bootstrap));
  const { line } = await control.status<ControlReady>("ready");
  const api = createApiClient({ baseUrl: `http://${LOOPBACK}:${line.apiPort}`, token });
  const mesh = new WeftMesh(control, api, folder);
  const shop = loadWeftYaml(join(PROJECT_FOLDER, "examples", "shop", "weft.yaml"), PROJECT_FOLDER);
  await mesh.apply([...shop.resources, ANY_TCP]);
  return mesh;
}

/**
 * A real mesh, as `weft up` makes it: a control plane's process with the resources of examples/shop, and sidecars with
 * certificates of its CA, `access: strict`. Access logs are off; everything else is on.
 */
export class WeftMesh {
  readonly api: ApiClient;
  readonly #control: BenchProcess;
  readonly #folder: string;
  #sidecarCount: number = 0;

  constructor(control: BenchProcess, api: ApiClient, folder: string) {
    this.#control = control;
    this.api = api;
    this.#folder = folder;
  }

  controlPid(): number {
    return this.#control.pid;
  }

  /** A Service called `name` that the service account `caller` may call. */
  async addService(name: string, caller: string, protocol: AppProtocol = "http"): Promise<void> {
    const rule =
      protocol === "tcp" ? { kind: "TCPRoute", name: "bench-any" } : { kind: "HTTPRouteGroup", name: ANY_HTTP };
    const target: Resource = {
      apiVersion: "access.smi-spec.io/v1alpha4",
      kind: "TrafficTarget",
      metadata: createMeta(name),
      spec: {
        destination: { kind: "ServiceAccount", name, namespace: "default" },
        rules: [rule],
        sources: [{ kind: "ServiceAccount", name: caller, namespace: "default" }],
      },
    };
    await this.apply([
      createService(name, { port: 80, protocol }),
      toServiceAccount(name),
      toServiceAccount(caller),
      target,
    ]);
  }

  /** Starts a sidecar with a state folder of its own and waits until it is ready. */
  async startSidecar(request: SidecarRequest): Promise<BenchSidecar> {
    const { runtime, workload, service, appPort, protocol, core } = request;
    this.#sidecarCount += 1;
    const stateDir = join(this.#folder, `proxy-${this.#sidecarCount}`);
    mkdirSync(stateDir, { mode: 0o700 });
    const grant = await this.api.grantJoin({ namespace: "default", workload, serviceAccount: service });
    const process = new BenchProcess({
      title: `proxy ${workload}`,
      file: runtime.file,
      parameters: [...(runtime.parameters ?? []), ...proxyParameters(runtime.kind)],
      cwd: stateDir,
      environment: { ...ownEnvironment(this.#folder), ...runtime.environment },
      core,
    });
    const bootstrap: ProxyBootstrap = {
      workload,
      namespace: "default",
      serviceAccount: service,
      role: "sidecar",
      trustDomain: grant.trustDomain,
      stateDir,
      xds: grant.xds,
      trustBundlePem: grant.trustBundlePem,
      joinCredential: grant.joinCredential,
      outbound: ANY_PORT,
      inbound: [{ ...ANY_PORT, appAddress: LOOPBACK, appPort, protocol }],
      ingress: [],
      admin: ANY_PORT,
      accessLog: null,
      logLevel: "info",
      drainMs: 500,
    };
    process.sendLine(JSON.stringify(bootstrap));
    const listening = await process.status<Listening>("listening");
    const ready = await process.status<Ready>("ready");
    const { outbound, inbound } = listening.line;
    const [first] = inbound;
    if (outbound === null || first === undefined) throw new Error(`Proxy ${workload} did not bind what it was told to`);
    return {
      process,
      stateDir,
      outbound,
      inbound: { address: first.address, port: first.port },
      listeningMs: listening.atMs - process.startedMs,
      readyMs: ready.atMs - process.startedMs,
    };
  }

  /** Makes a sidecar the one instance of its service. */
  async publish(
    service: string,
    workload: string,
    inbound: BoundAddress,
    protocol: AppProtocol = "http",
  ): Promise<void> {
    await this.apply(
      toEndpointSlices({
        namespace: "default",
        workload,
        service,
        version: "",
        serviceAccount: service,
        protocol,
        address: inbound.address,
        port: inbound.port,
        portName: "",
        zone: "",
        ready: true,
        terminating: false,
      }),
    );
  }

  async close(): Promise<void> {
    this.api.close();
    await this.#control.stop();
  }

  async apply(resources: readonly Resource[]): Promise<void> {
    for (const resource of resources) await this.api.apply(resource);
  }
}

/** As `weft up` starts its own processes. */
function ownEnvironment(folder: string): Readonly<Record<string, string | undefined>> {
  return createOwnProcessEnvironment(readEnvironment(), join(folder, "compile-cache"));
}
