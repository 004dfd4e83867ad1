import { Server } from "@grpc/grpc-js";
import { AuditLog, NO_AUDIT } from "../apiserver/access/audit-log.ts";
import type { UserCertificateIssuer } from "../apiserver/access/user-certificate-routes.ts";
import type { ApiRoute } from "../apiserver/api-route.ts";
import { startApiServer } from "../apiserver/api-server.ts";
import type { ApiCertificateFiles, MeshDefaults, StoreSettings } from "../control-bootstrap.ts";
import type { Log } from "../lib/log.ts";
import { openPrivateFolder } from "../lib/private-files.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { BoundAddress } from "../proxy-node.ts";
import type { Random } from "../random/random.ts";
import { MESH_NAME } from "../resources/mesh.ts";
import type { Store } from "../store/store.ts";
import type { Clock } from "../time/clock.ts";
import { WEFT_VERSION } from "../version.ts";
import { ADS_CHANNEL_OPTIONS, createAdsService } from "./ads/ads-server.ts";
import type { AdsService } from "./ads/ads-server.ts";
import { ApiCertificate } from "./api-certificate.ts";
import { openCertificateAuthority } from "./ca/certificate-authority.ts";
import type { CertificateAuthority } from "./ca/certificate-authority.ts";
import { addIdentityService } from "./ca/identity-service.ts";
import { JoinCredentials } from "./ca/join-credentials.ts";
import { readProvenKey } from "./ca/certificate-request.ts";
import { verifyUserCertificate } from "./ca/verify-user-certificate.ts";
import { CertificateExpiries } from "./ca/certificate-expiries.ts";
import { followRoots } from "./ca/follow-roots.ts";
import { PeerVerifier } from "./ca/peer-verifier.ts";
import { SvidIssuer } from "./ca/svid-issuer.ts";
import { ClosingStack } from "./closing-stack.ts";
import { addControlPlanes } from "./control-plane-endpoints.ts";
import { createViews } from "./create-views.ts";
import { ModelFollower } from "./model-follower.ts";
import { openMeshState } from "./open-mesh-state.ts";
import type { JobLease } from "./replicas/job-lease.ts";
import type { LocalViews } from "./replicas/local-views.ts";
import { MeshViews } from "./replicas/mesh-views.ts";
import type { HostPort } from "./replicas/replica-directory.ts";
import { ReplicaPeers } from "./replicas/replica-peers.ts";
import { addReplicaService } from "./replicas/replica-service.ts";
import type { MeshServerCredentials } from "./server-credentials.ts";
import { collectTrustEvidence, TrustViews } from "./trust-views.ts";
import { ExpiryWarnings } from "./expiry-warnings.ts";
import { formatControlPlaneId, openOwnCredentials } from "./own-credentials.ts";
import { RootRotation } from "./ca/root-rotation.ts";
import { assertReachable, createReplica, toAdvertised } from "./own-replica.ts";
import { PeerRuleFollower } from "./peer-rules.ts";
import { addPeerRules } from "./peer-rules-source.ts";
import { StaleWorkloads } from "./stale-workloads.ts";
import { StatusWriter } from "./status-writer.ts";
import { acquireStateLock } from "./state-lock.ts";
import { addTelemetryService } from "./telemetry/telemetry-service.ts";
import { openTrafficRings } from "./telemetry/traffic-rings.ts";
import { WouldDenyLog } from "./telemetry/would-deny-log.ts";
import { createConfigSource } from "./translate/create-config-source.ts";
import type { ControlPlaneViews } from "./views.ts";

export interface ControlPlaneOptions {
  /**
   * Private folder for all state that is not elsewhere: `ca/`, `join/`, `used/` and `store/` of a control plane that is alone,
   * `identity/` and the lock of any; made when missing.
   */
  readonly stateDir: string;
  /** Default: LMDB in the state folder. */
  readonly store?: StoreSettings;
  /** Where proxies and other control planes reach `xds`; port 0 = the one it has. Default: at its address. */
  readonly advertise?: HostPort | null;
  readonly meshName: string;
  readonly trustDomain: string;
  readonly api: BoundAddress;
  readonly xds: BoundAddress;
  readonly apiToken: string;
  /** As in ControlPlaneBootstrap. */
  readonly apiNames?: readonly string[];
  readonly apiCertificate?: ApiCertificateFiles | null;
  readonly auditFile?: string | null;
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
  readonly onRoots: (listener: (trustBundlePem: string) => void) => void;
  /** All of the API. */
  readonly apiRoutes: readonly ApiRoute[];
  readonly views: ControlPlaneViews;
  readonly store: Store;
  /** Ends streams and watches, closes the store and gives the state folder free. Calling again gives the same promise. */
  close(): Promise<void>;
}

