import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { encodeProxyHeader } from "../capture/encode-proxy-header.ts";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import { TextApp, TextClient, formatAnswer } from "../testing/text-peers.ts";
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
import type { Connection, ConnectionHandler, Listener, Transport } from "../transport/transport.ts";
import { CLUSTER_TYPE, EGRESS_CLUSTER, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";
import type { ProxyTableOptions } from "./proxy-http-table.ts";

const WEB = "spiffe://test.mesh/ns/default/sa/web";
const DB = "spiffe://test.mesh/ns/default/sa/db";
const DIAL_DB = encodeProxyHeader("db", 5432);

/** Opaque connections, and connections that the capture preload sent; the same tests on every transport. */
export function testProxyTcp({ name, create }: ProxyTableOptions): void {
  describe(`opaque TCP and captured connections on ${name}`, () => {
    let transport: Transport;
    let listener: Listener;
    const outside = new TextApp();
    let web: TestProxy;
    let db: TestProxy;

    before(async () => {
      transport = await create(systemClock);
      listener = await transport.listen({ address: "127.0.0.1", port: 0, tls: null }, () => new EchoAfterHello());
      outside.respond = ({ request, reply }) => reply(formatAnswer(`outside ${request.fields.get("host")}`));
      await outside.listen(transport);
      const shared = { transport, clock: systemClock, ca: await createMeshCa() };
      const appPorts = [{ port: listener.port, protocol: "tcp" as const }];
      db = await startTestProxy({ ...shared, serviceAccount: "db", appPorts });
      web = await startTestProxy({ ...shared, serviceAccount: "web" });
      const local = `local:${listener.port}`;
      applyOne(db.proxy, CLUSTER_TYPE, local, createLocalCluster(local, listener.port));
      allow({ "default/db": allowAny([WEB]) });
      applyOne(web.proxy, CLUSTER_TYPE, "default/db:5432", createMeshCluster("default/db:5432", [DB]));
      const endpoint = { port: db.inboundPort(listener.port) };
      applyOne(web.proxy, ENDPOINT_TYPE, "default/db:5432", createEndpoints("default/db:5432", [endpoint]));
      applyOne(web.proxy, CLUSTER_TYPE, EGRESS_CLUSTER, createEgressCluster());
      const tcp = { db: "default/db:5432" };
      const outbound = createOutboundListener("outbound", web.outboundPort, "outbound/default", tcp);
      applyOne(web.proxy, LISTENER_TYPE, "outbound", outbound);
      const routes = createRoutes("outbound/default", { "*": EGRESS_CLUSTER });
      applyOne(web.proxy, ROUTE_TYPE, "outbound/default", routes);
    });

    after(async () => {
      await web.proxy.close();
      await db.proxy.close();
      await listener.close();
      await outside.close();
    });

    function allow(policies: Parameters<typeof createInboundListener>[0]["policies"]): void {
      const inbound = `inbound/${listener.port}`;
      const cluster = `local:${listener.port}`;
      const port = db.inboundPort(listener.port);
      const resource = createInboundListener({ name: inbound, port, cluster, protocol: "tcp", policies });
      applyOne(db.proxy, LISTENER_TYPE, inbound, resource);
    }

    function dial(first: Uint8Array | string): TextClient {
      return new TextClient(transport, web.outboundPort, first);
    }

    it("carries a server-first protocol both ways and keeps half-close", async () => {
      const client = dial(DIAL_DB);
      await client.until(/^hello;$/);
      client.send("ping");
      await client.until(/^hello;ping$/);
      client.connection.end();
      assert.equal(await client.closed(), "hello;ping;bye");
    });

    it("takes the header and the first bytes in any pieces", async () => {
      const client = dial(DIAL_DB.subarray(0, 5));
      client.send(DIAL_DB.subarray(5, 20));
      client.send(Buffer.concat([DIAL_DB.subarray(20), Buffer.from("early")]));
      await client.until(/^hello;early$/);
      client.connection.end();
      await client.closed();
    });

    it("carries four megabytes through both proxies unchanged", async () => {
      const block = Buffer.alloc(64 * 1024, "0123456789abcdef");
      const blocks = 64;
      const client = dial(DIAL_DB);
      let wrong = 0;
      let at = -"hello;".length;
      client.onBytes = (bytes) => {
        for (const byte of bytes) {
          if (at >= 0 && at < blocks * block.length && byte !== block[at % block.length]) wrong += 1;
          at += 1;
        }
        client.text = "";
      };
      for (let i = 0; i < blocks; i += 1) client.send(block);
      client.connection.end();
      await client.closed();
      const expected = "hello;".length + blocks * block.length + ";bye".length;
      assert.deepEqual([client.receivedBytes, wrong], [expected, 0]);
    });

    it("cuts an open connection when the policy that allowed it is withdrawn", async () => {
      const client = dial(DIAL_DB);
      await client.until(/^hello;$/);
      allow({});
      await client.closed();
      assert.equal(await dial(DIAL_DB).closed(), "");
      allow({ "default/db": allowAny([WEB]) });
    });

    it("sends hosts outside the mesh straight out and counts them", async () => {
      const before = web.proxy.runtime.counters.egress;
      const target = `http://127.0.0.1:${outside.port}/`;
      const text = await dial(`GET ${target} HTTP/1.1\r\nHost: ignored\r\nConnection: close\r\n\r\n`).closed();
      assert.match(text, new RegExp(`^HTTP/1.1 200 .*outside 127.0.0.1:${outside.port}$`, "s"));
      assert.equal(web.proxy.runtime.counters.egress, before + 1);
    });

    it("takes the dialled name over the Host field for a captured connection", async () => {
      const request = "GET / HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n\r\n";
      const header = encodeProxyHeader("127.0.0.1", outside.port);
      const text = await dial(Buffer.concat([header, Buffer.from(request)])).closed();
      assert.match(text, /outside elsewhere$/);
    });

    it("refuses a request that would come back to itself", async () => {
      const host = `127.0.0.1:${web.outboundPort}`;
      const text = await dial(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`).closed();
      assert.match(text, /^HTTP\/1\.1 508 .*x-weft-failure: loop_detected/s);
    });

    it("forbids other hosts when the mesh does", async () => {
      applyOne(web.proxy, ROUTE_TYPE, "outbound/default", createRoutes("outbound/default", {}));
      const text = await dial("GET http://example.com/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").closed();
      assert.match(text, /^HTTP\/1\.1 403 .*x-weft-failure: egress_denied/s);
    });
  });
}

/** Speaks first, then echoes, and answers FIN with a farewell: MySQL's manners. */
class EchoAfterHello implements ConnectionHandler {
  #connection: Connection | null = null;

  onOpen(connection: Connection): void {
    this.#connection = connection;
    connection.write(Buffer.from("hello;"));
  }

  onData(bytes: Uint8Array): void {
    if (this.#connection?.write(bytes) === false) this.#connection.pauseReads();
  }

  onDrain(): void {
    this.#connection?.resumeReads();
  }

  onEnd(): void {
    this.#connection?.write(Buffer.from(";bye"));
    this.#connection?.end();
  }

  onClose(): void {
    this.#connection = null;
  }
}
