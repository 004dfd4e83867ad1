import type {
  ControlPlaneViews,
  JoinGrant,
  JoinRequest,
  MeshView,
  ProxyStatus,
  RotateRequest,
  RotationView,
  StatRow,
  TrustView,
  WouldDenyRow,
} from "../control/views.ts";
import { silentLog } from "../lib/log.ts";
import { createSeededRandom } from "../random/seeded-random.ts";
import { createMemoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import type { Clock } from "../time/clock.ts";
import { systemClock } from "../time/system-clock.ts";
import { startApiServer } from "./api-server.ts";

/** A real API server on a free loopback port, over a memory store and views that a test sets. */
export interface TestApi {
  readonly baseUrl: string;
  readonly port: number;
  readonly token: string;
  readonly store: Store;
  readonly views: TestViews;
  close(): Promise<void>;
}

/** What the control plane shows; a test assigns what it needs. */
export interface TestViews extends ControlPlaneViews {
  proxyList: readonly ProxyStatus[];
  configs: Readonly<Record<string, unknown>>;
  statRows: readonly StatRow[];
  wouldDenyRows: readonly WouldDenyRow[];
  meshView: MeshView;
  trustView: TrustView;
  readonly rotations: RotateRequest[];
  readonly joins: JoinRequest[];
  /** Of the last `stat` call. */
  windowMs: number;
}

export interface TestApiOptions {
  /** Default: the system clock. */
  readonly clock?: Clock;
  /** Default 0, any free. */
  readonly port?: number;
  /** Default: a new memory store. */
  readonly store?: Store;
  /** How many events a watch may be behind; default as in production. */
  readonly historyLimit?: number;
}

export async function startTestApi(options: TestApiOptions = {}): Promise<TestApi> {
  const clock = options.clock ?? systemClock;
  const random = createSeededRandom(1);
  const limit = options.historyLimit === undefined ? {} : { historyLimit: options.historyLimit };
  const store = options.store ?? createMemoryStore({ clock, random, ...limit });
  const views = createTestViews(clock);
  const token = "token-of-the-test-mesh";
  const server = await startApiServer({
    store,
    views,
    token,
    address: "127.0.0.1",
    port: options.port ?? 0,
    clock,
    random,
    log: silentLog,
    weftVersion: "0.1.0",
  });
  return {
    baseUrl: `http://127.0.0.1:${server.port}`,
    port: server.port,
    token,
    store,
    views,
    async close() {
      await server.close();
      await store.close();
    },
  };
}

function createTestViews(clock: Clock): TestViews {
  const views: TestViews = {
    proxyList: [],
    configs: {},
    statRows: [],
    wouldDenyRows: [],
    joins: [],
    windowMs: 0,
    meshView: {
      name: "test",
      trustDomain: "test.mesh",
      access: "strict",
      egress: "allow",
      weftVersion: "0.1.0",
      startedWallMs: clock.wallMs(),
      trustRootNotAfterWallMs: clock.wallMs() + 3650 * 86_400_000,
    },
    proxies: () => views.proxyList,
    proxyConfig: (id) => views.configs[id] ?? null,
    stat(windowMs) {
      views.windowMs = windowMs;
      return views.statRows;
    },
    // Without traffic; control/traffic-metrics-api.test.ts has some.
    trafficFigures: (windowMs) => ({ spanMs: windowMs, received: () => [], flows: () => [] }),
    grantJoin(request) {
      views.joins.push(request);
      return Promise.resolve(createGrant(request, clock));
    },
    wouldDeny(windowMs) {
      views.windowMs = windowMs;
      return views.wouldDenyRows;
    },
    replicas: () => [],
    trustView: createTrustView(clock),
    rotations: [],
    trust: () => views.trustView,
    metrics: () => "# none\n",
    rotateRoot(request) {
      views.rotations.push(request);
      const nowMs = clock.wallMs();
      const rotation = {
        ...NO_ROTATION,
        leavesOffline: request.leaveOffline === true,
        begunWallMs: nowMs,
        stepWallMs: nowMs,
      };
      views.trustView = { ...views.trustView, rotation };
      return Promise.resolve(rotation);
    },
    mesh: () => views.meshView,
  };
  return views;
}

const NO_ROTATION: RotationView = {
  step: "adding",
  reason: "asked",
  from: "a".repeat(64),
  to: "b".repeat(64),
  begunWallMs: 0,
  stepWallMs: 0,
  leavesOffline: false,
  left: [],
  awaited: [],
};

function createTrustView(clock: Clock): TrustView {
  const notAfterWallMs = clock.wallMs() + 3650 * 86_400_000;
  const fingerprint = "a".repeat(64);
  return {
    trustDomain: "test.mesh",
    authorities: [
      {
        fingerprint,
        subject: "O=test.mesh, CN=weft root CA",
        kind: "root",
        notBeforeWallMs: clock.wallMs(),
        notAfterWallMs,
        isSigning: true,
        workloads: 0,
      },
    ],
    rotation: null,
    silent: [],
    bundles: [],
    revocations: 0,
    expiries: [{ kind: "root", name: fingerprint, notAfterWallMs }],
    wallMs: clock.wallMs(),
  };
}

function createGrant(request: JoinRequest, clock: Clock): JoinGrant {
  return {
    workload: request.workload,
    namespace: request.namespace,
    spiffeId: `spiffe://test.mesh/ns/${request.namespace}/sa/${request.serviceAccount}`,
    trustDomain: "test.mesh",
    joinCredential: "credential-of-the-test",
    expiresWallMs: clock.wallMs() + 60_000,
    trustBundlePem: "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    xds: { host: "127.0.0.1", port: 9339 },
  };
}
