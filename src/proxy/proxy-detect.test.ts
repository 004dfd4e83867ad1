import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { encodeProxyHeader } from "../capture/encode-proxy-header.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { MixedApp } from "../testing/mixed-app.ts";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import { TextClient } from "../testing/text-peers.ts";
import { createLocalCluster, createPlainListener, createRoutes } from "../testing/xds-fixture.ts";
import { systemClock } from "../time/system-clock.ts";
import { MemoryTransport } from "../transport/memory.ts";
import { selectTransport } from "../transport/select.ts";
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";
import { testProxyDetection } from "./proxy-detect-table.ts";

const fakeClock = new FakeClock();

testProxyDetection({
  name: "this runtime's sockets",
  clock: systemClock,
  create: selectTransport,
  pass: (ms) => new Promise((resolve) => void systemClock.after(ms, resolve, undefined)),
});
testProxyDetection({
  name: "memory",
  clock: fakeClock,
  create: async (clock) => new MemoryTransport(clock),
  pass: (ms) => fakeClock.elapse(ms),
});

describe("the wait for first bytes", () => {
  const clock = new FakeClock();
  const transport = new MemoryTransport(clock);
  const app = new MixedApp();
  let web: TestProxy;

  before(async () => {
    app.greeting = "hello;";
    await app.listen(transport);
    web = await startTestProxy({ transport, clock, ca: await createMeshCa(), serviceAccount: "web" });
    applyOne(web.proxy, CLUSTER_TYPE, "app", createLocalCluster("app", app.port));
    const listener = createPlainListener({
      name: "outbound",
      port: web.outboundPort,
      routes: "routes",
      tcp: { app: "app" },
      detect: ["app"],
    });
    applyOne(web.proxy, LISTENER_TYPE, "outbound", listener);
    applyOne(web.proxy, ROUTE_TYPE, "routes", createRoutes("routes", { "app:8000": "app" }));
  });

  after(async () => {
    await web.proxy.close();
    await app.close();
  });

  function dial(port: number, first: string): TextClient {
    const header = encodeProxyHeader("app", port);
    return new TextClient(transport, web.outboundPort, Buffer.concat([header, Buffer.from(first)]));
  }

  for (const [what, first] of [
    ["a server that speaks first", ""],
    ["a client that stops within what may be a request line", "GET"],
  ] as const) {
    it(`is 300 ms and at most a tick of the timers more, for ${what}`, async () => {
      const client = dial(8000, first);
      await clock.elapse(299);
      assert.deepEqual([client.text, app.open.size], ["", 0]);
      await clock.elapse(21);
      assert.equal(client.text, `hello;${first}`);
      client.connection.destroy();
      await clock.elapse(20);
      assert.equal(web.proxy.runtime.wheel.armedCount(), 0);
    });
  }

  for (const port of [25, 587, 3306, 4444, 5432, 6379, 9300, 11_211, 27_017]) {
    it(`is none on port ${port}`, async () => {
      const client = dial(port, "");
      await clock.runUntilIdle();
      assert.equal(client.text, "hello;");
      client.connection.destroy();
      await clock.runUntilIdle();
    });
  }

  it("ends with the connection: nothing is left of a client that goes", async () => {
    const client = dial(8000, "");
    await clock.elapse(100);
    client.connection.destroy();
    await clock.runUntilIdle();
    assert.deepEqual(
      [web.proxy.runtime.wheel.armedCount(), web.proxy.runtime.downstreams.size, app.open.size],
      [0, 0, 0],
    );
  });

  it("ends with a drain", async () => {
    const client = dial(8000, "");
    await clock.elapse(100);
    for (const downstream of web.proxy.runtime.downstreams) downstream.drain();
    assert.equal(await client.closed(), "");
  });
});
