import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { compilePattern } from "../lib/pattern.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { FramePeer } from "../testing/frame-peer.ts";
import { buildHeaders, type Field, requestFields } from "../testing/http2-frames.ts";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import { setRoutePolicy } from "../testing/set-policy.ts";
import { formatAnswer, TextApp, TextClient } from "../testing/text-peers.ts";
import { createLocalCluster, createOutboundListener, createRoutes } from "../testing/xds-fixture.ts";
import { nextTurn } from "../time/next-turn.ts";
import type { Transport } from "../transport/transport.ts";
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";
import type { FaultAction, RateLimitPolicy, RoutePolicy } from "./policy/route-policy.ts";
import type { ProxyTableOptions } from "./proxy-http-table.ts";

const ended = { end: true };
const GRPC: readonly Field[] = [
  ["content-type", "application/grpc"],
  ["te", "trailers"],
];

const LIMIT: RateLimitPolicy = {
  name: "all",
  match: null,
  by: "route",
  header: "",
  requests: 2,
  periodMs: 60_000,
  burst: 2,
  overrides: new Map(),
  maxBuckets: 10,
};

/** HTTP/1.1 text and HTTP/2 frames -> a sidecar -> an app: what policies do to requests, as both ends see it. */
export function testProxyFilters({ name, create }: ProxyTableOptions): void {
  describe(`request filters and faults on ${name}`, () => {
    let clock: FakeClock;
    let transport: Transport;
    let app: TextApp;
    let web: TestProxy;

    beforeEach(async () => {
      clock = new FakeClock();
      transport = await create(clock);
      app = new TextApp();
      await app.listen(transport);
      web = await startTestProxy({ transport, clock, ca: await createMeshCa(), serviceAccount: "web" });
      applyOne(web.proxy, CLUSTER_TYPE, "app", createLocalCluster("app", app.port));
      const listener = createOutboundListener("outbound", web.outboundPort, "routes");
      applyOne(web.proxy, LISTENER_TYPE, "outbound", listener);
      applyOne(web.proxy, ROUTE_TYPE, "routes", createRoutes("routes", { app: "app" }));
    });

    afterEach(async () => {
      await web.proxy.close();
      await app.close();
      assert.equal(web.proxy.runtime.counters.activeExchanges, 0, "exchanges that never end");
    });

    function rule(change: Partial<RoutePolicy>): void {
      setRoutePolicy(web.proxy, (policy) => ({ ...policy, name: "default/rules", ...change }));
    }

    function fault(action: FaultAction): void {
      const untilMs = clock.wallMs() + 3_600_000;
      rule({ faults: [{ name: "chaos", match: null, percentage: 100, untilMs, action }] });
    }

    /** Request heads on one connection, the last of which closes it. */
    function start(...requests: readonly string[]): TextClient {
      const text = requests.map((request, index) => {
        const close = index === requests.length - 1 ? "Connection: close\r\n" : "";
        return `${request} HTTP/1.1\r\nHost: app\r\n${close}\r\n`;
      });
      return new TextClient(transport, web.outboundPort, text.join(""));
    }

    async function turns(): Promise<void> {
      for (let turn = 0; turn < 200; turn += 1) await nextTurn();
    }

    async function until(what: string, isSo: () => boolean): Promise<void> {
      for (let turn = 0; turn < 20_000 && !isSo(); turn += 1) await nextTurn();
      assert.ok(isSo(), what);
    }

    it("limits requests and tells callers how much is left, on one connection", async () => {
      rule({ rateLimits: [LIMIT] });
      const text = await start("GET /1", "GET /2", "GET /3").closed();
      const answers = text.split(/(?=HTTP\/1\.1 )/);
      assert.equal(answers.length, 3);
      assert.match(answers[0] ?? "", /^HTTP\/1\.1 200 OK\r\n.*ratelimit: "all";r=1;t=30\r\n.*GET \/1 $/s);
      assert.match(answers[1] ?? "", /^HTTP\/1\.1 200 OK\r\n.*ratelimit: "all";r=0;t=30\r\n/s);
      assert.match(answers[2] ?? "", /^HTTP\/1\.1 429 Too Many Requests\r\n.*x-weft-failure: rate_limited\r\n/s);
      assert.match(
        answers[2] ?? "",
        /\r\nretry-after: 30\r\nratelimit-policy: "all";q=2;w=60\r\nratelimit: "all";r=0;t=30\r\n/,
      );
      assert.match(
        answers[2] ?? "",
        /\nRate limit "all" allows all callers together 2 requests in 60 s, 2 at once; try/,
      );
      assert.equal(app.seen.length, 2);
      clock.advance(30_000);
      assert.match(await start("GET /4").closed(), /^HTTP\/1\.1 200 /);
    });

    it("limits gRPC calls by RESOURCE_EXHAUSTED, with the same fields", async () => {
      rule({ rateLimits: [{ ...LIMIT, requests: 1, burst: 1 }] });
      await start("GET /1").closed();
      const peer = FramePeer.dial(transport, web.outboundPort);
      peer.send(buildHeaders(1, requestFields("/s/m", "POST", GRPC), ended));
      const text = await peer.until(/HEADERS 1 .*/);
      assert.match(text, /:status=200 .*retry-after=60 ratelimit-policy="all";q=1;w=60 ratelimit="all";r=0;t=60/);
      assert.match(text, /grpc-status=8 .*x-weft-failure=rate_limited/);
      peer.destroy();
    });

    it("changes headers both ways", async () => {
      rule({
        requestHeaders: { remove: ["user-agent"], set: [["x-request-id", "mine"]], add: [["x-added", "1"]] },
        responseHeaders: { remove: ["server"], set: [["x-frame-options", "DENY"]], add: [] },
      });
      app.respond = ({ reply }) => reply(formatAnswer("fine", "200 OK", "Server: app/1\r\nX-Frame-Options: no\r\n"));
      const client = new TextClient(
        transport,
        web.outboundPort,
        "GET / HTTP/1.1\r\nUser-Agent: a\r\nHost: app\r\nX-Request-Id: 1\r\nConnection: close\r\n\r\n",
      );
      const text = await client.closed();
      const fields = app.seen[0]?.fields;
      assert.deepEqual(
        ["user-agent", "x-request-id", "x-added"].map((field) => fields?.get(field)),
        [undefined, "mine", "1"],
      );
      assert.match(text, /\r\nx-frame-options: DENY\r\n/);
      assert.doesNotMatch(text, /server:|: no/i);
    });

    it("redirects, on a connection that goes on", async () => {
      const path = { kind: "prefix", prefix: "/old", replacement: "/new" } as const;
      rule({ redirect: { status: 308, scheme: "https", host: "", port: 0, path } });
      const text = await start("GET /old/1?q", "HEAD /old/2").closed();
      const locations = [...text.matchAll(/HTTP\/1\.1 308 .*?\r\n(?:.*?\r\n)*?location: (.*?)\r\n/g)];
      assert.deepEqual(
        locations.map((match) => match[1]),
        ["https://app/new/1?q", "https://app/new/2"],
      );
      assert.equal(app.seen.length, 0);
      const peer = FramePeer.dial(transport, web.outboundPort);
      peer.send(buildHeaders(1, requestFields("/old/3"), ended));
      assert.match(await peer.until(/HEADERS 1 .*/), /HEADERS 1 :status=308 .*location=https:\/\/app\/new\/3.*END/);
      peer.destroy();
    });

    it("rewrites host and path on the way to the app", async () => {
      const pattern = compilePattern("^/v1/(.*)$", "search");
      rule({ rewrite: { host: "internal:81", path: { kind: "regex", pattern, replacement: "/api/\\1/v1" } } });
      await start("GET /v1/a/%7eb?q=%2e").closed();
      const peer = FramePeer.dial(transport, web.outboundPort);
      peer.send(buildHeaders(1, requestFields("/v1/second"), ended));
      await peer.until(/DATA 1 .*END/);
      peer.destroy();
      assert.deepEqual(
        app.seen.map(({ target, fields }) => [target, fields.get("host")]),
        [
          ["/api/a/~b/v1?q=%2e", "internal:81"],
          ["/api/second/v1", "internal:81"],
        ],
      );
    });

    it("refuses a rewrite that makes a path bad, before anything is sent", async () => {
      const pattern = compilePattern("2f", "search");
      rule({ rewrite: { host: "", path: { kind: "regex", pattern, replacement: "%2f" } } });
      const text = await start("GET /a2fb").closed();
      assert.match(text, /^HTTP\/1\.1 400 .*x-weft-failure: bad_path.*Policy "default\/rules" rewrites the path, and/s);
      assert.equal(app.seen.length, 0);
    });

    it("answers in the app's place while a fault lasts", async () => {
      fault({ kind: "abort", httpStatus: 418, grpcStatus: 9 });
      const text = await start("GET /").closed();
      assert.match(
        text,
        /^HTTP\/1\.1 418 .*x-weft-failure: fault_abort.*Fault "chaos" is injected until 2026-01-01T01/s,
      );
      const peer = FramePeer.dial(transport, web.outboundPort);
      peer.send(buildHeaders(1, requestFields("/s/m", "POST", GRPC), ended));
      assert.match(await peer.until(/HEADERS 1 .*/), /:status=200 .*grpc-status=9 .*x-weft-failure=fault_abort/);
      peer.destroy();
      assert.equal(app.seen.length, 0);
      clock.advance(3_600_000);
      assert.match(await start("GET /").closed(), /^HTTP\/1\.1 200 /);
      assert.equal(web.proxy.runtime.counters.faultAborts, 2);
    });

    it("resets a connection or a stream without an answer", async () => {
      fault({ kind: "reset" });
      assert.equal(await start("GET /").closed(), "");
      const peer = FramePeer.dial(transport, web.outboundPort);
      peer.send(buildHeaders(1, requestFields("/"), ended));
      assert.doesNotMatch(await peer.until(/RST_STREAM 1 /), /HEADERS 1 /);
      peer.destroy();
      assert.equal(app.seen.length, 0);
    });

    it("delays a request with its body, and the app gets all of it", async () => {
      fault({ kind: "delay", minMs: 1_000, maxMs: 1_000 });
      const client = new TextClient(
        transport,
        web.outboundPort,
        "POST / HTTP/1.1\r\nHost: app\r\nConnection: close\r\nContent-Length: 10\r\n\r\n01234",
      );
      const { counters } = web.proxy.runtime;
      await until("it is delayed", () => counters.faultDelays === 1);
      client.send("56789");
      await turns();
      clock.advance(980);
      await turns();
      assert.equal(app.seen.length, 0);
      clock.advance(60);
      assert.match(await client.closed(), /^HTTP\/1\.1 200 .*POST \/ 0123456789$/s);
    });

    it("forgets a delayed request whose caller leaves", async () => {
      fault({ kind: "delay", minMs: 1_000, maxMs: 1_000 });
      const client = start("GET /");
      const { counters } = web.proxy.runtime;
      await until("it is delayed", () => counters.faultDelays === 1);
      client.connection.destroy();
      await until("it is over", () => counters.activeExchanges === 0);
      clock.advance(2_000);
      await turns();
      assert.equal(app.seen.length, 0);
    });

    it("lets a long body through at its rate, whole, and reads no more of the app than it must", async () => {
      fault({ kind: "slowBody", bytesPerSecond: 100_000 });
      const body = "0123456789".repeat(30_000);
      app.respond = ({ reply }) => reply(formatAnswer(body));
      const client = start("GET /");
      await client.until(/\r\n\r\n/);
      const begunMs = clock.nowMs();
      while (!client.isClosed) {
        await turns();
        clock.advance(40);
        const elapsed = clock.nowMs() - begunMs;
        assert.ok(client.receivedBytes <= 1_000 + elapsed * 100, `${client.receivedBytes} bytes in ${elapsed} ms`);
        assert.ok(elapsed < 20_000, "it ends");
      }
      assert.ok(client.text.endsWith(`\r\n\r\n${body}`));
      assert.ok(clock.nowMs() - begunMs >= 3_000);
    });
  });
}
