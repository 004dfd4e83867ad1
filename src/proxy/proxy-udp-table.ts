import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { applyOne, createMeshCa, issueCredentials, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import type { TestCa } from "../testing/test-ca.ts";
import { within } from "../testing/within.ts";
import {
  allowAny,
  createEndpoints,
  createInboundListener,
  createLocalCluster,
  createMeshCluster,
  createUdpListener,
} from "../testing/xds-fixture.ts";
import { nextTurn } from "../time/next-turn.ts";
import { systemClock } from "../time/system-clock.ts";
import type { BoundSocket, ConnectedSocket, Datagrams } from "../transport/datagrams.ts";
import type { Transport } from "../transport/transport.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE } from "../xds/names.ts";
import { frameDatagram } from "./udp/datagram-frames.ts";
import type { ProxyTableOptions } from "./proxy-http-table.ts";

const WEB = "spiffe://test.mesh/ns/default/sa/web";
const DNS = "spiffe://test.mesh/ns/default/sa/dns";
const CLUSTER = "default/dns:53/udp";
const OUTBOUND = "outbound/default/dns:53/udp";

export interface ProxyUdpTableOptions extends ProxyTableOptions {
  readonly createDatagrams: () => Datagrams;
}

/** Datagrams through two proxies; the same tests on every transport. */
export function testProxyUdp({ name, create, createDatagrams }: ProxyUdpTableOptions): void {
  describe(`UDP through two proxies on ${name}`, () => {
    const datagrams = createDatagrams();
    let transport: Transport;
    let ca: TestCa;
    let app: BoundSocket;
    let web: TestProxy;
    let dns: TestProxy;

    before(async () => {
      transport = await create(systemClock);
      app = await listen(0);
      ca = await createMeshCa();
      const shared = { transport, datagrams, clock: systemClock, ca };
      const appPorts = [{ port: app.port, protocol: "udp" as const }];
      dns = await startTestProxy({ ...shared, serviceAccount: "dns", appPorts });
      web = await startTestProxy({
        ...shared,
        serviceAccount: "web",
        udp: [{ service: "default/dns", servicePort: 53 }],
      });
      const local = `local:${app.port}/udp`;
      applyOne(dns.proxy, CLUSTER_TYPE, local, createLocalCluster(local, app.port));
      allow({ "default/dns": allowAny([WEB]) });
      applyOne(web.proxy, CLUSTER_TYPE, CLUSTER, createMeshCluster(CLUSTER, [DNS]));
      applyOne(web.proxy, ENDPOINT_TYPE, CLUSTER, createEndpoints(CLUSTER, [{ port: dns.inboundPort(app.port) }]));
      applyOne(web.proxy, LISTENER_TYPE, OUTBOUND, createUdpListener(OUTBOUND, web.udp[0]?.port ?? 0, CLUSTER));
    });

    after(async () => {
      await web.proxy.close();
      await dns.proxy.close();
      app.close();
    });

    /** Answers with what it got, behind how long that was. */
    function listen(port: number): Promise<BoundSocket> {
      const bound = datagrams.bind({ address: "127.0.0.1", port }, (bytes, address, from) => {
        const answer = Buffer.concat([Buffer.from(`${bytes.length}:`), bytes]);
        // The longest datagram has no room for more.
        void bound.then((socket) => socket.send(bytes.length > 60_000 ? bytes : answer, address, from));
      });
      return bound;
    }

    function allow(policies: Parameters<typeof createInboundListener>[0]["policies"]): void {
      const inbound = `inbound/${app.port}/udp`;
      const fixture = { name: inbound, port: dns.inboundPort(app.port), cluster: `local:${app.port}/udp` };
      applyOne(dns.proxy, LISTENER_TYPE, inbound, createInboundListener({ ...fixture, protocol: "tcp", policies }));
    }

    async function call(): Promise<Client> {
      const client = new Client(datagrams, web.udp[0]?.port ?? 0);
      await within("a client's socket", client.ready);
      return client;
    }

    it("keeps datagrams as they are, both ways: empty, short, long, and the longest", async () => {
      const client = await call();
      for (const length of [0, 1, 512, 1_472, 9_000, 60_000, 65_507]) {
        const sent = Buffer.alloc(length, length % 251);
        const answer = await client.ask(sent);
        const expected = length > 60_000 ? sent : Buffer.concat([Buffer.from(`${length}:`), sent]);
        assert.ok(answer.equals(expected), `${length} bytes: got ${answer.length}`);
      }
      client.close();
    });

    it("takes each client for itself, and its datagrams in order", async () => {
      const clients = await Promise.all(Array.from({ length: 8 }, call));
      for (let round = 0; round < 20; round += 1) {
        const answers = await Promise.all(clients.map((client, at) => client.ask(Buffer.from(`${at} ${round}`))));
        assert.deepEqual(
          answers.map(String),
          clients.map((_, at) => `${`${at} ${round}`.length}:${at} ${round}`),
        );
      }
      for (const client of clients) client.close();
    });

    it("counts flows and datagrams, and the edge of both sides", async () => {
      const before = { ...web.proxy.runtime.counters };
      const client = await call();
      await client.ask(Buffer.from("counted"));
      const { counters } = web.proxy.runtime;
      assert.deepEqual(
        [
          counters.udpFlows - before.udpFlows,
          counters.udpReceived - before.udpReceived,
          counters.udpSent - before.udpSent,
        ],
        [1, 1, 1],
      );
      client.close();
    });

    it("refuses whom no rule allows, tells nobody behind, and counts it", async () => {
      allow({});
      const denied = dns.proxy.runtime.counters.accessDenied;
      const client = await call();
      client.send(Buffer.from("denied"));
      await until(() => dns.proxy.runtime.counters.accessDenied > denied);
      assert.deepEqual(client.answers, []);
      allow({ "default/dns": allowAny([WEB]) });
      const again = await call();
      assert.equal(String(await again.ask(Buffer.from("allowed"))), "7:allowed");
      again.close();
      client.close();
    });

    it("ends an open flow when the policy that allowed it is withdrawn", async () => {
      const client = await call();
      await client.ask(Buffer.from("before"));
      const denied = dns.proxy.runtime.counters.accessDenied;
      allow({});
      assert.equal(dns.proxy.runtime.counters.accessDenied > denied, true);
      client.send(Buffer.from("after"));
      allow({ "default/dns": allowAny([WEB]) });
      const again = await call();
      await again.ask(Buffer.from("x"));
      assert.deepEqual(client.answers, []);
      again.close();
      client.close();
    });

    it("takes no bytes and no requests where datagrams are expected", async () => {
      const { linkTls, tcpTls } = await issueCredentials(ca, "web");
      const sent = dns.proxy.runtime.counters.udpSent;
      for (const tls of [linkTls, tcpTls]) {
        const closed = new Promise<void>((resolve) => {
          transport.connect(
            { host: "127.0.0.1", port: dns.inboundPort(app.port), timeoutMs: 5_000, tls },
            {
              onOpen: (connection) => void connection.write(frameDatagram(Buffer.from("smuggled"))),
              onData: () => undefined,
              onDrain: () => undefined,
              onEnd: () => undefined,
              onClose: () => resolve(),
            },
          );
        });
        await within("the connection ends", closed);
      }
      assert.equal(dns.proxy.runtime.counters.udpSent, sent);
    });

    it("loses what is for an app that is away, and goes on when it is back", async () => {
      const { port } = app;
      const sent = dns.proxy.runtime.counters.udpSent;
      app.close();
      const client = await call();
      client.send(Buffer.from("lost"));
      await until(() => dns.proxy.runtime.counters.udpSent > sent);
      app = await listen(port);
      const again = await call();
      assert.equal(String(await again.ask(Buffer.from("back"))), "4:back");
      again.close();
      client.close();
    });
  });
}

async function until(isTrue: () => boolean): Promise<void> {
  await within(
    "what is waited for",
    (async () => {
      while (!isTrue()) await nextTurn();
    })(),
  );
}

class Client {
  readonly answers: Buffer[] = [];
  readonly ready: Promise<void>;
  readonly #socket: ConnectedSocket;
  #onAnswer: (bytes: Buffer) => void = (bytes) => void this.answers.push(bytes);

  constructor(datagrams: Datagrams, port: number) {
    let onReady: () => void = () => undefined;
    this.ready = new Promise((resolve) => (onReady = resolve));
    this.#socket = datagrams.connect(
      { host: "127.0.0.1", port },
      { onReady, onDatagram: (bytes) => this.#onAnswer(Buffer.from(bytes)), onFailed: () => undefined },
    );
  }

  send(bytes: Uint8Array): void {
    this.#socket.send(bytes);
  }

  ask(bytes: Uint8Array): Promise<Buffer> {
    const answer = new Promise<Buffer>((resolve) => (this.#onAnswer = resolve));
    this.send(bytes);
    return within("an answer", answer);
  }

  close(): void {
    this.#socket.close();
  }
}
