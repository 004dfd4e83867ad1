import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, credentials, Metadata, Server, ServerCredentials } from "@grpc/grpc-js";
import { envoy } from "#gen/protos.js";
import { silentLog } from "../../lib/log.ts";
import type { ProxyNodeMetadata } from "../../proxy-node.ts";
import { createSeededRandom } from "../../random/seeded-random.ts";
import {
  createTestCluster,
  createTestEndpoints,
  createTestListener,
  createTestRoutes,
  createTestSecret,
  MemoryConfigSource,
} from "../../testing/memory-config-source.ts";
import { createTestCa, type TestCa } from "../../testing/test-ca.ts";
import { systemClock } from "../../time/system-clock.ts";
import type { KeyPair } from "../../transport/transport.ts";
import { type AdsClient, createAdsClient } from "../../xds/ads-client.ts";
import type { ResourceUpsert } from "../../xds/delta-state.ts";
import { GrpcClient } from "../../xds/grpc-client.ts";
import type { GrpcStatus } from "../../xds/grpc-status.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE } from "../../xds/names.ts";
import type { Rejection } from "../../xds/rejections.ts";
import { toStruct } from "../../xds/struct-json.ts";
import type { ProxyTypeStatus } from "../views.ts";
import { ADS_CHANNEL_OPTIONS, type AdsService, createAdsService } from "./ads-server.ts";

/** The real thing on loopback: a grpc-js server with mutual TLS, our http2 client, and grpc-js as a second opinion. */
const CONTROL_PLANE_ID = "spiffe://test.mesh/ns/weft/sa/control-plane";
const PATH = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

let ca: TestCa;
let serverPair: KeyPair;
let proxyPair: KeyPair;

before(async () => {
  ca = await createTestCa({ trustDomain: "test.mesh" });
  serverPair = await ca.issue({ namespace: "weft", serviceAccount: "control-plane", workload: "control-plane" });
  proxyPair = await ca.issue({ namespace: "default", serviceAccount: "web", workload: "web-0" });
});

const METADATA: ProxyNodeMetadata = {
  role: "sidecar",
  namespace: "default",
  workload: "web-0",
  runtime: "test",
  weftVersion: "0.1.0",
  outbound: { address: "127.0.0.1", port: 15_001 },
  inbound: [],
  ingress: [],
  admin: { address: "127.0.0.1", port: 15_020 },
};

function createShop(): MemoryConfigSource {
  return new MemoryConfigSource().put(
    createTestCluster("a"),
    createTestEndpoints("a"),
    createTestListener("outbound", { routes: "routes" }),
    createTestRoutes("routes", ["a"]),
    createTestSecret("trust-bundle", "roots"),
  );
}

interface RunningServer {
  readonly ads: AdsService;
  readonly port: number;
  /** Cuts every connection, as a killed process does. */
  kill(): void;
}

const running = new Set<RunningServer>();

after(() => {
  for (const server of running) server.kill();
});

async function serve(source: MemoryConfigSource, port = 0): Promise<RunningServer> {
  const server = new Server({ ...ADS_CHANNEL_OPTIONS });
  const ads = createAdsService({ source, clock: systemClock, log: silentLog });
  server.addService(ads.definition, ads.implementation);
  const pair = { private_key: Buffer.from(serverPair.keyPem), cert_chain: Buffer.from(serverPair.certificateChainPem) };
  const tls = ServerCredentials.createSsl(Buffer.from(ca.trustBundlePem), [pair], true);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, tls, (error, at) => (error === null ? resolve(at) : reject(error)));
  });
  const result = {
    ads,
    port: bound,
    kill: () => {
      running.delete(result);
      server.forceShutdown();
    },
  };
  running.add(result);
  return result;
}

/** A proxy that asks for the endpoints and routes of the shop and keeps what it gets. */
class TestProxy {
  readonly client: AdsClient;
  readonly log: string[] = [];
  readonly resources = new Map<string, string>();
  refuse: (upsert: ResourceUpsert) => Rejection | null = () => null;
  readonly #channel: GrpcClient;
  #wake: () => void = () => undefined;

