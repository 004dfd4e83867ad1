import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { envoy } from "#gen/protos.js";
import { silentLog } from "../../lib/log.ts";
import type { ProxyNodeMetadata } from "../../proxy-node.ts";
import { FakeAdsCall } from "../../testing/fake-ads-call.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import {
  createTestCluster,
  createTestEndpoints,
  createTestListener,
  createTestRoutes,
  createTestSecret,
  MemoryConfigSource,
} from "../../testing/memory-config-source.ts";
import type { ChangeScope } from "../config-source.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE } from "../../xds/names.ts";
import { encodeRejections } from "../../xds/rejections.ts";
import { toStruct } from "../../xds/struct-json.ts";
import { type AdsService, type AdsServiceOptions, createAdsService } from "./ads-server.ts";
import type { PeerIdentity } from "./peer-identity.ts";

function metadataOf(workload: string): ProxyNodeMetadata {
  return {
    role: "sidecar",
    namespace: "default",
    workload,
    runtime: "bun 1.4.5",
    weftVersion: "0.1.0",
    outbound: { address: "127.0.0.1", port: 15_001 },
    inbound: [{ address: "127.0.0.1", port: 15_006, appAddress: "127.0.0.1", appPort: 80, protocol: "http" }],
    ingress: [],
    admin: { address: "127.0.0.1", port: 15_020 },
  };
}

function nodeOf(workload: string): envoy.config.core.v3.Node {
  return { id: `default/${workload}`, metadata: toStruct(metadataOf(workload)), userAgentName: "weft" };
}

function create(source: MemoryConfigSource, options: Partial<AdsServiceOptions> = {}) {
  const clock = new FakeClock();
  const service = createAdsService({
    source,
    clock,
    log: silentLog,
    authenticate: (call) => (call as unknown as FakeAdsCall).peer,
    ...options,
  });
  return { clock, service };
}

function peerOf(workload: string): PeerIdentity {
  return { spiffeId: "spiffe://test.mesh/ns/default/sa/web", workload };
}

function connect(service: AdsService, peer: PeerIdentity | null = peerOf("web-0")): FakeAdsCall {
  const call = new FakeAdsCall(peer);
  const accept = service.implementation["DeltaAggregatedResources"] as (
    call: ServerDuplexStream<Buffer, Buffer>,
  ) => void;
  accept(call as unknown as ServerDuplexStream<Buffer, Buffer>);
  return call;
}

function subscribeAll(call: FakeAdsCall, workload = "web-0"): void {
  call.send({ typeUrl: CLUSTER_TYPE, node: nodeOf(workload) });
  call.send({ typeUrl: ENDPOINT_TYPE, resourceNamesSubscribe: ["a"] });
  call.send({ typeUrl: SECRET_TYPE, resourceNamesSubscribe: ["trust-bundle"] });
  call.send({ typeUrl: LISTENER_TYPE });
  call.send({ typeUrl: ROUTE_TYPE, resourceNamesSubscribe: ["routes"] });
}

function createShop(): MemoryConfigSource {
  return new MemoryConfigSource().put(
    createTestCluster("a"),
    createTestEndpoints("a"),
    createTestListener("outbound", { routes: "routes" }),
    createTestRoutes("routes", ["a"]),
    createTestSecret("trust-bundle", "roots"),
  );
}

test("AdsService serves a proxy and lists it as SYNCED", () => {
  const { service } = create(createShop());
  const call = connect(service);
  assert.deepEqual(service.proxies(), []);
  subscribeAll(call);
  assert.equal(service.proxies()[0]?.state, "STALE");
  assert.deepEqual(call.drain(), [
    "Cluster a",
    "ClusterLoadAssignment a",
    "Secret trust-bundle",
    "Listener outbound",
    "RouteConfiguration routes",
  ]);
  assert.deepEqual(service.proxies(), [
    {
      id: "default/web-0",
      role: "sidecar",
      spiffeId: "spiffe://test.mesh/ns/default/sa/web",
      runtime: "bun 1.4.5",
      weftVersion: "0.1.0",
      connected: true,
      sinceWallMs: 1_767_225_600_000,
      state: "SYNCED",
      types: ["cluster", "endpoint", "secret", "listener", "route"].map((type) => ({
        type,
        state: "SYNCED",
        resources: 1,
        reason: null,
      })),
      admin: { address: "127.0.0.1", port: 15_020 },
      hasRoots: true,
    },
  ]);
});

