import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { envoy } from "#gen/protos.js";
import { FakeClock } from "../testing/fake-clock.ts";
import { applyOne, createMeshCa, issueCredentials, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import { answerWith, ScriptedReplica, type ScriptedRequest } from "../testing/scripted-replica.ts";
import { TextClient } from "../testing/text-peers.ts";
import { createEndpoints, createMeshCluster, createOutboundListener, createRoutes } from "../testing/xds-fixture.ts";
import { nextTurn } from "../time/next-turn.ts";
import { MemoryTransport } from "../transport/memory.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";

const REVIEWS = "spiffe://test.mesh/ns/default/sa/reviews";
const TRIP = { failurePercent: 50, windowMs: 10_000, minRequests: 10, openMs: 5_000, probes: 2 };

type PolicyFields = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** HTTP/1.1 text -> a sidecar -> two replicas that do as they are told: who is asked, and who is left alone. */
describe("ejection, circuits and limits on the way of a request", () => {
  let clock: FakeClock;
  let transport: MemoryTransport;
  let web: TestProxy;
  let replicas: readonly [ScriptedReplica, ScriptedReplica];

  beforeEach(async () => {
    clock = new FakeClock();
    transport = new MemoryTransport(clock);
    replicas = [new ScriptedReplica(), new ScriptedReplica()];
    const ca = await createMeshCa();
    const { keyPair, trustBundlePem } = await issueCredentials(ca, "reviews");
    for (const replica of replicas) await replica.listen(transport, keyPair, trustBundlePem);
    web = await startTestProxy({ transport, clock, ca, serviceAccount: "web" });
    rule({});
    const endpoints = replicas.map(({ port }) => ({ port }));
    applyOne(web.proxy, ENDPOINT_TYPE, "reviews", createEndpoints("reviews", endpoints));
    const listener = createOutboundListener("outbound", web.outboundPort, "routes");
    applyOne(web.proxy, LISTENER_TYPE, "outbound", listener);
    applyOne(web.proxy, ROUTE_TYPE, "routes", createRoutes("routes", { reviews: "reviews" }));
  });

  afterEach(async () => {
    await web.proxy.close();
    for (const replica of replicas) await replica.close();
  });

  /** Gives the cluster this policy, as the control plane would. */
  function rule(policy: PolicyFields, limits: Readonly<Record<string, { value: number }>> | null = null): void {
    const cluster = envoy.config.cluster.v3.Cluster.decode(createMeshCluster("reviews", [REVIEWS]));
    const fields = Object.fromEntries(Object.entries(policy).map(([name, value]) => [name, toStruct(value)]));
    const known = cluster.metadata?.filterMetadata?.["weft.dev"]?.fields;
    const weft = { fields: { ...known, policy: { structValue: { fields } } } };
    const changed = {
      ...cluster,
      metadata: { filterMetadata: { "weft.dev": weft } },
      // So that an instance that fails fast is asked as often as the other.
      lbPolicy: envoy.config.cluster.v3.Cluster.LbPolicy.RANDOM,
      circuitBreakers: limits === null ? null : { thresholds: [limits] },
    };
    applyOne(web.proxy, CLUSTER_TYPE, "reviews", envoy.config.cluster.v3.Cluster.encode(changed).finish());
  }

  function both(script: (request: ScriptedRequest) => void): void {
    for (const replica of replicas) replica.script = script;
  }

  function asked(): number[] {
    return replicas.map(({ seen }) => seen.splice(0).length);
  }

  async function call(): Promise<string> {
    const text = "POST /x HTTP/1.1\r\nHost: reviews\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    const client = new TextClient(transport, web.outboundPort, text);
    for (let turn = 0; turn < 5_000 && !client.isClosed; turn += 1) {
      for (let i = 0; i < 10; i += 1) await nextTurn();
      clock.advance(1);
    }
    return client.closed();
  }

  async function calls(count: number): Promise<string[]> {
    const answers: string[] = [];
    for (let index = 0; index < count; index += 1) {
      const text = await call();
      answers.push(/x-weft-failure: (\S+)/.exec(text)?.[1] ?? text.slice(9, 12));
    }
    return answers;
  }

  it("by default an instance that answers with 503 is left alone after five, and asked again later", async () => {
    replicas[1].script = (request) => answerWith(request, 503, "");
    const answers = await calls(40);
    assert.equal(answers.filter((answer) => answer === "503").length, 5);
    assert.equal(web.proxy.runtime.counters.ejectedNow, 1);
    assert.equal(asked()[1], 5);
    both((request) => answerWith(request, 200, ""));
    clock.advance(5_100);
    await calls(20);
    assert.equal(web.proxy.runtime.counters.ejectedNow, 0);
    assert.ok((asked()[1] ?? 0) > 0);
  });

  it("an open circuit of the service answers in the instances' place until trial calls succeed", async () => {
    rule({ trip: TRIP });
    both((request) => answerWith(request, 500, ""));
    assert.deepEqual(await calls(10), Array(10).fill("500"));
    asked();
    assert.deepEqual(await calls(20), Array(20).fill("circuit_open"));
    assert.deepEqual(asked(), [0, 0]);
    both((request) => answerWith(request, 200, ""));
    clock.advance(5_600);
    assert.deepEqual(await calls(10), Array(10).fill("200"));
    const { trips, circuitsOpenNow } = web.proxy.runtime.counters;
    assert.deepEqual([trips, circuitsOpenNow], [1, 0]);
  });

  it("an open circuit of one instance sends its requests to the other", async () => {
    replicas[1].script = (request) => answerWith(request, 500, "");
    // Before ten errors in a row, which would eject it.
    rule({ instanceTrip: { ...TRIP, minRequests: 5 } });
    await calls(30);
    assert.equal(web.proxy.runtime.counters.circuitsOpenNow, 1);
    asked();
    assert.deepEqual(await calls(10), Array(10).fill("200"));
    assert.deepEqual(asked(), [10, 0]);
  });

  it("requests beyond the limit overflow, and each that ends makes room", async () => {
    rule({}, { maxRequests: { value: 2 } });
    const held: ScriptedRequest[] = [];
    both((request) => held.push(request));
    const open = [start(), start()];
    while (held.length < 2) await turn();
    assert.deepEqual(await calls(1), ["overflow"]);
    for (const request of held.splice(0)) answerWith(request, 200, "");
    while (!open.every(({ isClosed }) => isClosed)) await turn();
    both((request) => answerWith(request, 200, ""));
    assert.deepEqual(await calls(3), ["200", "200", "200"]);
    assert.equal(web.proxy.runtime.counters.overflowRequests, 1);
  });

  function start(): TextClient {
    const text = "GET /x HTTP/1.1\r\nHost: reviews\r\nConnection: close\r\n\r\n";
    return new TextClient(transport, web.outboundPort, text);
  }

  async function turn(): Promise<void> {
    await nextTurn();
    clock.advance(1);
  }
});

function toStruct(values: Readonly<Record<string, number>>): {
  structValue: { fields: Record<string, { numberValue: number }> };
} {
  const fields = Object.fromEntries(Object.entries(values).map(([name, numberValue]) => [name, { numberValue }]));
  return { structValue: { fields } };
}
