import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { applyOne, createMeshCa, issueCredentials, startTestProxy, type TestProxy } from "../../testing/proxy-pair.ts";
import { answerWith, ScriptedReplica } from "../../testing/scripted-replica.ts";
import { setRoutePolicy } from "../../testing/set-policy.ts";
import { TextClient } from "../../testing/text-peers.ts";
import { createEndpoints, createMeshCluster, createOutboundListener, createRoutes } from "../../testing/xds-fixture.ts";
import { nextTurn } from "../../time/next-turn.ts";
import { systemClock } from "../../time/system-clock.ts";
import { MemoryTransport } from "../../transport/memory.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../../xds/names.ts";
import type { MirrorPolicy } from "../policy/route-policy.ts";

const REVIEWS = "spiffe://test.mesh/ns/default/sa/reviews";

describe("a mirror", () => {
  const transport = new MemoryTransport(systemClock);
  let web: TestProxy;
  let real: ScriptedReplica;
  let shadow: ScriptedReplica;

  beforeEach(async () => {
    [real, shadow] = [new ScriptedReplica(), new ScriptedReplica()];
    const ca = await createMeshCa();
    const { keyPair, trustBundlePem } = await issueCredentials(ca, "reviews");
    web = await startTestProxy({ transport, clock: systemClock, ca, serviceAccount: "web" });
    for (const [name, replica] of [
      ["reviews", real],
      ["shadow", shadow],
    ] as const) {
      await replica.listen(transport, keyPair, trustBundlePem);
      applyOne(web.proxy, CLUSTER_TYPE, name, createMeshCluster(name, [REVIEWS]));
      applyOne(web.proxy, ENDPOINT_TYPE, name, createEndpoints(name, [{ port: replica.port }]));
    }
    applyOne(web.proxy, LISTENER_TYPE, "outbound", createOutboundListener("outbound", web.outboundPort, "routes"));
    applyOne(web.proxy, ROUTE_TYPE, "routes", createRoutes("routes", { reviews: "reviews" }));
  });

  afterEach(async () => {
    await web.proxy.close();
    await real.close();
    await shadow.close();
  });

  function mirrorTo(...mirrors: readonly MirrorPolicy[]): void {
    setRoutePolicy(web.proxy, (policy) => ({ ...policy, name: "default/rules", mirrors }));
  }

  async function call(method: string = "GET", body: string = ""): Promise<string> {
    const length = body === "" ? "" : `Content-Length: ${body.length}\r\n`;
    const text = `${method} /x?y HTTP/1.1\r\nHost: reviews\r\nX-Own: 7\r\nConnection: close\r\n${length}\r\n${body}`;
    return new TextClient(transport, web.outboundPort, text).closed();
  }

  async function untilOver(): Promise<void> {
    const { counters } = web.proxy.runtime;
    for (let turn = 0; turn < 20_000 && counters.activeExchanges > 0; turn += 1) await nextTurn();
    assert.equal(counters.activeExchanges, 0);
  }

  async function untilSeen(replica: ScriptedReplica, count: number): Promise<void> {
    for (let turn = 0; turn < 20_000 && replica.seen.length < count; turn += 1) await nextTurn();
    assert.equal(replica.seen.length, count);
  }

  it("gets the same request, marked, and its answer is nobody's", async () => {
    mirrorTo({ cluster: "shadow", percentage: 100 });
    shadow.script = (request) => answerWith(request, 500, "shadow");
    assert.match(await call("POST", "the body"), /^HTTP\/1\.1 200 .*fine/s);
    await untilSeen(shadow, 1);
    assert.match(shadow.seen[0] ?? "", /POST \/x\?y .*x-own=7.* x-weft-mirror=default\/rules/);
    assert.doesNotMatch(real.seen[0] ?? "", /x-weft-mirror/);
    await shadow.links()[0]?.until(/DATA 1 the body; END/);
  });

  it("changes nothing for the caller when it hangs, is missing, or has no instance", async () => {
    shadow.script = () => undefined;
    applyOne(web.proxy, CLUSTER_TYPE, "empty", createMeshCluster("empty", [REVIEWS]));
    applyOne(web.proxy, ENDPOINT_TYPE, "empty", createEndpoints("empty", []));
    mirrorTo(
      { cluster: "shadow", percentage: 100 },
      { cluster: "empty", percentage: 100 },
      { cluster: "nowhere", percentage: 100 },
    );
    for (let i = 0; i < 3; i += 1) assert.match(await call("POST", "x"), /^HTTP\/1\.1 200 .*fine/s);
    await untilSeen(shadow, 3);
    assert.equal(real.seen.length, 3);
  });

  it("goes to several services at once", async () => {
    mirrorTo({ cluster: "shadow", percentage: 100 }, { cluster: "reviews", percentage: 100 });
    assert.match(await call("POST", "twice"), /^HTTP\/1\.1 200 /);
    await untilSeen(shadow, 1);
    await untilSeen(real, 2);
    await shadow.links()[0]?.until(/DATA 1 twice; END/);
  });

  it("costs the caller not one turn of the event loop, however slow it is", async () => {
    shadow.script = () => undefined;
    const turns = async (): Promise<number> => {
      const text = "GET / HTTP/1.1\r\nHost: reviews\r\nConnection: close\r\n\r\n";
      const client = new TextClient(transport, web.outboundPort, text);
      let count = 0;
      for (; count < 1_000 && !client.isClosed; count += 1) await nextTurn();
      assert.match(client.text, /^HTTP\/1\.1 200 /);
      return count;
    };
    // Connections are there from the first ones on.
    mirrorTo({ cluster: "shadow", percentage: 100 });
    await call();
    await untilSeen(shadow, 1);
    const mirrored = await turns();
    mirrorTo();
    assert.equal(await turns(), mirrored);
  });

  it("is counted apart from what callers got", async () => {
    shadow.script = (request) => answerWith(request, 500, "shadow");
    mirrorTo({ cluster: "shadow", percentage: 100 }, { cluster: "reviews", percentage: 100 });
    await call();
    await call();
    await untilSeen(shadow, 2);
    await untilSeen(real, 4);
    await untilOver();
    const counts = [...web.proxy.runtime.edges.all()].map(({ labels, success, failure }) => {
      return [labels.destination, labels.version, success, failure];
    });
    assert.deepEqual(
      new Set(counts.map(String)),
      new Set(["reviews,,2,0", "reviews,(mirror),2,0", "shadow,(mirror),0,2"]),
    );
  });

  it("gets the body of a request that was held before it", async () => {
    const untilMs = systemClock.wallMs() + 3_600_000;
    const action = { kind: "delay", minMs: 1, maxMs: 1 } as const;
    const faults = [{ name: "slow", match: null, percentage: 100, untilMs, action }];
    setRoutePolicy(web.proxy, (policy) => ({ ...policy, faults, mirrors: [{ cluster: "shadow", percentage: 100 }] }));
    assert.match(await call("POST", "held"), /^HTTP\/1\.1 200 /);
    await untilSeen(shadow, 1);
    assert.match(shadow.seen[0] ?? "", /x-weft-mirror=1/);
    await shadow.links()[0]?.until(/DATA 1 held; END/);
  });

  it("is tried once, and where nobody answers no more is made of it", async () => {
    const nobody = new ScriptedReplica();
    const { keyPair, trustBundlePem } = await issueCredentials(await createMeshCa(), "reviews");
    await nobody.listen(transport, keyPair, trustBundlePem);
    const { port } = nobody;
    await nobody.close();
    applyOne(web.proxy, ENDPOINT_TYPE, "shadow", createEndpoints("shadow", [{ port }]));
    mirrorTo({ cluster: "shadow", percentage: 100 });
    for (let i = 0; i < 3; i += 1) assert.match(await call("POST", "x"), /^HTTP\/1\.1 200 .*fine/s);
    await untilOver();
    assert.equal(web.proxy.runtime.counters.retries, 0);
    assert.equal(web.proxy.runtime.counters.mirrors, 3);
  });

  it("is never made of an upgrade", async () => {
    mirrorTo({ cluster: "shadow", percentage: 100 });
    const client = new TextClient(
      transport,
      web.outboundPort,
      "GET / HTTP/1.1\r\nHost: reviews\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
    );
    await client.until(/HTTP\/1\.1 \d+ /);
    client.connection.destroy();
    await untilOver();
    assert.equal(shadow.seen.length, 0);
    assert.equal(web.proxy.runtime.counters.mirrors, 0);
  });

  it("is made of 1,000 requests at a time, and the others go on without", async () => {
    shadow.script = () => undefined;
    // Answers come, so that the requests are over; those of the mirror do not.
    mirrorTo(...Array.from({ length: 101 }, () => ({ cluster: "shadow", percentage: 100 })));
    for (let i = 0; i < 10; i += 1) assert.match(await call(), /^HTTP\/1\.1 200 .*fine/s);
    const { counters } = web.proxy.runtime;
    assert.deepEqual([counters.mirrors, counters.mirrorsLeftOut], [1_000, 10]);
  });

  it("gets the share that is asked for", async () => {
    mirrorTo({ cluster: "shadow", percentage: 10 });
    for (let i = 0; i < 300; i += 1) await call();
    for (let turn = 0; turn < 50; turn += 1) await nextTurn();
    // Three standard deviations of a binomial draw.
    assert.ok(shadow.seen.length >= 15 && shadow.seen.length <= 45, `${shadow.seen.length} of 300`);
  });
});