  constructor(port: number) {
    this.#channel = new GrpcClient({
      host: "127.0.0.1",
      port,
      serverSpiffeId: CONTROL_PLANE_ID,
      credentials: () => ({ keyPair: proxyPair, trustBundlePem: ca.trustBundlePem }),
      clock: systemClock,
    });
    this.client = createAdsClient({
      channel: this.#channel,
      clock: systemClock,
      random: createSeededRandom(1),
      log: silentLog,
      node: METADATA,
      apply: (typeUrl, upserts, removed) => this.#apply(typeUrl, upserts, removed),
    });
    this.client.subscribe(ENDPOINT_TYPE, ["a"]);
    this.client.subscribe(SECRET_TYPE, ["trust-bundle"]);
    this.client.subscribe(ROUTE_TYPE, ["routes"]);
    this.client.start();
  }

  /** Resolves when the proxy holds all of `source`. */
  async holds(source: MemoryConfigSource): Promise<void> {
    await this.until(() =>
      [CLUSTER_TYPE, ENDPOINT_TYPE, SECRET_TYPE, LISTENER_TYPE, ROUTE_TYPE].every((typeUrl) =>
        [...source.resources(typeUrl).values()].every(
          ({ name, version }) => this.resources.get(`${typeUrl} ${name}`) === version,
        ),
      ),
    );
  }

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  close(): void {
    this.client.close();
    this.#channel.close();
  }

  #apply(typeUrl: string, upserts: readonly ResourceUpsert[], removed: readonly string[]): readonly Rejection[] {
    const type = typeUrl.split(".").at(-1) ?? "";
    this.log.push([type, ...upserts.map(({ name }) => name), ...removed.map((name) => `-${name}`)].join(" "));
    const rejections = upserts.flatMap((upsert) => this.refuse(upsert) ?? []);
    for (const { name, version } of upserts) {
      if (!rejections.some((rejection) => rejection.name === name)) this.resources.set(`${typeUrl} ${name}`, version);
    }
    for (const name of removed) this.resources.delete(`${typeUrl} ${name}`);
    this.#wake();
    return rejections;
  }
}

/**
 * The server's list changes with an ACK that is still under way when `apply` returns. A question on the same stream is
 * answered after that; it keeps the secrets busy, so their state does not count.
 */
async function untilListed(
  server: RunningServer,
  proxy: TestProxy,
  isTrue: (types: readonly ProxyTypeStatus[]) => boolean,
): Promise<void> {
  const list = (): readonly ProxyTypeStatus[] =>
    (server.ads.proxies()[0]?.types ?? []).filter(({ type }) => type !== "secret");
  while (!isTrue(list())) {
    const seen = proxy.client.state().responses;
    proxy.client.subscribe(SECRET_TYPE, ["trust-bundle", `probe-${seen}`]);
    await proxy.until(() => proxy.client.state().responses > seen);
  }
}

function areSynced(types: readonly ProxyTypeStatus[]): boolean {
  return types.length === 4 && types.every(({ state }) => state === "SYNCED");
}

test("ADS delivers everything in order over mutual TLS, then a change of it, then its removal", async () => {
  const source = createShop();
  const server = await serve(source);
  const proxy = new TestProxy(server.port);
  await proxy.holds(source);
  assert.deepEqual(proxy.log, [
    "Cluster a",
    "ClusterLoadAssignment a",
    "Secret trust-bundle",
    "Listener outbound",
    "RouteConfiguration routes",
  ]);
  await untilListed(server, proxy, areSynced);
  assert.equal(server.ads.proxies()[0]?.spiffeId, "spiffe://test.mesh/ns/default/sa/web");
  source.put(createTestEndpoints("a", ["10.0.0.9"]));
  source.publish();
  await proxy.holds(source);
  source.delete(ROUTE_TYPE, "routes").delete(LISTENER_TYPE, "outbound");
  source.publish();
  await proxy.until(() => !proxy.resources.has(`${ROUTE_TYPE} routes`));
  assert.deepEqual(
    proxy.log.filter((line) => line.includes(" -") && !line.startsWith("Secret")),
    ["Listener -outbound", "RouteConfiguration -routes"],
  );
  proxy.close();
  server.kill();
});