test("AdsService pushes a change to every proxy, more than one batch of them too", async () => {
  const source = createShop();
  const { clock, service } = create(source);
  const calls = Array.from({ length: 150 }, (_, index) => {
    const call = connect(service, peerOf(`web-${index}`));
    subscribeAll(call, `web-${index}`);
    call.drain();
    return call;
  });
  source.put(createTestEndpoints("a", ["10.0.0.9"]));
  source.publish();
  source.publish();
  assert.deepEqual(calls[0]?.drain(), [], "nothing is made inside the notification");
  await clock.runUntilIdle();
  for (const call of calls) assert.deepEqual(call.drain(), ["ClusterLoadAssignment a"]);
  service.close();
  assert.equal(clock.pendingTimers(), 0);
});

test("AdsService writes nothing to a call that is full, and the latest when it has room again", async () => {
  const source = createShop();
  const { clock, service } = create(source);
  const call = connect(service);
  subscribeAll(call);
  call.drain();
  call.room = 1;
  source.put(createTestEndpoints("a", ["10.0.0.1"]), createTestSecret("trust-bundle", "more roots"));
  source.publish();
  await clock.runUntilIdle();
  assert.equal(call.written.length, 1);
  for (let i = 2; i < 20; i += 1) source.put(createTestSecret("trust-bundle", `roots ${i}`));
  source.publish();
  await clock.runUntilIdle();
  assert.equal(call.written.length, 1);
  call.room = 10;
  call.emit("drain");
  assert.equal(call.written.length, 2);
  const latest = source.resources(SECRET_TYPE).get("trust-bundle")?.version;
  assert.equal(call.written[1]?.resources?.[0]?.version, latest);
});

const REFUSED: readonly (readonly [string, envoy.config.core.v3.Node, number, RegExp])[] = [
  ["of another workload", nodeOf("web-1"), 7, /node "default\/web-1": its certificate is for "default\/web-0"/],
  ["without an id", {}, 7, /node "": its certificate is for "default\/web-0"/],
  ["without metadata", { id: "default/web-0" }, 3, /Cannot read node "default\/web-0": metadata\.role: /],
  [
    "whose metadata is of another workload",
    { id: "default/web-0", metadata: toStruct(metadataOf("web-1")) },
    7,
    /its metadata is of "default\/web-1"/,
  ],
  [
    "with a port out of range",
    {
      id: "default/web-0",
      metadata: toStruct({ ...metadataOf("web-0"), admin: { address: "127.0.0.1", port: 70_000 } }),
    },
    3,
    /metadata\.admin\.port: /,
  ],
];

for (const [what, node, code, message] of REFUSED) {
  test(`AdsService refuses a node ${what}`, () => {
    const { clock, service } = create(createShop());
    const call = connect(service);
    call.send({ typeUrl: CLUSTER_TYPE, node });
    assert.equal(call.status?.code, code);
    assert.match(call.status?.details ?? "", message);
    assert.deepEqual(call.written, []);
    assert.deepEqual(service.proxies(), []);
    assert.equal(clock.pendingTimers(), 0);
  });
}

test("AdsService refuses a peer without an identity, and one whose identity is no workload's", () => {
  const { service } = create(createShop());
  assert.equal(connect(service, null).status?.code, 16);
  const odd = connect(service, { spiffeId: "spiffe://test.mesh/batch/job", workload: "web-0" });
  odd.send({ typeUrl: CLUSTER_TYPE, node: nodeOf("web-0") });
  assert.equal(odd.status?.code, 7);
});

