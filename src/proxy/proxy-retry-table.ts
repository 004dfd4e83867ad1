import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { FakeClock } from "../testing/fake-clock.ts";
import { buildData, buildHeaders } from "../testing/http2-frames.ts";
import { applyOne, createMeshCa, issueCredentials, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import { answerWith, resetWith, ScriptedReplica, type ScriptedRequest } from "../testing/scripted-replica.ts";
import { setRoutePolicy } from "../testing/set-policy.ts";
import { TextClient } from "../testing/text-peers.ts";
import { createEndpoints, createMeshCluster, createOutboundListener, createRoutes } from "../testing/xds-fixture.ts";
import { nextTurn } from "../time/next-turn.ts";
import type { Transport } from "../transport/transport.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";
import { INTERNAL_ERROR, REFUSED_STREAM } from "./http2/frame.ts";
import {
  DEFAULT_ROUTE_POLICY,
  RETRY_ON_5XX,
  RETRY_ON_STATUS,
  RETRY_ON_TIMEOUT,
  type RetryPolicy,
  type TimeoutPolicy,
} from "./policy/route-policy.ts";
import type { ProxyTableOptions } from "./proxy-http-table.ts";

const REVIEWS = "spiffe://test.mesh/ns/default/sa/reviews";

interface Call {
  readonly method?: string;
  readonly fields?: string;
  readonly body?: string;
}

/** HTTP/1.1 text -> a sidecar -> two replicas that do as they are told: who is asked, how often, and for how long. */
export function testProxyRetries({ name, create }: ProxyTableOptions): void {
  describe(`retries and deadlines on ${name}`, () => {
    let clock: FakeClock;
    let transport: Transport;
    let web: TestProxy;
    let replicas: readonly [ScriptedReplica, ScriptedReplica];

    beforeEach(async () => {
      clock = new FakeClock();
      transport = await create(clock);
      replicas = [new ScriptedReplica(), new ScriptedReplica()];
      const ca = await createMeshCa();
      const { keyPair, trustBundlePem } = await issueCredentials(ca, "reviews");
      for (const replica of replicas) await replica.listen(transport, keyPair, trustBundlePem);
      web = await startTestProxy({ transport, clock, ca, serviceAccount: "web" });
      applyOne(web.proxy, CLUSTER_TYPE, "reviews", createMeshCluster("reviews", [REVIEWS]));
      const endpoints = replicas.map(({ port }) => ({ port }));
      applyOne(web.proxy, ENDPOINT_TYPE, "reviews", createEndpoints("reviews", endpoints));
      const listener = createOutboundListener("outbound", web.outboundPort, "routes");
      applyOne(web.proxy, LISTENER_TYPE, "outbound", listener);
      applyOne(web.proxy, ROUTE_TYPE, "routes", createRoutes("routes", { reviews: "reviews" }));
      rule({}, {});
    });

    afterEach(async () => {
      await web.proxy.close();
      for (const replica of replicas) await replica.close();
    });

    function rule(timeouts: Partial<TimeoutPolicy>, retry: Partial<RetryPolicy>): void {
      setRoutePolicy(web.proxy, () => ({
        ...DEFAULT_ROUTE_POLICY,
        timeouts: { ...DEFAULT_ROUTE_POLICY.timeouts, ...timeouts },
        retry: { ...DEFAULT_ROUTE_POLICY.retry, ...retry },
      }));
    }

    function both(script: (request: ScriptedRequest) => void): void {
      for (const replica of replicas) replica.script = script;
    }

    function start({ method = "GET", fields = "", body = "" }: Call = {}): TextClient {
      const length = body === "" ? "" : `Content-Length: ${body.length}\r\n`;
      const text = `${method} /x HTTP/1.1\r\nHost: reviews\r\nConnection: close\r\n${fields}${length}\r\n${body}`;
      return new TextClient(transport, web.outboundPort, text);
    }

    /** Time goes on until the caller has its whole answer. */
    async function finish(client: TextClient, stepMs: number = 20): Promise<string> {
      for (let turn = 0; turn < 5_000 && !client.isClosed; turn += 1) {
        for (let i = 0; i < 10; i += 1) await nextTurn();
        clock.advance(stepMs);
      }
      return client.closed();
    }

    /** In steps that leave links time for their PINGs. */
    async function pass(ms: number): Promise<void> {
      for (let passed = 0; passed < ms; passed += 10_000) {
        for (let i = 0; i < 20; i += 1) await nextTurn();
        clock.advance(10_000);
      }
    }

    async function call(options?: Call): Promise<string> {
      return finish(start(options));
    }

    function heads(): string[] {
      return replicas.flatMap(({ seen }) => seen);
    }

    /** Both have been asked once, so that their links are open. */
    async function warm(): Promise<void> {
      await call();
      await call();
      for (const replica of replicas) replica.seen.length = 0;
    }

    async function untilSeen(count: number): Promise<void> {
      for (let turn = 0; turn < 20_000 && heads().length < count; turn += 1) await nextTurn();
      assert.equal(heads().length, count);
    }

    it("asks another instance when the first breaks a GET off", async () => {
      replicas[0].script = (request) => resetWith(request, INTERNAL_ERROR);
      for (let i = 0; i < 4; i += 1) assert.match(await call(), /^HTTP\/1\.1 200 .*fine/s);
      assert.ok(replicas[0].seen.length >= 1);
    });

    it("does not repeat a POST that an app may have seen, unless its key or the route says that it may", async () => {
      both((request) => resetWith(request, INTERNAL_ERROR));
      assert.match(await call({ method: "POST", body: "x" }), /502 .*upstream_reset/s);
      assert.equal(heads().length, 1);
      assert.match(await call({ method: "POST", body: "x", fields: "Idempotency-Key: 7\r\n" }), /502 /);
      assert.equal(heads().length, 4);
      rule({}, { anyMethod: true });
      assert.match(await call({ method: "POST", body: "x" }), /502 /);
      assert.equal(heads().length, 7);
    });

    it("repeats a POST that was refused unread", async () => {
      replicas[0].script = (request) => resetWith(request, REFUSED_STREAM);
      for (let i = 0; i < 4; i += 1) assert.match(await call({ method: "POST", body: "x" }), /^HTTP\/1\.1 200 /);
    });

    it("makes as many attempts as the route says", async () => {
      both((request) => resetWith(request, INTERNAL_ERROR));
      for (const attempts of [0, 1, 4]) {
        for (const replica of replicas) replica.seen.length = 0;
        rule({}, { attempts });
        assert.match(await call(), /502 .*upstream_reset/s);
        assert.equal(heads().length, attempts + 1);
      }
    });

    it("stops at the budget", async () => {
      both((request) => resetWith(request, INTERNAL_ERROR));
      const calls = Array.from({ length: 100 }, () => start());
      for (const client of calls) await finish(client, 1);
      const extra = heads().length - 100;
      assert.ok(extra >= 20 && extra <= 60, `${extra} retries for 100 requests`);
      assert.ok(web.proxy.runtime.counters.retriesOverBudget > 0);
    });

    it("takes an answer by status as final by default, and asks again where the route says so", async () => {
      replicas[0].script = (request) => answerWith(request, 503, "busy");
      replicas[1].script = (request) => answerWith(request, 503, "busy");
      assert.match(await call(), /^HTTP\/1\.1 503 .*busy/s);
      assert.equal(heads().length, 1);
      rule({}, { on: RETRY_ON_5XX });
      replicas[1].script = (request) => answerWith(request, 200, "fine");
      for (let i = 0; i < 4; i += 1) assert.match(await call(), /^HTTP\/1\.1 200 .*fine/s);
      rule({}, { on: RETRY_ON_STATUS, statuses: new Set([503]) });
      for (let i = 0; i < 4; i += 1) assert.match(await call(), /^HTTP\/1\.1 200 .*fine/s);
    });

    it("passes the last answer on when all are refused", async () => {
      both((request) => answerWith(request, 500, "broken"));
      rule({}, { on: RETRY_ON_5XX });
      assert.match(await call(), /^HTTP\/1\.1 500 .*broken/s);
      assert.equal(heads().length, 3);
    });

    it("waits for Retry-After, and gives up when it is too long", async () => {
      rule({}, { on: RETRY_ON_STATUS, statuses: new Set([429]), maxRetryAfterMs: 2_000 });
      const times: number[] = [];
      both((request) => {
        times.push(clock.nowMs());
        answerWith(request, times.length === 1 ? 429 : 200, "x", [["retry-after", "2"]]);
      });
      assert.match(await call(), /^HTTP\/1\.1 200 /);
      const [first = 0, second = 0] = times;
      assert.ok(second - first >= 2_000 && second - first < 2_300, `${second - first} ms`);
      both((request) => answerWith(request, 429, "x", [["retry-after", "3"]]));
      assert.match(await call(), /^HTTP\/1\.1 429 /);
    });

    it("ends an attempt after its own time and asks another instance", async () => {
      rule({ perTryMs: 100 }, { on: RETRY_ON_TIMEOUT });
      await warm();
      replicas[0].script = () => undefined;
      for (let i = 0; i < 3; i += 1) {
        const began = clock.nowMs();
        assert.match(await call(), /^HTTP\/1\.1 200 .*fine/s);
        assert.ok(clock.nowMs() - began < 500);
      }
      replicas[1].script = () => undefined;
      assert.match(await call(), /504 .*try_timeout.*100 ms/s);
      const text = replicas.flatMap((replica) => replica.links().map((link) => link.text())).join("\n");
      assert.match(text, /RST_STREAM \d+ CANCEL/);
    });

    it("ends a request whose caller's time is over, wherever it is", async () => {
      both(() => undefined);
      const began = clock.nowMs();
      assert.match(await call({ fields: "X-Request-Timeout-Ms: 300\r\n" }), /504 .*deadline_passed.*300 ms/s);
      assert.ok(clock.nowMs() - began <= 360, `${clock.nowMs() - began} ms`);
      assert.equal(web.proxy.runtime.counters.activeExchanges, 0);
    });

    it("sends nothing for a caller that has no time left", async () => {
      for (const left of ["0", "1"]) {
        assert.match(await call({ fields: `X-Request-Timeout-Ms: ${left}\r\n` }), /504 .*deadline_passed/s);
      }
      assert.deepEqual(heads(), []);
    });

    it("tells the instance how much time is left, less what was spent here", async () => {
      await warm();
      let first = true;
      both((request) => {
        if (first) {
          first = false;
          clock.advance(100);
          resetWith(request, INTERNAL_ERROR);
        } else answerWith(request, 200, "fine");
      });
      assert.match(await call({ fields: "X-Request-Timeout-Ms: 1000\r\n" }), /^HTTP\/1\.1 200 /);
      const left = heads().map((head) => Number(/x-request-timeout-ms=(\d+)/.exec(head)?.[1]));
      assert.equal(Math.max(...left), 1_000);
      assert.ok(Math.min(...left) <= 900 && Math.min(...left) > 700, String(left));
    });

    it("lets the route shorten the caller's time, and passes the shorter on", async () => {
      rule({ requestMs: 200, responseMs: 0 }, {});
      both(() => undefined);
      assert.match(await call({ fields: "X-Request-Timeout-Ms: 5000\r\n" }), /504 .*x-weft-failure: timeout.*200 ms/s);
      assert.match(heads()[0] ?? "", /x-request-timeout-ms=200\b/);
      assert.match(await call(), /504 .*x-weft-failure: timeout/s);
      assert.match(heads()[1] ?? "", /x-request-timeout-ms=200\b/);
    });

    it("gives a head 15 s and a response that moves as long as it takes", async () => {
      both(() => undefined);
      assert.match(await call(), /504 .*x-weft-failure: timeout.*15000 ms/s);
      let open: ScriptedRequest | null = null;
      both((request) => {
        open = request;
        request.peer.send(buildHeaders(request.id, [[":status", "200"]]));
      });
      const client = start();
      await untilSeen(2);
      for (let minute = 0; minute < 20; minute += 1) {
        await pass(60_000);
        const { peer, id } = open as unknown as ScriptedRequest;
        peer.send(buildData(id, `${minute},`));
      }
      await client.until(/19,/);
      client.connection.destroy();
    });

    it("ends a response that has gone quiet, but not one of events", async () => {
      rule({ streamIdleMs: 10_000 }, {});
      both((request) => request.peer.send(buildHeaders(request.id, [[":status", "200"]])));
      const began = clock.nowMs();
      const text = await call();
      assert.match(text, /^HTTP\/1\.1 200 /);
      const lasted = clock.nowMs() - began;
      assert.ok(lasted >= 10_000 && lasted <= 40_000, `${lasted} ms`);
      both((request) => {
        const fields = [
          [":status", "200"],
          ["content-type", "text/event-stream"],
        ] as const;
        request.peer.send(buildHeaders(request.id, fields));
      });
      const events = start();
      await events.until(/event-stream/);
      await pass(600_000);
      assert.equal(events.isClosed, false);
      events.connection.destroy();
    });
  });
}
