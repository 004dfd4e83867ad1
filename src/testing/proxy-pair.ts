import type { Transport } from "../transport/transport.ts";
import type { Clock } from "../time/clock.ts";
import type { AppProtocol, BoundAddress, ProxyBootstrap, UdpPort } from "../proxy-node.ts";
import type { Datagrams } from "../transport/datagrams.ts";
import type { AccessLog } from "../observe/access-log.ts";
import type { Credentials } from "../proxy/runtime.ts";
import type { Log } from "../lib/log.ts";
import { createCredentials } from "../proxy/runtime.ts";
import { Proxy } from "../proxy/proxy.ts";
import { createSeededRandom } from "../random/seeded-random.ts";
import { createTestCa, type TestCa } from "./test-ca.ts";

export interface TestProxy {
  readonly proxy: Proxy;
  readonly outboundPort: number;
  /** As asked for, with the ports they have. */
  readonly udp: readonly UdpPort[];
  /** By app port. */
  readonly inboundPort: (appPort: number) => number;
  readonly ingressPort: number;
  readonly adminPort: number;
  readonly names: () => readonly string[];
}

export interface TestProxyOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly ca: TestCa;
  readonly serviceAccount: string;
  readonly appPorts?: readonly { readonly port: number; readonly protocol: AppProtocol }[];
  readonly ingress?: boolean;
  /** Default: the platform's. */
  readonly datagrams?: Datagrams;
  /** UDP ports of Services that its app calls. */
  readonly udp?: readonly Omit<UdpPort, keyof BoundAddress>[];
  /** Default null. */
  readonly accessLog?: AccessLog;
}

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {} };

export async function createMeshCa(): Promise<TestCa> {
  return createTestCa({ trustDomain: "test.mesh" });
}

export async function issueCredentials(ca: TestCa, serviceAccount: string): Promise<Credentials> {
  const keyPair = await ca.issue({ namespace: "default", serviceAccount, workload: `${serviceAccount}-0` });
  return createCredentials(keyPair, ca.trustBundlePem);
}

/** A whole proxy on real or in-memory sockets, with an identity and no control plane: the test gives it resources. */
export async function startTestProxy(options: TestProxyOptions): Promise<TestProxy> {
  const { serviceAccount } = options;
  const bootstrap: ProxyBootstrap = {
    workload: `${serviceAccount}-0`,
    namespace: "default",
    serviceAccount,
    role: options.ingress === true ? "ingress" : "sidecar",
    trustDomain: "test.mesh",
    stateDir: "",
    xds: { host: "127.0.0.1", port: 0 },
    trustBundlePem: options.ca.trustBundlePem,
    joinCredential: null,
    outbound: { address: "127.0.0.1", port: 0 },
    udp: (options.udp ?? []).map((target) => ({ ...target, address: "127.0.0.1", port: 0 })),
    inbound: (options.appPorts ?? []).map(({ port, protocol }) => {
      return { address: "127.0.0.1", port: 0, appAddress: "127.0.0.1", appPort: port, protocol };
    }),
    ingress:
      options.ingress === true ? [{ address: "127.0.0.1", port: 0, service: "default/web", servicePort: 80 }] : [],
    admin: { address: "127.0.0.1", port: 0 },
    accessLog: null,
    logLevel: "error",
    drainMs: 1000,
  };
  let names: readonly string[] = [];
  const proxy = new Proxy({
    bootstrap,
    transport: options.transport,
    ...(options.datagrams === undefined ? {} : { datagrams: options.datagrams }),
    clock: options.clock,
    random: createSeededRandom(1),
    log: SILENT,
    accessLog: options.accessLog ?? null,
    runtimeName: "test",
    facts: () => ({ residentBytes: 0, certificateExpiryMs: null, xdsConnected: false }),
    onMeshNames: (changed) => {
      names = changed;
    },
    onReady: () => undefined,
    onReferences: () => undefined,
  });
  const bound = await proxy.listen(await issueCredentials(options.ca, serviceAccount));
  return {
    proxy,
    outboundPort: bound.outbound?.port ?? 0,
    udp: bound.udp ?? [],
    inboundPort: (appPort) => bound.inbound.find((port) => port.appPort === appPort)?.port ?? 0,
    ingressPort: bound.ingress[0]?.port ?? 0,
    adminPort: bound.admin.port,
    names: () => names,
  };
}

/** Applies one resource and throws when it is refused. */
export function applyOne(proxy: Proxy, typeUrl: string, name: string, bytes: Uint8Array): void {
  const [rejection] = proxy.apply(typeUrl, [{ name, version: "1", bytes }], []);
  if (rejection !== undefined) throw new Error(`Cannot apply ${name}: ${rejection.reason}`);
}
