import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { silentLog } from "../../lib/log.ts";
import { EdgeTable } from "../../observe/edge-stats.ts";
import { createSeededRandom } from "../../random/seeded-random.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { TimerWheel } from "../../time/timer-wheel.ts";
import { MemoryTransport } from "../../transport/memory.ts";
import { FAILURES } from "../failures.ts";
import { type BalancingPolicy, DEFAULT_BALANCING, DEFAULT_CLUSTER_POLICY } from "../policy/cluster-policy.ts";
import { ProxyRuntime } from "../runtime.ts";
import type { ClusterConfig, EndpointConfig } from "../snapshot.ts";
import { OUTCOME_OK } from "./attempt-outcome.ts";
import { ClusterState } from "./cluster-state.ts";
import type { EndpointState } from "./endpoint-state.ts";

describe("ClusterState.pick()", () => {
  it("has nobody without endpoints", () => {
    assert.equal(create([]).pick(0, null), null);
  });

  it("picks the only endpoint, even to avoid it, in whatever health", () => {
    const cluster = create([endpointAt(1)]);
    const [only] = cluster.endpoints();
    assert.ok(only !== undefined);
    only.health.available = false;
    assert.equal(cluster.pick(0, only), only);
  });

  it("goes by what is in flight", () => {
    const cluster = create([endpointAt(1), endpointAt(2)]);
    const [busy, idle] = cluster.endpoints();
    busy?.attemptBegan();
    for (let i = 0; i < 10; i += 1) assert.equal(cluster.pick(0, null), idle);
    busy?.attemptEnded();
    assert.equal(shares(cluster, 100).get(1), 50);
  });

  it("prefers the zone of its own proxy", () => {
    const cluster = create([endpointAt(1), endpointAt(2, { zone: "here" })]);
    assert.deepEqual([...shares(cluster, 50)], [[2, 50]]);
  });

  it("leaves out what is not available", () => {
    const cluster = create([endpointAt(1), endpointAt(2)], { panicPercent: 0 });
    const [out] = cluster.endpoints();
    assert.ok(out !== undefined);
    shares(cluster, 10);
    for (let i = 0; i < 20; i += 1) out.attemptAnswered(3, 1);
    assert.equal(out.health.available, false);
    assert.deepEqual([...shares(cluster, 50)], [[2, 50]]);
  });
});

describe("ClusterState.update()", () => {
  it("keeps endpoints whose weight, zone or priority changes, and uses what is new", () => {
    const cluster = create([endpointAt(1), endpointAt(2)]);
    const before = cluster.endpoints();
    cluster.update(configOf([endpointAt(1, { weight: 3 }), endpointAt(2)]));
    assert.deepEqual(cluster.endpoints(), before);
    assert.equal(shares(cluster, 400).get(1), 300);
    cluster.update(configOf([endpointAt(1, { priority: 1 }), endpointAt(2)]));
    assert.deepEqual(cluster.endpoints(), before);
    assert.deepEqual([...shares(cluster, 50)], [[2, 50]]);
  });

  it("balances by another policy at once, with the endpoints and what is known of them", () => {
    const cluster = create([endpointAt(1), endpointAt(2), endpointAt(3)]);
    const before = cluster.endpoints();
    for (const endpoint of before) endpoint.attemptAnswered(OUTCOME_OK, 7);
    cluster.update(configOf([endpointAt(1), endpointAt(2), endpointAt(3)], { strategy: "ringHash" }));
    assert.deepEqual(cluster.endpoints(), before);
    assert.equal(before[0]?.stats.latencyMs, 7);
    for (let hash = 1; hash < 50; hash += 1) assert.equal(cluster.pick(hash, null), cluster.pick(hash, null));
  });

  it("makes a new endpoint where another workload has the address", () => {
    const cluster = create([endpointAt(1)]);
    const [before] = cluster.endpoints();
    cluster.update(configOf([endpointAt(1, { workload: "other-0" })]));
    assert.notEqual(cluster.endpoints()[0], before);
  });
});

function create(endpoints: readonly EndpointConfig[], balancing: Partial<BalancingPolicy> = {}): ClusterState {
  const clock = new FakeClock();
  const runtime = new ProxyRuntime({
    transport: new MemoryTransport(clock),
    clock,
    wheel: new TimerWheel(clock),
    random: createSeededRandom(1),
    edges: new EdgeTable(FAILURES.length),
    accessLog: null,
    log: silentLog,
    self: "default/web",
    namespace: "default",
    zone: "here",
  });
  return new ClusterState(runtime, configOf(endpoints, balancing));
}

function configOf(endpoints: readonly EndpointConfig[], balancing: Partial<BalancingPolicy> = {}): ClusterConfig {
  return {
    name: "default/reviews:80",
    kind: "eds",
    peerIdentities: null,
    appProtocol: "http1",
    service: "default/reviews",
    connectTimeoutMs: 1_000,
    policy: { ...DEFAULT_CLUSTER_POLICY, balancing: { ...DEFAULT_BALANCING, ...balancing } },
    endpoints,
  };
}

function endpointAt(port: number, more: Partial<EndpointConfig> = {}): EndpointConfig {
  return {
    ...{ address: "10.0.0.1", port, version: "", workload: "", weight: 1, priority: 0, zone: "" },
    ...more,
  };
}

/** How often each port is picked. */
function shares(cluster: ClusterState, count: number): Map<number, number> {
  const found = new Map<number, number>();
  for (let i = 0; i < count; i += 1) {
    const endpoint: EndpointState | null = cluster.pick(0, null);
    if (endpoint !== null) found.set(endpoint.config.port, (found.get(endpoint.config.port) ?? 0) + 1);
  }
  return found;
}