test("AdsService refuses bytes that are no request, and streams above its limit", () => {
  const { service } = create(createShop(), { maxStreams: 1 });
  const call = connect(service);
  assert.equal(connect(service, peerOf("web-1")).status?.code, 8);
  call.emit("data", Buffer.from([0xff, 0xff, 0xff]));
  assert.equal(call.status?.code, 3);
  assert.equal(connect(service).status, null);
});

test("AdsService ends a stream that never says who it is", () => {
  const { clock, service } = create(createShop(), { patienceMs: 500 });
  const call = connect(service);
  clock.advance(500);
  assert.equal(call.status?.code, 4);
  assert.match(call.status?.details ?? "", /within 500 ms/);
});

test("AdsService gives a proxy its routes after patienceMs even if it never asks for endpoints", () => {
  const { clock, service } = create(createShop(), { patienceMs: 500 });
  const call = connect(service);
  call.send({ typeUrl: CLUSTER_TYPE, node: nodeOf("web-0") });
  call.send({ typeUrl: ROUTE_TYPE, resourceNamesSubscribe: ["routes"] });
  assert.deepEqual(call.drain(), ["Cluster a"]);
  clock.advance(499);
  assert.deepEqual(call.drain(), []);
  clock.advance(1);
  assert.deepEqual(call.drain(), ["RouteConfiguration routes"]);
  assert.equal(clock.pendingTimers(), 0);
});

test("AdsService lists a rejection in the proxy's words, and keeps serving", async () => {
  const source = createShop();
  const { clock, service } = create(source);
  const call = connect(service);
  subscribeAll(call);
  call.drain();
  source.put(createTestCluster("a", { note: "odd" }));
  source.publish();
  await clock.runUntilIdle();
  const sent = call.written.shift();
  call.send({
    typeUrl: CLUSTER_TYPE,
    responseNonce: sent?.nonce ?? "",
    errorDetail: encodeRejections([{ name: "a", reason: "unknown balancer" }], 1),
  });
  const [status] = service.proxies();
  assert.equal(status?.state, "REJECTED");
  assert.deepEqual(status?.types[0], {
    type: "cluster",
    state: "REJECTED",
    resources: 1,
    reason: "a: unknown balancer",
  });
  source.put(createTestEndpoints("a", ["10.0.0.9"]));
  source.publish();
  await clock.runUntilIdle();
  assert.deepEqual(call.drain(), ["ClusterLoadAssignment a"]);
  assert.equal(service.proxies()[0]?.state, "REJECTED");
});

test("AdsService.proxyConfig() shows what was acknowledged, decoded to the inner messages", () => {
  const { service } = create(createShop());
  assert.equal(service.proxyConfig("default/web-0"), null);
  const call = connect(service);
  subscribeAll(call);
  call.drain();
  const config = service.proxyConfig("default/web-0") as Record<
    string,
    Record<string, { content: Record<string, unknown> }>
  >;
  assert.deepEqual(Object.keys(config), ["cluster", "endpoint", "secret", "listener", "route"]);
  assert.equal(config["cluster"]?.["a"]?.content["@type"], CLUSTER_TYPE);
  assert.equal(config["cluster"]?.["a"]?.content["name"], "a");
  assert.match(
    JSON.stringify(config["listener"]?.["outbound"]),
    /HttpConnectionManager","rds":\{"routeConfigName":"routes"\}/,
  );
});

