import assert from "node:assert/strict";
import { test } from "node:test";
import { envoy } from "#gen/protos.js";
import { silentLog } from "../lib/log.ts";
import type { ProxyNodeMetadata } from "../proxy-node.ts";
import { createSeededRandom } from "../random/seeded-random.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { type AdsClient, type AdsClientOptions, createAdsClient } from "./ads-client.ts";
import type { GrpcStreamHandlers } from "./grpc-call.ts";
import { GrpcError, type GrpcStatus } from "./grpc-status.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "./names.ts";

type Request = envoy.service.discovery.v3.DeltaDiscoveryRequest;

const NODE: ProxyNodeMetadata = {
  role: "sidecar",
  namespace: "default",
  workload: "web-0",
  runtime: "test",
  weftVersion: "0.1.0",
  outbound: { address: "127.0.0.1", port: 1 },
  inbound: [],
  ingress: [],
  admin: { address: "127.0.0.1", port: 2 },
};

/** A control plane that is a script: it notes requests and sends what the test says. */
class FakeChannel {
  readonly requests: Request[] = [];
  opened = 0;
  refreshed = 0;
  cancelled = 0;
  failure: GrpcStatus | null = null;
  #handlers: GrpcStreamHandlers | null = null;

  openStream(_path: string, handlers: GrpcStreamHandlers) {
    this.opened += 1;
    if (this.failure !== null) return Promise.reject(new GrpcError(this.failure));
    this.#handlers = handlers;
    return Promise.resolve({
      write: (bytes: Uint8Array) => {
        this.requests.push(envoy.service.discovery.v3.DeltaDiscoveryRequest.decode(bytes));
        return true;
      },
      end: () => undefined,
      cancel: () => {
        this.cancelled += 1;
      },
    });
  }

  refresh(): void {
    this.refreshed += 1;
  }

  send(typeUrl: string, resources: Readonly<Record<string, string>>, nonce = "n"): void {
    const response = {
      typeUrl,
      nonce,
      resources: Object.entries(resources).map(([name, version]) => ({
        name,
        version,
        resource: { typeUrl, value: Buffer.from(version) },
      })),
    };
    this.#handlers?.onMessage(envoy.service.discovery.v3.DeltaDiscoveryResponse.encode(response).finish());
  }

  sendBytes(bytes: Uint8Array): void {
    this.#handlers?.onMessage(bytes);
  }

  end(status: GrpcStatus): void {
    this.#handlers?.onEnd(status);
  }

  /** Requests since the last call, without the node, which only the first may have. */
  take(): readonly Request[] {
    return this.requests.splice(0);
  }
}

function create(options: Partial<AdsClientOptions> = {}) {
  const channel = new FakeChannel();
  const clock = new FakeClock();
  const applied: string[] = [];
  const client: AdsClient = createAdsClient({
    channel,
    clock,
    random: createSeededRandom(1),
    log: silentLog,
    node: NODE,
    apply: (typeUrl, upserts, removed) => {
      applied.push(
        [
          typeUrl,
          ...upserts.map(({ name, version }) => `${name}@${version}`),
          ...removed.map((name) => `-${name}`),
        ].join(" "),
      );
      return [];
    },
    ...options,
  });
  return { channel, clock, client, applied };
}

function shortType(request: Request): string {
  return request.typeUrl ?? "";
}

test("AdsClient asks for clusters and listeners first of all, with its node in the first request only", async () => {
  const { channel, clock, client } = create();
  client.start();
  client.start();
  await clock.runUntilIdle();
  const requests = channel.take();
  assert.deepEqual(requests.map(shortType), [CLUSTER_TYPE, LISTENER_TYPE]);
  assert.equal(requests[0]?.node?.id, "default/web-0");
  assert.equal(requests[0]?.node?.userAgentName, "weft");
  assert.equal(requests[0]?.node?.metadata?.fields?.["role"]?.stringValue, "sidecar");
  assert.equal(requests[1]?.node ?? null, null);
  assert.equal(channel.opened, 1);
  client.close();
});

test("AdsClient applies a response, acknowledges it, and then asks for what the application subscribed to", async () => {
  const { channel, clock, client } = create({
    apply: (typeUrl) => {
      if (typeUrl === CLUSTER_TYPE) client.subscribe(ENDPOINT_TYPE, ["a"]);
      return [];
    },
  });
  client.start();
  await clock.runUntilIdle();
  channel.take();
  channel.send(CLUSTER_TYPE, { a: "1" }, "n1");
  const requests = channel.take();
  assert.deepEqual(requests.map(shortType), [CLUSTER_TYPE, ENDPOINT_TYPE]);
  assert.equal(requests[0]?.responseNonce, "n1");
  assert.equal(requests[0]?.errorDetail ?? null, null);
  assert.deepEqual(requests[1]?.resourceNamesSubscribe, ["a"]);
  client.close();
});

test("AdsClient hands on an empty response: the application learns that there are no listeners", async () => {
  const { channel, clock, client, applied } = create();
  client.start();
  await clock.runUntilIdle();
  channel.send(LISTENER_TYPE, {});
  assert.deepEqual(applied, [LISTENER_TYPE]);
  client.close();
});

