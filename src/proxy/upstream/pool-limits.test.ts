import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { silentLog } from "../../lib/log.ts";
import { EdgeTable } from "../../observe/edge-stats.ts";
import { createSeededRandom } from "../../random/seeded-random.ts";
import { FrameServer } from "../../testing/frame-peer.ts";
import { type AppExchange, TextApp, formatAnswer } from "../../testing/text-peers.ts";
import { within } from "../../testing/within.ts";
import { systemClock } from "../../time/system-clock.ts";
import { TimerWheel } from "../../time/timer-wheel.ts";
import { MemoryTransport } from "../../transport/memory.ts";
import { type DownstreamStream, Exchange } from "../exchange.ts";
import { FAILURES, getFailure } from "../failures.ts";
import type { Head } from "../head.ts";
import { createCheckRequest } from "../health/check-request.ts";
import { DEFAULT_CLUSTER_POLICY, DEFAULT_LIMITS, type LimitPolicy } from "../policy/cluster-policy.ts";
import { ProxyRuntime } from "../runtime.ts";
import type { ClusterConfig } from "../snapshot.ts";
import { ClusterState } from "./cluster-state.ts";

describe("pools keep to the limits of their cluster", () => {
  const transport = new MemoryTransport(systemClock);
  let app: TextApp;
  let http2App: FrameServer;
  let runtime: ProxyRuntime;
  let clusters: ClusterState[];
  /** Requests that came to the app and wait for an answer. */
  let arrived: AppExchange[];
  let onArrival: () => void;

  beforeEach(async () => {
    [app, http2App, clusters, arrived] = [new TextApp(), new FrameServer(), [], []];
    onArrival = () => undefined;
    app.respond = (x) => {
      arrived.push(x);
      onArrival();
    };
    await app.listen(transport);
    await http2App.listen(transport, null);
    runtime = new ProxyRuntime({
      ...{ transport, clock: systemClock, wheel: new TimerWheel(systemClock), random: createSeededRandom(1) },
      ...{ edges: new EdgeTable(FAILURES.length), accessLog: null, log: silentLog, self: "", namespace: "default" },
    });
  });

  afterEach(async () => {
    for (const cluster of clusters) cluster.retire();
    await app.close();
    await http2App.close();
    runtime.wheel.close();
  });

  function create(limits: Partial<LimitPolicy>, more: Partial<ClusterConfig> = {}): ClusterState {
    const policy = { ...DEFAULT_CLUSTER_POLICY, limits: { ...DEFAULT_LIMITS, ...limits } };
    const cluster = new ClusterState(runtime, {
      ...{ name: "default/app:80", kind: "eds", peerIdentities: null, appProtocol: "http1", service: "default/app" },
      ...{ connectTimeoutMs: 5_000, policy, endpoints: [endpointAt(app.port)], ...more },
    });
    clusters.push(cluster);
    return cluster;
  }

  function send(cluster: ClusterState, count: number, index: number = 0): Call[] {
    const endpoint = cluster.endpoints()[index];
    assert.ok(endpoint !== undefined);
    return Array.from({ length: count }, () => {
      const call = new Call();
      call.x.begin(null, null, REQUEST.head.clone());
      call.x.attemptCount = 1;
      endpoint.checkout(call.x);
      if (call.x.active) call.x.onRequestEnd(null);
      return call;
    });
  }

  function arrivals(count: number): Promise<void> {
    return within(
      () => `${count} requests at the app; ${arrived.length} came`,
      new Promise((resolve) => {
        onArrival = () => {
          if (arrived.length >= count) resolve();
        };
        onArrival();
      }),
    );
  }

  function answerAll(): void {
    app.respond = ({ reply }) => reply(formatAnswer("fine"));
    for (const { reply } of arrived.splice(0)) reply(formatAnswer("fine"));
  }

  it("HTTP/1.1 opens no more connections than the cluster's, and the others wait for them", async () => {
    const cluster = create({ connections: 2 });
    const { limits } = cluster.health;
    const calls = send(cluster, 6);
    await arrivals(2);
    assert.deepEqual([limits.connections, limits.pendingRequests, app.open.size], [2, 4, 2]);
    assert.ok(runtime.counters.overflowConnections > 0);
    answerAll();
    assert.deepEqual(await outcomes(calls), Array(6).fill("200"));
    assert.deepEqual([limits.connections, limits.pendingRequests], [2, 0]);
  });

  it("HTTP/1.1 opens no more connections than an instance's own limit", async () => {
    const cluster = create({ instanceConnections: 1 });
    const calls = send(cluster, 3);
    await arrivals(1);
    assert.equal(cluster.health.limits.connections, 1);
    answerAll();
    assert.deepEqual(await outcomes(calls), ["200", "200", "200"]);
  });

  it("an instance's first connection is opened although others have taken all", async () => {
    const other = new TextApp();
    await other.listen(transport);
    const cluster = create({ connections: 1 }, { endpoints: [endpointAt(app.port), endpointAt(other.port)] });
    send(cluster, 1, 0);
    await arrivals(1);
    assert.deepEqual(await outcomes(send(cluster, 2, 1)), ["200", "200"]);
    assert.equal(cluster.health.limits.connections, 2);
    await other.close();
  });

  it("HTTP/1.1 refuses who would wait beyond the limit, and those that leave give up their places", async () => {
    const cluster = create({ connections: 1, pendingRequests: 3 });
    const { limits } = cluster.health;
    const [first] = send(cluster, 1);
    await arrivals(1);
    const waiting = send(cluster, 3);
    const [refused] = send(cluster, 1);
    assert.equal(refused?.outcome, "overflow");
    assert.equal(
      refused?.x.failureDetail,
      `3 requests wait for a connection to 127.0.0.1:${app.port} already, and 3 to all instances`,
    );
    assert.equal(runtime.counters.overflowPending, 1);
    waiting[1]?.x.onDownstreamClosed();
    // The line is searched now and then: at the latest when it has refused 256 more.
    const more = send(cluster, 256);
    assert.equal(more.filter(({ outcome }) => outcome === "").length, 1);
    assert.equal(limits.pendingRequests, 3);
    answerAll();
    const last = more.filter(({ outcome }) => outcome !== "overflow");
    assert.deepEqual(await outcomes([first, waiting[0], waiting[2], ...last]), ["200", "200", "200", "200"]);
    assert.equal(limits.pendingRequests, 0);
  });

  it("the limit of waiting requests is of all instances together", async () => {
    const endpoints = [endpointAt(app.port), endpointAt(app.port + 1)];
    const cluster = create({ connections: 1, pendingRequests: 2 }, { endpoints });
    send(cluster, 1, 0);
    await arrivals(1);
    send(cluster, 2, 0);
    assert.equal(send(cluster, 1, 1)[0]?.outcome, "overflow");
  });

  it("connections that cannot be opened are given back, and the places of those who waited", async () => {
    const cluster = create({}, { endpoints: [endpointAt(1)] });
    assert.deepEqual(await outcomes(send(cluster, 5)), Array(5).fill("connect_failed"));
    assert.deepEqual([cluster.health.limits.connections, cluster.health.limits.pendingRequests], [0, 0]);
  });

  it("connections that break are given back", async () => {
    const cluster = create({});
    const calls = send(cluster, 3);
    await arrivals(3);
    for (const connection of app.open) connection.destroy();
    assert.deepEqual(await outcomes(calls), Array(3).fill("upstream_reset"));
    assert.equal(cluster.health.limits.connections, 0);
  });

  it("HTTP/2 lets as many wait for its one connection as the policy says", async () => {
    const cluster = create({ pendingRequests: 3 }, { appProtocol: "http2", endpoints: [endpointAt(http2App.port)] });
    const { limits } = cluster.health;
    const calls = send(cluster, 5);
    assert.deepEqual(
      calls.map(({ outcome }) => outcome),
      ["", "", "", "overflow", "overflow"],
    );
    assert.deepEqual([limits.connections, limits.pendingRequests], [1, 3]);
    const peer = await http2App.next();
    await peer.until(/SETTINGS/);
    peer.destroy();
    assert.deepEqual(await outcomes(calls.slice(0, 3)), Array(3).fill("connect_failed"));
    assert.deepEqual([limits.connections, limits.pendingRequests], [0, 0]);
  });

  it("HTTP/2 takes 10,000 requests at once before its link is open", () => {
    const cluster = create({}, { appProtocol: "http2", endpoints: [endpointAt(http2App.port)] });
    const calls = send(cluster, 10_000);
    assert.ok(calls.every(({ outcome }) => outcome === ""));
    const http1 = create({});
    assert.equal(send(http1, 1_030).filter(({ outcome }) => outcome === "overflow").length, 6);
  });
});

