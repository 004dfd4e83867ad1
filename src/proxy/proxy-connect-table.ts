import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import { RawPeer, RawServer } from "../testing/raw-peer.ts";
import {
  createEgressCluster,
  createLocalCluster,
  createOutboundListener,
  createRoutes,
} from "../testing/xds-fixture.ts";
import { systemClock } from "../time/system-clock.ts";
import type { Transport } from "../transport/transport.ts";
import { CLUSTER_TYPE, EGRESS_CLUSTER, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";
import type { ProxyTableOptions } from "./proxy-http-table.ts";

const CONNECTED = "HTTP/1.1 200 OK\r\n\r\n";

/** Clients that use the sidecar as their proxy; the same tests on every transport. */
export function testProxyConnect({ name, create }: ProxyTableOptions): void {
  describe(`CONNECT through one proxy on ${name}`, () => {
    let transport: Transport;
    let server: RawServer;
    let web: TestProxy;

    beforeEach(async () => {
      transport = await create(systemClock);
      server = new RawServer();
      await server.listen(transport);
      web = await startTestProxy({ transport, clock: systemClock, ca: await createMeshCa(), serviceAccount: "web" });
      applyOne(web.proxy, CLUSTER_TYPE, "app", createLocalCluster("app", server.port));
      applyOne(web.proxy, CLUSTER_TYPE, EGRESS_CLUSTER, createEgressCluster());
      const tcp = { db: "app" };
      const listener = createOutboundListener("outbound", web.outboundPort, "outbound/default", tcp);
      applyOne(web.proxy, LISTENER_TYPE, "outbound", listener);
      route({ app: "app" });
    });

    afterEach(async () => {
      await web.proxy.close();
      await server.close();
    });

    function route(hosts: Readonly<Record<string, string>>): void {
      applyOne(web.proxy, ROUTE_TYPE, "outbound/default", createRoutes("outbound/default", hosts));
    }

    function dial(text: string): RawPeer {
      return RawPeer.dial(transport, web.outboundPort, text);
    }

    function connect(authority: string, behind: string = ""): RawPeer {
      return dial(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n${behind}`);
    }

    it("answers 200 and serves requests inside, by the name that was connected to", async () => {
      const client = connect("app:80");
      await client.until(/^HTTP\/1\.1 200 OK\r\n\r\n$/);
      client.send("GET /one HTTP/1.1\r\nHost: whatever\r\n\r\n");
      const app = await server.next();
      assert.match(await app.until(/\r\n\r\n$/), /^GET \/one HTTP\/1\.1\r\nHost: whatever\r\n/);
      app.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none");
      await client.until(/one$/);
      client.send("GET /two HTTP/1.1\r\nHost: whatever\r\n\r\n");
      await app.until(/\/two .*\r\n\r\n$/s);
      app.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo");
      await client.until(/two$/);
    });

    it("takes what came together with CONNECT for the connection inside", async () => {
      const client = connect("app:80", "GET /early HTTP/1.1\r\nHost: app\r\n\r\n");
      const app = await server.next();
      await app.until(/^GET \/early .*\r\n\r\n$/s);
      app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      const text = await client.until(/ok$/);
      assert.ok(text.startsWith(`${CONNECTED}HTTP/1.1 200 OK\r\n`), text);
    });

    it("carries an upgrade inside", async () => {
      const client = connect(
        "app:80",
        "GET /c HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\nhi",
      );
      const app = await server.next();
      await app.until(/\r\n\r\n$/);
      app.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\nhello");
      await client.until(/\r\n\r\nhello$/);
      await app.until(/\r\n\r\nhi$/);
    });

    it("carries a server-first protocol to a declared TCP service, with half-close", async () => {
      const client = connect("db:5432");
      const app = await server.next();
      await client.until(/\r\n\r\n$/);
      app.send("hello;");
      await client.until(/\r\n\r\nhello;$/);
      client.send("question");
      client.end();
      await app.ended();
      assert.equal(app.text, "question");
      app.send("answer");
      app.end();
      await client.closed();
      assert.equal(client.text, `${CONNECTED}hello;answer`);
    });

    it("carries opaque bytes to a host outside the mesh where that is allowed", async () => {
      route({ "*": EGRESS_CLUSTER });
      const client = connect(`127.0.0.1:${server.port}`, "\xfd\xfe\xff not HTTP\n");
      const app = await server.next();
      await app.until(/^\xfd\xfe\xff not HTTP\n$/);
      app.send("\xfc");
      await client.until(/\r\n\r\n\xfc$/);
      client.destroy();
      await app.closed();
    });

    for (const [what, authority, answer] of [
      [
        "a name that the mesh does not know",
        "nosuch:80",
        /^HTTP\/1\.1 404 .*connection: close.*x-weft-failure: no_route/s,
      ],
      ["a host outside a mesh that forbids it", "example.com:443", /^HTTP\/1\.1 403 .*x-weft-failure: egress_denied/s],
    ] as const) {
      it(`refuses ${what} before 200 and closes`, async () => {
        const client = connect(authority, "GET /smuggled HTTP/1.1\r\nHost: app\r\n\r\n");
        await client.ended();
        client.end();
        assert.match(await client.closed(), answer);
        assert.equal([...client.text.matchAll(/HTTP\/1\.1 /g)].length, 1, "what was meant for the tunnel is not read");
        const [edge] = web.proxy.runtime.edges.all();
        assert.equal(edge?.classes[4], 1);
      });
    }

    it("refuses CONNECT with a body", async () => {
      const client = dial("CONNECT app:80 HTTP/1.1\r\nHost: app:80\r\nContent-Length: 1\r\n\r\nx");
      assert.match(await client.until(/\r\n\r\n/), /^HTTP\/1\.1 400 .*x-weft-failure: bad_request/s);
    });

    it("opens no tunnel inside a tunnel", async () => {
      const client = connect("app:80", "CONNECT app:80 HTTP/1.1\r\nHost: app:80\r\n\r\n");
      const text = await client.until(/\r\n\r\n.*\r\n\r\n/s);
      assert.match(text, /^HTTP\/1\.1 200 OK\r\n\r\nHTTP\/1\.1 501 .*x-weft-failure: connect_unsupported/s);
    });

    it("takes CONNECT behind other requests of the same connection", async () => {
      const client = dial(
        "GET /nosuch HTTP/1.1\r\nHost: nosuch\r\n\r\nCONNECT db:1 HTTP/1.1\r\nHost: db:1\r\n\r\nbytes",
      );
      const app = await server.next();
      await app.until(/^bytes$/);
      assert.match(client.text, /^HTTP\/1\.1 404 .*HTTP\/1\.1 200 OK\r\n\r\n$/s);
    });

    it("closes what is inside when the proxy drains, after the answer that is due", async () => {
      const client = connect("app:80", "GET /last HTTP/1.1\r\nHost: app\r\n\r\n");
      const app = await server.next();
      await app.until(/\r\n\r\n$/);
      const drained = web.proxy.drain(60_000);
      app.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast");
      await client.ended();
      client.end();
      assert.match(await client.closed(), /connection: close\r\n\r\nlast$/);
      await drained;
    });
  });
}
