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
    setRoutePolicy(web.proxy, (policy) => ({ ...policy, mirrors }));
  }

  async function call(method: string = "GET", body: string = ""): Promise<string> {
    const length = body === "" ? "" : `Content-Length: ${body.length}\r\n`;
    const text = `${method} /x?y HTTP/1.1\r\nHost: reviews\r\nX-Own: 7\r\nConnection: close\r\n${length}\r\n${body}`;
    return new TextClient(transport, web.outboundPort, text).closed();
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
    assert.match(shadow.seen[0] ?? "", /POST \/x\?y .*x-own=7.* x-weft-mirror=1/);
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

  it("gets the share that is asked for", async () => {
    mirrorTo({ cluster: "shadow", percentage: 10 });
    for (let i = 0; i < 300; i += 1) await call();
    for (let turn = 0; turn < 50; turn += 1) await nextTurn();
    // Three standard deviations of a binomial draw.
    assert.ok(shadow.seen.length >= 15 && shadow.seen.length <= 45, `${shadow.seen.length} of 300`);
  });
});
