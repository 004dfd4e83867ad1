import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import { formatAnswer, TextApp, TextClient, type AppExchange } from "../testing/text-peers.ts";
import { createLocalCluster, createOutboundListener, createRoutes } from "../testing/xds-fixture.ts";
import { nextTurn } from "../time/next-turn.ts";
import type { Connection, ConnectionHandler, Transport } from "../transport/transport.ts";
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";
import type { ProxyTableOptions } from "./proxy-http-table.ts";

/** One hop to an app without TLS: the rules of one proxy by themselves, on a clock that the test moves. */
export function testProxyLimits({ name, create }: ProxyTableOptions): void {
  describe(`one proxy on ${name}`, () => {
    let clock: FakeClock;
    let transport: Transport;
    let app: TextApp;
    let proxy: TestProxy;

    beforeEach(async () => {
      clock = new FakeClock();
      transport = await create(clock);
      app = new TextApp();
      await app.listen(transport);
      proxy = await startTestProxy({ transport, clock, ca: await createMeshCa(), serviceAccount: "web" });
      applyOne(proxy.proxy, CLUSTER_TYPE, "app", createLocalCluster("app", app.port));
      const listener = createOutboundListener("outbound", proxy.outboundPort, "outbound/default");
      applyOne(proxy.proxy, LISTENER_TYPE, "outbound", listener);
      route(5_000);
    });

    afterEach(async () => {
      await proxy.proxy.close();
      await app.close();
    });

    function route(timeoutMs: number): void {
      applyOne(
        proxy.proxy,
        ROUTE_TYPE,
        "outbound/default",
        createRoutes("outbound/default", { app: "app" }, timeoutMs),
      );
    }

    function dial(text: string, paused: boolean = false): TextClient {
      return new TextClient(transport, proxy.outboundPort, text, paused);
    }

    /** The next request as the app has it; the test answers. */
    function nextRequest(): Promise<AppExchange> {
      return new Promise((resolve) => (app.respond = resolve));
    }

    function nextHead(): Promise<string> {
      return new Promise((resolve) => (app.onArrival = resolve));
    }

    function appConnectionClosed(): Promise<void> {
      return new Promise((resolve) => (app.onConnectionClosed = resolve));
    }

    it("answers timeout when the route's time is over and cancels what it sent", async () => {
      const reached = nextRequest();
      const cancelled = appConnectionClosed();
      const client = dial("GET /slow HTTP/1.1\r\nHost: app\r\n\r\n");
      await reached;
      clock.advance(4_900);
      assert.equal(client.text, "");
      clock.advance(200);
      assert.match(await client.until(/\r\n\r\n/), /^HTTP\/1\.1 504 .*x-weft-failure: timeout/s);
      await cancelled;
    });

    it("answers downstream_timeout to a head or a body that stops coming", async () => {
      const head = dial("GET / HTTP/1.1\r\nHost: a");
      await proxyTook(1);
      clock.advance(15_100);
      assert.match(await head.until(/\r\n\r\n/), /^HTTP\/1\.1 408 .*x-weft-failure: downstream_timeout/s);
      route(0);
      const reached = nextHead();
      const body = dial("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 10\r\n\r\nabc");
      await reached;
      clock.advance(60_100);
      assert.match(await body.until(/\r\n\r\n/), /^HTTP\/1\.1 408 .*x-weft-failure: downstream_timeout/s);
    });

    it("passes 100-continue on and carries the body after it", async () => {
      const client = dial("POST /c HTTP/1.1\r\nHost: app\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
      assert.match(await client.until(/\r\n\r\n/), /^HTTP\/1\.1 100 /);
      client.send("body");
      assert.match(await client.until(/POST \/c body$/), /HTTP\/1\.1 200 /);
    });

    it("passes over an offer of h2c", async () => {
      const offer = dial("GET /h2c HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
      assert.match(await offer.until(/GET \/h2c $/), /^HTTP\/1\.1 200 /);
      assert.equal(app.seen.at(-1)?.fields.get("upgrade"), undefined);
    });

    it("cancels what it sent when the caller leaves", async () => {
      const reached = nextRequest();
      const cancelled = appConnectionClosed();
      const client = dial("GET /leave HTTP/1.1\r\nHost: app\r\n\r\n");
      await reached;
      client.connection.end();
      await cancelled;
      const edge = [...proxy.proxy.runtime.edges.all()].find((candidate) => candidate.failure === 1);
      assert.equal(edge?.classes[0], 1);
    });

    it("does not take more of a response than a slow reader reads", async () => {
      const total = 32 * 1024 * 1024;
      const flood = new Flood(total);
      const listener = await transport.listen({ address: "127.0.0.1", port: 0, tls: null }, () => flood);
      applyOne(proxy.proxy, CLUSTER_TYPE, "app", createLocalCluster("app", listener.port));
      const client = dial("GET /big HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n", true);
      await flood.stalled();
      assert.ok(
        flood.writtenBytes < total / 2,
        `the app wrote ${flood.writtenBytes} bytes to a reader that read nothing`,
      );
      client.onBytes = () => {
        client.text = "";
      };
      client.connection.resumeReads();
      await client.closed();
      assert.ok(client.receivedBytes > total);
      await listener.close();
    });

    it("serves on over a connection whose last answer met a slow reader", async () => {
      // Whatever the sizes of buffers: in one of these answers the last bytes are those that fill them.
      for (let size = 16_384; size <= 1_048_576; size += 16_384) {
        app.respond = ({ reply }) => reply(formatAnswer("x".repeat(size)));
        const slow = dial(`GET /large HTTP/1.1\r\nHost: app\r\n\r\n`, true);
        await nextHead();
        slow.connection.resumeReads();
        await slow.until(/\r\n\r\nx/);
        while (slow.receivedBytes < size) await nextTurn();
        app.respond = ({ reply }) => reply(formatAnswer("next"));
        const next = dial("GET /next HTTP/1.1\r\nHost: app\r\n\r\n");
        for (let turn = 0; turn < 10_000 && !next.text.endsWith("next"); turn += 1) await nextTurn();
        assert.match(next.text, /next$/, `no answer after one of ${size} bytes`);
        for (const client of [slow, next]) client.connection.destroy();
      }
      assert.ok(app.open.size <= 2, "the connection to the app was used again");
    });

    it("never gives a request a connection that is about to close", async () => {
      for (let round = 0; round < 20; round += 1) {
        const held: AppExchange[] = [];
        const allHeld = new Promise<void>((resolve) => {
          app.respond = (x) => {
            held.push(x);
            if (held.length === 3) resolve();
          };
        });
        const clients = ["a", "b", "c"].map((path) => dial(`GET /${path} HTTP/1.1\r\nHost: app\r\n\r\n`));
        await allHeld;
        // Two connections go back to the pool, then the app ends all three: the third request is tried again.
        const [first, second, third] = held as [AppExchange, AppExchange, AppExchange];
        for (const { request, reply } of [first, second]) reply(formatAnswer(request.target));
        for (const x of [first, second]) {
          await clients.find((_, index) => x.request.target === `/${"abc"[index]}`)?.until(/\/[abc]$/);
        }
        app.respond = ({ request, reply }) => reply(formatAnswer(request.target));
        for (const { connection } of [first, second, third]) connection.end();
        const last = clients["abc".indexOf(third.request.target.slice(1))] as TextClient;
        for (let turn = 0; turn < 10_000 && !last.text.endsWith(third.request.target); turn += 1) await nextTurn();
        assert.match(last.text, /^HTTP\/1\.1 200 .*\/[abc]$/s, `round ${round}`);
        for (const client of clients) client.connection.destroy();
      }
    });

    it("keeps the body of a request for another attempt", async () => {
      const body = "b".repeat(20_000);
      const first = dial("GET /warm HTTP/1.1\r\nHost: app\r\n\r\n");
      await first.until(/GET \/warm $/);
      // The app closes the idle connection: the next request may cross that, and a PUT is safe to send again.
      for (const connection of app.open) connection.destroy();
      const client = dial(`PUT /again HTTP/1.1\r\nHost: app\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      assert.ok((await client.until(/PUT \/again b{20000}$/)).startsWith("HTTP/1.1 200 "));
    });

    it("finishes what is open and takes nothing new while it drains", async () => {
      const reached = nextRequest();
      const client = dial("GET /drain HTTP/1.1\r\nHost: app\r\n\r\n");
      const { reply } = await reached;
      const drained = proxy.proxy.drain(60_000);
      assert.equal(await dial("GET / HTTP/1.1\r\nHost: app\r\n\r\n").closed(), "");
      reply("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
      assert.match(await client.closed(), /^HTTP\/1\.1 200 .*connection: close\r\n.*late/s);
      await drained;
    });

    /** Resolves when the proxy has accepted this many connections and had turns to read from them. */
    async function proxyTook(count: number): Promise<void> {
      while (proxy.proxy.runtime.counters.downstreamTotal < count) await nextTurn();
      for (let turn = 0; turn < 20; turn += 1) await nextTurn();
    }
  });
}

/** An app that answers anything with a body as large as it can push, heeding the transport's brake. */
class Flood implements ConnectionHandler {
  writtenBytes: number = 0;
  readonly #total: number;
  #connection: Connection | null = null;

  constructor(total: number) {
    this.#total = total;
  }

  onOpen(connection: Connection): void {
    this.#connection = connection;
  }

  onData(): void {
    this.#connection?.write(
      Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${this.#total}\r\nConnection: close\r\n\r\n`),
    );
    this.#more();
  }

  onDrain(): void {
    this.#more();
  }

  onEnd(): void {
    this.#connection?.end();
  }

  onClose(): void {
    this.#connection = null;
  }

  /** Resolves when something was written and then nothing more for many turns: every buffer on the way is full. */
  async stalled(): Promise<void> {
    let quietTurns = 0;
    let last = 0;
    while (quietTurns < 2_000) {
      quietTurns = this.writtenBytes === last && last > 0 ? quietTurns + 1 : 0;
      last = this.writtenBytes;
      await nextTurn();
    }
  }

  #more(): void {
    const block = Buffer.alloc(64 * 1024, 120);
    while (this.writtenBytes < this.#total) {
      this.writtenBytes += block.length;
      if (this.#connection?.write(block) !== true) return;
    }
    this.#connection?.end();
  }
}
