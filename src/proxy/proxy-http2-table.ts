// Longer than most files: a list of cases.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { FramePeer } from "../testing/frame-peer.ts";
import {
  buildClientStart,
  buildContinuation,
  buildBlock,
  buildData,
  buildHeaders,
  buildHeadersBlock,
  buildPing,
  buildReset,
  buildWindowUpdate,
  type Field,
  requestFields,
} from "../testing/http2-frames.ts";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import { type AppExchange, formatAnswer, TextApp } from "../testing/text-peers.ts";
import { createLocalCluster, createOutboundListener, createRoutes } from "../testing/xds-fixture.ts";
import { nextTurn } from "../time/next-turn.ts";
import type { Transport } from "../transport/transport.ts";
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE, formatIngressListener } from "../xds/names.ts";
import { CANCEL, PREFACE } from "./http2/frame.ts";
import { EDGE_LIMITS } from "./http2/session-contract.ts";
import type { ProxyTableOptions } from "./proxy-http-table.ts";

const ended = { end: true };

/** HTTP/2 frames -> an ingress -> an HTTP/1.1 app, on a clock that the test moves; the same tests on every transport. */
export function testProxyHttp2({ name, create }: ProxyTableOptions): void {
  describe(`HTTP/2 through one proxy on ${name}`, () => {
    let clock: FakeClock;
    let transport: Transport;
    let app: TextApp;
    let edge: TestProxy;

    beforeEach(async () => {
      clock = new FakeClock();
      transport = await create(clock);
      app = new TextApp();
      await app.listen(transport);
      edge = await startTestProxy({
        transport,
        clock,
        ca: await createMeshCa(),
        serviceAccount: "edge",
        ingress: true,
      });
      applyOne(edge.proxy, CLUSTER_TYPE, "app", createLocalCluster("app", app.port));
      const listener = formatIngressListener(edge.ingressPort);
      applyOne(edge.proxy, LISTENER_TYPE, listener, createOutboundListener(listener, edge.ingressPort, "routes"));
      applyOne(edge.proxy, ROUTE_TYPE, "routes", createRoutes("routes", { app: "app" }, 3_600_000));
    });

    afterEach(async () => {
      await edge.proxy.close();
      await app.close();
      await idle();
      assert.equal(edge.proxy.runtime.wheel.armedCount(), 0, "no timer outlives its connection");
    });

    function dial(first?: Uint8Array): FramePeer {
      return FramePeer.dial(transport, edge.ingressPort, first);
    }

    /** Resolves when no exchange is open and every downstream is gone. */
    async function idle(): Promise<void> {
      const { runtime } = edge.proxy;
      for (let turn = 0; turn < 5_000; turn += 1) {
        if (runtime.counters.activeExchanges === 0 && runtime.downstreams.size === 0) break;
        await nextTurn();
      }
      for (let turn = 0; turn < 5; turn += 1) await nextTurn();
      assert.equal(runtime.counters.activeExchanges, 0, "exchanges that never end");
    }

    function nextRequest(): Promise<AppExchange> {
      return new Promise((resolve) => (app.respond = resolve));
    }

    function nextHead(): Promise<string> {
      return new Promise((resolve) => (app.onArrival = resolve));
    }

    async function turns(count: number = 50): Promise<void> {
      for (let turn = 0; turn < count; turn += 1) await nextTurn();
    }

    it("carries requests and answers, many on one connection, and the app reads each exactly once", async () => {
      const peer = dial();
      for (let id = 1; id < 40; id += 2) peer.send(buildHeaders(id, requestFields(`/${id}`), ended));
      peer.send(buildHeaders(41, requestFields("/up", "POST")), buildData(41, "one "), buildData(41, "two", ended));
      const text = await peer.until(/DATA 41 POST \/up one two; END/);
      await peer.until(/DATA 39 GET \/39 ; END/);
      assert.match(text, /HEADERS 1 :status=200 .*content-length=7/);
      assert.equal(app.seen.length, 21);
      assert.equal(app.seen.find((request) => request.target === "/up")?.fields.get("host"), "app");
      peer.destroy();
    });

    it("translates what HTTP/2 says differently: cookies, te, :authority and x-forwarded fields", async () => {
      const peer = dial();
      const more: readonly Field[] = [
        ["cookie", "a=1"],
        ["te", "trailers"],
        ["cookie", "b=2"],
        ["host", "app"],
      ];
      peer.send(buildHeaders(1, requestFields("/t", "GET", [...more, ["x-forwarded-for", "1.2.3.4"]]), ended));
      await peer.until(/DATA 1 .*END/);
      const { fields } = app.seen[0] ?? { fields: new Map<string, string>() };
      assert.equal(fields.get("cookie"), "a=1; b=2");
      assert.equal(fields.get("host"), "app");
      assert.notEqual(fields.get("x-forwarded-for"), "1.2.3.4");
      assert.equal([...fields.keys()].filter((field) => field.startsWith(":")).length, 0);
      peer.destroy();
    });

    const smuggles: readonly (readonly [string, readonly Field[]])[] = [
      ["CR LF in a value", requestFields("/", "GET", [["x", "a\r\n\r\nGET /evil HTTP/1.1\r\nHost: app\r\n\r\n"]])],
      ["CR LF in a name", requestFields("/", "GET", [["x: y\r\nevil", "1"]])],
      ["CR LF in :path", requestFields("/ HTTP/1.1\r\nHost: app\r\n\r\nGET /evil")],
      ["a space in :path", requestFields("/ HTTP/1.1")],
      ["CR LF in :method", requestFields("/", "GET /evil HTTP/1.1\r\nx: y")],
      ["transfer-encoding", requestFields("/", "POST", [["transfer-encoding", "chunked"]])],
      ["connection", requestFields("/", "GET", [["connection", "x-forwarded-for"]])],
      [
        "content-length twice",
        requestFields("/", "POST", [
          ["content-length", "0"],
          ["content-length", "40"],
        ]),
      ],
      ["another host", requestFields("/", "GET", [["host", "evil"]])],
      ["absolute form", requestFields("http://evil/")],
    ];
    it("lets nothing reach the app that it could read as another request", async () => {
      const peer = dial();
      for (const [index, [what, fields]] of smuggles.entries()) {
        const id = index * 2 + 1;
        peer.send(buildHeaders(id, fields), buildData(id, "0\r\n\r\nGET /evil HTTP/1.1\r\nHost: app\r\n\r\n", ended));
        await peer
          .until(new RegExp(`RST_STREAM ${id} PROTOCOL_ERROR`))
          .catch((error: unknown) => assert.fail(`${what}: ${String(error)}`));
      }
      assert.deepEqual(app.seen, []);
      peer.send(buildHeaders(99, requestFields("/alive"), ended));
      await peer.until(/DATA 99 GET \/alive ; END/);
      peer.destroy();
    });

    it("frames a body so that the app reads it as a body whatever it holds", async () => {
      const peer = dial();
      const body = "0\r\n\r\nGET /evil HTTP/1.1\r\nHost: app\r\n\r\n";
      peer.send(
        buildHeaders(1, requestFields("/sized", "POST", [["content-length", `${body.length}`]])),
        buildData(1, body, ended),
      );
      peer.send(buildHeaders(3, requestFields("/unsized", "POST")), buildData(3, body, ended));
      await peer.until(/DATA 1 [^\0]*END/);
      await peer.until(/DATA 3 [^\0]*END/);
      assert.deepEqual(app.seen.map(({ target, body: seen }) => [target, seen]).toSorted(), [
        ["/sized", body],
        ["/unsized", body],
      ]);
      peer.destroy();
    });

    it("makes the path canonical once, and refuses what can be read in two ways", async () => {
      const peer = dial();
      peer.send(buildHeaders(1, requestFields("/a/%2e%2e/b/./c?x=%2e%2e"), ended));
      await peer.until(/DATA 1 /);
      assert.equal(app.seen[0]?.target, "/b/c?x=%2e%2e");
      for (const [index, path] of ["/a%2fb", "/a%5cb", "/a\\b", "/%00"].entries()) {
        const id = 3 + index * 2;
        peer.send(buildHeaders(id, requestFields(path), ended));
        await peer.until(
          new RegExp(`HEADERS ${id} :status=400 .*x-weft-failure=bad_path|RST_STREAM ${id} PROTOCOL_ERROR`),
        );
      }
      assert.equal(app.seen.length, 1);
      peer.destroy();
    });

    it("answers heads that are too large on their stream, and serves the next", async () => {
      const peer = dial();
      const many = Array.from({ length: 150 }, (_, index): Field => [`x-${index}`, "y"]);
      peer.send(buildHeaders(1, requestFields("/", "GET", many), ended));
      peer.send(buildHeaders(3, requestFields(`/${"a".repeat(9_000)}`), ended));
      await peer.until(/HEADERS 1 :status=431 .*x-weft-failure=headers_too_large/);
      await peer.until(/HEADERS 3 :status=414 .*x-weft-failure=uri_too_long/);
      peer.send(buildHeaders(5, requestFields("/next"), ended));
      await peer.until(/DATA 5 GET \/next ; END/);
      peer.destroy();
    });

    it("ends HEAD, 204 and 304 with their heads", async () => {
      app.respond = ({ request, reply }) => {
        if (request.method === "HEAD") reply("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
        else
          reply(
            request.target === "/204"
              ? "HTTP/1.1 204 No Content\r\n\r\n"
              : "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
          );
      };
      const peer = dial();
      peer.send(buildHeaders(1, requestFields("/", "HEAD"), ended));
      await peer.until(/HEADERS 1 :status=200 .*content-length=7.*; END/);
      peer.send(buildHeaders(3, requestFields("/204"), ended), buildHeaders(5, requestFields("/304"), ended));
      await peer.until(/HEADERS 3 :status=204.*; END/);
      await peer.until(/HEADERS 5 :status=304.*; END/);
      assert.doesNotMatch(peer.text(), /^DATA/m);
      peer.destroy();
    });

    it("passes interim heads, chunked bodies and trailers on, both ways", async () => {
      app.respond = ({ request, reply }) => {
        reply("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        reply(
          `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${request.body.length.toString(16)}\r\n${request.body}\r\n`,
        );
        reply("0\r\nx-sum: 7\r\n\r\n");
      };
      const peer = dial();
      peer.send(
        buildHeaders(1, requestFields("/t", "POST")),
        buildData(1, "payload"),
        buildHeaders(1, [["x-up", "1"]], ended),
      );
      const text = await peer.until(/HEADERS 1 x-sum=7; END/);
      assert.match(
        text,
        /HEADERS 1 :status=103 link=<\/a>\nHEADERS 1 :status=200.*\nDATA 1 payload\nHEADERS 1 x-sum=7; END/,
      );
      peer.destroy();
    });

    it("passes 100-continue on and carries the body after it", async () => {
      const peer = dial();
      peer.send(
        buildHeaders(
          1,
          requestFields("/c", "POST", [
            ["expect", "100-continue"],
            ["content-length", "4"],
          ]),
        ),
      );
      await peer.until(/HEADERS 1 :status=100/);
      peer.send(buildData(1, "body", ended));
      await peer.until(/DATA 1 POST \/c body; END/);
      peer.destroy();
    });

    it("gives an early answer, then ends the upload that nobody wants", async () => {
      const peer = dial();
      const reached = nextHead();
      peer.send(
        buildHeaders(1, requestFields("/early", "POST", [["content-length", "1000000"]])),
        buildData(1, "start"),
      );
      await reached;
      const [connection] = [...app.open];
      connection?.write(Buffer.from(formatAnswer("too much", "413 Content Too Large", "Connection: close\r\n")));
      await peer.until(/HEADERS 1 :status=413[^\0]*DATA 1 too much; END/);
      peer.send(buildData(1, "x".repeat(1_000)));
      await turns();
      clock.advance(1_100);
      await peer.until(/RST_STREAM 1 NO_ERROR/);
      peer.send(buildHeaders(3, requestFields("/next"), ended));
      await peer.until(/DATA 3 GET \/next ; END/);
      peer.destroy();
    });

    it("cancels at the app what a client resets or leaves behind", async () => {
      const closed = (): Promise<void> => new Promise((resolve) => (app.onConnectionClosed = resolve));
      const peer = dial();
      let reached = nextRequest();
      peer.send(buildHeaders(1, requestFields("/slow"), ended));
      await reached;
      let cancelled = closed();
      peer.send(buildReset(1, CANCEL));
      await cancelled;
      reached = nextRequest();
      peer.send(buildHeaders(3, requestFields("/slow"), ended));
      await reached;
      cancelled = closed();
      peer.destroy();
      await cancelled;
      await idle();
    });

    it("answers rapid resets with the end of the connection, and leaves nothing behind", async () => {
      app.respond = () => undefined;
      const peer = dial();
      await peer.until(/SETTINGS/);
      for (let id = 1; id < 4_000 && !peer.isClosed; id += 2) {
        peer.send(buildHeaders(id, requestFields(`/${id}`), ended), buildReset(id, CANCEL));
        if (id % 100 === 1) await nextTurn();
      }
      assert.match(await peer.closed(), /GOAWAY \d+ ENHANCE_YOUR_CALM/);
      await idle();
      assert.ok(app.seen.length <= EDGE_LIMITS.resetBurst + 1);
    });

    it("fails a request whose body stops after 60 s, and the connection lives", async () => {
      const peer = dial();
      const reached = nextHead();
      peer.send(buildHeaders(1, requestFields("/", "POST")), buildData(1, "abc"));
      await reached;
      for (let second = 0; second < 61; second += 10) {
        clock.advance(10_000);
        peer.send(buildPing());
        await peer.until(new RegExp(`(?:PING ACK\\n?[^\\0]*){${second / 10 + 1}}`));
      }
      await peer.until(/HEADERS 1 :status=408 .*x-weft-failure=downstream_timeout/);
      peer.destroy();
    });

    it("holds little of an answer that is not taken, and ends the stream after 60 s of nothing", async () => {
      const total = 8 * 1024 * 1024;
      let written = 0;
      app.respond = ({ connection }) => {
        connection.write(Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`));
        // As much as the transport takes: what is above its mark stays with the app.
        while (written < total && connection.write(Buffer.alloc(32_768, "x"))) written += 32_768;
      };
      const peer = dial(buildClientStart([4, 0]));
      peer.send(buildHeaders(1, requestFields("/big"), ended));
      await peer.until(/HEADERS 1 :status=200/);
      await turns(200);
      assert.doesNotMatch(peer.text(), /^DATA/m);
      assert.ok(written < total, `${written} bytes went to a client that takes none`);
      for (let second = 0; second < 60; second += 10) {
        clock.advance(10_000);
        peer.send(buildPing());
        await peer.until(new RegExp(`(?:PING ACK\\n?[^\\0]*){${second / 10 + 1}}`));
      }
      clock.advance(100);
      await peer.until(/RST_STREAM 1 CANCEL/);
      await idleExchanges();
      peer.send(buildHeaders(3, requestFields("/HEAD", "HEAD"), ended));
      peer.destroy();
    });

    async function idleExchanges(): Promise<void> {
      while (edge.proxy.runtime.counters.activeExchanges > 0) await nextTurn();
    }

    it("lets one stream wait for its window and serves the others", async () => {
      app.respond = ({ request, reply }) =>
        reply(formatAnswer(request.target === "/big" ? "x".repeat(300_000) : "small"));
      const peer = dial();
      peer.send(buildWindowUpdate(0, 1_000_000), buildHeaders(1, requestFields("/big"), ended));
      await peer.until(/DATA 1 x/);
      for (let id = 3; id < 43; id += 2) peer.send(buildHeaders(id, requestFields("/small"), ended));
      await peer.until(/DATA 41 small; END/);
      assert.doesNotMatch(peer.text(), /^DATA 1 .*END/m);
      peer.send(buildWindowUpdate(1, 1_000_000));
      await peer.until(/DATA 1 x*; END/);
      peer.destroy();
    });

    const stuck: readonly (readonly [string, Uint8Array, Uint8Array])[] = [
      ["a frame header that is not completed", buildClientStart(), Buffer.from([0, 0])],
      ["a frame that is not completed", buildClientStart(), buildHeaders(1, requestFields()).subarray(0, 20)],
      [
        "HEADERS without their end",
        buildClientStart(),
        buildHeadersBlock(1, buildBlock(requestFields()), { endHeaders: false }),
      ],
    ];
    for (const [what, start, sent] of stuck) {
      it(`closes a connection with ${what} within 30 s`, async () => {
        const peer = dial(start);
        await peer.until(/SETTINGS/);
        peer.send(sent);
        await turns();
        clock.advance(31_000);
        assert.match(await peer.until(/GOAWAY/), /ENHANCE_YOUR_CALM/);
        clock.advance(3_000);
        await peer.closed();
      });
    }

    it("closes a connection whose head dribbles in for ever", async () => {
      const peer = dial();
      await peer.until(/SETTINGS/);
      peer.send(buildHeadersBlock(1, buildBlock(requestFields()), { ...ended, endHeaders: false }));
      const dribble = buildContinuation(1, Buffer.alloc(60), false);
      for (let second = 0; second < 40; second += 2) {
        peer.send(dribble.subarray(second, second + 2));
        await turns(10);
        clock.advance(2_000);
      }
      assert.match(await peer.until(/GOAWAY/), /ENHANCE_YOUR_CALM/);
      peer.destroy();
    });

    it("closes a connection that never completes the preface", async () => {
      const peer = dial(PREFACE.subarray(0, 20));
      await turns();
      for (let second = 0; second < 90; second += 15) {
        clock.advance(15_000);
        await turns(10);
      }
      await peer.closed();
      assert.deepEqual(app.seen, []);
    });

    it("closes a connection without requests after 75 s, whatever PINGs it sends", async () => {
      const peer = dial();
      await peer.until(/SETTINGS/);
      for (let second = 0; second < 95 && !peer.isClosed; second += 5) {
        peer.send(buildPing());
        await turns(10);
        clock.advance(5_000);
      }
      assert.match(await peer.until(/GOAWAY/), /GOAWAY 0 NO_ERROR/);
      clock.advance(3_000);
      await peer.closed();
    });

    it("finds out by PING that a client with an open request has vanished", async () => {
      const reached = nextRequest();
      const peer = dial();
      peer.send(buildHeaders(1, requestFields("/wait"), ended));
      await reached;
      await turns();
      clock.advance(15_100);
      await turns();
      clock.advance(15_100);
      await peer.until(/PING$/m);
      clock.advance(15_100);
      await peer.closed();
      await idle();
    });

    it("keeps a silent client that answers PING", async () => {
      const reached = nextRequest();
      const peer = dial();
      peer.onLine = (line) => {
        if (line === "PING") peer.send(buildPing(1));
      };
      peer.send(buildHeaders(1, requestFields("/wait"), ended));
      const { reply } = await reached;
      for (let second = 0; second < 300; second += 15) {
        clock.advance(15_000);
        await turns(20);
      }
      reply(formatAnswer("at last"));
      await peer.until(/DATA 1 at last; END/);
      peer.destroy();
    });

    it("drains: finishes what is open, says GOAWAY twice, takes nothing new and closes", async () => {
      const reached = nextRequest();
      const peer = dial();
      peer.send(buildHeaders(1, requestFields("/drain"), ended));
      const { reply } = await reached;
      const drained = edge.proxy.drain(60_000);
      await peer.until(/GOAWAY 2147483647 NO_ERROR\nPING/);
      peer.send(buildPing(1));
      await peer.until(/GOAWAY 1 NO_ERROR/);
      peer.send(buildHeaders(3, requestFields("/late"), ended));
      await peer.until(/RST_STREAM 3 REFUSED_STREAM/);
      reply(formatAnswer("late"));
      await peer.until(/DATA 1 late; END/);
      await peer.closed();
      await drained;
      assert.equal(app.seen.length, 1);
    });
  });
}
