import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { LogFields } from "../../lib/log.ts";
import { EdgeTable } from "../../observe/edge-stats.ts";
import { createSeededRandom } from "../../random/seeded-random.ts";
import { FrameServer } from "../../testing/frame-peer.ts";
import { HTTP_CHECK, RecordingLog } from "../../testing/health-bench.ts";
import { buildData, buildHeaders, buildSettings } from "../../testing/http2-frames.ts";
import { applyOne, createMeshCa, issueCredentials, startTestProxy, type TestProxy } from "../../testing/proxy-pair.ts";
import { TextApp, formatAnswer } from "../../testing/text-peers.ts";
import { withinAwake } from "../../testing/within.ts";
import { allowAny, createInboundListener, createLocalCluster } from "../../testing/xds-fixture.ts";
import type { Clock } from "../../time/clock.ts";
import { systemClock } from "../../time/system-clock.ts";
import { TimerWheel } from "../../time/timer-wheel.ts";
import { MemoryTransport } from "../../transport/memory.ts";
import { selectTransport } from "../../transport/select.ts";
import type { Connection, ConnectionHandler, Listener, Transport } from "../../transport/transport.ts";
import { CLUSTER_TYPE, LISTENER_TYPE } from "../../xds/names.ts";
import { FAILURES } from "../failures.ts";
import { DEFAULT_CLUSTER_POLICY, type HealthCheckPolicy } from "../policy/cluster-policy.ts";
import { ProxyRuntime } from "../runtime.ts";
import type { ClusterConfig } from "../snapshot.ts";
import { ClusterState } from "../upstream/cluster-state.ts";
import type { EndpointState } from "../upstream/endpoint-state.ts";
import { EndpointProber } from "./endpoint-prober.ts";
import type { Probe, ProbeResult } from "./prober.ts";

const WEB = "spiffe://test.mesh/ns/default/sa/web";
const REVIEWS = "spiffe://test.mesh/ns/default/sa/reviews";
const GRPC_CHECK: HealthCheckPolicy = { ...HTTP_CHECK, kind: "grpc" };
const TCP_CHECK: HealthCheckPolicy = { ...HTTP_CHECK, kind: "tcp" };
const GRPC_HEAD = [
  [":status", "200"],
  ["content-type", "application/grpc"],
] as const;

/** The frames of an answer on stream `id`. */
type GrpcAnswer = (id: number) => readonly Buffer[];

interface GrpcCase {
  readonly says: string;
  readonly answer: GrpcAnswer;
  readonly verdict: ProbeResult["verdict"];
  readonly detail: RegExp;
}

const GRPC_ANSWERS: readonly GrpcCase[] = [
  { says: "SERVING", answer: grpc("0", [8, 1]), verdict: "passed", detail: /SERVING/ },
  { says: "NOT_SERVING", answer: grpc("0", [8, 2]), verdict: "failed", detail: /says NOT_SERVING/ },
  { says: "an empty message", answer: grpc("0", []), verdict: "failed", detail: /says UNKNOWN/ },
  { says: "something else", answer: grpc("0", [18, 1, 1]), verdict: "failed", detail: /not a HealthCheckResponse/ },
  { says: "it twice", answer: grpc("0", [8, 1], [8, 1]), verdict: "failed", detail: /not one plain message/ },
  { says: "nothing", answer: grpc("0"), verdict: "failed", detail: /no message/ },
  { says: "UNIMPLEMENTED", answer: grpc("12"), verdict: "failed", detail: /does not serve grpc\.health/ },
  { says: "NOT_FOUND", answer: grpc("5"), verdict: "failed", detail: /check of "shop\.Cart" .* status 5/ },
];

function grpc(status: string, ...messages: readonly (readonly number[])[]): GrpcAnswer {
  return (id) => [
    buildHeaders(id, GRPC_HEAD),
    ...messages.map((bytes) => buildData(id, Uint8Array.of(0, 0, 0, 0, bytes.length, ...bytes))),
    buildHeaders(id, [["grpc-status", status]], { end: true }),
  ];
}

/** Sockets of the runtime, and memory. */
const TRANSPORTS = [
  { name: "this runtime's sockets", create: selectTransport },
  { name: "memory", create: async (clock: Clock) => new MemoryTransport(clock) },
] as const;

