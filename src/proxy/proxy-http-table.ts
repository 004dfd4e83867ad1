import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import { TextApp, TextClient, formatAnswer } from "../testing/text-peers.ts";
import {
  allowAny,
  createEndpoints,
  createInboundListener,
  createLocalCluster,
  createMeshCluster,
  createOutboundListener,
  createRoutes,
  createWithheldCluster,
} from "../testing/xds-fixture.ts";
import { systemClock } from "../time/system-clock.ts";
import type { Clock } from "../time/clock.ts";
import type { Transport } from "../transport/transport.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";

const WEB = "spiffe://test.mesh/ns/default/sa/web";
const REVIEWS = "spiffe://test.mesh/ns/default/sa/reviews";
const HOST = "Host: reviews\r\n";

export interface ProxyTableOptions {
  /** For the names of the tests. */
  readonly name: string;
  readonly create: (clock: Clock) => Promise<Transport>;
}

/** web's sidecar -> mutual TLS -> reviews' sidecar -> an app; the same tests on every transport. */
export function testProxyPair({ name, create }: ProxyTableOptions): void {
  describe(`a pair of proxies on ${name}`, () => {
    let transport: Transport;
    const app = new TextApp();
    let web: TestProxy;
    let reviews: TestProxy;

    before(async () => {
      transport = await create(systemClock);
      await app.listen(transport);
      const shared = { transport, clock: systemClock, ca: await createMeshCa() };
      const appPorts = [{ port: app.port, protocol: "http" as const }];
      reviews = await startTestProxy({ ...shared, serviceAccount: "reviews", appPorts });
      web = await startTestProxy({ ...shared, serviceAccount: "web" });
      allow({ "default/reviews": allowAny([WEB]) });
      const local = `local:${app.port}`;
      applyOne(reviews.proxy, CLUSTER_TYPE, local, createLocalCluster(local, app.port));
      cluster("default/reviews:80", [REVIEWS], [reviews.inboundPort(app.port)]);
      cluster("default/nobody:80", [REVIEWS], []);
      cluster("default/wrong:80", [WEB], [reviews.inboundPort(app.port)]);
      const listener = createOutboundListener("outbound", web.outboundPort, "outbound/default");
      applyOne(web.proxy, LISTENER_TYPE, "outbound", listener);
      const hosts = {
        reviews: "default/reviews:80",
        nobody: "default/nobody:80",
        wrong: "default/wrong:80",
        half: { "default/reviews:80": 3, "default/nobody:80": 1 },
      };
      applyOne(web.proxy, ROUTE_TYPE, "outbound/default", createRoutes("outbound/default", hosts));
    });

    after(async () => {
      await web.proxy.close();
      await reviews.proxy.close();
      await app.close();
    });

    function cluster(clusterName: string, identities: readonly string[], ports: readonly number[]): void {
      applyOne(web.proxy, CLUSTER_TYPE, clusterName, createMeshCluster(clusterName, identities));
      endpoints(clusterName, ports);
    }

    function endpoints(clusterName: string, ports: readonly number[]): void {
      const resource = createEndpoints(
        clusterName,
        ports.map((port) => ({ port })),
      );
      applyOne(web.proxy, ENDPOINT_TYPE, clusterName, resource);
    }

    function allow(
      policies: Parameters<typeof createInboundListener>[0]["policies"],
      permissive: boolean = false,
    ): void {
      const listener = `inbound/${app.port}`;
      const port = reviews.inboundPort(app.port);
      const resource = createInboundListener({
        name: listener,
        port,
        cluster: `local:${app.port}`,
        policies,
        permissive,
      });
      applyOne(reviews.proxy, LISTENER_TYPE, listener, resource);
    }

    /** One request on a connection of its own; resolves with all text up to the proxy's close. */
    function call(start: string, fields: string = HOST, body: string = ""): Promise<string> {
      const text = `${start} HTTP/1.1\r\n${fields}Connection: close\r\n\r\n${body}`;
      return new TextClient(transport, web.outboundPort, text).closed();
    }

    it("carries a request by name to the app and its answer back", async () => {
      const text = await call("GET /hello?x=1");
      assert.match(text, /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nGET \/hello\?x=1 $/s);
      assert.doesNotMatch(text, /x-weft-failure/);
    });

    it("bears B3 and request ids where there are none and passes on those that came", async () => {
      await call("GET /ids");
      const born = app.seen.at(-1);
      assert.match(born?.fields.get("x-b3-traceid") ?? "", /^[0-9a-f]{32}$/);
      assert.match(born?.fields.get("x-b3-spanid") ?? "", /^[0-9a-f]{16}$/);
      assert.match(born?.fields.get("x-request-id") ?? "", /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f-]+$/);
      await call("GET /ids", `${HOST}X-B3-TraceId: abc\r\nX-Request-Id: mine\r\n`);
      assert.equal(app.seen.at(-1)?.fields.get("x-b3-traceid"), "abc");
      assert.equal(app.seen.at(-1)?.fields.get("x-request-id"), "mine");
    });

    it("carries bodies with a length and chunked ones with trailers, both ways", async () => {
      const long = "x".repeat(300_000);
      assert.ok(
        (await call("POST /up", `${HOST}Content-Length: ${long.length}\r\n`, long)).endsWith(`POST /up ${long}`),
      );
      const chunks = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
      assert.match(await call("POST /up", `${HOST}Transfer-Encoding: chunked\r\n`, chunks), /POST \/up hello world$/);
      const respond = app.respond;
      app.respond = ({ reply }) => {
        reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none,\r\n");
        reply("3\r\ntwo\r\n0\r\nx-sum: 2\r\n\r\n");
      };
      const text = await call("GET /chunked");
      app.respond = respond;
      assert.match(text, /transfer-encoding: chunked.*one,.*two\r\n0\r\nx-sum: 2\r\n\r\n$/s);
    });

    it("answers HEAD and 204 without a body and keeps the connection in step", async () => {
      const respond = app.respond;
      app.respond = (x) => {
        if (x.request.method === "HEAD") x.reply("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
        else if (x.request.target === "/none") x.reply("HTTP/1.1 204 No Content\r\n\r\n");
        else respond(x);
      };
      const client = new TextClient(transport, web.outboundPort, `HEAD /x HTTP/1.1\r\n${HOST}\r\n`);
      await client.until(/content-length: 7\r\n\r\n$/);
      client.send(`GET /none HTTP/1.1\r\n${HOST}\r\n`);
      await client.until(/HTTP\/1\.1 204 [^\0]*\r\n\r\n$/);
      client.send(`GET /after HTTP/1.1\r\n${HOST}\r\n`);
      await client.until(/GET \/after $/);
      client.connection.end();
      await client.closed();
      app.respond = respond;
    });

    it("splits by weight and says which failure it was for the share that has no endpoint", async () => {
      const texts = await Promise.all(Array.from({ length: 200 }, () => call("GET /s", "Host: half\r\n")));
      const failed = texts.filter((text) => /^HTTP\/1\.1 503 .*x-weft-failure: no_endpoint/s.test(text)).length;
      assert.ok(failed > 25 && failed < 75, `${failed} of 200 went to a quarter`);
      assert.equal(texts.filter((text) => text.startsWith("HTTP/1.1 200 ")).length, 200 - failed);
    });

    it("says which failure it was when there is no route or the wrong identity", async () => {
      assert.match(await call("GET /", "Host: nosuch\r\n"), /^HTTP\/1\.1 404 .*x-weft-failure: no_route/s);
      assert.match(await call("GET /", "Host: wrong\r\n"), /^HTTP\/1\.1 503 .*x-weft-failure: peer_identity/s);
    });

    it("does not let an app pass for a failing proxy", async () => {
      const respond = app.respond;
      app.respond = ({ reply }) => reply(formatAnswer("mine", "503 No", "X-Weft-Failure: no_endpoint\r\n"));
      const text = await call("GET /forge");
      app.respond = respond;
      assert.match(text, /^HTTP\/1\.1 503 .*mine$/s);
      assert.doesNotMatch(text, /weft-failure/i);
    });

    it("denies what no policy allows, says what would, and follows a policy on an open connection", async () => {
      const client = new TextClient(transport, web.outboundPort, `GET /one HTTP/1.1\r\n${HOST}\r\n`);
      await client.until(/GET \/one $/);
      allow({ "default/others": allowAny(["spiffe://test.mesh/ns/default/sa/cart"]) });
      client.send(`GET /two HTTP/1.1\r\n${HOST}\r\n`);
      const denied = await client.until(/weft get traffictargets\n$/);
      assert.match(
        denied,
        /HTTP\/1\.1 403 .*x-weft-failure: access_denied.*TrafficTarget "default\/others".*name: web/s,
      );
      allow({}, true);
      assert.match(await call("GET /shadow"), /^HTTP\/1\.1 200 /);
      assert.equal(reviews.proxy.runtime.counters.accessShadowDenied, 1);
      allow({ "default/reviews": allowAny([WEB]) });
      client.send(`GET /three HTTP/1.1\r\n${HOST}\r\n`);
      await client.until(/GET \/three $/);
      client.connection.destroy();
    });

    for (const what of ["a policy for others", "no policy"]) {
      it(`denies as their own proxy does what is for instances withheld from it (${what})`, async () => {
        const { counters } = web.proxy.runtime;
        const [denied, withheld] = [reviews.proxy.runtime.counters.accessDenied, counters.accessWithheld];
        const others = { "default/others": allowAny(["spiffe://test.mesh/ns/default/sa/cart"]) };
        const anonymous = { "default/others": { permissions: [{ any: true }] } };
        const [policies, rules] = what === "no policy" ? [{}, {}] : [others, anonymous];
        allow(policies);
        const told = await call("GET /withheld?x=1");
        assert.match(told, /^HTTP\/1\.1 403 .*x-weft-failure: access_denied.*GET \/withheld.*default\/web/s);
        const name = "default/reviews:80";
        applyOne(web.proxy, CLUSTER_TYPE, name, createWithheldCluster(name, REVIEWS, rules));
        const said = await call("GET /withheld?x=1");
        const explain = (text: string): string => text.slice(text.indexOf("\r\n\r\n"));
        assert.equal(explain(said), explain(told));
        assert.match(said, /^HTTP\/1\.1 403 .*x-weft-failure: access_denied/s);
        assert.equal(counters.accessWithheld, withheld + 1);
        assert.equal(reviews.proxy.runtime.counters.accessDenied, denied + 1);
        cluster(name, [REVIEWS], [reviews.inboundPort(app.port)]);
        allow({ "default/reviews": allowAny([WEB]) });
        assert.match(await call("GET /given"), /^HTTP\/1\.1 200 /);
      });
    }

    it("retries on another instance when one refuses, and fails when all do", async () => {
      const refusing = await closedPort(transport);
      endpoints("default/reviews:80", [refusing, reviews.inboundPort(app.port)]);
      for (let i = 0; i < 6; i += 1) assert.match(await call("GET /again"), /^HTTP\/1\.1 200 /);
      assert.ok(web.proxy.runtime.counters.retries > 0);
      endpoints("default/reviews:80", [refusing]);
      assert.match(await call("GET /again"), /^HTTP\/1\.1 503 .*x-weft-failure: connect_failed/s);
      endpoints("default/reviews:80", [reviews.inboundPort(app.port)]);
      assert.match(await call("GET /again"), /^HTTP\/1\.1 200 /);
    });

    it("answers pipelined requests in order", async () => {
      const requests = `GET /1 HTTP/1.1\r\n${HOST}\r\nGET /2 HTTP/1.1\r\nHost: nosuch\r\n\r\nGET /3`;
      const bodies = [...(await call(requests)).matchAll(/GET \/\d |weft: no_route/g)].map((match) => match[0]);
      assert.deepEqual(bodies, ["GET /1 ", "weft: no_route", "GET /3 "]);
    });

    it("refuses what could be read in two ways and closes", async () => {
      const before = app.seen.length;
      const text = await call("POST /", `${HOST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n`, "0\r\n\r\n");
      assert.match(text, /^HTTP\/1\.1 400 .*x-weft-failure: bad_request/s);
      assert.equal(app.seen.length, before);
    });

    it("refuses plaintext on the inbound port", async () => {
      const text = `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;
      const received = await new TextClient(transport, reviews.inboundPort(app.port), text).closed();
      assert.doesNotMatch(received, /HTTP/);
    });

    it("shows what it counted as Prometheus text, to loopback names only", async () => {
      const text = await new TextClient(
        transport,
        web.adminPort,
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
      ).closed();
      const labels =
        'direction="outbound",source="default/web",destination="default/reviews",version="",protocol="http"';
      assert.match(text, new RegExp(`weft_request_total\\{${labels},class="2xx"\\} [1-9]`));
      const rebound = await new TextClient(
        transport,
        web.adminPort,
        "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n",
      ).closed();
      assert.match(rebound, /^HTTP\/1\.1 403 /);
    });

    it("lists the names an app may dial", () => {
      assert.deepEqual(web.names(), ["half", "nobody", "reviews", "wrong"]);
    });
  });
}

async function closedPort(transport: Transport): Promise<number> {
  const listener = await transport.listen({ address: "127.0.0.1", port: 0, tls: null }, () => {
    throw new Error("Nobody may connect to a port that is closed");
  });
  await listener.close();
  return listener.port;
}
