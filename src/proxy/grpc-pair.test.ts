import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { FramePeer, FrameServer } from "../testing/frame-peer.ts";
import {
  buildClientStart,
  buildData,
  buildHeaders,
  buildReset,
  buildSettings,
  requestFields,
} from "../testing/http2-frames.ts";
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
import { withinAwake } from "../testing/within.ts";
import { systemClock } from "../time/system-clock.ts";
import { REFUSED_STREAM } from "./http2/frame.ts";
import { MemoryTransport } from "../transport/memory.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../xds/names.ts";

const WEB = "spiffe://test.mesh/ns/default/sa/web";
const REVIEWS = "spiffe://test.mesh/ns/default/sa/reviews";
const CALL = requestFields("/test.Echo/unary", "POST", [
  ["content-type", "application/grpc"],
  ["te", "trailers"],
]).map(([name, value]): readonly [string, string] => (name === ":authority" ? [name, "reviews"] : [name, value]));
const HEAD = [
  [":status", "200"],
  ["content-type", "application/grpc"],
] as const;

describe("a gRPC call through a pair of proxies", () => {
  const transport = new MemoryTransport(systemClock);
  const server = new FrameServer();
  let web: TestProxy;
  let reviews: TestProxy;
  let client: FramePeer;
  let app: FramePeer;

  before(async () => {
    await server.listen(transport, null);
    server.onConnection = (peer) => void peer.until(/SETTINGS/).then(() => peer.send(buildSettings()));
    const shared = { transport, clock: systemClock, ca: await createMeshCa() };
    const appPorts = [{ port: server.port, protocol: "grpc" as const }];
    reviews = await startTestProxy({ ...shared, serviceAccount: "reviews", appPorts });
    web = await startTestProxy({ ...shared, serviceAccount: "web" });
    const port = reviews.inboundPort(server.port);
    const [inbound, local, cluster] = [`inbound/${server.port}`, `local:${server.port}`, "default/reviews:80"];
    const policies = { "default/reviews": allowAny([WEB]) };
    const listener = createInboundListener({ name: inbound, port, cluster: local, policies });
    applyOne(reviews.proxy, LISTENER_TYPE, inbound, listener);
    applyOne(reviews.proxy, CLUSTER_TYPE, local, createLocalCluster(local, server.port));
    applyOne(web.proxy, CLUSTER_TYPE, cluster, createMeshCluster(cluster, [REVIEWS]));
    applyOne(web.proxy, ENDPOINT_TYPE, cluster, createEndpoints(cluster, [{ port }]));
    const outbound = createOutboundListener("outbound", web.outboundPort, "outbound/default");
    applyOne(web.proxy, LISTENER_TYPE, "outbound", outbound);
    applyOne(web.proxy, ROUTE_TYPE, "outbound/default", createRoutes("outbound/default", { reviews: cluster }));
  });

  after(async () => {
    await web.proxy.close();
    await reviews.proxy.close();
    await server.close();
  });

  beforeEach(async () => {
    client = FramePeer.dial(transport, web.outboundPort, buildClientStart());
    client.send(buildHeaders(1, CALL), buildData(1, "hello", { end: true }));
    app = await server.next();
    await app.until(/DATA 1 hello; END/);
    app.send(buildHeaders(1, HEAD), buildData(1, "part"));
    await client.until(/DATA 1 part/);
  });

  it("says in the trailers whose failure cut the answer short", async () => {
    app.destroy();
    const text = await client.until(/HEADERS 1 grpc-status/);
    assert.match(text, /HEADERS 1 grpc-status=14.* x-weft-failure=upstream_reset.*; END/);
  });

  it("is sent to the app again when it refused the stream", async () => {
    const retries = reviews.proxy.runtime.counters.retries;
    client.send(buildHeaders(3, CALL), buildData(3, "again", { end: true }));
    await app.until(/DATA (\d+) again; END/);
    app.send(buildReset(Number(/DATA (\d+) again/.exec(app.text())?.[1]), REFUSED_STREAM));
    // The wait before the next attempt is a timer, which keeps no process alive.
    const text = await withinAwake("the second attempt", app.until(/again; END[^\0]*again; END/));
    const id = Number(/again; END[^\0]*DATA (\d+) again; END/.exec(text)?.[1]);
    app.send(buildHeaders(id, HEAD), buildHeaders(id, [["grpc-status", "0"]], { end: true }));
    await client.until(/HEADERS 3 grpc-status=0/);
    assert.deepEqual([reviews.proxy.runtime.counters.retries - retries, web.proxy.runtime.counters.retries], [1, 0]);
    client.destroy();
    app.destroy();
  });

  it("does not pass on an app's word for a failure of weft", async () => {
    const trailers = [
      ["grpc-status", "14"],
      ["x-weft-failure", "no_endpoint"],
    ] as const;
    app.send(buildHeaders(1, trailers, { end: true }));
    const text = await client.until(/HEADERS 1 grpc-status=14/);
    assert.doesNotMatch(text, /x-weft-failure/);
    client.destroy();
    app.destroy();
  });
});