for (const { name, create } of TRANSPORTS) {
  describe(`checks of an instance by way of its proxy on ${name}`, () => {
    const app = new TextApp();
    const grpcApp = new FrameServer();
    let grpcAnswer: GrpcAnswer = () => [];
    let log: WaitingLog;
    let transport: Transport;
    let opaque: Listener;
    let reviews: TestProxy;
    let runtime: ProxyRuntime;
    const clusters: ClusterState[] = [];

    before(async () => {
      log = new WaitingLog();
      transport = await create(systemClock);
      await app.listen(transport);
      await grpcApp.listen(transport, null);
      grpcApp.onConnection = (peer) => {
        void peer.until(/SETTINGS/).then(() => peer.send(buildSettings()));
        peer.onLine = (line) => {
          const id = Number(/^DATA (\d+) .*; END$/s.exec(line)?.[1] ?? 0);
          if (id > 0) peer.send(...grpcAnswer(id));
        };
      };
      opaque = await transport.listen({ address: "127.0.0.1", port: 0, tls: null }, () => new SilentApp());
      const ca = await createMeshCa();
      const shared = { transport, clock: systemClock, ca, serviceAccount: "reviews" };
      reviews = await startTestProxy({
        ...shared,
        appPorts: [
          { port: app.port, protocol: "http" },
          { port: grpcApp.port, protocol: "grpc" },
          { port: opaque.port, protocol: "tcp" },
        ],
      });
      for (const port of [app.port, grpcApp.port]) allow(port, "http", [WEB]);
      allow(opaque.port, "tcp", [WEB]);
      runtime = new ProxyRuntime({
        ...{ transport, clock: systemClock, wheel: new TimerWheel(systemClock), random: createSeededRandom(1) },
        ...{ edges: new EdgeTable(FAILURES.length), accessLog: null, log, self: "default/web", namespace: "default" },
      });
      runtime.credentials = await issueCredentials(ca, "web");
    });

    after(async () => {
      for (const cluster of clusters) cluster.retire();
      await reviews.proxy.close();
      await app.close();
      await grpcApp.close();
      await opaque.close();
      runtime.wheel.close();
    });

    function allow(port: number, protocol: "http" | "tcp", callers: readonly string[]): void {
      const [listener, cluster] = [`inbound/${port}`, `local:${port}`];
      applyOne(reviews.proxy, CLUSTER_TYPE, cluster, createLocalCluster(cluster, port));
      const policies = { "default/reviews": allowAny(callers) };
      const fixture = { name: listener, port: reviews.inboundPort(port), cluster, protocol, policies };
      applyOne(reviews.proxy, LISTENER_TYPE, listener, createInboundListener(fixture));
    }

    /** The one endpoint of a cluster as web's proxy has it. */
    function endpoint(port: number, more: Partial<ClusterConfig> = {}): EndpointState {
      const config: ClusterConfig = {
        ...{ name: "default/reviews:80", kind: "eds", peerIdentities: new Set([REVIEWS]), appProtocol: "auto" },
        ...{ service: "default/reviews", connectTimeoutMs: 5_000, policy: DEFAULT_CLUSTER_POLICY },
        endpoints: [{ ...{ address: "127.0.0.1", port, version: "", workload: "reviews-0" }, ...PLACE }],
        ...more,
      };
      const cluster = new ClusterState(runtime, config);
      clusters.push(cluster);
      const [first] = cluster.endpoints();
      assert.ok(first !== undefined);
      return first;
    }

    function meshed(port: number, more: Partial<ClusterConfig> = {}): EndpointState {
      return endpoint(reviews.inboundPort(port), more);
    }

    async function check(host: EndpointState, policy: HealthCheckPolicy): Promise<ProbeResult> {
      const result = new Promise<ProbeResult>((resolve) => {
        new EndpointProber<EndpointState>().probe(host, policy, { onProbeResult: resolve });
      });
      return withinAwake(`the result of a ${policy.kind} check`, result);
    }

    it("asks for the path and takes an expected status, uncounted as traffic", async () => {
      app.respond = ({ reply }) => reply(formatAnswer("fine", "200 OK"));
      const result = await check(meshed(app.port), HTTP_CHECK);
      assert.deepEqual(result, { verdict: "passed", detail: "GET /healthz was answered with 200" });
      const request = app.seen.at(-1);
      assert.deepEqual([request?.method, request?.target], ["GET", "/healthz"]);
      assert.equal(request?.fields.get("host"), "reviews.default");
      assert.match(request?.fields.get("user-agent") ?? "", /^weft-health-check\//);
      assert.deepEqual([...runtime.edges.all()], []);
      assert.equal(runtime.counters.activeExchanges, 0);
    });

    it("fails an unexpected status and says what was expected", async () => {
      app.respond = ({ reply }) => reply(formatAnswer("", "500 Internal Server Error"));
      const statuses = [
        [200, 299],
        [404, 404],
      ] as const;
      assert.deepEqual(await check(meshed(app.port), { ...HTTP_CHECK, statuses }), {
        verdict: "failed",
        detail: "GET /healthz was answered with 500; expected 200 to 299 or 404",
      });
    });

    it("uses one connection for check after check, also when the answers have bodies", async () => {
      app.respond = ({ reply }) => reply(formatAnswer("x".repeat(10_000)));
      const host = meshed(app.port);
      for (let count = 0; count < 5; count += 1) assert.equal((await check(host, HTTP_CHECK)).verdict, "passed");
      assert.equal(host.connectionCount(), 1);
    });

    it("takes no body without end, and judges by the head", async () => {
      const gone = new Promise<void>((resolve) => {
        app.onConnectionClosed = resolve;
      });
      app.respond = ({ reply }) => {
        reply("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        reply(`10000\r\n${"x".repeat(0x1_0000)}\r\n`.repeat(3));
      };
      assert.equal((await check(meshed(app.port), HTTP_CHECK)).verdict, "passed");
      await withinAwake("the end of the endless answer", gone);
      app.onConnectionClosed = () => undefined;
    });

    it("finds nothing out where access is denied, and says what would allow it", async () => {
      allow(app.port, "http", []);
      const result = await check(meshed(app.port), HTTP_CHECK);
      assert.equal(result.verdict, "unknown");
      assert.match(result.detail, /no policy allows default\/web to ask GET \/healthz; a TrafficTarget .* would/);
      allow(app.port, "http", [WEB]);
    });

    it("does not believe an app that says it is a proxy which denies", async () => {
      app.respond = ({ reply }) => reply(formatAnswer("", "403 Forbidden", "x-weft-failure: access_denied\r\n"));
      assert.equal((await check(meshed(app.port), HTTP_CHECK)).verdict, "failed");
      const direct = endpoint(app.port, { peerIdentities: null });
      assert.equal((await check(direct, HTTP_CHECK)).verdict, "failed");
    });

    it("fails an instance whose app does not accept connections", async () => {
      const closed = await transport.listen({ address: "127.0.0.1", port: 0, tls: null }, () => new SilentApp());
      await closed.close();
      const cluster = `local:${app.port}`;
      applyOne(reviews.proxy, CLUSTER_TYPE, cluster, createLocalCluster(cluster, closed.port));
      const result = await check(meshed(app.port), HTTP_CHECK);
      assert.equal(result.verdict, "failed");
      assert.match(result.detail, /^app_unreachable: /);
      // A connection alone would have found a living proxy.
      assert.equal((await check(meshed(app.port), TCP_CHECK)).verdict, "failed");
      applyOne(reviews.proxy, CLUSTER_TYPE, cluster, createLocalCluster(cluster, app.port));
    });

    it("fails an instance that proves another identity", async () => {
      const host = meshed(app.port, { peerIdentities: new Set([WEB]) });
      for (const policy of [HTTP_CHECK, TCP_CHECK]) {
        const result = await check(host, policy);
        assert.equal(result.verdict, "failed");
        assert.match(result.detail, new RegExp(`the server proved ${REVIEWS}; expected ${WEB}`));
      }
    });

    it("finds nothing out while this proxy has no certificate", async () => {
      const { credentials } = runtime;
      runtime.credentials = null;
      for (const policy of [HTTP_CHECK, TCP_CHECK])
        assert.equal((await check(meshed(app.port), policy)).verdict, "unknown");
      runtime.credentials = credentials;
    });

    for (const { says, answer, verdict, detail } of GRPC_ANSWERS) {
      it(`has a gRPC app that says ${says} ${verdict}`, async () => {
        grpcAnswer = answer;
        const result = await check(meshed(grpcApp.port), { ...GRPC_CHECK, service: "shop.Cart" });
        assert.equal(result.verdict, verdict);
        assert.match(result.detail, detail);
        const seen = grpcApp.all.flatMap(({ lines }) => lines).join("\n");
        assert.match(seen, /HEADERS 1 POST \/grpc\.health\.v1\.Health\/Check host=reviews\.default .* te=trailers/);
        assert.match(seen, /DATA 1 .*shop\.Cart; END/s);
      });
    }

    it("has an app of opaque bytes passed that accepts, and failed when it does not", async () => {
      assert.deepEqual(await check(meshed(opaque.port), TCP_CHECK), {
        verdict: "passed",
        detail: "it accepts connections",
      });
      allow(opaque.port, "tcp", []);
      const result = await check(meshed(opaque.port), TCP_CHECK);
      assert.equal(result.verdict, "failed");
      assert.match(result.detail, /closed the connection at once: the app accepts none, or no TrafficTarget/);
      allow(opaque.port, "tcp", [WEB]);
    });

    it("makes a tcp check of an app that takes requests by a request whose every answer will do", async () => {
      app.respond = ({ reply }) => reply(formatAnswer("", "404 Not Found"));
      assert.equal((await check(meshed(app.port), TCP_CHECK)).verdict, "passed");
      assert.equal(app.seen.at(-1)?.target, "/");
    });

    it("checks instances without a proxy in the clear", async () => {
      app.respond = ({ reply }) => reply(formatAnswer("fine"));
      const direct = endpoint(app.port, { peerIdentities: null });
      assert.equal((await check(direct, HTTP_CHECK)).verdict, "passed");
      assert.equal((await check(direct, TCP_CHECK)).verdict, "passed");
      const nobody = endpoint(1, { peerIdentities: null });
      assert.equal((await check(nobody, TCP_CHECK)).verdict, "failed");
      assert.equal((await check(nobody, HTTP_CHECK)).verdict, "failed");
    });

    it("is given up by cancel(), and nothing is heard of it", async () => {
      let heard = 0;
      const arrived = new Promise<Probe>((resolve) => {
        app.respond = () => resolve(probe);
        const probe = new EndpointProber<EndpointState>().probe(meshed(app.port), HTTP_CHECK, {
          onProbeResult: () => {
            heard += 1;
          },
        });
      });
      const gone = new Promise<void>((resolve) => {
        app.onConnectionClosed = resolve;
      });
      const probe = await withinAwake("the check's request", arrived);
      probe.cancel();
      probe.cancel();
      await withinAwake("the end of the app's connection", gone);
      app.onConnectionClosed = () => undefined;
      assert.equal(heard, 0);
    });

    it("takes an instance out and brings it back, as its answers change", async () => {
      app.respond = ({ reply }) => reply(formatAnswer("", "503 Service Unavailable"));
      const quick = { ...HTTP_CHECK, intervalMs: 20, healthyThreshold: 2 };
      const host = meshed(app.port, { policy: { ...DEFAULT_CLUSTER_POLICY, healthChecks: [quick] } });
      assert.equal(host.health.available, true);
      const failed = await log.next("instance fails its health check");
      assert.equal(failed["instance"], `reviews-0 (127.0.0.1:${reviews.inboundPort(app.port)})`);
      assert.equal(failed["reason"], "GET /healthz was answered with 503; expected 200 to 299");
      assert.equal(host.health.available, false);
      app.respond = ({ reply }) => reply(formatAnswer("fine"));
      await log.next("instance passes its health check again");
      assert.equal(host.health.available, true);
      host.cluster.retire();
    });
  });
}

const PLACE = { weight: 1, priority: 0, zone: "" } as const;

/** Accepts, and says nothing. */
class SilentApp implements ConnectionHandler {
  #connection: Connection | null = null;

  onOpen(connection: Connection): void {
    this.#connection = connection;
  }

  onData(): void {
    // Nothing is wanted of it.
  }

  onDrain(): void {
    // Nothing is written.
  }

  onEnd(): void {
    this.#connection?.end();
  }

  onClose(): void {
    this.#connection = null;
  }
}

/** Tells a test of a line when it is written. */
class WaitingLog extends RecordingLog {
  readonly #waiters: Map<string, (fields: LogFields) => void> = new Map();

  /** The next line with this message. */
  next(message: string): Promise<LogFields> {
    return withinAwake(
      () => `the log line "${message}"; there are ${this.lines.join(", ")}`,
      new Promise((resolve) => this.#waiters.set(message, resolve)),
    );
  }

  override info(message: string, fields: LogFields = {}): void {
    super.info(message, fields);
    this.#tell(message, fields);
  }

  override warn(message: string, fields: LogFields = {}): void {
    super.warn(message, fields);
    this.#tell(message, fields);
  }

  #tell(message: string, fields: LogFields): void {
    this.#waiters.get(message)?.(fields);
    this.#waiters.delete(message);
  }
}
