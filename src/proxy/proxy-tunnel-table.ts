// Longer than most files: a list of cases.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import { RawPeer, RawServer } from "../testing/raw-peer.ts";
import { createLocalCluster, createOutboundListener, createRoutes } from "../testing/xds-fixture.ts";
import { nextTurn } from "../time/next-turn.ts";
import type { Transport } from "../transport/transport.ts";
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";
import { DOWNSTREAM_CLOSED, DRAINED, TUNNEL_IDLE, UPSTREAM_RESET } from "./failures.ts";
import { TUNNEL_IDLE_MS } from "./layers/tunnel-layer.ts";
import { computeWebSocketAccept } from "./http1/websocket-key.ts";
import type { ProxyTableOptions } from "./proxy-http-table.ts";

const ASK = "GET /chat HTTP/1.1\r\nHost: app\r\nConnection: keep-alive, Upgrade\r\nUpgrade: chat/1\r\n\r\n";
const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat/1\r\n\r\n";
/** Twice what the buffers of all sockets on the way can hold on loopback. */
const MORE_THAN_BUFFERS_BYTES = 32 * 1024 * 1024;

interface Tunnel {
  readonly client: RawPeer;
  readonly app: RawPeer;
}

/** One hop to an app without TLS, on a clock that the test moves; the same tests on every transport. */
export function testProxyTunnels({ name, create }: ProxyTableOptions): void {
  describe(`tunnels through one proxy on ${name}`, () => {
    let clock: FakeClock;
    let transport: Transport;
    let server: RawServer;
    let web: TestProxy;

    beforeEach(async () => {
      clock = new FakeClock();
      transport = await create(clock);
      server = new RawServer();
      await server.listen(transport);
      web = await startTestProxy({ transport, clock, ca: await createMeshCa(), serviceAccount: "web" });
      applyOne(web.proxy, CLUSTER_TYPE, "app", createLocalCluster("app", server.port));
      const listener = createOutboundListener("outbound", web.outboundPort, "outbound/default");
      applyOne(web.proxy, LISTENER_TYPE, "outbound", listener);
      const routes = createRoutes("outbound/default", { app: "app" }, 5_000);
      applyOne(web.proxy, ROUTE_TYPE, "outbound/default", routes);
    });

    afterEach(async () => {
      await web.proxy.close();
      await server.close();
    });

    function dial(text: string, paused: boolean = false): RawPeer {
      return RawPeer.dial(transport, web.outboundPort, text, paused);
    }

    /** An open tunnel, with nothing sent through it yet. */
    async function open(): Promise<Tunnel> {
      const client = dial(ASK);
      const app = await server.next();
      await app.until(/\r\n\r\n$/);
      app.send(SWITCH);
      await client.until(/\r\n\r\n$/);
      client.text = "";
      app.text = "";
      client.receivedBytes = 0;
      app.receivedBytes = 0;
      return { client, app };
    }

    /** What was counted of exchanges that ended, by status class and failure. */
    function counted(): { ones: number; fives: number; failures: readonly number[]; bytes: readonly number[] } {
      const edges = [...web.proxy.runtime.edges.all()];
      const sum = (pick: (index: number) => number): number =>
        edges.reduce((total, _, index) => total + pick(index), 0);
      return {
        ones: sum((index) => edges[index]?.classes[1] ?? 0),
        fives: sum((index) => edges[index]?.classes[5] ?? 0),
        failures: edges.flatMap((edge) =>
          [...edge.failures.entries()].filter(([, count]) => count > 0).map(([code]) => code),
        ),
        bytes: [sum((index) => edges[index]?.requestBytes ?? 0), sum((index) => edges[index]?.responseBytes ?? 0)],
      };
    }

    async function recorded(): Promise<void> {
      while (web.proxy.runtime.counters.activeExchanges > 0) await nextTurn();
    }

    it("carries an upgrade with every byte that came before its time, in order", async () => {
      const client = dial(`${ASK}early `);
      const app = await server.next();
      const head = await app.until(/\r\n\r\n/);
      assert.match(head, /^GET \/chat HTTP\/1\.1(?=.*\r\nupgrade: chat\/1\r\n)(?=.*\r\nconnection: Upgrade\r\n)/is);
      client.send("still early ");
      for (let turn = 0; turn < 50; turn += 1) await nextTurn();
      assert.match(app.text, /\r\n\r\n$/, "nothing may follow the head before the answer");
      app.send(`${SWITCH}first `);
      const answer = await client.until(/first $/);
      assert.match(
        answer,
        /^HTTP\/1\.1 101 Switching Protocols(?=.*\r\nupgrade: chat\/1\r\n)(?=.*\r\nconnection: Upgrade\r\n)/is,
      );
      client.send("late");
      assert.match(await app.until(/late$/), /\r\n\r\nearly still early late$/);
      app.send("second");
      assert.match(await client.until(/second$/), /\r\n\r\nfirst second$/);
    });

    it("passes interim answers on before the upgrade", async () => {
      const client = dial(ASK);
      const app = await server.next();
      await app.until(/\r\n\r\n/);
      app.send(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${SWITCH}x`);
      assert.match(await client.until(/x$/), /^HTTP\/1\.1 103 .*HTTP\/1\.1 101 .*\r\n\r\nx$/s);
    });

    it("carries what the app sends, and ends, together with its 101", async () => {
      const client = dial(ASK);
      const app = await server.next();
      await app.until(/\r\n\r\n/);
      app.send(`${SWITCH}bye`);
      app.end();
      await client.ended();
      assert.match(client.text, /\r\n\r\nbye$/);
      client.send("also bye");
      client.end();
      await app.ended();
      assert.match(app.text, /also bye$/);
      await client.closed();
    });

    it("takes another answer as an ordinary one, and goes on with the connection", async () => {
      const client = dial(`${ASK}GET /next HTTP/1.1\r\nHost: app\r\n\r\n`);
      const app = await server.next();
      await app.until(/\r\n\r\n$/);
      app.send("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno");
      await client.until(/426 .*\r\n\r\nno/s);
      // The same connection to the app, as nothing but the head was sent on it.
      const second = await app.until(/GET \/next HTTP\/1\.1\r\n.*\r\n\r\n$/s);
      assert.doesNotMatch(second.slice(second.indexOf("/next")), /upgrade/i);
      app.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes");
      await client.until(/yes$/);
    });

    it("refuses an upgrade request with a body, and one that came over HTTP/1.0 is none", async () => {
      const body = dial(ASK.replace("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc"));
      assert.match(
        await body.until(/expected none/),
        /^HTTP\/1\.1 400 .*x-weft-failure: bad_request.*asks for an upgrade has a body/s,
      );
      const chunks = dial(ASK.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
      assert.match(await chunks.until(/\r\n\r\n/), /^HTTP\/1\.1 400 /);
      dial(ASK.replace("HTTP/1.1", "HTTP/1.0"));
      const app = await server.next();
      assert.doesNotMatch(await app.until(/\r\n\r\n/), /upgrade/i);
    });

    for (const [what, upgrade] of [
      ["offered together with others", "Upgrade: chat/1, h2c"],
      ["offered in a field of its own", "Upgrade: chat/1\r\nUpgrade: h2c"],
      ["in capitals", "Upgrade: H2C"],
    ] as const) {
      it(`does not pass on h2c ${what}`, async () => {
        dial(ASK.replace("Upgrade: chat/1", upgrade));
        const app = await server.next();
        assert.doesNotMatch(await app.until(/\r\n\r\n/), /upgrade|h2c/i);
      });
    }

    for (const [what, answer, detail] of [
      ["names no protocol", SWITCH.replace("Upgrade: chat/1\r\n", ""), "without an Upgrade field"],
      ["names another protocol", SWITCH.replace("chat/1", "other"), 'chose "other"; expected one of "chat/1"'],
    ] as const) {
      it(`does not follow a 101 that ${what}`, async () => {
        const client = dial(ASK);
        const app = await server.next();
        await app.until(/\r\n\r\n/);
        app.send(answer);
        const text = await client.until(/expected|without/);
        assert.match(text, /^HTTP\/1\.1 502 .*x-weft-failure: upstream_protocol/s);
        assert.ok(text.includes(detail), text);
        await app.closed();
      });
    }

    it("does not follow a 101 that nobody asked for", async () => {
      const client = dial("GET /plain HTTP/1.1\r\nHost: app\r\n\r\n");
      const app = await server.next();
      await app.until(/\r\n\r\n/);
      app.send(SWITCH);
      assert.match(await client.until(/\r\n\r\n/), /^HTTP\/1\.1 502 .*x-weft-failure: upstream_protocol/s);
    });

    it("leaves the key of a WebSocket client and its answer alone", async () => {
      const key = "dGhlIHNhbXBsZSBub25jZQ==";
      const client = dial(ASK.replace("chat/1", `WebSocket\r\nSec-WebSocket-Key: ${key}`));
      const app = await server.next();
      const head = await app.until(/\r\n\r\n/);
      assert.equal([...head.matchAll(/sec-websocket-key: (.*)\r\n/gi)].map((match) => match[1]).join(), key);
      const accept = computeWebSocketAccept(key);
      assert.equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
      app.send(SWITCH.replace("chat/1", `websocket\r\nSec-WebSocket-Accept: ${accept}`));
      const answer = await client.until(/\r\n\r\n/);
      assert.equal([...answer.matchAll(/sec-websocket-accept: (.*)\r\n/gi)].map((match) => match[1]).join(), accept);
    });

    it("tries again where the app's idle close crossed the request", async () => {
      const first = dial("GET /warm HTTP/1.1\r\nHost: app\r\n\r\n");
      const warm = await server.next();
      await warm.until(/\r\n\r\n/);
      warm.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwarm");
      await first.until(/warm$/);
      const client = dial(ASK);
      await warm.until(/\/chat .*\r\n\r\n$/s);
      warm.destroy();
      const app = await server.next();
      await app.until(/\r\n\r\n$/);
      app.send(`${SWITCH}here`);
      assert.match(await client.until(/here$/), /^HTTP\/1\.1 101 /);
    });

    it("keeps half-close from the caller", async () => {
      const { client, app } = await open();
      client.send("question");
      client.end();
      await app.ended();
      assert.equal(app.text, "question");
      app.send("answer after the end");
      await client.until(/^answer after the end$/);
      app.end();
      await client.closed();
      await recorded();
      assert.deepEqual(counted(), { ones: 1, fives: 0, failures: [], bytes: [8, 20] });
    });

    it("keeps half-close from the app", async () => {
      const { client, app } = await open();
      app.send("all I had");
      app.end();
      await client.ended();
      assert.equal(client.text, "all I had");
      client.send("more from me");
      await app.until(/^more from me$/);
      client.end();
      await app.closed();
      await recorded();
      assert.deepEqual(counted().failures, []);
    });

    it("cuts the app off when the caller breaks", async () => {
      const { client, app } = await open();
      client.destroy();
      await app.closed();
      await recorded();
      assert.deepEqual(counted(), { ones: 0, fives: 0, failures: [DOWNSTREAM_CLOSED], bytes: [0, 0] });
    });

    it("cuts the caller off when the app breaks", async () => {
      const { client, app } = await open();
      app.send("half of");
      await client.until(/half of/);
      app.destroy();
      await client.closed();
      assert.equal(client.failure?.kind, "reset");
      await recorded();
      assert.deepEqual(counted(), { ones: 1, fives: 0, failures: [UPSTREAM_RESET], bytes: [0, 7] });
    });

    it("holds back an app whose caller does not read", async () => {
      const { client, app } = await open();
      await holdsBack(app, client);
    });

    it("holds back a caller whose app does not read", async () => {
      const { client, app } = await open();
      await holdsBack(client, app);
    });

    it("is not ended by the route's timeout, but by an hour without a byte", async () => {
      const { client, app } = await open();
      clock.advance(TUNNEL_IDLE_MS - 1_000);
      app.send("ping");
      await client.until(/ping/);
      clock.advance(TUNNEL_IDLE_MS - 1_000);
      client.send("pong");
      await app.until(/pong/);
      clock.advance(TUNNEL_IDLE_MS - 1_000);
      assert.deepEqual(counted().failures, []);
      // In steps that leave the ends time to be sent.
      for (let step = 0; step < 2_000 && !client.isEnded; step += 1) {
        clock.advance(500);
        await nextTurn();
      }
      await Promise.all([client.ended(), app.ended()]);
      client.end();
      app.end();
      await Promise.all([client.closed(), app.closed()]);
      assert.deepEqual(counted().failures, [TUNNEL_IDLE]);
    });

    it("answers timeout when the app does not answer the upgrade", async () => {
      const client = dial(ASK);
      await (await server.next()).until(/\r\n\r\n/);
      clock.advance(5_100);
      assert.match(await client.until(/\r\n\r\n/), /^HTTP\/1\.1 504 /);
    });

    it("goes on for the time to drain, and then ends both ways", async () => {
      const { client, app } = await open();
      const drained = web.proxy.drain(10_000);
      client.send("still here");
      await app.until(/still here/);
      clock.advance(8_900);
      app.send("so am I");
      await client.until(/so am I/);
      assert.equal(client.isEnded, false);
      clock.advance(200);
      await nextTurn();
      await Promise.all([client.ended(), app.ended()]);
      client.end();
      app.end();
      await Promise.all([client.closed(), app.closed(), drained]);
      assert.equal(client.failure, null);
      assert.deepEqual(counted().failures, [DRAINED]);
    });

    it("delivers each piece of an answer as it comes, chunked or until close", async () => {
      for (const framing of ["Transfer-Encoding: chunked\r\n", "", "Cache-Control: no-cache\r\n"]) {
        const client = dial("GET /events HTTP/1.1\r\nHost: app\r\n\r\n");
        const app = await server.next();
        await app.until(/\r\n\r\n/);
        app.send(`HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n${framing}\r\n`);
        // Each event is sent only when the one before has arrived.
        await client.until(/\r\n\r\n$/);
        for (let event = 0; event < 20; event += 1) {
          const text = `data: ${event}\n\n`;
          app.send(framing.includes("chunked") ? `${text.length.toString(16)}\r\n${text}\r\n` : text);
          await client.until(new RegExp(`data: ${event}\n\n`));
        }
        app.destroy();
        await client.closed();
      }
    });

    it("carries a request and its answer piece by piece, each waiting for the other", async () => {
      const routes = createRoutes("outbound/default", { app: "app" }, 3_600_000);
      applyOne(web.proxy, ROUTE_TYPE, "outbound/default", routes);
      const client = dial("POST /talk HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n");
      const app = await server.next();
      await app.until(/\r\n\r\n/);
      app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      await client.until(/\r\n\r\n/);
      for (let turn = 0; turn < 20; turn += 1) {
        client.send(`6\r\nask${String(turn).padStart(3, "0")}\r\n`);
        await app.until(new RegExp(`ask0*${turn}\r\n`));
        app.send(`6\r\nsay${String(turn).padStart(3, "0")}\r\n`);
        await client.until(new RegExp(`say0*${turn}\r\n`));
      }
      // Silence is no fault once the answer has begun; the route's own limit is off here.
      clock.advance(300_000);
      client.send("0\r\n\r\n");
      await app.until(/\r\n0\r\n\r\n$/);
      app.send("0\r\n\r\n");
      await client.until(/\r\n0\r\n\r\n$/);
    });
  });
}

/** Sends on and on to a reader that does not read: what is taken must be bounded, and all of it must arrive later. */
async function holdsBack(sender: RawPeer, reader: RawPeer): Promise<void> {
  const block = Buffer.alloc(64 * 1024, 120);
  let sent = 0;
  reader.keepsText = false;
  reader.pause();
  const push = (): void => {
    while (sent < MORE_THAN_BUFFERS_BYTES) {
      sent += block.length;
      if (!sender.send(block)) return;
    }
  };
  sender.onWritable = push;
  push();
  let quietTurns = 0;
  for (let last = 0; quietTurns < 2_000; last = sent) {
    quietTurns = sent === last ? quietTurns + 1 : 0;
    await nextTurn();
  }
  assert.ok(sent < MORE_THAN_BUFFERS_BYTES / 2, `${sent} bytes were taken for a reader that read nothing`);
  sender.onWritable = () => undefined;
  // The other way is not held back with it.
  reader.send("the other way");
  await sender.until(/the other way$/);
  reader.resume();
  await reader.received(sent);
  assert.equal(reader.receivedBytes, sent);
}
