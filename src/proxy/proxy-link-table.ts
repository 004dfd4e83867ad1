import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { type FramePeer, FrameServer } from "../testing/frame-peer.ts";
import {
  buildData,
  buildGoaway,
  buildHeaders,
  buildPing,
  buildReset,
  buildSettings,
  buildSettingsAck,
} from "../testing/http2-frames.ts";
import { applyOne, createMeshCa, issueCredentials, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import { TextClient } from "../testing/text-peers.ts";
import { createEndpoints, createMeshCluster, createOutboundListener, createRoutes } from "../testing/xds-fixture.ts";
import { within } from "../testing/within.ts";
import { nextTurn } from "../time/next-turn.ts";
import type { Transport } from "../transport/transport.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";
import { FLAG_ACK, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM } from "./http2/frame.ts";
import type { ProxyTableOptions } from "./proxy-http-table.ts";

const REVIEWS = "spiffe://test.mesh/ns/default/sa/reviews";
const OK = [[":status", "200"]] as const;
const ended = { end: true };

/** HTTP/1.1 text -> a sidecar -> a link whose other end is made of frames; the same tests on every transport. */
export function testProxyLink({ name, create }: ProxyTableOptions): void {
  describe(`a link on ${name}`, () => {
    let clock: FakeClock;
    let transport: Transport;
    let server: FrameServer;
    let web: TestProxy;

    beforeEach(async () => {
      clock = new FakeClock();
      transport = await create(clock);
      server = new FrameServer();
      const ca = await createMeshCa();
      const { keyPair, trustBundlePem } = await issueCredentials(ca, "reviews");
      await server.listen(transport, { keyPair, trustBundlePem, alpn: ["h2", "http/1.1"] });
      web = await startTestProxy({ transport, clock, ca, serviceAccount: "web" });
      applyOne(web.proxy, CLUSTER_TYPE, "reviews", createMeshCluster("reviews", [REVIEWS]));
      endpoints(server.port);
      const listener = createOutboundListener("outbound", web.outboundPort, "routes");
      applyOne(web.proxy, LISTENER_TYPE, "outbound", listener);
      applyOne(web.proxy, ROUTE_TYPE, "routes", createRoutes("routes", { reviews: "reviews" }, 300_000));
    });

    afterEach(async () => {
      await web.proxy.close();
      await server.close();
    });

    function endpoints(...ports: readonly number[]): void {
      const resource = createEndpoints(
        "reviews",
        ports.map((port) => ({ port })),
      );
      applyOne(web.proxy, ENDPOINT_TYPE, "reviews", resource);
    }

    function call(path: string, method: string = "GET", body: string = ""): TextClient {
      const length = body === "" ? "" : `Content-Length: ${body.length}\r\n`;
      const text = `${method} ${path} HTTP/1.1\r\nHost: reviews\r\n${length}\r\n${body}`;
      return new TextClient(transport, web.outboundPort, text);
    }

    /** The next link, greeted. */
    async function nextLink(...settings: readonly (readonly [number, number])[]): Promise<FramePeer> {
      const peer = await server.next();
      await peer.until(/SETTINGS/);
      peer.send(buildSettings(...settings), buildSettingsAck());
      return peer;
    }

    function answer(peer: FramePeer, id: number, body: string): void {
      peer.send(buildHeaders(id, OK), buildData(id, body, ended));
    }

    function got(client: TextClient, pattern: RegExp): Promise<string> {
      return within(() => `${String(pattern)}; got ${client.text.slice(-300)}`, client.until(pattern));
    }

    async function eventually(label: string, isTrue: () => boolean): Promise<void> {
      for (let turn = 0; turn < 20_000 && !isTrue(); turn += 1) await nextTurn();
      assert.ok(isTrue(), label);
    }

    /** Time goes on until it is so: waits before retries are random. */
    async function inTime<T>(awaited: Promise<T>): Promise<T> {
      const over = awaited.then(
        () => true,
        () => true,
      );
      for (let turn = 0; turn < 2_000; turn += 1) {
        if ((await Promise.race([over, turns(10)])) === true) break;
        clock.advance(20);
      }
      return awaited;
    }

    async function turns(count: number = 50): Promise<void> {
      for (let turn = 0; turn < count; turn += 1) await nextTurn();
    }

    it("carries many requests on one connection, answered in any order", async () => {
      const clients = ["/a", "/b", "/c"].map((path) => call(path));
      const link = await nextLink();
      await link.until(/HEADERS 5 /);
      for (const id of [5, 1, 3]) answer(link, id, `answer ${id}`);
      const texts = await Promise.all(clients.map((client) => got(client, /answer \d/)));
      assert.equal(new Set(texts.map((text) => /answer \d/.exec(text)?.[0])).size, 3);
      assert.equal(server.all.length, 1);
    });

    it("tries again what the server refused before it looked at it, even POST", async () => {
      const client = call("/post", "POST", "the body");
      const link = await nextLink();
      await link.until(/DATA 1 the body; END/);
      link.send(buildReset(1, REFUSED_STREAM));
      await link.until(/HEADERS 3 POST \/post[^\0]*DATA 3 the body; END/);
      answer(link, 3, "done");
      assert.match(await got(client, /done/), /^HTTP\/1\.1 200 /);
    });

    it("goes over to a new link at GOAWAY: what was not processed again, what is open to its end", async () => {
      const open = call("/open");
      const link = await nextLink();
      await link.until(/HEADERS 1 /);
      const late = call("/late", "POST", "once");
      await link.until(/DATA 3 once; END/);
      link.send(buildGoaway(1, NO_ERROR));
      const next = await nextLink();
      await next.until(/HEADERS 1 POST \/late[^\0]*DATA 1 once; END/);
      answer(next, 1, "late");
      await got(late, /late/);
      answer(link, 1, "open");
      await got(open, /open/);
      await link.closed();
      assert.equal(server.all.length, 2);
    });

    it("does not try a POST again that the server may have processed", async () => {
      const client = call("/post", "POST", "x");
      const link = await nextLink();
      await link.until(/DATA 1 x; END/);
      link.send(buildReset(1, INTERNAL_ERROR));
      assert.match(await got(client, /\r\n\r\n/), /^HTTP\/1\.1 502 .*x-weft-failure: upstream_reset/s);
    });

    it("fails or tries again every open stream when the link breaks", async () => {
      const post = call("/post", "POST", "x");
      const link = await nextLink();
      await link.until(/DATA 1 x; END/);
      const get = call("/get");
      await link.until(/HEADERS 3 /);
      link.destroy();
      assert.match(await got(post, /\r\n\r\n/), /^HTTP\/1\.1 502 /);
      const next = await inTime(nextLink());
      await next.until(/HEADERS 1 GET \/get/);
      answer(next, 1, "again");
      await got(get, /again/);
    });

    it("keeps to the server's limit of streams, and serves who waits as soon as one ends", async () => {
      server.onConnection = (peer) => {
        void peer.until(/SETTINGS/).then(() => peer.send(buildSettings([3, 1]), buildSettingsAck()));
      };
      const clients = Array.from({ length: 200 }, (_, index) => call(`/${index}`));
      await eventually("128 links", () => server.all.length >= 128);
      for (const peer of server.all) await peer.until(/HEADERS 1 /);
      await turns();
      assert.equal(server.all.length, 128, "no more connections than the limit");
      for (const peer of server.all) answer(peer, 1, "served");
      // The 72 that waited went to the links that became free first.
      for (const peer of server.all.slice(0, 72)) {
        await peer.until(/HEADERS 3 /);
        answer(peer, 3, "served");
      }
      await Promise.all(clients.map((client) => got(client, /served/)));
    });

    it("serves who waits when a caller at the limit leaves", async () => {
      const first = call("/first");
      const link = await nextLink([3, 0x7fffffff]);
      await link.until(/HEADERS 1 /);
      link.send(buildSettings([3, 1]));
      await link.until(/SETTINGS ACK[^\0]*SETTINGS ACK/);
      const second = call("/second");
      const other = await server.next();
      await other.until(/SETTINGS/);
      first.connection.destroy();
      await link.until(/RST_STREAM 1 CANCEL/);
      for (let turn = 0; turn < 10; turn += 1) {
        await turns(5);
        clock.advance(20);
      }
      await link.until(/HEADERS 3 GET \/second/);
      answer(link, 3, "second");
      await got(second, /second/);
    });

    const strangers: readonly (readonly [string, (peer: FramePeer) => void, RegExp])[] = [
      [
        "speaks HTTP/1.1",
        (peer) => peer.send(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")),
        /502 .*upstream_protocol/s,
      ],
      ["closes before its SETTINGS", (peer) => peer.end(), /503 .*connect_failed/s],
      ["breaks before its SETTINGS", (peer) => peer.destroy(), /503 .*connect_failed/s],
    ];
    for (const [what, behave, expected] of strangers) {
      it(`says so at once when the other end ${what}, and reaches it once it speaks HTTP/2`, async () => {
        server.onConnection = (peer) => void peer.until(/SETTINGS/).then(() => behave(peer));
        assert.match(await inTime(got(call("/x", "POST", "x"), /x-weft-failure[^\0]*\n$/)), expected);
        assert.match(await inTime(got(call("/x", "POST", "x"), /x-weft-failure[^\0]*\n$/)), expected);
        server.onConnection = (peer) => void peer.until(/SETTINGS/).then(() => peer.send(buildSettings()));
        const client = call("/well");
        const asked = (): FramePeer | undefined => server.all.find((peer) => /GET \/well/.test(peer.text()));
        await eventually("the request", () => asked() !== undefined);
        const link = asked();
        assert.ok(link !== undefined);
        answer(link, 1, "well");
        await got(client, /well/);
      });
    }

    it("gives up a server that does not greet within 10 s", async () => {
      const client = call("/x", "POST", "x");
      const link = await server.next();
      await link.until(/SETTINGS/);
      assert.match(await inTime(got(client, /\r\n\r\n/)), /503 .*x-weft-failure: connect_failed/s);
    });

    it("finds out by PING that the other end has vanished", async () => {
      const client = call("/post", "POST", "x");
      const link = await nextLink();
      await link.until(/DATA 1 x; END/);
      for (let tick = 0; tick < 2; tick += 1) {
        await turns();
        clock.advance(15_100);
      }
      await link.until(/PING$/m);
      clock.advance(15_100);
      assert.match(await got(client, /\r\n\r\n/), /502 .*x-weft-failure: upstream_reset/s);
      await link.closed();
    });

    it("waits for a slow answer as long as PING is answered", async () => {
      const client = call("/slow");
      const link = await nextLink();
      link.onLine = (line) => {
        if (line === "PING") link.send(buildPing(FLAG_ACK));
      };
      await link.until(/HEADERS 1 /);
      for (let tick = 0; tick < 8; tick += 1) {
        await turns(20);
        clock.advance(15_000);
      }
      answer(link, 1, "slow");
      await got(client, /slow/);
    });

    it("never passes bytes on that follow the answer to HEAD, 204 or 304", async () => {
      const cases = [
        ["HEAD", "200"],
        ["GET", "204"],
        ["GET", "304"],
      ] as const;
      let link: FramePeer | null = null;
      for (const [index, [method, status]] of cases.entries()) {
        const client = call("/x", method);
        link ??= await nextLink();
        const id = index * 2 + 1;
        await link.until(new RegExp(`HEADERS ${id} `));
        link.send(
          buildHeaders(id, [[":status", status]]),
          buildData(id, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", ended),
        );
        await link.until(new RegExp(`RST_STREAM ${id} PROTOCOL_ERROR`));
        assert.doesNotMatch(await within("the caller's close", client.closed()), /evil/);
      }
    });

    it("serves those who wait for an endpoint that leaves the configuration meanwhile", async () => {
      const client = call("/x");
      const link = await server.next();
      await link.until(/SETTINGS/);
      endpoints();
      link.send(buildSettings());
      await link.until(/HEADERS 1 GET \/x/);
      answer(link, 1, "still");
      await got(client, /still/);
      await link.closed();
    });
  });
}