test("AdsClient tells about changed names at once when it is not applying", async () => {
  const { channel, clock, client } = create();
  client.subscribe(ROUTE_TYPE, ["r1"]);
  client.start();
  await clock.runUntilIdle();
  assert.deepEqual(channel.take().map(shortType), [CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE]);
  client.subscribe(ROUTE_TYPE, ["r2"]);
  const [request] = channel.take();
  assert.deepEqual(request?.resourceNamesSubscribe, ["r2"]);
  assert.deepEqual(request?.resourceNamesUnsubscribe, ["r1"]);
  assert.throws(() => client.subscribe("type.googleapis.com/what", []), /Cannot subscribe to/);
  client.close();
});

test("AdsClient resumes after a broken stream with the versions in force", async () => {
  const { channel, clock, client } = create({
    apply: (_type, upserts) =>
      upserts.filter(({ version }) => version === "bad").map(({ name }) => ({ name, reason: "no" })),
  });
  client.start();
  await clock.runUntilIdle();
  channel.send(CLUSTER_TYPE, { a: "1", b: "1" });
  channel.send(CLUSTER_TYPE, { a: "2", b: "bad" });
  assert.equal(client.state().connected, true);
  assert.equal(client.state().nacks, 1);
  channel.end({ code: 14, message: "gone" });
  assert.equal(client.state().connected, false);
  assert.equal(client.state().lastFailure, "UNAVAILABLE: gone");
  channel.take();
  await clock.elapse(1_000);
  assert.equal(channel.opened, 2);
  const [cds] = channel.take();
  assert.deepEqual(cds?.initialResourceVersions, { a: "2", b: "1" });
  assert.equal(cds?.node?.id, "default/web-0");
  client.close();
});

test("AdsClient names to a control plane what was in force before it started", async () => {
  const { channel, clock, client } = create({ held: new Map([[CLUSTER_TYPE, new Map([["a", "1"]])]]) });
  client.start();
  await clock.runUntilIdle();
  assert.deepEqual(channel.take()[0]?.initialResourceVersions, { a: "1" });
  client.close();
});

test("AdsClient keeps trying within a second while nobody answers", async () => {
  const { channel, clock, client } = create();
  channel.failure = { code: 14, message: "refused" };
  client.start();
  await clock.elapse(20_000);
  assert.ok(channel.opened >= 20, `${channel.opened} attempts`);
  assert.equal(client.state().disconnects, channel.opened);
  channel.failure = null;
  await clock.elapse(1_000);
  assert.equal(channel.take().length, 2);
  client.close();
});

test("AdsClient takes a new connection when the control plane refuses its certificate", async () => {
  const { channel, clock, client } = create();
  client.start();
  await clock.runUntilIdle();
  channel.end({ code: 16, message: "expired" });
  assert.equal(channel.refreshed, 1);
  channel.end({ code: 14, message: "late news of an old stream" });
  assert.equal(client.state().disconnects, 1);
  client.close();
});

test("AdsClient counts all of a response as refused when applying it throws", async () => {
  const { channel, clock, client } = create({
    apply: () => {
      throw new Error("out of ports");
    },
  });
  client.start();
  await clock.runUntilIdle();
  channel.take();
  channel.send(CLUSTER_TYPE, { a: "1" });
  assert.match(channel.take()[0]?.errorDetail?.message ?? "", /a: the proxy failed to apply it: out of ports/);
  client.close();
});

test("AdsClient refuses responses of types that it never asked for", async () => {
  const { channel, clock, client, applied } = create();
  client.start();
  await clock.runUntilIdle();
  channel.take();
  channel.send("type.googleapis.com/other", { a: "1" }, "n3");
  const [nack] = channel.take();
  assert.equal(nack?.responseNonce, "n3");
  assert.match(nack?.errorDetail?.message ?? "", /was not asked for/);
  assert.deepEqual(applied, []);
  client.close();
});

test("AdsClient gives up a stream whose bytes it cannot read, and connects again", async () => {
  const { channel, clock, client } = create();
  client.start();
  await clock.runUntilIdle();
  channel.sendBytes(new Uint8Array([0xff, 0xff, 0xff]));
  assert.equal(channel.cancelled, 1);
  assert.match(client.state().lastFailure ?? "", /INTERNAL: a response cannot be decoded/);
  await clock.elapse(1_000);
  assert.equal(channel.opened, 2);
  client.close();
});

test("AdsClient.close() cancels the stream and leaves no timer", async () => {
  const { channel, clock, client } = create();
  client.start();
  await clock.runUntilIdle();
  client.close();
  assert.equal(channel.cancelled, 1);
  await clock.elapse(60_000);
  assert.equal(channel.opened, 1);
  const waiting = create();
  waiting.channel.failure = { code: 14, message: "refused" };
  waiting.client.start();
  await waiting.clock.runUntilIdle();
  waiting.client.close();
  assert.equal(waiting.clock.pendingTimers(), 0);
});
