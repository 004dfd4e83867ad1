import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import { RawPeer, RawServer } from "../testing/raw-peer.ts";
import {
  allowAny,
  createEndpoints,
  createInboundListener,
  createLocalCluster,
  createMeshCluster,
  createOutboundListener,
  createRoutes,
} from "../testing/xds-fixture.ts";
import { systemClock } from "../time/system-clock.ts";
import { nextTurn } from "../time/next-turn.ts";
import type { Transport } from "../transport/transport.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";
import { ACCESS_DENIED } from "./failures.ts";
import { computeWebSocketAccept } from "./http1/websocket-key.ts";
import type { ProxyTableOptions } from "./proxy-http-table.ts";

const WEB = "spiffe://test.mesh/ns/default/sa/web";
const REVIEWS = "spiffe://test.mesh/ns/default/sa/reviews";
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ASK =
  "GET /socket?room=1 HTTP/1.1\r\nHost: reviews\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n`;
const MEGABYTE = 1024 * 1024;

/** web's sidecar -> mutual TLS -> reviews' sidecar -> an app that speaks WebSocket by hand. */
export function testPairTunnels({ name, create }: ProxyTableOptions): void {
  describe(`tunnels through a pair of proxies on ${name}`, () => {
    let transport: Transport;
    const server = new RawServer();
    let web: TestProxy;
    let reviews: TestProxy;

    before(async () => {
      transport = await create(systemClock);
      await server.listen(transport);
      const shared = { transport, clock: systemClock, ca: await createMeshCa() };
      const appPorts = [{ port: server.port, protocol: "http" as const }];
      reviews = await startTestProxy({ ...shared, serviceAccount: "reviews", appPorts });
      web = await startTestProxy({ ...shared, serviceAccount: "web" });
      allow({ "default/reviews": allowAny([WEB]) });
      const local = `local:${server.port}`;
      applyOne(reviews.proxy, CLUSTER_TYPE, local, createLocalCluster(local, server.port));
      const cluster = "default/reviews:80";
      applyOne(web.proxy, CLUSTER_TYPE, cluster, createMeshCluster(cluster, [REVIEWS]));
      const endpoint = { port: reviews.inboundPort(server.port) };
      applyOne(web.proxy, ENDPOINT_TYPE, cluster, createEndpoints(cluster, [endpoint]));
      const outbound = createOutboundListener("outbound", web.outboundPort, "outbound/default");
      applyOne(web.proxy, LISTENER_TYPE, "outbound", outbound);
      const routes = createRoutes("outbound/default", { reviews: cluster });
      applyOne(web.proxy, ROUTE_TYPE, "outbound/default", routes);
    });

    after(async () => {
      await web.proxy.close();
      await reviews.proxy.close();
      await server.close();
    });

    function allow(policies: Parameters<typeof createInboundListener>[0]["policies"]): void {
      const inbound = `inbound/${server.port}`;
      const port = reviews.inboundPort(server.port);
      const resource = createInboundListener({ name: inbound, port, cluster: `local:${server.port}`, policies });
      applyOne(reviews.proxy, LISTENER_TYPE, inbound, resource);
    }

    function dial(text: string = ASK): RawPeer {
      return RawPeer.dial(transport, web.outboundPort, text);
    }

    /** The key that reached the app is answered, whoever made it. */
    async function accept(): Promise<RawPeer> {
      const app = await server.next();
      const head = await app.until(/\r\n\r\n$/);
      const key = /\r\nsec-websocket-key: (\S+)\r\n/i.exec(head)?.[1] ?? "";
      app.send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
          `Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Accept: ${computeWebSocketAccept(key)}\r\n\r\n`,
      );
      return app;
    }

    async function open(): Promise<{ readonly client: RawPeer; readonly app: RawPeer }> {
      const client = dial();
      const app = await accept();
      await client.until(/\r\n\r\n$/);
      for (const peer of [client, app]) {
        peer.text = "";
        peer.receivedBytes = 0;
      }
      return { client, app };
    }

    /** Resolves when both proxies have counted everything that ran. */
    async function idle(): Promise<void> {
      const proxies = [web, reviews];
      while (proxies.some(({ proxy }) => proxy.runtime.counters.activeExchanges > 0)) await nextTurn();
    }

    it("carries a WebSocket handshake whose answer fits the caller's key", async () => {
      const client = dial();
      const app = await accept();
      const answer = await client.until(/\r\n\r\n$/);
      assert.match(answer, /^HTTP\/1\.1 101 /);
      assert.match(answer, /\r\nupgrade: websocket\r\n/i);
      assert.match(answer, /\r\nconnection: upgrade\r\n/i);
      assert.match(answer, /\r\nsec-websocket-protocol: chat\r\n/i);
      const accepts = [...answer.matchAll(/\r\nsec-websocket-accept: (\S+)/gi)].map((match) => match[1]);
      assert.deepEqual(accepts, [computeWebSocketAccept(KEY)]);
      assert.match(app.text, /^GET \/socket\?room=1 HTTP\/1\.1\r\n/);
      assert.equal([...app.text.matchAll(/sec-websocket-key/gi)].length, 1);
      assert.match(app.text, /\r\nsec-websocket-version: 13\r\n/i);
      assert.doesNotMatch(app.text, /transfer-encoding|content-length/i);
      client.send("to the app");
      await app.until(/to the app$/);
      app.send("to the caller");
      await client.until(/to the caller$/);
      client.destroy();
      await app.closed();
    });

    it("carries a megabyte each way at the same time", async () => {
      const { client, app } = await open();
      const block = Buffer.alloc(64 * 1024, "0123456789abcdef");
      for (let sent = 0; sent < MEGABYTE; sent += block.length) {
        client.send(block);
        app.send(block);
      }
      await Promise.all([client.received(MEGABYTE), app.received(MEGABYTE)]);
      const expected = block.toString("latin1").repeat(MEGABYTE / block.length);
      assert.ok(client.text === expected && app.text === expected, "the bytes are those that were sent");
      client.end();
      app.end();
      await Promise.all([client.closed(), app.closed()]);
    });

    it("keeps half-close both ways", async () => {
      const one = await open();
      one.client.send("last of mine");
      one.client.end();
      await one.app.ended();
      assert.equal(one.app.text, "last of mine");
      one.app.send("then mine");
      await one.client.until(/then mine/);
      one.app.end();
      await one.client.closed();
      const other = await open();
      other.app.send("last of mine");
      other.app.end();
      await other.client.ended();
      assert.equal(other.client.text, "last of mine");
      other.client.send("then mine");
      await other.app.until(/then mine/);
      other.client.end();
      await other.app.closed();
      await idle();
    });

    it("cuts one side off when the other breaks", async () => {
      const one = await open();
      one.client.destroy();
      await one.app.closed();
      const other = await open();
      other.app.destroy();
      await other.client.closed();
      assert.equal(other.client.failure?.kind, "reset");
      await idle();
    });

    it("takes an answer other than 101 as an ordinary one", async () => {
      const client = dial(`${ASK}GET /after HTTP/1.1\r\nHost: reviews\r\n\r\n`);
      const app = await server.next();
      await app.until(/\r\n\r\n$/);
      app.send("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
      await client.until(/^HTTP\/1\.1 404 .*none/s);
      await app.until(/GET \/after .*\r\n\r\n$/s);
      app.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nafter");
      await client.until(/after$/);
      client.destroy();
      app.destroy();
      await idle();
    });

    it("denies a caller without a policy before anything reaches the app, and cuts tunnels whose policy is withdrawn", async () => {
      const { client, app } = await open();
      app.send("so far");
      await client.until(/so far/);
      const denied = reviews.proxy.runtime.counters.accessDenied;
      allow({ "default/reviews": allowAny([WEB]), "default/more": allowAny([REVIEWS]) });
      app.send(", so good");
      await client.until(/so good$/);
      allow({});
      await Promise.all([client.closed(), app.closed()]);
      assert.equal(reviews.proxy.runtime.counters.accessDenied, denied + 1);
      const [edge] = [...reviews.proxy.runtime.edges.all()].filter(
        ({ failures }) => (failures[ACCESS_DENIED] ?? 0) > 0,
      );
      assert.equal(edge?.failures[ACCESS_DENIED], 1);
      const refused = dial();
      assert.match(await refused.until(/\r\n\r\n/), /^HTTP\/1\.1 403 .*x-weft-failure: access_denied/s);
      refused.destroy();
      allow({ "default/reviews": allowAny([WEB]) });
      await idle();
    });

    it("ends the tunnels of a proxy that drains properly at both ends", async () => {
      const { client, app } = await open();
      const drained = reviews.proxy.drain(200);
      client.send("meanwhile");
      await app.until(/meanwhile/);
      // Turns, not events: nothing in memory keeps the process alive for a timer.
      while (!client.isEnded || !app.isEnded) await nextTurn();
      client.end();
      app.end();
      await Promise.all([client.closed(), app.closed(), drained]);
      assert.deepEqual([client.failure, app.failure], [null, null]);
    });
  });
}