/** How long open gRPC calls may take to end when the control plane closes. */
const CLOSE_GRACE_MS = 1_000;

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

  const settings = options.store ?? { kind: "lmdb", path: null };
  if (settings.kind === "etcd") assertReachable(options);
  const state = await openMeshState({ ...options, settings }, closing);
  const { secrets, store } = state;
  const authority = await openCertificateAuthority({ secrets, trustDomain, clock, random });
  await createMeshResource(store, options.defaults);

  const translated = createConfigSource({ trustDomain });
  const withRules = addPeerRules(translated);
  const source = addControlPlanes(withRules);
  // Begins when this control plane may write.
  let statuses: StatusWriter | null = null;
  const follower = new ModelFollower({
    store,
    clock,
    log,
    onModel(model) {
      translated.update(model, authority.trustBundlePem);
      statuses?.changed();
    },
  });
  closing.add(() => follower.close());
  await follower.start();
  authority.onChange(() => translated.update(follower.model(), authority.trustBundlePem));
  closing.add(followRoots(authority, clock, log));
  const peerRules = new PeerRuleFollower({ store, trustDomain, clock, log });
  closing.add(() => peerRules.close());
  await peerRules.start();
  peerRules.onRules((rules) => withRules.setPeerRules(rules));
  const { revocations } = peerRules;

  const verifier = new PeerVerifier({ trustDomain, roots: authority.issuers, revocations, clock });
  const expiries = new CertificateExpiries();
  const ads = createAdsService({
    source,
    clock,
    log,
    authenticate: (call) => {
      const peer = verifier.identify(call);
      if (peer !== null) expiries.note(peer.namespace, peer.workload, peer.notAfterMs, peer.issuer);
      return peer;
    },
  });
  peerRules.onRules(() => ads.recheckPeers());
  const traffic = openTrafficRings({ clock, log });
  closing.add(() => traffic.close());
  const wouldDeny = new WouldDenyLog();

  const lifetimeMs = (): number => follower.model().settings.certificateLifetimeMs;
  const credentials = new JoinCredentials({ secrets, clock, random });
  const issuer = new SvidIssuer({ authority, credentials, lifetimeMs, expiries, revocations });
  // Known once this control plane serves.
  let jobs: JobLease = { held: () => false };
  const local: LocalViews = {
    status: () => ({ hasJobs: jobs.held(), proxies: ads.proxies().filter((proxy) => proxy.connected).length }),
    proxies: () => ads.proxies().map((proxy) => expiries.describe(proxy)),
    proxyConfig: (id) => ads.proxyConfig(id),
    traffic: (windowMs) => traffic.ring.sums(windowMs, clock.nowMs()),
    instanceTraffic: (windowMs) => traffic.instances.sums(windowMs, clock.nowMs()),
    wouldDeny: (windowMs) => wouldDeny.list(windowMs, clock.nowMs()),
    trust: () => {
      const upMs = clock.nowMs() - servesSinceMs;
      return collectTrustEvidence({ authority, expiries, proxies: () => ads.proxies(), replica: self.name, upMs });
    },
  };
  const server = new Server({ ...ADS_CHANNEL_OPTIONS, "grpc.max_connection_idle_ms": CONNECTION_IDLE_MS });
  addIdentityService(server, { issuer, verifier, log });
  addTelemetryService(server, { ...traffic, wouldDeny, verifier, clock, log });
  if (state.isShared) addReplicaService(server, { views: local, verifier, log });
  server.addService(ads.definition, ads.implementation);
  closing.add(() => closeServer(server, ads, clock));
  const own = await openOwnCredentials(options, authority, lifetimeMs, closing);
  const xdsPort = await bind(server, options, own.server);

  const servesSinceMs = clock.nowMs();

  const advertised = toAdvertised(options, xdsPort);
  const self = createReplica(random, advertised, startedWallMs);
  const membership = await state.enter(self, closing);
  const { directory } = membership;
  jobs = membership.jobs;
  peerRules.setLease(jobs);
  const peers = new ReplicaPeers({
    directory,
    serverSpiffeId: formatControlPlaneId(trustDomain),
    credentials: own.client,
    clock,
    log,
  });
  closing.add(() => peers.close());
  own.onChange(() => peers.refresh());
  const meshViews = new MeshViews({ directory, local, peers });
  const listControlPlanes = (): readonly HostPort[] => directory.all().map((replica) => replica.xds);
  if (state.isShared) {
    source.setControlPlanes(listControlPlanes());
    closing.add(directory.onChange(() => source.setControlPlanes(listControlPlanes())));
  }

  const stale = new StaleWorkloads({
    store,
    clock,
    log,
    resources: () => follower.resources(),
    connected: () => meshViews.connected(),
    lease: jobs,
  });
  closing.add(() => stale.close());
  statuses = new StatusWriter({
    store,
    clock,
    log,
    resources: () => follower.resources(),
    conditions: () => follower.model().conditions,
    lease: jobs,
  });
  closing.add(() => statuses?.close());
  statuses.changed();

  const tls = await openApiCertificate(options, authority, lifetimeMs, closing);
  const rotation = new RootRotation({
    authority,
    evidence: meshViews.trustEvidence,
    isRevoked: (workload) => revocations().has({ spiffeId: "", workload, serialNumber: "" }),
    lease: jobs,
    clock,
    log,
  });
  closing.add(() => rotation.close());
  const trust = new TrustViews({
    trustDomain,
    authority,
    rotation,
    evidence: meshViews.trustEvidence,
    peerRules: () => peerRules.rules(),
    ingressCertificates: () => follower.model().ingress.secrets,
    apiCertificate: tls.given,
    clock,
  });
  const warnings = new ExpiryWarnings({ expiries: trust.expiries, clock, log });
  closing.add(() => warnings.close());
  warnings.look();

  const views = createViews({
    mesh: { name: options.meshName, trustDomain, weftVersion: WEFT_VERSION, startedWallMs },
    settings: () => follower.model().settings,
    views: meshViews,
    issuer,
    authority,
    trust,
    xds: advertised,
    controlPlanes: () => (state.isShared ? listControlPlanes() : null),
  });
  const { address, port } = options.api;
  const { auditFile = null } = options;
  const api = await startApiServer({
    store,
    views,
    token: options.apiToken,
    address,
    port,
    tls,
    readCertificate: (certificate) => verifyUserCertificate(certificate, { trustDomain, roots: authority.issuers }),
    issuer: createUserCertificateIssuer(authority),
    audit: auditFile === null ? NO_AUDIT : new AuditLog({ path: auditFile, clock, log }),
    clock,
    random,
    log,
    weftVersion: WEFT_VERSION,
  });
  closing.add(() => api.close());
  return {
    apiPort: api.port,
    xdsPort,
    get trustBundlePem() {
      return authority.trustBundlePem;
    },
    onRoots: (listener) => authority.onChange(() => listener(authority.trustBundlePem)),
    apiRoutes: api.routes,
    views,
    store,
    close: () => closing.close(),
  };
}

async function openApiCertificate(
  options: ControlPlaneOptions,
  authority: CertificateAuthority,
  lifetimeMs: () => number,
  closing: ClosingStack,
): Promise<ApiCertificate> {
  const { api, apiCertificate, apiNames, clock, log } = options;
  const files = apiCertificate ?? null;
  const certificate = new ApiCertificate({
    authority,
    address: api.address,
    names: apiNames ?? [],
    files,
    lifetimeMs,
    clock,
    log,
  });
  closing.add(() => certificate.close());
  await certificate.start();
  return certificate;
}

function createUserCertificateIssuer(authority: CertificateAuthority): UserCertificateIssuer {
  return {
    async issue({ user, requestDer, lifetimeMs }) {
      const publicKeyDer = await readProvenKey(requestDer);
      return (await authority.issueUser({ user, publicKeyDer, lifetimeMs })).certificateChainPem;
    },
  };
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