test("AdsService.proxyConfig() shows no private key", () => {
  const source = new MemoryConfigSource();
  const { Secret } = envoy.extensions.transport_sockets.tls.v3;
  const secret = {
    name: "s",
    tlsCertificate: { privateKey: { inlineString: "very private" }, password: { inlineString: "hush" } },
  };
  const value = Secret.encode(secret).finish();
  const bytes = envoy.service.discovery.v3.Resource.encode({
    name: "s",
    version: "1",
    resource: { typeUrl: SECRET_TYPE, value },
  });
  source.put({ typeUrl: SECRET_TYPE, name: "s", version: "1", bytes: bytes.finish() });
  const { service } = create(source);
  const call = connect(service);
  call.send({ typeUrl: SECRET_TYPE, node: nodeOf("web-0"), resourceNamesSubscribe: ["s"] });
  call.drain();
  const shown = JSON.stringify(service.proxyConfig("default/web-0"));
  assert.match(shown, /"privateKey":"\[redacted\]"/);
  assert.doesNotMatch(shown, /very private|hush/);
  assert.doesNotMatch(shown, new RegExp(Buffer.from("very private").toString("base64").slice(0, 12)));
});

test("AdsService lists a proxy that left as STALE, for a while, and not more than a few of them", () => {
  const { clock, service } = create(createShop(), { keepLeftMs: 10_000, maxLeft: 3 });
  for (let index = 0; index < 5; index += 1) {
    const call = connect(service, peerOf(`web-${index}`));
    subscribeAll(call, `web-${index}`);
    call.drain();
    call.emit("cancelled");
  }
  assert.deepEqual(
    service.proxies().map(({ id, state, connected }) => [id, state, connected]),
    [
      ["default/web-2", "STALE", false],
      ["default/web-3", "STALE", false],
      ["default/web-4", "STALE", false],
    ],
  );
  assert.deepEqual(new Set(service.proxies()[0]?.types.map(({ state }) => state)), new Set(["STALE"]));
  const again = connect(service, peerOf("web-3"));
  subscribeAll(again, "web-3");
  again.drain();
  clock.advance(10_001);
  assert.deepEqual(
    service.proxies().map(({ id, state }) => [id, state]),
    [["default/web-3", "SYNCED"]],
  );
});

test("AdsService lets a newer stream of a proxy take over, and the older one's end change nothing", () => {
  const { service } = create(createShop());
  const old = connect(service);
  subscribeAll(old);
  old.drain();
  const young = connect(service);
  subscribeAll(young);
  assert.equal(old.status?.code, 14);
  old.emit("cancelled");
  young.drain();
  assert.deepEqual(
    service.proxies().map(({ connected, state }) => [connected, state]),
    [[true, "SYNCED"]],
  );
});

test("AdsService ends a stream with the proxy when its requests end", () => {
  const { service } = create(createShop());
  const call = connect(service);
  subscribeAll(call);
  call.emit("end");
  assert.equal(call.isEnded, true);
  assert.equal(service.proxies()[0]?.connected, false);
});

test("AdsService.close() ends every stream with UNAVAILABLE and takes no more", () => {
  const { clock, service } = create(createShop());
  const call = connect(service);
  subscribeAll(call);
  service.close();
  assert.equal(call.status?.code, 14);
  assert.equal(connect(service).status?.code, 14);
  assert.equal(clock.pendingTimers(), 0);
});

test("AdsService ends a stream with INTERNAL when its view cannot be made, and serves the others", async () => {
  const source = createShop();
  let isBroken = false;
  const fragile = {
    viewFor: (node: { readonly workload: string }) => {
      if (isBroken && node.workload === "web-0") throw new Error("boom");
      return source.viewFor();
    },
    onChange: (listener: (concerns: ChangeScope) => void) => source.onChange(listener),
  };
  const { clock, service } = create(source, { source: fragile });
  const [one, two] = [connect(service), connect(service, peerOf("web-1"))];
  subscribeAll(one);
  subscribeAll(two, "web-1");
  one.drain();
  two.drain();
  isBroken = true;
  source.put(createTestEndpoints("a", ["10.0.0.9"]));
  source.publish();
  await clock.runUntilIdle();
  assert.equal(one.status?.code, 13);
  assert.doesNotMatch(one.status?.details ?? "", /boom/);
  assert.deepEqual(two.drain(), ["ClusterLoadAssignment a"]);
  // Listing must not fail either.
  assert.equal(service.proxies().length, 2);
});