const REQUEST = createCheckRequest(
  {
    ...{ kind: "http", path: "/", statuses: [], service: "", intervalMs: 1, timeoutMs: 1 },
    ...{ jitterPercent: 0, unhealthyThreshold: 1, healthyThreshold: 1 },
  },
  "app",
);

function endpointAt(port: number): ClusterConfig["endpoints"][number] {
  return { ...{ address: "127.0.0.1", port, version: "", workload: "" }, ...{ weight: 1, priority: 0, zone: "" } };
}

function outcomes(calls: readonly (Call | undefined)[]): Promise<string[]> {
  return within("the ends of all calls", Promise.all(calls.map((call) => call?.ended ?? Promise.resolve("none"))));
}

/** One request and how it ended: a status, or a failure's name; "" until then. */
class Call implements DownstreamStream {
  outcome: string = "";
  readonly ended: Promise<string>;
  readonly x: Exchange = new Exchange(this);
  #end: (outcome: string) => void = () => undefined;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  sendInterim(): void {
    // Apps of this test send none.
  }

  sendHead(_x: Exchange, head: Head): void {
    this.outcome = String(head.status);
  }

  sendData(): boolean {
    return true;
  }

  sendEnd(): void {
    this.#end(this.outcome);
  }

  sendFailure(x: Exchange): void {
    this.outcome = getFailure(x.failure).name;
    this.#end(this.outcome);
  }

  abort(): void {
    this.outcome = "broken off";
    this.#end(this.outcome);
  }

  breakOff(): void {
    this.abort();
  }

  pauseReads(): void {
    // The request has no body.
  }

  resumeReads(): void {
    // The request has no body.
  }
}
