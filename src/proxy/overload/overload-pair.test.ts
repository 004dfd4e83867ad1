import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { envoy } from "#gen/protos.js";
import { FakeClock } from "../../testing/fake-clock.ts";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../../testing/proxy-pair.ts";
import { setRoutePolicy } from "../../testing/set-policy.ts";
import { policyMetadata } from "../../testing/struct-fixture.ts";
import { type AppExchange, formatAnswer, TextApp, TextClient } from "../../testing/text-peers.ts";
import {
  allowAny,
  createEndpoints,
  createInboundListener,
  createLocalCluster,
  createMeshCluster,
  createOutboundListener,
  createRoutes,
} from "../../testing/xds-fixture.ts";
import { nextTurn } from "../../time/next-turn.ts";
import { MemoryTransport } from "../../transport/memory.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../../xds/names.ts";

const WEB = "spiffe://test.mesh/ns/default/sa/web";
const REVIEWS = "spiffe://test.mesh/ns/default/sa/reviews";

describe("the gate in front of an app that works on one request at a time", () => {
  const clock = new FakeClock();
  const transport = new MemoryTransport(clock);
  let app: TextApp;
  let web: TestProxy;
  let reviews: TestProxy;
  let atWork: AppExchange[];
  let lastClient: TextClient | null = null;

  beforeEach(async () => {
    app = new TextApp();
    atWork = [];
    app.respond = (exchange) => atWork.push(exchange);
    await app.listen(transport);
    const shared = { transport, clock, ca: await createMeshCa() };
    const appPorts = [{ port: app.port, protocol: "http" as const }];
    reviews = await startTestProxy({ ...shared, serviceAccount: "reviews", appPorts });
    web = await startTestProxy({ ...shared, serviceAccount: "web" });
    const [local, cluster] = [`local:${app.port}`, "default/reviews:80"];
    const { Cluster } = envoy.config.cluster.v3;
    const plain = Cluster.decode(createLocalCluster(local, app.port));
    const overload = { limit: 1, maxQueue: 2, maxWaitMs: 1_000, priorities: ["high", "mid", "low"] };
    const gated = Cluster.encode({ ...plain, metadata: policyMetadata({ overload }) }).finish();
    applyOne(reviews.proxy, CLUSTER_TYPE, local, gated);
    const port = reviews.inboundPort(app.port);
    const inbound = createInboundListener({
      name: `inbound/${app.port}`,
      port,
      cluster: local,
      policies: { all: allowAny([WEB]) },
    });
    applyOne(reviews.proxy, LISTENER_TYPE, `inbound/${app.port}`, inbound);
    applyOne(web.proxy, CLUSTER_TYPE, cluster, createMeshCluster(cluster, [REVIEWS]));
    applyOne(web.proxy, ENDPOINT_TYPE, cluster, createEndpoints(cluster, [{ port }]));
    applyOne(web.proxy, LISTENER_TYPE, "outbound", createOutboundListener("outbound", web.outboundPort, "routes"));
    applyOne(web.proxy, ROUTE_TYPE, "routes", createRoutes("routes", { reviews: cluster }));
    // What the gate says is seen as it is.
    setRoutePolicy(web.proxy, (policy) => ({ ...policy, retry: { ...policy.retry, attempts: 0 } }));
  });

  afterEach(async () => {
    await web.proxy.close();
    await reviews.proxy.close();
    await app.close();
  });

  function call(path: string, fields: string = ""): TextClient {
    const text = `POST ${path} HTTP/1.1\r\nHost: reviews\r\n${fields}Content-Length: 1\r\n\r\nx`;
    lastClient = new TextClient(transport, web.outboundPort, text);
    return lastClient;
  }

  async function until(label: string, isTrue: () => boolean): Promise<void> {
    for (let turn = 0; turn < 20_000 && !isTrue(); turn += 1) await nextTurn();
    assert.ok(isTrue(), `${label}: ${lastClient?.text ?? ""}`);
  }

  /** Nothing else may reach the app meanwhile. */
  async function untilWaiting(count: number): Promise<void> {
    await until(`${count} wait`, () => reviews.proxy.runtime.counters.overloadWaiting === count);
  }

  async function finish(target: string): Promise<void> {
    await until(`${target} at work`, () => atWork.some(({ request }) => request.target === target));
    const index = atWork.findIndex(({ request }) => request.target === target);
    atWork.splice(index, 1)[0]?.reply(formatAnswer(`did ${target}`));
  }

  async function answered(client: TextClient, pattern: RegExp): Promise<string> {
    await until(String(pattern), () => pattern.test(client.text));
    return client.text;
  }

  it("lets the next in when one is done, the most important first", async () => {
    const first = call("/1");
    await until("the first at work", () => atWork.length === 1);
    const low = call("/low", "X-Weft-Priority: low\r\n");
    await untilWaiting(1);
    const high = call("/high", "X-Weft-Priority: high\r\n");
    await untilWaiting(2);
    assert.equal(app.seen.length, 1);
    await finish("/1");
    await answered(first, /did \/1/);
    await finish("/high");
    await answered(high, /did \/high/);
    await finish("/low");
    await answered(low, /did \/low/);
    assert.deepEqual(
      app.seen.map(({ target }) => target),
      ["/1", "/high", "/low"],
    );
  });

  it("refuses at once what does not fit, in words, and the least important first", async () => {
    call("/1");
    await until("the first at work", () => atWork.length === 1);
    const low = call("/low", "X-Weft-Priority: low\r\n");
    await untilWaiting(1);
    call("/mid");
    await untilWaiting(2);
    const second = await answered(call("/low2", "X-Weft-Priority: low\r\n"), /overloaded/);
    assert.match(second, /^HTTP\/1\.1 503 .*x-weft-failure: overloaded\r\nretry-after: 1\r\n/s);
    assert.match(second, /1 requests are at the app and 2 wait/);
    call("/high", "X-Weft-Priority: high\r\n");
    await answered(low, /503 .*A more important request took its place/s);
    assert.equal(app.seen.length, 1);
  });

  it("refuses who has waited too long, and forgets who has left", async () => {
    call("/1");
    await until("the first at work", () => atWork.length === 1);
    const late = call("/late");
    await untilWaiting(1);
    const gone = call("/gone");
    await untilWaiting(2);
    gone.connection.destroy();
    await untilWaiting(1);
    clock.advance(1_100);
    await answered(late, /503 .*It waited for 1000 ms/s);
    await untilWaiting(0);
    await finish("/1");
    const next = call("/next");
    await finish("/next");
    await answered(next, /did \/next/);
  });
});
