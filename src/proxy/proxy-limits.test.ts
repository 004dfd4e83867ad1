import assert from "node:assert/strict";
import { createServer, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import { createLocalCluster, createOutboundListener, createRoutes } from "../testing/xds-fixture.ts";
import { nextTurn } from "../time/next-turn.ts";
import { systemClock } from "../time/system-clock.ts";
import { selectTransport } from "../transport/select.ts";
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";

// One hop to an app without TLS: the rules of one proxy by themselves, on a clock that the test moves.
describe("one proxy", () => {
  let clock: FakeClock;
  let app: Server;
  let appPort: number;
  let proxy: TestProxy;
  let respond: (path: string, response: ServerResponse, body: string) => void;
  let arrived: (path: string) => void;
  let closedByPeer: () => void;

  beforeEach(async () => {
    clock = new FakeClock();
    respond = (path, response, body) => response.end(`${path} ${body}`);
    arrived = () => undefined;
    closedByPeer = () => undefined;
    app = createServer((incoming, outgoing) => {
      arrived(incoming.url ?? "");
      outgoing.on("close", () => {
        if (!outgoing.writableFinished) closedByPeer();
      });
      let body = "";
      incoming.on("data", (chunk: Buffer) => (body += chunk.toString("latin1")));
      incoming.on("end", () => respond(incoming.url ?? "", outgoing, body));
    });
    await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
    appPort = (app.address() as AddressInfo).port;
    proxy = await startTestProxy({ transport: await selectTransport(clock), clock, ca: await createMeshCa(), serviceAccount: "web" });
    applyOne(proxy.proxy, CLUSTER_TYPE, "app", createLocalCluster("app", appPort));
    applyOne(proxy.proxy, LISTENER_TYPE, "outbound", createOutboundListener("outbound", proxy.outboundPort, "outbound/default"));
    applyOne(proxy.proxy, ROUTE_TYPE, "outbound/default", createRoutes("outbound/default", { app: "app" }, 5_000));
  });

  afterEach(async () => {
    await proxy.proxy.close();
    app.closeAllConnections();
    await new Promise((resolve) => app.close(resolve));
  });

  it("answers timeout when the route's time is over and cancels what it sent", async () => {
    const reached = new Promise<void>((resolve) => (arrived = () => resolve()));
    const cancelled = new Promise<void>((resolve) => (closedByPeer = resolve));
    respond = () => undefined;
    const client = new Client(proxy.outboundPort, "GET /slow HTTP/1.1\r\nHost: app\r\n\r\n");
    await reached;
    clock.advance(4_900);
    assert.equal(client.text, "");
    clock.advance(200);
    assert.match(await client.until(/\r\n\r\n/), /^HTTP\/1\.1 504 .*x-weft-failure: timeout/s);
    await cancelled;
  });

  it("answers downstream_timeout to a head or a body that stops coming", async () => {
    const head = new Client(proxy.outboundPort, "GET / HTTP/1.1\r\nHost: a");
    await proxyTook(proxy, 1);
    clock.advance(15_100);
    assert.match(await head.closed(), /^HTTP\/1\.1 408 .*x-weft-failure: downstream_timeout/s);
    applyOne(proxy.proxy, ROUTE_TYPE, "outbound/default", createRoutes("outbound/default", { app: "app" }, 0));
    const reached = new Promise<void>((resolve) => (arrived = () => resolve()));
    const body = new Client(proxy.outboundPort, "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 10\r\n\r\nabc");
    await reached;
    clock.advance(60_100);
    assert.match(await body.closed(), /^HTTP\/1\.1 408 .*x-weft-failure: downstream_timeout/s);
  });

  it("passes 100-continue on and carries the body after it", async () => {
    const client = new Client(proxy.outboundPort, "POST /c HTTP/1.1\r\nHost: app\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert.match(await client.until(/\r\n\r\n/), /^HTTP\/1\.1 100 /);
    client.send("body");
    assert.match(await client.until(/\/c body$/), /HTTP\/1\.1 200 /);
  });

  it("refuses an upgrade cleanly and passes over an offer of h2c", async () => {
    const upgrade = "Connection: Upgrade\r\nUpgrade: ";
    const websocket = new Client(proxy.outboundPort, `GET /ws HTTP/1.1\r\nHost: app\r\n${upgrade}websocket\r\n\r\n`);
    assert.match(await websocket.until(/\r\n\r\n/), /^HTTP\/1\.1 501 .*x-weft-failure: upgrade_unsupported/s);
    const offer = new Client(proxy.outboundPort, `GET /h2c HTTP/1.1\r\nHost: app\r\n${upgrade}h2c\r\n\r\n`);
    assert.match(await offer.until(/\/h2c $/), /^HTTP\/1\.1 200 /);
  });

  it("tells the app when the caller leaves", async () => {
    const reached = new Promise<void>((resolve) => (arrived = () => resolve()));
    const cancelled = new Promise<void>((resolve) => (closedByPeer = resolve));
    respond = () => undefined;
    const client = new Client(proxy.outboundPort, "GET /leave HTTP/1.1\r\nHost: app\r\n\r\n");
    await reached;
    client.socket.destroy();
    await cancelled;
    const edge = [...proxy.proxy.runtime.edges.all()].find((candidate) => candidate.failure === 1);
    assert.equal(edge?.classes[0], 1);
  });

  it("does not take more of a response than a slow reader reads", async () => {
    const total = 48 * 1024 * 1024;
    const block = Buffer.alloc(256 * 1024, 120);
    let written = 0;
    let stalled: () => void = () => undefined;
    const untilStalled = new Promise<void>((resolve) => (stalled = resolve));
    respond = (_path, response) => {
      response.writeHead(200, { "content-length": total });
      const more = (): void => {
        while (written < total) {
          written += block.length;
          if (!response.write(block)) break;
        }
        if (written >= total) response.end();
        else response.once("drain", more);
      };
      more();
      // Nothing drains any more: every buffer on the way is full.
      let last = -1;
      const check = (): void => {
        if (written === last) {
          watch.clear();
          stalled();
        }
        last = written;
      };
      const watch = systemClock.every(100, check, undefined);
    };
    const client = new Client(proxy.outboundPort, "GET /big HTTP/1.1\r\nHost: app\r\n\r\n", true);
    await untilStalled;
    assert.ok(written < total / 2, `the app could write ${written} bytes to a reader that read nothing`);
    let received = 0;
    const done = new Promise<void>((resolve) => {
      client.socket.on("data", (chunk: Buffer) => {
        received += chunk.length;
        if (received >= total) resolve();
      });
    });
    client.socket.resume();
    await done;
  });

  it("keeps the body of a request for another attempt", async () => {
    const body = "b".repeat(20_000);
    const first = new Client(proxy.outboundPort, "GET /warm HTTP/1.1\r\nHost: app\r\n\r\n");
    await first.until(/\/warm $/);
    // The app closes the idle connection: the next request may cross that, and a PUT is safe to send again.
    app.closeIdleConnections();
    const client = new Client(proxy.outboundPort, `PUT /again HTTP/1.1\r\nHost: app\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    assert.ok((await client.until(/\/again b{20000}$/)).startsWith("HTTP/1.1 200 "));
  });

  it("finishes what is open and takes nothing new while it drains", async () => {
    const reached = new Promise<ServerResponse>((resolve) => (respond = (_path, response) => resolve(response)));
    const client = new Client(proxy.outboundPort, "GET /drain HTTP/1.1\r\nHost: app\r\n\r\n");
    const response = await reached;
    const drained = proxy.proxy.drain(60_000);
    const refused = new Client(proxy.outboundPort, "GET / HTTP/1.1\r\nHost: app\r\n\r\n");
    assert.equal(await refused.closed(), "");
    response.end("late");
    assert.match(await client.closed(), /^HTTP\/1\.1 200 .*connection: close\r\n.*late/s);
    await drained;
  });
});

class Client {
  readonly socket: Socket;
  text: string = "";

  constructor(port: number, first: string, paused: boolean = false) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("error", () => undefined);
    if (paused) this.socket.pause();
    else this.socket.on("data", (chunk) => (this.text += chunk.toString("latin1")));
    this.socket.write(first);
  }

  send(text: string): void {
    this.socket.write(text);
  }

  until(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (pattern.test(this.text)) resolve(this.text);
      };
      this.socket.on("data", check);
      this.socket.on("close", () => reject(new Error(`closed after ${JSON.stringify(this.text.slice(0, 300))}`)));
      check();
    });
  }

  closed(): Promise<string> {
    return new Promise((resolve) => {
      if (this.socket.destroyed) resolve(this.text);
      else this.socket.on("close", () => resolve(this.text));
    });
  }
}

/** Resolves when the proxy has accepted this many connections and had a turn to read from them. */
async function proxyTook(proxy: TestProxy, count: number): Promise<void> {
  while (proxy.proxy.runtime.counters.downstreamTotal < count) await nextTurn();
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
}
