import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { envoy } from "#gen/protos.js";
import { FakeClock } from "../../testing/fake-clock.ts";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../../testing/proxy-pair.ts";
import { policyMetadata } from "../../testing/struct-fixture.ts";
import { formatAnswer, TextApp, TextClient } from "../../testing/text-peers.ts";
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
const CALLEE = "spiffe://test.mesh/ns/default/sa/callee";
const WORK_MS = 100;
const HUNG_CALLS = 300;
const SERVICES = ["hung", "side"] as const;

describe("one service that hangs, of two that are called", () => {
  const clock = new FakeClock();
  const transport = new MemoryTransport(clock);
  let web: TestProxy;
  let apps: Record<(typeof SERVICES)[number], TextApp>;
  let callees: TestProxy[];

  beforeEach(async () => {
    const shared = { transport, clock, ca: await createMeshCa() };
    apps = { hung: new TextApp(), side: new TextApp() };
    apps.hung.respond = () => undefined;
    apps.side.respond = (exchange) => {
      clock.after(WORK_MS, () => exchange.reply(formatAnswer("from the side")), undefined);
    };
    web = await startTestProxy({ ...shared, serviceAccount: "web" });
    callees = [];
    for (const service of SERVICES) {
      const app = apps[service];
      await app.listen(transport);
      const appPorts = [{ port: app.port, protocol: "http" as const }];
      const callee = await startTestProxy({ ...shared, serviceAccount: "callee", appPorts });
      callees.push(callee);
      const [local, cluster, listener] = [`local:${app.port}`, `default/${service}:80`, `inbound/${app.port}`];
      const port = callee.inboundPort(app.port);
      const policies = { all: allowAny([WEB]) };
      applyOne(callee.proxy, CLUSTER_TYPE, local, createLocalCluster(local, app.port));
      applyOne(
        callee.proxy,
        LISTENER_TYPE,
        listener,
        createInboundListener({ name: listener, port, cluster: local, policies }),
      );
      applyOne(web.proxy, CLUSTER_TYPE, cluster, createMeshCluster(cluster, [CALLEE]));
      applyOne(web.proxy, ENDPOINT_TYPE, cluster, createEndpoints(cluster, [{ port }]));
    }
    applyOne(web.proxy, LISTENER_TYPE, "outbound", createOutboundListener("outbound", web.outboundPort, "routes"));
    const routes = { hung: "default/hung:80", side: "default/side:80" };
    applyOne(web.proxy, ROUTE_TYPE, "routes", createRoutes("routes", routes));
  });

  afterEach(async () => {
    for (const { proxy } of [web, ...callees]) await proxy.close();
    for (const service of SERVICES) await apps[service].close();
  });

  function call(host: string): TextClient {
    return new TextClient(transport, web.outboundPort, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  }

  async function settle(isDone: () => boolean, label: string): Promise<void> {
    for (let turn = 0; turn < 50_000 && !isDone(); turn += 1) await nextTurn();
    assert.ok(isDone(), label);
  }

  /** Simulated milliseconds until the other service's answer is there. */
  async function measureSide(): Promise<number> {
    const before = apps.side.seen.length;
    const client = call("side");
    await settle(() => apps.side.seen.length > before, "the request is at the app");
    for (let ms = 0; ms <= 10 * WORK_MS; ms += 1) {
      for (let turn = 0; turn < 50; turn += 1) await nextTurn();
      if (client.text.includes("from the side")) return ms;
      clock.advance(1);
    }
    throw new Error(`no answer: ${client.text}`);
  }

  it(`leaves the other as fast as it was, with ${HUNG_CALLS} calls open to it`, async () => {
    await measureSide();
    const before = await measureSide();
    for (let count = 0; count < HUNG_CALLS; count += 1) call("hung");
    await settle(
      () => apps.hung.seen.length === HUNG_CALLS,
      `${apps.hung.seen.length} calls are at the app that hangs`,
    );
    const during = await measureSide();
    assert.equal(before, WORK_MS);
    assert.ok(during <= before * 1.1, `${during} ms, before ${before} ms`);
  });

  it("closes the link to an instance that nobody has called for the policy's time, and opens another", async () => {
    const cluster = "default/side:80";
    const { Cluster } = envoy.config.cluster.v3;
    const plain = Cluster.decode(createMeshCluster(cluster, [CALLEE]));
    const metadata = policyMetadata({ idleMs: 3_000 });
    applyOne(web.proxy, CLUSTER_TYPE, cluster, Cluster.encode({ ...plain, metadata }).finish());
    await measureSide();
    const { counters } = web.proxy.runtime;
    assert.equal(counters.upstreamOpen, 1);
    clock.advance(2_000);
    await nextTurn();
    assert.equal(counters.upstreamOpen, 1);
    for (let second = 0; second < 8; second += 1) {
      clock.advance(1_000);
      await nextTurn();
    }
    await settle(() => counters.upstreamOpen === 0, `${counters.upstreamOpen} links are open`);
    assert.equal(await measureSide(), WORK_MS);
    assert.equal(counters.upstreamOpen, 1);
  });
});
