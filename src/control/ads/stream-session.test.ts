import assert from "node:assert/strict";
import { test } from "node:test";
import type { envoy } from "#gen/protos.js";
import {
  createTestCluster,
  createTestEndpoints,
  createTestListener,
  createTestRoutes,
  createTestSecret,
  MemoryConfigSource,
} from "../../testing/memory-config-source.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE } from "../../xds/names.ts";
import { encodeRejections } from "../../xds/rejections.ts";
import type { ProxyNode } from "../config-source.ts";
import type { DeltaResponse } from "./delta-response.ts";
import { ResourceReferences } from "./resource-references.ts";
import { StreamSession, type StreamSessionOptions } from "./stream-session.ts";

type Request = envoy.service.discovery.v3.DeltaDiscoveryRequest;

const NODE: ProxyNode = {
  id: "default/web-0",
  namespace: "default",
  workload: "web-0",
  serviceAccount: "web",
  spiffeId: "spiffe://test.mesh/ns/default/sa/web",
  metadata: {
    role: "sidecar",
    namespace: "default",
    workload: "web-0",
    runtime: "test",
    weftVersion: "0",
    outbound: null,
    inbound: [],
    ingress: [],
    admin: { address: "127.0.0.1", port: 1 },
  },
};

function createSession(source: MemoryConfigSource, options: Partial<StreamSessionOptions> = {}): StreamSession {
  return new StreamSession({
    node: NODE,
    source,
    references: new ResourceReferences(),
    noncePrefix: "t",
    resendsEndpoints: false,
    maxResponseBytes: 1_000_000,
    ...options,
  });
}

const SHORT: Readonly<Record<string, string>> = {
  [CLUSTER_TYPE]: "CDS",
  [ENDPOINT_TYPE]: "EDS",
  [SECRET_TYPE]: "SDS",
  [LISTENER_TYPE]: "LDS",
  [ROUTE_TYPE]: "RDS",
};

/** E.g. "CDS a b -c". */
function describe(response: DeltaResponse): string {
  const names = [...response.upserts.map(({ name }) => name), ...response.removals.map((name) => `-${name}`)];
  return [SHORT[response.typeUrl] ?? response.typeUrl, ...names].join(" ");
}

function ask(session: StreamSession, typeUrl: string, ...subscribe: readonly string[]): void {
  const request: Request = { typeUrl, resourceNamesSubscribe: [...subscribe] };
  assert.equal(session.onRequest(request).failure, null);
}

function ack(session: StreamSession, { typeUrl, nonce }: DeltaResponse): void {
  assert.equal(session.onRequest({ typeUrl, responseNonce: nonce }).outcome, "ack");
}

/** Everything that may be sent now, without answers. */
function take(session: StreamSession): readonly DeltaResponse[] {
  const responses: DeltaResponse[] = [];
  for (let response = session.nextResponse(); response !== null; response = session.nextResponse())
    responses.push(response);
  return responses;
}