test("ADS flows again after the control plane was killed and restarted, and repeats nothing", async () => {
  const source = createShop();
  const first = await serve(source);
  const proxy = new TestProxy(first.port);
  await proxy.holds(source);
  proxy.log.length = 0;
  first.kill();
  source.put(createTestEndpoints("a", ["10.0.0.77"]));
  const second = await serve(source, first.port);
  await proxy.holds(source);
  // The empty answers are the first responses of the two wildcards.
  await untilListed(second, proxy, areSynced);
  assert.deepEqual(proxy.log.filter((line) => !line.includes("-probe") && line !== "Secret").toSorted(), [
    "Cluster",
    "ClusterLoadAssignment a",
    "Listener",
  ]);
  assert.equal(proxy.client.state().connected, true);
  proxy.close();
  second.kill();
});

test("ADS keeps the good resources of a response whose other resources are refused, and lists the reason", async () => {
  const source = createShop();
  const server = await serve(source);
  const proxy = new TestProxy(server.port);
  await proxy.holds(source);
  const lastGood = proxy.resources.get(`${CLUSTER_TYPE} a`);
  proxy.refuse = ({ name }) => (name === "a" ? { name, reason: "ümlaut, 100 %: \n no" } : null);
  source.put(createTestCluster("a", { note: "odd" }), createTestCluster("b", { eds: false }));
  source.publish();
  await proxy.until(() => proxy.resources.has(`${CLUSTER_TYPE} b`));
  assert.equal(proxy.resources.get(`${CLUSTER_TYPE} a`), lastGood);
  await untilListed(server, proxy, (types) => types.some(({ state }) => state === "REJECTED"));
  const status = server.ads.proxies()[0]?.types.find(({ type }) => type === "cluster");
  assert.equal(status?.reason, "a: ümlaut, 100 %: \n no");
  assert.equal(status?.resources, 2);
  proxy.close();
  server.kill();
});

test("ADS carries a configuration of 10 MiB in responses that a default gRPC client takes", async () => {
  const source = createShop();
  for (let i = 0; i < 40; i += 1)
    source.put(createTestCluster(`large-${i}`, { eds: false, note: "x".repeat(256 * 1024) }));
  const server = await serve(source);
  const proxy = new TestProxy(server.port);
  await proxy.holds(source);
  assert.ok(proxy.log.filter((line) => line.startsWith("Cluster ")).length >= 5);
  proxy.close();
  server.kill();
});

interface GrpcJsCall {
  readonly send: (request: envoy.service.discovery.v3.DeltaDiscoveryRequest) => void;
  readonly next: () => Promise<envoy.service.discovery.v3.DeltaDiscoveryResponse>;
  readonly status: Promise<GrpcStatus>;
  readonly close: () => void;
}

function passThrough(bytes: Buffer): Buffer {
  return bytes;
}

