import { join } from "node:path";
import { Server } from "@grpc/grpc-js";
import { startApiServer } from "../apiserver/api-server.ts";
import type { MeshDefaults } from "../control-bootstrap.ts";
import type { Log } from "../lib/log.ts";
import { openPrivateFolder } from "../lib/private-files.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { BoundAddress } from "../proxy-node.ts";
import type { Random } from "../random/random.ts";
import { MESH_NAME } from "../resources/mesh.ts";
import { openLmdbStore } from "../store/lmdb.ts";
import type { Store } from "../store/store.ts";
import type { Clock } from "../time/clock.ts";
import { WEFT_VERSION } from "../version.ts";
import { ADS_CHANNEL_OPTIONS, createAdsService } from "./ads/ads-server.ts";
import type { AdsService } from "./ads/ads-server.ts";
import { openCertificateAuthority } from "./ca/certificate-authority.ts";
import type { CertificateAuthority } from "./ca/certificate-authority.ts";
import { addIdentityService } from "./ca/identity-service.ts";
import { JoinCredentials } from "./ca/join-credentials.ts";
import { CertificateExpiries } from "./ca/certificate-expiries.ts";
import { PeerVerifier } from "./ca/peer-verifier.ts";
import { SvidIssuer } from "./ca/svid-issuer.ts";
import { ClosingStack } from "./closing-stack.ts";
import { createViews } from "./create-views.ts";
import { ModelFollower } from "./model-follower.ts";
import { OwnIdentity } from "./own-identity.ts";
import { MeshServerCredentials } from "./server-credentials.ts";
import { FileSecrets } from "./secrets/file-secrets.ts";
import { StaleWorkloads } from "./stale-workloads.ts";
import { acquireStateLock } from "./state-lock.ts";
import { addTelemetryService } from "./telemetry/telemetry-service.ts";
import { TrafficRing } from "./telemetry/traffic-ring.ts";
import { createConfigSource } from "./translate/create-config-source.ts";
import type { ControlPlaneViews } from "./views.ts";

