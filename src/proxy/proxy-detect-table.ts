import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { encodeProxyHeader } from "../capture/encode-proxy-header.ts";
import { AccessLog } from "../observe/access-log.ts";
import { MixedApp } from "../testing/mixed-app.ts";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import { TextClient } from "../testing/text-peers.ts";
import {
  allowAny,
  createEgressCluster,
  createEndpoints,
  createInboundListener,
  createLocalCluster,
  createMeshCluster,
  createPlainListener,
  createRoutes,
  type InboundFixture,
  toPrincipal,
} from "../testing/xds-fixture.ts";
import type { Clock } from "../time/clock.ts";
import type { Transport } from "../transport/transport.ts";
import { CLUSTER_TYPE, EGRESS_CLUSTER, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";
import { getFailure } from "./failures.ts";

const WEB = "spiffe://test.mesh/ns/default/sa/web";
const APP = "spiffe://test.mesh/ns/default/sa/app";
const REQUEST = "GET /x HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n";
const CLUSTERS = { app: "default/app:8000", opaque: "default/app:8000" };

export interface DetectionTableOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly create: (clock: Clock) => Promise<Transport>;
  /** Resolves when that much time has passed on the clock. */
  readonly pass: (ms: number) => Promise<void>;
}

/** Connections of which nobody declared what they carry, through two proxies; the same tests on every transport. */
export function testProxyDetection({ name, clock, create, pass }: DetectionTableOptions): void {
  describe(`detection on ${name}`, () => {
    let transport: Transport;
    const app = new MixedApp();
    const outside = new MixedApp();
    let web: TestProxy;
    let side: TestProxy;
    let log: AccessLog;
    let logged = "";

    before(async () => {
      transport = await create(clock);
      await app.listen(transport);
      await outside.listen(transport);
      log = new AccessLog({
        clock,
        write: (lines) => {
          logged += lines;
        },
        describeFailure: getFailure,
        traceField: 0,
        requestIdField: 0,
      });
      const shared = { transport, clock, ca: await createMeshCa() };
      const appPorts = [{ port: app.port, protocol: "detect" as const }];
      side = await startTestProxy({ ...shared, serviceAccount: "app", appPorts, accessLog: log });
      web = await startTestProxy({ ...shared, serviceAccount: "web", accessLog: log });
      applyOne(side.proxy, CLUSTER_TYPE, "local", createLocalCluster("local", app.port));
      guard({ protocol: "detect" });
      const cluster = CLUSTERS.app;
      applyOne(web.proxy, CLUSTER_TYPE, cluster, createMeshCluster(cluster, [APP]));
      const endpoint = { port: side.inboundPort(app.port) };
      applyOne(web.proxy, ENDPOINT_TYPE, cluster, createEndpoints(cluster, [endpoint]));
      applyOne(web.proxy, CLUSTER_TYPE, EGRESS_CLUSTER, createEgressCluster());
      applyOne(
        web.proxy,
        LISTENER_TYPE,
        "outbound",
        createPlainListener({
          name: "outbound",
          port: web.outboundPort,
          routes: "routes",
          tcp: CLUSTERS,
          detect: ["app"],
        }),
      );
      route({ "*": EGRESS_CLUSTER });
    });

    after(async () => {
      await web.proxy.close();
      await side.proxy.close();
      await app.close();
      await outside.close();
      log.flush();
    });

    function guard(options: Partial<InboundFixture>): void {
      const listener = `inbound/${app.port}`;
      const port = side.inboundPort(app.port);
      const policies = { "default/all": allowAny([WEB]) };
      const fixture = { name: listener, port, cluster: "local", policies, ...options };
      applyOne(side.proxy, LISTENER_TYPE, listener, createInboundListener(fixture));
    }

    function route(others: Readonly<Record<string, string>>): void {
      const routes = createRoutes("routes", { "app:8000": CLUSTERS.app, "web:80": CLUSTERS.app, ...others });
      applyOne(web.proxy, ROUTE_TYPE, "routes", routes);
    }

    function dial(target: string, port: number, first: string = ""): TextClient {
      const header = encodeProxyHeader(target, port);
      return new TextClient(transport, web.outboundPort, Buffer.concat([header, Buffer.from(first, "latin1")]));
    }

    /** How many connections or requests from web to the app's service went by, as one protocol. */
    async function count(protocol: "http" | "tcp"): Promise<number> {
      await settled();
      let total = 0;
      for (const { labels, success, failure } of web.proxy.runtime.edges.all()) {
        if (labels.protocol === protocol && labels.destination === "default/app") total += success + failure;
      }
      return total;
    }

    /** Every connection of clients has ended on the proxy's side as well. */
    function settled(): Promise<void> {
      const { runtime } = web.proxy;
      return new Promise((resolve) => {
        if (runtime.downstreams.size === 0) resolve();
        else runtime.onIdle = resolve;
      });
    }

    async function lastLogged(): Promise<Readonly<Record<string, unknown>>> {
      await settled();
      log.flush();
      const lines = logged.trim().split("\n");
      return JSON.parse(lines[lines.length - 1] ?? "{}") as Readonly<Record<string, unknown>>;
    }

    it("carries HTTP on a port that detects as requests", async () => {
      const before = [await count("http"), await count("tcp")];
      assert.match(await dial("app", 8000, REQUEST).closed(), /^HTTP\/1\.1 200 .*requested \/x$/s);
      assert.deepEqual([await count("http"), await count("tcp")], [(before[0] ?? 0) + 1, before[1]]);
    });

    it("carries what is no HTTP as opaque bytes, both ways, with half-close", async () => {
      const before = [await count("http"), await count("tcp")];
      const client = dial("app", 8000, "*1\r\n$4\r\nPING\r\n");
      await client.until(/PING\r\n$/);
      client.connection.end();
      assert.equal(await client.closed(), "*1\r\n$4\r\nPING\r\n;bye");
      assert.deepEqual([await count("http"), await count("tcp")], [before[0], (before[1] ?? 0) + 1]);
    });

    it("waits for what may become a request line, and gives the whole of it on", async () => {
      const request = dial("app", 8000, "GET /x");
      request.send(REQUEST.slice(6));
      assert.match(await request.closed(), /requested \/x$/);
      const words = dial("app", 8000, "get k");
      words.send("ey\r\n");
      await words.until(/^get key\r\n$/);
      words.connection.end();
      await words.closed();
    });

    it("takes a client that ends before it told for opaque", async () => {
      const client = dial("app", 8000, "GET");
      client.connection.end();
      assert.equal(await client.closed(), "GET;bye");
    });

    it("lets a server speak first where nothing is declared", async () => {
      app.greeting = "220 ready;";
      const client = dial("app", 8000);
      const greeted = client.until(/^220 ready;$/);
      await pass(320);
      await greeted;
      client.send("EHLO a;");
      await client.until(/EHLO a;$/);
      client.connection.end();
      assert.equal(await client.closed(), "220 ready;EHLO a;;bye");
      app.greeting = "";
    });

    it("lets no opaque bytes past rules that are about requests", async () => {
      const onlyX = { permissions: [{ urlPath: { path: { prefix: "/x" } } }], principals: [toPrincipal(WEB)] };
      guard({ protocol: "detect", policies: { "default/x": onlyX }, opaquePolicies: {} });
      assert.match(await dial("app", 8000, REQUEST).closed(), /requested \/x$/);
      assert.match(await dial("app", 8000, REQUEST.replace("/x", "/y")).closed(), /^HTTP\/1\.1 403/);
      assert.equal(await dial("app", 8000, "\u0001GET /y HTTP/1.1\r\n\r\n").closed(), "");
      assert.equal((await lastLogged())["failure"], "upstream_reset");
      // The same when the rules for requests are the only ones that the proxy knows.
      guard({ protocol: "detect", policies: { "default/x": onlyX } });
      assert.equal(await dial("app", 8000, "*1\r\n$4\r\nPING\r\n").closed(), "");
      log.flush();
      assert.match(logged, /look at HTTP requests/);
      guard({ protocol: "detect" });
    });

    it("cuts opaque connections when the port takes requests only from now on", async () => {
      const client = dial("app", 8000, "*1\r\n");
      await client.until(/^\*1/);
      guard({ protocol: "http" });
      await client.closed();
      guard({ protocol: "detect" });
    });

    it("refuses opaque bytes for a port that takes requests only, whatever the caller's proxy thinks", async () => {
      guard({ protocol: "http" });
      assert.equal(await dial("opaque", 8000, REQUEST).closed(), "");
      log.flush();
      assert.match(logged, /brings opaque bytes, and this port takes requests/);
      assert.match(await dial("app", 8000, REQUEST).closed(), /requested \/x$/);
      guard({ protocol: "detect" });
    });

    it("answers TLS to a port that takes requests only with an alert and a reason", async () => {
      const text = await dial("web", 80, "\x16\x03\x01\x02\x00\x01").closed();
      assert.deepEqual([...Buffer.from(text, "latin1")], [0x15, 3, 3, 0, 2, 2, 112]);
      const { failure, detail, authority } = await lastLogged();
      assert.deepEqual([failure, authority], ["bad_request", "web"]);
      assert.match(String(detail), /call it by http:\/\//);
    });

    it("carries opaque bytes to hosts outside the mesh and names them in the log", async () => {
      const before = web.proxy.runtime.counters.egress;
      const client = dial("127.0.0.1", outside.port, "@@");
      await client.until(/^@@$/);
      client.connection.end();
      assert.equal(await client.closed(), "@@;bye");
      assert.equal(web.proxy.runtime.counters.egress, before + 1);
      const { authority, protocol, failure } = await lastLogged();
      assert.deepEqual([authority, protocol, failure], [`127.0.0.1:${outside.port}`, "tcp", null]);
    });

    it("refuses hosts outside the mesh when the mesh does, and says so", async () => {
      route({});
      assert.equal(await dial("db.example.com", 9999, "\u0001").closed(), "");
      const { authority, failure, detail } = await lastLogged();
      assert.deepEqual([authority, failure], ["db.example.com:9999", "egress_denied"]);
      assert.match(String(detail), /not part of the mesh/);
      assert.equal(await dial("nobody", 9999, "\u0001").closed(), "");
      assert.equal((await lastLogged())["failure"], "no_route");
      assert.match(await dial("db.example.com", 80, REQUEST).closed(), /^HTTP\/1\.1 403 .*egress_denied/s);
      route({ "*": EGRESS_CLUSTER });
    });

    it("refuses a connection that would come back to itself", async () => {
      assert.equal(await dial("127.0.0.1", web.outboundPort, "\u0001").closed(), "");
      assert.equal((await lastLogged())["failure"], "loop_detected");
    });

    it("passes a reset on, both ways", async () => {
      const client = dial("app", 8000, "*1\r\n");
      await client.until(/^\*1/);
      for (const connection of app.open) connection.destroy();
      await client.closed();
      const other = dial("app", 8000, "*2\r\n");
      await other.until(/^\*2/);
      const open = app.open.size;
      const closed = app.closed();
      other.connection.destroy();
      await closed;
      assert.equal(app.open.size, open - 1);
    });

    it("carries five megabytes each way to a reader that stops and goes on", async () => {
      const block = Buffer.alloc(64 * 1024, "0123456789abcdef");
      const blocks = 80;
      const client = dial("app", 8000, "@");
      await client.until(/^@$/);
      let wrong = 0;
      let at = -1;
      let stops = 0;
      client.onBytes = (bytes) => {
        for (const byte of bytes) {
          if (at >= 0 && at < blocks * block.length && byte !== block[at % block.length]) wrong += 1;
          at += 1;
        }
        client.text = "";
        if (at / block.length > (stops + 1) * 8) {
          stops += 1;
          client.connection.pauseReads();
          void pass(5).then(() => client.connection.resumeReads());
        }
      };
      at = 0;
      for (let i = 0; i < blocks; i += 1) client.send(block);
      client.connection.end();
      await client.closed();
      assert.deepEqual([client.receivedBytes, wrong], [1 + blocks * block.length + ";bye".length, 0]);
      assert.ok(stops > 5, `${stops} stops`);
    });
  });
}
