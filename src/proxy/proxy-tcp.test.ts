import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { encodeProxyHeader } from "../capture/encode-proxy-header.ts";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import {
  allowAny,
  createEgressCluster,
  createEndpoints,
  createInboundListener,
  createLocalCluster,
  createMeshCluster,
  createOutboundListener,
  createRoutes,
} from "../testing/xds-fixture.ts";
import { systemClock } from "../time/system-clock.ts";
import { selectTransport } from "../transport/select.ts";
import { CLUSTER_TYPE, EGRESS_CLUSTER, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";

const WEB = "spiffe://test.mesh/ns/default/sa/web";
const DB = "spiffe://test.mesh/ns/default/sa/db";

/** An app that speaks first, then echoes, and answers FIN with a farewell: MySQL's manners. */
describe("opaque TCP and captured connections", () => {
  let app: Server;
  let appPort: number;
  let outside: ReturnType<typeof createHttpServer>;
  let outsidePort: number;
  let web: TestProxy;
  let db: TestProxy;

  before(async () => {
    app = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => undefined);
      socket.write("hello;");
      socket.on("data", (chunk) => socket.write(chunk));
      socket.on("end", () => socket.end(";bye"));
    });
    appPort = await listen(app);
    outside = createHttpServer((incoming, outgoing) => outgoing.end(`outside ${incoming.headers.host}`));
    outsidePort = await listen(outside);
    const ca = await createMeshCa();
    const shared = { transport: await selectTransport(systemClock), clock: systemClock, ca };
    db = await startTestProxy({ ...shared, serviceAccount: "db", appPorts: [{ port: appPort, protocol: "tcp" }] });
    web = await startTestProxy({ ...shared, serviceAccount: "web" });
    applyOne(db.proxy, CLUSTER_TYPE, `local:${appPort}`, createLocalCluster(`local:${appPort}`, appPort));
    allow({ "default/db": allowAny([WEB]) });
    applyOne(web.proxy, CLUSTER_TYPE, "default/db:5432", createMeshCluster("default/db:5432", [DB]));
    applyOne(web.proxy, ENDPOINT_TYPE, "default/db:5432", createEndpoints("default/db:5432", [{ port: db.inboundPort(appPort) }]));
    applyOne(web.proxy, CLUSTER_TYPE, EGRESS_CLUSTER, createEgressCluster());
    applyOne(web.proxy, LISTENER_TYPE, "outbound", createOutboundListener("outbound", web.outboundPort, "outbound/default", { db: "default/db:5432" }));
    applyOne(web.proxy, ROUTE_TYPE, "outbound/default", createRoutes("outbound/default", { "*": EGRESS_CLUSTER }));
  });

  after(async () => {
    await web.proxy.close();
    await db.proxy.close();
    app.close();
    outside.closeAllConnections();
    outside.close();
  });

  function allow(policies: Parameters<typeof createInboundListener>[0]["policies"]): void {
    const name = `inbound/${appPort}`;
    const cluster = `local:${appPort}`;
    applyOne(db.proxy, LISTENER_TYPE, name, createInboundListener({ name, port: db.inboundPort(appPort), cluster, protocol: "tcp", policies }));
  }

  it("carries a server-first protocol both ways and keeps half-close", async () => {
    const socket = dial(web.outboundPort, encodeProxyHeader("db", 5432));
    await until(socket, (text) => text === "hello;");
    socket.write("ping");
    await until(socket, (text) => text === "hello;ping");
    socket.end();
    assert.equal(await closed(socket), "hello;ping;bye");
  });

  it("carries ten megabytes through both proxies unchanged", async () => {
    const socket = dial(web.outboundPort, encodeProxyHeader("db", 5432));
    const block = Buffer.alloc(1024 * 1024, "0123456789abcdef");
    let received = 0;
    let wrong = 0;
    socket.removeAllListeners("data");
    socket.on("data", (chunk) => {
      for (let i = 0; i < chunk.length; i += 1) {
        const at = received + i - "hello;".length;
        if (at >= 0 && at < 10 * block.length && chunk[i] !== block[at % block.length]) wrong += 1;
      }
      received += chunk.length;
    });
    for (let i = 0; i < 10; i += 1) socket.write(block);
    socket.end();
    await new Promise((resolve) => socket.on("close", resolve));
    assert.deepEqual([received, wrong], ["hello;".length + 10 * block.length + ";bye".length, 0]);
  });

  it("cuts an open connection when the policy that allowed it is withdrawn", async () => {
    const socket = dial(web.outboundPort, encodeProxyHeader("db", 5432));
    await until(socket, (text) => text === "hello;");
    allow({});
    await closed(socket);
    const refused = dial(web.outboundPort, encodeProxyHeader("db", 5432));
    assert.equal(await closed(refused), "");
    allow({ "default/db": allowAny([WEB]) });
  });

  it("sends hosts outside the mesh straight out and counts them", async () => {
    const before = web.proxy.runtime.counters.egress;
    const text = await exchange(`GET http://127.0.0.1:${outsidePort}/ HTTP/1.1\r\nHost: ignored\r\nConnection: close\r\n\r\n`);
    assert.match(text, new RegExp(`^HTTP/1.1 200 .*outside 127.0.0.1:${outsidePort}$`, "s"));
    assert.equal(web.proxy.runtime.counters.egress, before + 1);
  });

  it("takes the dialled name over the Host field for a captured connection", async () => {
    const request = "GET / HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n";
    const socket = dial(web.outboundPort, Buffer.concat([encodeProxyHeader("127.0.0.1", outsidePort), Buffer.from(request)]));
    assert.match(await closed(socket), /outside elsewhere$/);
  });

  it("refuses a request that would come back to itself", async () => {
    const text = await exchange(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${web.outboundPort}\r\nConnection: close\r\n\r\n`);
    assert.match(text, /^HTTP\/1\.1 508 .*x-weft-failure: loop_detected/s);
  });

  function exchange(text: string): Promise<string> {
    return closed(dial(web.outboundPort, Buffer.from(text)));
  }
});

interface Collecting extends Socket {
  text?: string;
}

function dial(port: number, first: Uint8Array): Collecting {
  const socket: Collecting = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.text = "";
  socket.on("data", (chunk) => (socket.text += chunk.toString("latin1")));
  socket.on("error", () => undefined);
  socket.on("end", () => socket.end());
  socket.write(first);
  return socket;
}

function until(socket: Collecting, accept: (text: string) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const check = (): void => {
      if (accept(socket.text ?? "")) resolve();
    };
    socket.on("data", check);
    socket.on("close", () => reject(new Error(`closed after "${socket.text}"`)));
    check();
  });
}

function closed(socket: Collecting): Promise<string> {
  return new Promise((resolve) => socket.on("close", () => resolve(socket.text ?? "")));
}

function listen(server: { listen(port: number, host: string, ready: () => void): unknown; address(): unknown }): Promise<number> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)));
}