export interface ControlPlaneOptions {
  /** Private folder for all state: `ca/`, `join/`, `identity/`, `store/` and the lock; made when missing. */
  readonly stateDir: string;
  readonly meshName: string;
  readonly trustDomain: string;
  readonly api: BoundAddress;
  readonly xds: BoundAddress;
  readonly apiToken: string;
  /** For the Mesh resource, when the store has none. */
  readonly defaults: MeshDefaults;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface ControlPlane {
  readonly apiPort: number;
  readonly xdsPort: number;
  readonly trustBundlePem: string;
  readonly views: ControlPlaneViews;
  readonly store: Store;
  /** Ends streams and watches, closes the store and gives the state folder free. Calling again gives the same promise. */
  close(): Promise<void>;
}

/** How long open gRPC calls may take to end when the control plane closes. */
const CLOSE_GRACE_MS = 1_000;
const PRUNE_MS = 5_000;

/** A connection without calls ends, so that callers who never say who they are do not pile up. */
const CONNECTION_IDLE_MS = 300_000;

/**
 * Starts everything of the control plane in one process: store, model, xDS, CA, telemetry and API. Resolves when all of
 * it serves. Rejects with WeftError, having undone what was begun: WEFT_CONTROL_LOCKED when another control plane uses
 * the folder, WEFT_CONTROL_LISTEN and WEFT_API_LISTEN for addresses, WEFT_STATE_…, WEFT_CA_…, WEFT_STORE_…, WEFT_CONTROL_MODEL.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const closing = new ClosingStack();
  try {
    return await assemble(options, closing);
  } catch (error) {
    await closing
      .close()
      .catch((failure: unknown) => options.log.error("cannot undo a failed start", { error: failure }));
    throw error;
  }
}

async function assemble(options: ControlPlaneOptions, closing: ClosingStack): Promise<ControlPlane> {
  const { clock, log, random, stateDir, trustDomain } = options;
  const startedWallMs = clock.wallMs();
  openPrivateFolder(stateDir);
  const lock = acquireStateLock(stateDir);
  closing.add(() => lock.release());

  const store = await openLmdbStore({ path: join(stateDir, "store"), clock, random });
  closing.add(() => store.close());
  const secrets = new FileSecrets({ folder: stateDir, clock });
  const authority = await openCertificateAuthority({ secrets, trustDomain, clock, random });
  await createMeshResource(store, options.defaults);

  const source = createConfigSource({ trustDomain });
  const follower = new ModelFollower({
    store,
    clock,
    log,
    onModel: (model) => source.update(model, authority.trustBundlePem),
  });
  closing.add(() => follower.close());
  await follower.start();

  const verifier = new PeerVerifier({ trustDomain, roots: () => [authority.root], clock });
  const expiries = new CertificateExpiries();
  const ads = createAdsService({
    source,
    clock,
    log,
    authenticate: (call) => {
      const peer = verifier.identify(call);
      if (peer !== null) expiries.note(peer.namespace, peer.workload, peer.notAfterMs);
      return peer;
    },
  });
  const ring = new TrafficRing({ onLimit: (message) => log.warn(`traffic figures: ${message}`) }, clock.nowMs());
  const pruning = clock.every(PRUNE_MS, () => ring.prune(clock.nowMs()), undefined);
  closing.add(() => pruning.clear());

  const lifetimeMs = (): number => follower.model().settings.certificateLifetimeMs;
  const credentials = new JoinCredentials({ secrets, clock, random });
  const issuer = new SvidIssuer({ authority, credentials, lifetimeMs, expiries });
  const server = new Server({ ...ADS_CHANNEL_OPTIONS, "grpc.max_connection_idle_ms": CONNECTION_IDLE_MS });
  addIdentityService(server, { issuer, verifier, log });
  addTelemetryService(server, { ring, verifier, clock, log });
  server.addService(ads.definition, ads.implementation);
  closing.add(() => closeServer(server, ads, clock));
  const xdsPort = await bind(server, options, await openCredentials(options, authority, lifetimeMs, closing));

  const stale = new StaleWorkloads({
    store,
    clock,
    log,
    resources: () => follower.resources(),
    connected: () => new Set(ads.proxies().flatMap((proxy) => (proxy.connected ? [proxy.id] : []))),
  });
  closing.add(() => stale.close());

  const views = createViews({
    mesh: { name: options.meshName, trustDomain, weftVersion: WEFT_VERSION, startedWallMs },
    settings: () => follower.model().settings,
    ads,
    ring,
    issuer,
    expiries,
    trustBundlePem: authority.trustBundlePem,
    trustRootNotAfterWallMs: authority.notAfterMs(),
    xds: { host: options.xds.address, port: xdsPort },
    clock,
  });
  const { address, port } = options.api;
  const api = await startApiServer({
    store,
    views,
    token: options.apiToken,
    address,
    port,
    clock,
    random,
    log,
    weftVersion: WEFT_VERSION,
  });
  closing.add(() => api.close());
  return {
    apiPort: api.port,
    xdsPort,
    trustBundlePem: authority.trustBundlePem,
    views,
    store,
    close: () => closing.close(),
  };
}

/** The server's certificate, renewed live. */
async function openCredentials(
  options: ControlPlaneOptions,
  authority: CertificateAuthority,
  lifetimeMs: () => number,
  closing: ClosingStack,
): Promise<MeshServerCredentials> {
  const { clock, log, stateDir } = options;
  const identity = new OwnIdentity({
    authority,
    folder: join(stateDir, "identity"),
    lifetimeMs,
    clock,
    log,
    onChange: (renewed) => serverCredentials.update(renewed, authority.trustBundlePem),
  });
  closing.add(() => identity.close());
  const serverCredentials = new MeshServerCredentials(await identity.start(), authority.trustBundlePem);
  return serverCredentials;
}

/** The Mesh resource is made once; from then on it is the users'. */
async function createMeshResource(store: Store, defaults: MeshDefaults): Promise<void> {
  const mesh = {
    apiVersion: "weft.dev/v1alpha1",
    kind: "Mesh",
    metadata: { name: MESH_NAME, namespace: "" },
    spec: { ...defaults },
  };
  try {
    await store.put(mesh, { ifVersion: "absent" });
  } catch (error) {
    if (!(error instanceof WeftError && error.code === "WEFT_STORE_CONFLICT")) throw error;
  }
}

function bind(server: Server, options: ControlPlaneOptions, credentials: MeshServerCredentials): Promise<number> {
  const { address, port } = options.xds;
  const target = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(target, credentials, (error, bound) => {
      if (error === null) resolve(bound);
      else {
        reject(
          new WeftError(
            "WEFT_CONTROL_LISTEN",
            `Cannot listen for proxies on ${target}: ${error.message}; expected a free address of this host`,
            {
              hint: "Stop what uses the port, or choose another one",
              cause: error,
            },
          ),
        );
      }
    });
  });
}

/** Proxies are told to go; what has not gone after a moment is cut. */
async function closeServer(server: Server, ads: AdsService, clock: Clock): Promise<void> {
  ads.close();
  const timer = clock.after(CLOSE_GRACE_MS, () => server.forceShutdown(), undefined);
  await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  timer.clear();
}