/** Answers every response as it comes, until nothing is left; what came, in order. */
function drain(session: StreamSession): readonly string[] {
  const log: string[] = [];
  for (let response = session.nextResponse(); response !== null; response = session.nextResponse()) {
    log.push(describe(response));
    ack(session, response);
  }
  return log;
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

function subscribeAll(session: StreamSession, clusters: readonly string[] = ["a"]): void {
  ask(session, CLUSTER_TYPE);
  ask(session, ENDPOINT_TYPE, ...clusters);
  ask(session, SECRET_TYPE, "trust-bundle");
  ask(session, LISTENER_TYPE);
  ask(session, ROUTE_TYPE, "routes");
}

/** A session in which everything of the shop is in force. */
function createSettled(source: MemoryConfigSource, options: Partial<StreamSessionOptions> = {}): StreamSession {
  const session = createSession(source, options);
  subscribeAll(session);
  drain(session);
  return session;
}

function change(session: StreamSession): void {
  session.onSourceChange();
}

test("StreamSession delivers clusters, endpoints, secrets, listeners, routes, in this order", () => {
  const session = createSession(createShop());
  subscribeAll(session);
  assert.deepEqual(drain(session), ["CDS a", "EDS a", "SDS trust-bundle", "LDS outbound", "RDS routes"]);
  assert.deepEqual(drain(session), []);
});

test("StreamSession adds before it removes: the old cluster goes last, after the routes that used it were replaced", () => {
  const source = createShop();
  const session = createSettled(source);
  source.delete(CLUSTER_TYPE, "a").delete(ENDPOINT_TYPE, "a");
  source.put(createTestCluster("b"), createTestEndpoints("b"), createTestRoutes("routes", ["b"]));
  change(session);

  const [cds, ...none] = take(session);
  assert.ok(cds !== undefined && none.length === 0);
  assert.equal(describe(cds), "CDS b");
  ack(session, cds);
  // Routes to b wait for its endpoints, which the proxy asks for once it has the cluster.
  assert.deepEqual(take(session), []);
  assert.equal(session.waitsForProxy(), true);
  ask(session, ENDPOINT_TYPE, "b");
  const [eds] = take(session);
  assert.ok(eds !== undefined);
  assert.equal(describe(eds), "EDS b");
  assert.deepEqual(take(session), []);
  ack(session, eds);
  const [rds] = take(session);
  assert.ok(rds !== undefined);
  assert.equal(describe(rds), "RDS routes");
  assert.deepEqual(take(session), [], "a stays until the routes that replace its users are acknowledged");
  ack(session, rds);
  assert.deepEqual(drain(session), ["CDS -a", "EDS -a"]);
});

test("StreamSession holds back a TCP listener until its cluster was acknowledged", () => {
  const source = createShop();
  const session = createSettled(source);
  source.put(createTestCluster("db", { eds: false }), createTestListener("tcp", { cluster: "db" }));
  change(session);
  const [cds, ...more] = take(session);
  assert.ok(cds !== undefined && more.length === 0);
  ack(session, cds);
  assert.deepEqual(drain(session), ["LDS tcp"]);
});

test("StreamSession does not hold back what sends to a cluster that does not exist or is not subscribed", () => {
  const source = createShop();
  const session = createSettled(source);
  source.put(createTestRoutes("routes", ["a", "nowhere"]));
  change(session);
  assert.deepEqual(drain(session), ["RDS routes"]);

  const grpcStyle = createSession(source);
  ask(grpcStyle, LISTENER_TYPE, "outbound");
  ask(grpcStyle, ROUTE_TYPE, "routes");
  assert.deepEqual(drain(grpcStyle), ["LDS outbound", "RDS routes"]);
  ask(grpcStyle, CLUSTER_TYPE, "a");
  ask(grpcStyle, ENDPOINT_TYPE, "a");
  assert.deepEqual(drain(grpcStyle), ["CDS a", "EDS a"]);
});

test("StreamSession keeps a route back while its new cluster is rejected, and the last good route stays", () => {
  const source = createShop();
  const session = createSettled(source);
  source.put(createTestCluster("bad"), createTestEndpoints("bad"), createTestCluster("c", { eds: false }));
  source.put(createTestRoutes("routes", ["bad"]));
  change(session);
  const [cds] = take(session);
  assert.ok(cds !== undefined);
  assert.equal(describe(cds), "CDS bad c");
  session.onRequest({
    typeUrl: CLUSTER_TYPE,
    responseNonce: cds.nonce,
    errorDetail: encodeRejections([{ name: "bad", reason: "unknown balancer" }], 2),
  });
  assert.deepEqual(take(session), []);
  assert.equal(session.waitsForProxy(), false, "no patience makes a rejected cluster usable");
  const types = new Map(session.types().map((type) => [type.type, type]));
  assert.equal(types.get("cluster")?.state, "REJECTED");
  assert.equal(types.get("cluster")?.reason, "bad: unknown balancer");
  assert.equal(types.get("route")?.state, "STALE");
  // A sibling in the same response was accepted, so routes to it go on.
  source.put(createTestRoutes("routes", ["c"]));
  change(session);
  assert.deepEqual(drain(session), ["RDS routes"]);
});

test("trap 3 (warming): StreamSession sends endpoints again after any update of their cluster, for Envoy", () => {
  const source = createShop();
  const session = createSettled(source, { resendsEndpoints: true });
  source.put(createTestCluster("a", { note: "changed" }));
  change(session);
  assert.deepEqual(drain(session), ["CDS a", "EDS a"]);
  assert.deepEqual(drain(session), []);
});

test("trap 3 (warming): StreamSession sends endpoints that Envoy brought along when it sent their cluster on this stream", () => {
  const source = createShop();
  const session = createSession(source, { resendsEndpoints: true });
  ask(session, CLUSTER_TYPE);
  assert.deepEqual(drain(session), ["CDS a"]);
  const version = source.resources(ENDPOINT_TYPE).get("a")?.version ?? "";
  session.onRequest({
    typeUrl: ENDPOINT_TYPE,
    resourceNamesSubscribe: ["a"],
    initialResourceVersions: { a: version },
  });
  assert.deepEqual(drain(session), ["EDS a"]);
});

test("trap 3 (warming): StreamSession does not send unchanged endpoints to our own proxy, which carries them over", () => {
  const source = createShop();
  const session = createSettled(source, { resendsEndpoints: false });
  source.put(createTestCluster("a", { note: "changed" }));
  change(session);
  assert.deepEqual(drain(session), ["CDS a"]);
});

test("StreamSession makes one response of a burst of changes during a response in flight, with the latest", () => {
  const source = createShop();
  const session = createSettled(source);
  source.put(createTestEndpoints("a", ["10.0.0.1"]));
  change(session);
  const [first] = take(session);
  assert.ok(first !== undefined);
  for (let host = 2; host < 50; host += 1) {
    source.put(createTestEndpoints("a", [`10.0.0.${host}`]));
    change(session);
    assert.deepEqual(take(session), []);
  }
  ack(session, first);
  const later = take(session);
  assert.deepEqual(
    later.map(({ upserts }) => upserts),
    [[source.resources(ENDPOINT_TYPE).get("a")]],
  );
});

test("StreamSession sends nothing when a burst of changes ends where it began", () => {
  const source = createShop();
  const session = createSettled(source);
  source.put(createTestEndpoints("a", ["10.0.0.1"]));
  source.put(createTestEndpoints("a"));
  change(session);
  assert.deepEqual(take(session), []);
});

test("StreamSession does not send again what a reconnected proxy holds", () => {
  const source = createShop();
  const held = (typeUrl: string): Record<string, string> =>
    Object.fromEntries([...source.resources(typeUrl)].map(([name, { version }]) => [name, version]));
  const session = createSession(source);
  for (const [typeUrl, names] of [
    [CLUSTER_TYPE, []],
    [ENDPOINT_TYPE, ["a"]],
    [SECRET_TYPE, ["trust-bundle"]],
    [LISTENER_TYPE, []],
    [ROUTE_TYPE, ["routes"]],
  ] as const) {
    session.onRequest({ typeUrl, resourceNamesSubscribe: [...names], initialResourceVersions: held(typeUrl) });
  }
  // Only the empty first responses of the two wildcards.
  assert.deepEqual(drain(session), ["CDS", "LDS"]);
  assert.deepEqual(
    session.types().map(({ type, state, resources }) => [type, state, resources]),
    [
      ["cluster", "SYNCED", 1],
      ["endpoint", "SYNCED", 1],
      ["secret", "SYNCED", 1],
      ["listener", "SYNCED", 1],
      ["route", "SYNCED", 1],
    ],
  );
});

test("StreamSession removes no cluster from a reconnected proxy before the routes it came with are known or replaced", () => {
  const source = createShop();
  const version = source.resources(LISTENER_TYPE).get("outbound")?.version ?? "";
  const session = createSession(source);
  session.onRequest({ typeUrl: CLUSTER_TYPE, initialResourceVersions: { old: "1" } });
  assert.deepEqual(drain(session), ["CDS a"]);
  assert.equal(session.waitsForProxy(), true, "its listeners are not known yet");
  session.onRequest({ typeUrl: LISTENER_TYPE, initialResourceVersions: { outbound: version } });
  assert.deepEqual(drain(session), ["LDS"]);
  assert.equal(session.waitsForProxy(), true, "its routes are not known yet");
  session.onRequest({
    typeUrl: ROUTE_TYPE,
    resourceNamesSubscribe: ["routes"],
    initialResourceVersions: { routes: "to-the-old-cluster" },
  });
  assert.deepEqual(drain(session), []);
  ask(session, ENDPOINT_TYPE, "a");
  assert.deepEqual(drain(session), ["EDS a", "RDS routes", "CDS -old"]);
});

test("StreamSession.release() goes on without the subscriptions that a proxy never makes", () => {
  const source = createShop();
  const session = createSession(source);
  ask(session, CLUSTER_TYPE);
  ask(session, LISTENER_TYPE);
  ask(session, ROUTE_TYPE, "routes");
  assert.deepEqual(drain(session), ["CDS a", "LDS outbound"]);
  assert.equal(session.waitsForProxy(), true);
  session.release();
  assert.deepEqual(drain(session), ["RDS routes"]);
  assert.equal(session.waitsForProxy(), false);
});

test("StreamSession cuts a response at maxResponseBytes and sends the rest after its ACK", () => {
  const source = new MemoryConfigSource();
  for (let i = 0; i < 10; i += 1) source.put(createTestCluster(`c${i}`, { eds: false, note: "x".repeat(100) }));
  const session = createSession(source, { maxResponseBytes: 600 });
  ask(session, CLUSTER_TYPE);
  assert.equal(take(session).length, 1);
  const again = createSession(source, { maxResponseBytes: 600 });
  ask(again, CLUSTER_TYPE);
  const responses = drain(again);
  assert.ok(responses.length >= 3 && responses.length <= 5, responses.join(" | "));
  assert.equal(responses.join(" ").match(/c\d/g)?.length, 10);
  const tiny = createSession(source, { maxResponseBytes: 1 });
  ask(tiny, CLUSTER_TYPE);
  assert.equal(drain(tiny).length, 10);
});

test("StreamSession answers names of a type that it does not have with removals", () => {
  const session = createSession(createShop());
  ask(session, "type.googleapis.com/envoy.service.runtime.v3.Runtime", "rtds");
  assert.deepEqual(drain(session), ["type.googleapis.com/envoy.service.runtime.v3.Runtime -rtds"]);
});

test("StreamSession refuses more names of a type than it can keep, and requests without a type", () => {
  const session = createSession(createShop());
  const names = Array.from({ length: 65_537 }, (_, index) => `n${index}`);
  assert.equal(session.onRequest({ typeUrl: ENDPOINT_TYPE, resourceNamesSubscribe: names }).failure?.code, 8);
  assert.equal(session.onRequest({}).failure?.code, 3);
  const many = createSession(createShop());
  const answers = Array.from(
    { length: 17 },
    (_, index) => many.onRequest({ typeUrl: `type.googleapis.com/t${index}` }).failure,
  );
  assert.equal(answers.filter((failure) => failure !== null).length, 1);
});

test("StreamSession reports STALE while a response is not answered, and SYNCED after", () => {
  const session = createSession(createShop());
  ask(session, CLUSTER_TYPE);
  const [cds] = take(session);
  assert.ok(cds !== undefined);
  assert.equal(session.types()[0]?.state, "STALE");
  ack(session, cds);
  assert.equal(session.types()[0]?.state, "SYNCED");
});