function openGrpcJs(port: number, pair: KeyPair, path = PATH): GrpcJsCall {
  const tls = credentials.createSsl(
    Buffer.from(ca.trustBundlePem),
    Buffer.from(pair.keyPem),
    Buffer.from(pair.certificateChainPem),
    {
      checkServerIdentity: () => undefined,
    },
  );
  const client = new Client(`127.0.0.1:${port}`, tls, { "grpc.ssl_target_name_override": "control-plane" });
  const call = client.makeBidiStreamRequest(path, passThrough, passThrough, new Metadata());
  const responses: Buffer[] = [];
  const waiting: (() => void)[] = [];
  call.on("data", (bytes: Buffer) => {
    responses.push(bytes);
    for (const wake of waiting.splice(0)) wake();
  });
  call.on("error", () => undefined);
  const status = new Promise<GrpcStatus>((resolve) => {
    call.on("status", ({ code, details }: { readonly code: number; readonly details: string }) =>
      resolve({ code, message: details }),
    );
  });
  return {
    send: (request) =>
      call.write(Buffer.from(envoy.service.discovery.v3.DeltaDiscoveryRequest.encode(request).finish())),
    next: async () => {
      while (responses.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      return envoy.service.discovery.v3.DeltaDiscoveryResponse.decode(responses.shift() ?? Buffer.alloc(0));
    },
    status,
    close: () => client.close(),
  };
}

test("grpc-js as a client gets the same resources, byte for byte, and a re-subscribed one at the same version", async () => {
  const source = createShop();
  const server = await serve(source);
  const call = openGrpcJs(server.port, proxyPair);
  call.send({
    typeUrl: CLUSTER_TYPE,
    node: { id: "default/web-0", metadata: toStruct(METADATA), userAgentName: "envoy" },
  });
  const cds = await call.next();
  assert.equal(cds.typeUrl, CLUSTER_TYPE);
  const [cluster] = cds.resources ?? [];
  assert.ok(cluster !== undefined);
  const expected = source.resources(CLUSTER_TYPE).get("a")?.bytes ?? new Uint8Array(0);
  assert.equal(Buffer.compare(envoy.service.discovery.v3.Resource.encode(cluster).finish(), expected), 0);
  call.send({ typeUrl: CLUSTER_TYPE, responseNonce: cds.nonce ?? "" });
  call.send({ typeUrl: ENDPOINT_TYPE, resourceNamesSubscribe: ["a", "missing"] });
  const eds = await call.next();
  assert.deepEqual(
    eds.resources?.map(({ name }) => name),
    ["a"],
  );
  assert.deepEqual(eds.removedResources, ["missing"]);
  call.send({ typeUrl: ENDPOINT_TYPE, responseNonce: eds.nonce ?? "", resourceNamesSubscribe: ["a"] });
  assert.deepEqual(
    (await call.next()).resources?.map(({ name }) => name),
    ["a"],
  );
  call.close();
  server.kill();
});

test("grpc-js as a client with the certificate of another workload is refused with PERMISSION_DENIED", async () => {
  const server = await serve(createShop());
  const other = await ca.issue({ namespace: "default", serviceAccount: "web", workload: "web-1" });
  const call = openGrpcJs(server.port, other);
  call.send({ typeUrl: CLUSTER_TYPE, node: { id: "default/web-0", metadata: toStruct(METADATA) } });
  const { code, message } = await call.status;
  assert.equal(code, 7, message);
  assert.match(message, /certificate is for "default\/web-1"/);
  call.close();
  server.kill();
});

test("grpc-js as a client whose certificate holds no SPIFFE ID is refused with UNAUTHENTICATED", async () => {
  const server = await serve(createShop());
  for (const uris of [
    [],
    ["https://test.mesh/x"],
    ["spiffe://test.mesh/ns/default/sa/web", "spiffe://test.mesh/ns/default/sa/db"],
  ]) {
    const odd = await ca.issue({ namespace: "default", serviceAccount: "web", workload: "web-0", uris });
    const call = openGrpcJs(server.port, odd);
    assert.equal((await call.status).code, 16, uris.join());
    call.close();
  }
  server.kill();
});

test("grpc-js as a client of the state-of-the-world variant is told what to set", async () => {
  const server = await serve(createShop());
  const call = openGrpcJs(server.port, proxyPair, PATH.replace("Delta", "Stream"));
  const { code, message } = await call.status;
  assert.equal(code, 12, message);
  assert.match(message, /DELTA_GRPC/);
  call.close();
  server.kill();
});
