import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { envoy, type google } from "#gen/protos.js";
import { FramePeer } from "../../testing/frame-peer.ts";
import { buildClientStart, buildHeaders, requestFields } from "../../testing/http2-frames.ts";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../../testing/proxy-pair.ts";
import { type AppExchange, formatAnswer, TextApp, TextClient } from "../../testing/text-peers.ts";
import {
  allowAny,
  createEndpoints,
  createInboundListener,
  createLocalCluster,
  createMeshCluster,
  createOutboundListener,
} from "../../testing/xds-fixture.ts";
import { systemClock } from "../../time/system-clock.ts";
import { MemoryTransport } from "../../transport/memory.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../../xds/names.ts";

const WEB = "spiffe://test.mesh/ns/default/sa/web";
const REVIEWS = "spiffe://test.mesh/ns/default/sa/reviews";
const HOST = "Host: reviews\r\n";
const MINUTE = "Cache-Control: max-age=60\r\n";

/** A route to reviews, with a cache or without. */
function routes(cache: Readonly<Record<string, number>> | null): Uint8Array {
  const policy: Record<string, google.protobuf.Value> = {};
  if (cache !== null) {
    const numbers = Object.entries(cache).map(([name, numberValue]) => [name, { numberValue }] as const);
    policy["cache"] = { structValue: { fields: Object.fromEntries(numbers) } };
  }
  const fields = { policy: { structValue: { fields: policy } } };
  const route = {
    match: { prefix: "/" },
    route: { cluster: "default/reviews:80" },
    metadata: { filterMetadata: { "weft.dev": { fields } } },
  };
  return envoy.config.route.v3.RouteConfiguration.encode({
    name: "outbound/default",
    virtualHosts: [{ name: "reviews", domains: ["reviews"], routes: [route] }],
  }).finish();
}

