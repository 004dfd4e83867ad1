import assert from "node:assert/strict";
import { createServer, request, type IncomingMessage, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { applyOne, createMeshCa, startTestProxy, type TestProxy } from "../testing/proxy-pair.ts";
import {
  allowAny,
  createEndpoints,
  createInboundListener,
  createLocalCluster,
  createMeshCluster,
  createOutboundListener,
  createRoutes,
} from "../testing/xds-fixture.ts";
import { systemClock } from "../time/system-clock.ts";
import { selectTransport } from "../transport/select.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";

const WEB = "spiffe://test.mesh/ns/default/sa/web";
const REVIEWS = "spiffe://test.mesh/ns/default/sa/reviews";

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** web's sidecar -> mutual TLS -> reviews' sidecar -> an app of node:http. */
describe("a pair of proxies", () => {
  let app: Server;
  let appPort: number;
  let web: TestProxy;
  let reviews: TestProxy;
  const seen: { method: string; url: string; headers: IncomingMessage["headers"]; body: string }[] = [];

  before(async () => {
    app = createServer((incoming, outgoing) => {
      let body = "";
      incoming.on("data", (chunk: Buffer) => (body += chunk.toString("latin1")));
      incoming.on("end", () => {
        seen.push({ method: incoming.method ?? "", url: incoming.url ?? "", headers: incoming.headers, body });
        if (incoming.url === "/chunked") {
          outgoing.setHeader("trailer", "x-sum");
          outgoing.write("one,");
          outgoing.addTrailers({ "x-sum": "2" });
          outgoing.end("two");
        } else if (incoming.url === "/none") {
          outgoing.writeHead(204).end();
        } else if (incoming.url === "/forge") {
          outgoing.setHeader("x-weft-failure", "no_endpoint");
          outgoing.writeHead(503).end("mine");
        } else {
          outgoing.end(`${incoming.method} ${incoming.url} ${body.length}`);
        }
      });
    });
    await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
    appPort = (app.address() as AddressInfo).port;
    const ca = await createMeshCa();
    const transport = await selectTransport(systemClock);
    const shared = { transport, clock: systemClock, ca };
    reviews = await startTestProxy({ ...shared, serviceAccount: "reviews", appPorts: [{ port: appPort, protocol: "http" }] });
    web = await startTestProxy({ ...shared, serviceAccount: "web" });
    allow({ "default/reviews": allowAny([WEB]) });
    applyOne(reviews.proxy, CLUSTER_TYPE, `local:${appPort}`, createLocalCluster(`local:${appPort}`, appPort));
    applyOne(web.proxy, CLUSTER_TYPE, "default/reviews:80", createMeshCluster("default/reviews:80", [REVIEWS]));
    endpoints([reviews.inboundPort(appPort)]);
    applyOne(web.proxy, CLUSTER_TYPE, "default/nobody:80", createMeshCluster("default/nobody:80", [REVIEWS]));
    applyOne(web.proxy, ENDPOINT_TYPE, "default/nobody:80", createEndpoints("default/nobody:80", []));
    applyOne(web.proxy, CLUSTER_TYPE, "default/wrong:80", createMeshCluster("default/wrong:80", [WEB]));
    applyOne(web.proxy, ENDPOINT_TYPE, "default/wrong:80", createEndpoints("default/wrong:80", [{ port: reviews.inboundPort(appPort) }]));
    applyOne(web.proxy, LISTENER_TYPE, "outbound", createOutboundListener("outbound", web.outboundPort, "outbound/default"));
    const routes = createRoutes("outbound/default", {
      reviews: "default/reviews:80",
      "reviews:80": "default/reviews:80",
      nobody: "default/nobody:80",
      wrong: "default/wrong:80",
    });
    applyOne(web.proxy, ROUTE_TYPE, "outbound/default", routes);
  });

  after(async () => {
    await web.proxy.close();
    await reviews.proxy.close();
    app.closeAllConnections();
    app.close();
  });

  function allow(policies: Parameters<typeof createInboundListener>[0]["policies"], permissive: boolean = false): void {
    const name = `inbound/${appPort}`;
    const listener = createInboundListener({ name, port: reviews.inboundPort(appPort), cluster: `local:${appPort}`, policies, permissive });
    applyOne(reviews.proxy, LISTENER_TYPE, name, listener);
  }

  function endpoints(ports: readonly number[]): void {
    applyOne(web.proxy, ENDPOINT_TYPE, "default/reviews:80", createEndpoints("default/reviews:80", ports.map((port) => ({ port }))));
  }

  function call(path: string, options: { host?: string; method?: string; body?: string; headers?: Record<string, string> } = {}): Promise<Answer> {
    const { host = "reviews", method = "GET", body, headers = {} } = options;
    return new Promise((resolve, reject) => {
      const outgoing = request({ port: web.outboundPort, host: "127.0.0.1", path, method, headers: { host, ...headers } }, (incoming) => {
        let text = "";
        incoming.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
        incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text }));
        incoming.on("error", reject);
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }

  it("carries a request by name to the app and its answer back", async () => {
    const answer = await call("/hello?x=1");
    assert.equal(answer.status, 200, answer.body);
    assert.equal(answer.body, "GET /hello?x=1 0");
    assert.equal(answer.headers["x-weft-failure"], undefined);
  });

  it("bears B3 and request ids where there are none and passes on those that came", async () => {
    await call("/ids");
    const born = seen.at(-1);
    assert.match(String(born?.headers["x-b3-traceid"]), /^[0-9a-f]{32}$/);
    assert.match(String(born?.headers["x-b3-spanid"]), /^[0-9a-f]{16}$/);
    assert.match(String(born?.headers["x-request-id"]), /^[0-9a-f-]{36}$/);
    await call("/ids", { headers: { "x-b3-traceid": "abc", "x-request-id": "mine" } });
    assert.equal(seen.at(-1)?.headers["x-b3-traceid"], "abc");
    assert.equal(seen.at(-1)?.headers["x-request-id"], "mine");
  });

  it("carries bodies with a length and chunked ones with trailers, both ways", async () => {
    const long = "x".repeat(300_000);
    assert.equal((await call("/up", { method: "POST", body: long })).body, "POST /up 300000");
    assert.equal((await call("/up", { method: "POST", body: long, headers: { "transfer-encoding": "chunked" } })).body, "POST /up 300000");
    assert.equal((await call("/chunked")).body, "one,two");
  });

  it("answers HEAD and 204 without a body and keeps the connection in step", async () => {
    const head = await call("/x", { method: "HEAD" });
    assert.deepEqual([head.status, head.body], [200, ""]);
    assert.equal((await call("/none")).status, 204);
    assert.equal((await call("/after")).body, "GET /after 0");
  });

  it("says which failure it was when there is no route, no endpoint, or the wrong identity", async () => {
    const none = await call("/", { host: "nosuch" });
    assert.deepEqual([none.status, none.headers["x-weft-failure"]], [404, "no_route"]);
    const nobody = await call("/", { host: "nobody" });
    assert.deepEqual([nobody.status, nobody.headers["x-weft-failure"]], [503, "no_endpoint"]);
    const wrong = await call("/", { host: "wrong" });
    assert.deepEqual([wrong.status, wrong.headers["x-weft-failure"]], [503, "peer_identity"]);
  });

  it("does not let an app pass for a failing proxy", async () => {
    const answer = await call("/forge");
    assert.deepEqual([answer.status, answer.headers["x-weft-failure"], answer.body], [503, undefined, "mine"]);
  });

  it("denies what no policy allows, says what would, and follows a policy change on the same connection", async () => {
    allow({ "default/others": allowAny(["spiffe://test.mesh/ns/default/sa/cart"]) });
    const denied = await call("/secret");
    assert.deepEqual([denied.status, denied.headers["x-weft-failure"]], [403, "access_denied"]);
    assert.match(denied.body, /TrafficTarget "default\/others".*name: web/s);
    allow({}, true);
    assert.equal((await call("/secret")).status, 200);
    assert.equal(reviews.proxy.runtime.counters.accessShadowDenied, 1);
    allow({ "default/reviews": allowAny([WEB]) });
    assert.equal((await call("/secret")).status, 200);
  });

  it("retries on another instance when one refuses, and fails when all do", async () => {
    const refusing = await closedPort();
    endpoints([refusing, reviews.inboundPort(appPort)]);
    for (let i = 0; i < 6; i += 1) assert.equal((await call("/again")).status, 200);
    assert.ok(web.proxy.runtime.counters.retries > 0);
    endpoints([refusing]);
    const failed = await call("/again");
    assert.deepEqual([failed.status, failed.headers["x-weft-failure"]], [503, "connect_failed"]);
    endpoints([reviews.inboundPort(appPort)]);
    assert.equal((await call("/again")).status, 200);
  });

  it("answers pipelined requests in order", async () => {
    const text = await raw("GET /1 HTTP/1.1\r\nHost: reviews\r\n\r\nGET /2 HTTP/1.1\r\nHost: nosuch\r\n\r\nGET /3 HTTP/1.1\r\nHost: reviews\r\nConnection: close\r\n\r\n");
    const bodies = [...text.matchAll(/GET \/\d 0|weft: no_route/g)].map((match) => match[0]);
    assert.deepEqual(bodies, ["GET /1 0", "weft: no_route", "GET /3 0"]);
  });

  it("refuses what could be read in two ways and closes", async () => {
    const before = seen.length;
    const text = await raw("POST / HTTP/1.1\r\nHost: reviews\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert.match(text, /^HTTP\/1\.1 400 .*x-weft-failure: bad_request/s);
    assert.equal(seen.length, before);
  });

  it("refuses plaintext on the inbound port", async () => {
    const text = await raw("GET / HTTP/1.1\r\nHost: reviews\r\nConnection: close\r\n\r\n", reviews.inboundPort(appPort));
    assert.doesNotMatch(text, /HTTP/);
  });

  it("shows what it counted as Prometheus text", async () => {
    const text = await raw("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", web.adminPort);
    assert.match(text, /weft_request_total\{direction="outbound",source="default\/web",destination="default\/reviews",version="",protocol="http",class="2xx"\} [1-9]/);
    assert.match(text, /weft_failure_total\{[^}]*code="no_endpoint"\} 1/);
  });

  it("lists the names an app may dial", () => {
    assert.deepEqual(web.names(), ["nobody", "reviews", "wrong"]);
  });

  function raw(text: string, port: number = web.outboundPort): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => socket.write(text));
      let received = "";
      socket.on("data", (chunk) => (received += chunk.toString("latin1")));
      socket.on("close", () => resolve(received));
      socket.on("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" ? resolve(received) : reject(error)));
    });
  }
});

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
