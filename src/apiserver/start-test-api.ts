import type {
  ControlPlaneViews,
  JoinGrant,
  JoinRequest,
  MeshView,
  ProxyStatus,
  StatRow,
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
    mesh: () => views.meshView,
  };
  return views;
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
