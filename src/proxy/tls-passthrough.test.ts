import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, before, describe, it } from "node:test";
import tls from "node:tls";
import { encodeProxyHeader } from "../capture/encode-proxy-header.ts";
import { AccessLog } from "../observe/access-log.ts";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import type { TestCa } from "../testing/test-ca.ts";
import {
  allowAny,
  createEndpoints,
  createInboundListener,
  createLocalCluster,
  createMeshCluster,
  createPlainListener,
  createRoutes,
} from "../testing/xds-fixture.ts";
import { systemClock } from "../time/system-clock.ts";
import { selectTransport } from "../transport/select.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";
import { getFailure } from "./failures.ts";

const DB = "spiffe://test.mesh/ns/default/sa/db";
const CLUSTER = "default/db:8443";

/** TLS that weft does not end, between a client and a server of node:tls, on this runtime's sockets. */
describe("TLS passthrough", () => {
  let ca: TestCa;
  let server: tls.Server;
  let edge: TestProxy;
  let db: TestProxy;
  let log: AccessLog;
  let logged = "";

  before(async () => {
    const transport = await selectTransport(systemClock);
    ca = await createMeshCa();
    const own = await ca.issue({ namespace: "app", serviceAccount: "own", workload: "shop.example.com" });
    // The app's own certificate: the sidecars never see its key.
    server = tls.createServer({ key: own.keyPem, cert: own.certificateChainPem, allowHalfOpen: true }, (socket) => {
      socket.write(`hello ${String(socket.servername)};`);
      socket.on("data", (bytes) => socket.write(bytes));
      socket.on("end", () => socket.end(";bye"));
      socket.on("error", () => undefined);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as net.AddressInfo;
    log = new AccessLog({
      clock: systemClock,
      write: (lines) => {
        logged += lines;
      },
      describeFailure: getFailure,
      traceField: 0,
      requestIdField: 0,
    });
    const shared = { transport, clock: systemClock, ca, accessLog: log };
    db = await startTestProxy({ ...shared, serviceAccount: "db", appPorts: [{ port, protocol: "tcp" }] });
    edge = await startTestProxy({ ...shared, serviceAccount: "ingress", ingress: true });
    applyOne(db.proxy, CLUSTER_TYPE, "local", createLocalCluster("local", port));
    const inbound = {
      name: `inbound/${port}`,
      port: db.inboundPort(port),
      cluster: "local",
      protocol: "tcp" as const,
      policies: { "default/all": allowAny(["spiffe://test.mesh/ns/default/sa/ingress"]) },
    };
    applyOne(db.proxy, LISTENER_TYPE, inbound.name, createInboundListener(inbound));
    applyOne(edge.proxy, CLUSTER_TYPE, CLUSTER, createMeshCluster(CLUSTER, [DB]));
    applyOne(edge.proxy, ENDPOINT_TYPE, CLUSTER, createEndpoints(CLUSTER, [{ port: db.inboundPort(port) }]));
    const passthrough = { "db.example.com": CLUSTER, "*.shop.example.com": CLUSTER };
    const ingress = `ingress/${edge.ingressPort}`;
    const atEdge = createPlainListener({ name: ingress, port: edge.ingressPort, routes: "routes", passthrough });
    applyOne(edge.proxy, LISTENER_TYPE, ingress, atEdge);
    const names = { db: CLUSTER, mixed: CLUSTER, "db.default.svc": CLUSTER };
    const outbound = createPlainListener({
      name: "outbound",
      port: edge.outboundPort,
      routes: "routes",
      tcp: names,
      detect: ["mixed"],
    });
    applyOne(edge.proxy, LISTENER_TYPE, "outbound", outbound);
    applyOne(edge.proxy, ROUTE_TYPE, "routes", createRoutes("routes", { web: CLUSTER, "web:443": CLUSTER }));
  });

  after(async () => {
    await edge.proxy.close();
    await db.proxy.close();
    server.close();
    log.flush();
  });

  /** What the server said to a client that asks for `servername`; rejects with the client's error. */
  async function call(port: number, servername: string, header: Uint8Array | null = null): Promise<string> {
    const socket = net.connect({ port, host: "127.0.0.1" });
    if (header !== null) socket.write(header);
    const client = tls.connect({ socket, servername, ca: ca.trustBundlePem, checkServerIdentity: () => undefined });
    let text = "";
    client.setEncoding("latin1");
    client.on("data", (piece: string) => {
      text += piece;
    });
    await once(client, "secureConnect");
    assert.equal(client.getPeerCertificate().subject.CN, "shop.example.com", "the app's own certificate");
    client.end("ping");
    await once(client, "close");
    return text;
  }

  /** Every connection of clients has ended on the proxy's side as well. */
  function settled(): Promise<void> {
    const { runtime } = edge.proxy;
    return new Promise((resolve) => {
      if (runtime.downstreams.size === 0) resolve();
      else runtime.onIdle = resolve;
    });
  }

  function lastLogged(): Readonly<Record<string, unknown>> {
    log.flush();
    const lines = logged.trim().split("\n");
    return JSON.parse(lines[lines.length - 1] ?? "{}") as Readonly<Record<string, unknown>>;
  }

  it("routes an ingress connection by its server name, and the app ends the TLS", async () => {
    assert.equal(await call(edge.ingressPort, "db.example.com"), "hello db.example.com;ping;bye");
    assert.equal(await call(edge.ingressPort, "A.Shop.example.com"), "hello A.Shop.example.com;ping;bye");
    await settled();
    log.flush();
    assert.match(logged, /"direction":"ingress","protocol":"tcp".*"authority":"a\.shop\.example\.com","flag":"-"/);
  });

  const refused: readonly (readonly [what: string, servername: string, reason: RegExp])[] = [
    [
      "a name without a rule",
      "other.example.com",
      /no passthrough rule of this port has the TLS server name "other\.example\.com"/,
    ],
    ["the name above a wildcard", "shop.example.com", /"shop\.example\.com"/],
    ["no name", "", /names no server \(SNI\)/],
  ];
  for (const [what, servername, reason] of refused) {
    it(`refuses ${what} at the ingress with an alert and a reason`, async () => {
      await assert.rejects(call(edge.ingressPort, servername), /unrecognized.name/i);
      const { failure, detail } = lastLogged();
      assert.equal(failure, "no_route");
      assert.match(String(detail), reason);
    });
  }

  it("carries a captured client's TLS to a port that is opaque, and to one that detects", async () => {
    for (const name of ["db", "mixed"]) {
      assert.equal(
        await call(edge.outboundPort, "any.example", encodeProxyHeader(name, 8443)),
        "hello any.example;ping;bye",
      );
    }
  });

  it("routes TLS without a PROXY header by its server name, to port 443", async () => {
    assert.equal(await call(edge.outboundPort, "db.default.svc"), "hello db.default.svc;ping;bye");
    await assert.rejects(call(edge.outboundPort, "web"), /unrecognized.name/i);
    assert.match(String(lastLogged()["detail"]), /takes plain HTTP/);
    await assert.rejects(call(edge.outboundPort, "db.elsewhere.com"), /unrecognized.name/i);
    assert.deepEqual([lastLogged()["failure"], lastLogged()["authority"]], ["egress_denied", "db.elsewhere.com:443"]);
  });

  it("leaves HTTP on the same ingress port alone", async () => {
    const socket = net.connect({ port: edge.ingressPort, host: "127.0.0.1" });
    socket.setEncoding("latin1");
    socket.write("GET / HTTP/1.1\r\nHost: nobody\r\nConnection: close\r\n\r\n");
    const [text] = (await once(socket, "data")) as [string];
    assert.match(text, /^HTTP\/1\.1 404 /);
    socket.destroy();
  });
});