describe("the response cache in a pair of proxies", () => {
  const transport = new MemoryTransport(systemClock);
  const app = new TextApp();
  let web: TestProxy;
  let reviews: TestProxy;
  let answer: (x: AppExchange) => void;

  before(async () => {
    await app.listen(transport);
    app.respond = (x) => answer(x);
    const shared = { transport, clock: systemClock, ca: await createMeshCa() };
    const appPorts = [{ port: app.port, protocol: "http" as const }];
    reviews = await startTestProxy({ ...shared, serviceAccount: "reviews", appPorts });
    web = await startTestProxy({ ...shared, serviceAccount: "web" });
    const port = reviews.inboundPort(app.port);
    const [inbound, local, cluster] = [`inbound/${app.port}`, `local:${app.port}`, "default/reviews:80"];
    const policies = { "default/reviews": allowAny([WEB]) };
    applyOne(
      reviews.proxy,
      LISTENER_TYPE,
      inbound,
      createInboundListener({ name: inbound, port, cluster: local, policies }),
    );
    applyOne(reviews.proxy, CLUSTER_TYPE, local, createLocalCluster(local, app.port));
    applyOne(web.proxy, CLUSTER_TYPE, cluster, createMeshCluster(cluster, [REVIEWS]));
    applyOne(web.proxy, ENDPOINT_TYPE, cluster, createEndpoints(cluster, [{ port }]));
    applyOne(
      web.proxy,
      LISTENER_TYPE,
      "outbound",
      createOutboundListener("outbound", web.outboundPort, "outbound/default"),
    );
  });

  after(async () => {
    await web.proxy.close();
    await reviews.proxy.close();
    await app.close();
  });

  beforeEach(() => {
    applyOne(web.proxy, ROUTE_TYPE, "outbound/default", routes(null));
    applyOne(web.proxy, ROUTE_TYPE, "outbound/default", routes({ maxBodyBytes: 300_000 }));
    app.seen.length = 0;
    answer = ({ request, reply }) => reply(formatAnswer(`body of ${request.target}`, "200 OK", MINUTE));
  });

  const closedPort = async (): Promise<number> => {
    const accept = (): never => {
      throw new Error("Nobody may connect to a port that is closed");
    };
    const listener = await transport.listen({ address: "127.0.0.1", port: 0, tls: null }, accept);
    await listener.close();
    return listener.port;
  };
  const call = async (start: string, fields: string = ""): Promise<string> => {
    const text = `${start} HTTP/1.1\r\n${HOST}${fields}Connection: close\r\n\r\n`;
    return new TextClient(transport, web.outboundPort, text).closed();
  };

  it("the second request never reaches the app, and says how old its answer is", async () => {
    const first = await call("GET /a");
    assert.match(first, /cache-status: weft; fwd=uri-miss; stored\r\n/);
    const second = await call("GET /a");
    assert.match(second, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(second, /age: 0\r\ncache-status: weft; hit; ttl=(?:60|59)\r\n/);
    assert.match(second, /content-length: 10\r\n.*\r\n\r\nbody of \/a$/s);
    assert.equal(app.seen.length, 1);
    assert.equal(web.proxy.runtime.counters.cacheHits > 0, true);
  });

  it("what one caller has left of a rate limit is not said to the next", async () => {
    const limit = 'RateLimit: "all";r=7;t=1\r\nRateLimit-Policy: "all";q=9;w=1\r\n';
    answer = ({ reply }) => reply(formatAnswer("limited", "200 OK", `${MINUTE}${limit}`));
    assert.match(await call("GET /limited"), /ratelimit: "all";r=7/i);
    const second = await call("GET /limited");
    assert.match(second, /weft; hit.*limited$/s);
    assert.doesNotMatch(second, /ratelimit/i);
  });

  it("hits and misses of pipelined requests come in order", async () => {
    await call("GET /a");
    const get = (target: string): string => `GET ${target} HTTP/1.1\r\n${HOST}\r\n`;
    const text = await call(`${get("/a")}${get("/b")}${get("/a")}GET /b`);
    const bodies = [...text.matchAll(/body of (\/\w)/g)].map((match) => match[1]);
    assert.deepEqual(bodies, ["/a", "/b", "/a", "/b"]);
    assert.equal(app.seen.length, 2);
  });

  it("answers HTTP/2 callers, HEAD and conditions too", async () => {
    answer = ({ reply }) => reply(formatAnswer("x".repeat(200_000), "200 OK", `${MINUTE}ETag: "1"\r\n`));
    await call("GET /a");
    const client = FramePeer.dial(transport, web.outboundPort, buildClientStart([4, 1_000_000]));
    const fields = (method: string, more: readonly (readonly [string, string])[] = []): [string, string][] =>
      requestFields("/a", method, more).map(([name, value]) => [name, name === ":authority" ? "reviews" : value]);
    client.send(buildHeaders(1, fields("HEAD"), { end: true }));
    await client.until(/HEADERS 1 :status=200.*cache-status=weft; hit.*content-length=200000; END/);
    client.send(buildHeaders(3, fields("GET", [["if-none-match", '"1"']]), { end: true }));
    await client.until(/HEADERS 3 :status=304.*etag="1".*END/);
    client.send(buildHeaders(5, fields("GET"), { end: true }));
    // As far as the window of the connection goes.
    await client.until(/HEADERS 5 :status=200.*\nDATA 5 x{65535}/);
    client.destroy();
    assert.equal(app.seen.length, 1);
  });

  it("a large body comes whole to callers of both protocols, and to a slow one", async () => {
    const body = "0123456789".repeat(20_000);
    answer = ({ reply }) => {
      reply(`HTTP/1.1 200 OK\r\n${MINUTE}Transfer-Encoding: chunked\r\n\r\n`);
      for (let at = 0; at < body.length; at += 50_000) reply(`c350\r\n${body.slice(at, at + 50_000)}\r\n`);
      reply("0\r\n\r\n");
    };
    assert.ok((await call("GET /large")).includes("fwd=uri-miss; stored"));
    const second = await call("GET /large");
    assert.match(second, /content-length: 200000\r\n/);
    assert.ok(second.endsWith(body));
    assert.equal(app.seen.length, 1);
  });

  it("a 304 keeps the connection to the app, and the body is the stored one", async () => {
    answer = ({ request, reply }) => {
      if (request.fields.get("if-none-match") === '"1"')
        reply('HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nX-New: 1\r\n\r\n');
      else reply(formatAnswer("stored", "200 OK", 'Cache-Control: no-cache\r\nETag: "1"\r\n'));
    };
    await call("GET /a");
    const before = reviews.proxy.runtime.counters.upstreamTotal;
    for (let again = 0; again < 3; again += 1) {
      const text = await call("GET /a");
      assert.match(text, /^HTTP\/1\.1 200 .*x-new: 1\r\n.*fwd=stale; fwd-status=304.*stored$/is);
    }
    assert.equal(app.seen.length, 4);
    assert.equal(reviews.proxy.runtime.counters.upstreamTotal, before);
  });

  it("a hundred callers at once make one request", async () => {
    const waiting: AppExchange[] = [];
    let arrived: () => void = () => undefined;
    const first = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    answer = (x) => {
      waiting.push(x);
      arrived();
    };
    const collapsed = web.proxy.runtime.counters.cacheCollapsed;
    const calls = Array.from(
      { length: 100 },
      () => new TextClient(transport, web.outboundPort, `GET /a HTTP/1.1\r\n${HOST}\r\n`),
    );
    await first;
    // Later than all of these on the same transport.
    answer = ({ reply }) => reply(formatAnswer("", "200 OK", "Cache-Control: no-store\r\n"));
    await call("GET /fence");
    waiting[0]?.reply(formatAnswer("one", "200 OK", MINUTE));
    await Promise.all(calls.map((client) => client.until(/one$/)));
    for (const client of calls) client.connection.destroy();
    assert.equal(waiting.length, 1);
    assert.equal(web.proxy.runtime.counters.cacheCollapsed - collapsed, 99);
  });

  it("a stale answer is given at once while another is fetched", async () => {
    const lenient = "Cache-Control: max-age=0, stale-while-revalidate=60\r\n";
    answer = ({ reply }) => reply(formatAnswer("old", "200 OK", lenient));
    await call("GET /a");
    let fetched: () => void = () => undefined;
    const refreshed = new Promise<void>((resolve) => {
      fetched = resolve;
    });
    answer = ({ reply }) => {
      reply(formatAnswer("new", "200 OK", MINUTE));
      fetched();
    };
    assert.match(await call("GET /a"), /cache-status: weft; hit; ttl=-1\r\n.*old$/s);
    await refreshed;
    // What the app has sent is in the store before the next answer of the same link.
    await call("GET /fence");
    assert.match(await call("GET /a"), /weft; hit; ttl=\d+\r\n.*new$/s);
    assert.equal(app.seen.filter(({ target }) => target === "/a").length, 2);
    assert.equal(web.proxy.runtime.counters.activeExchanges, 0, "the background request has ended");
  });

  it("a stale answer stands in for an app that fails, when it says so", async () => {
    answer = ({ reply }) => reply(formatAnswer("old", "200 OK", "Cache-Control: max-age=0, stale-if-error=60\r\n"));
    await call("GET /a");
    answer = ({ reply }) => reply(formatAnswer("oops", "500 No"));
    assert.match(await call("GET /a"), /^HTTP\/1\.1 200 .*fwd-status=500.*old$/s);
    const point = (port: number): void =>
      applyOne(web.proxy, ENDPOINT_TYPE, "default/reviews:80", createEndpoints("default/reviews:80", [{ port }]));
    point(await closedPort());
    const text = await call("GET /a");
    applyOne(web.proxy, ENDPOINT_TYPE, "default/reviews:80", createEndpoints("default/reviews:80", []));
    assert.match(await call("GET /a"), /^HTTP\/1\.1 200 .*fwd=stale; ttl=.*old$/s);
    assert.match(await call("GET /none"), /^HTTP\/1\.1 503 .*x-weft-failure: no_endpoint/s);
    point(reviews.inboundPort(app.port));
    assert.match(text, /^HTTP\/1\.1 200 .*cache-status: weft; fwd=stale; ttl=.*old$/s);
  });

  it("only-if-cached is refused with a reason of its own", async () => {
    const text = await call("GET /a", "Cache-Control: only-if-cached\r\n");
    assert.match(text, /^HTTP\/1\.1 504 .*x-weft-failure: not_cached/s);
    assert.equal(app.seen.length, 0);
  });

  it("POST throws out what it changes", async () => {
    await call("GET /a");
    await call("POST /a", "Content-Length: 0\r\n");
    await call("GET /a");
    assert.equal(app.seen.length, 3);
  });

  it("a policy that comes again keeps the store, and one without a cache drops it", async () => {
    await call("GET /a");
    applyOne(web.proxy, ROUTE_TYPE, "outbound/default", routes({ maxBodyBytes: 300_000 }));
    await call("GET /a");
    assert.equal(app.seen.length, 1);
    applyOne(web.proxy, ROUTE_TYPE, "outbound/default", routes(null));
    assert.equal(web.proxy.runtime.counters.cacheEntriesNow, 0);
    assert.doesNotMatch(await call("GET /a"), /cache-status|age:/i);
    assert.equal(app.seen.length, 2);
  });
});
