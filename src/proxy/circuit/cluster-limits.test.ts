import assert from "node:assert/strict";
import { test } from "node:test";
import { ProxyCounters } from "../counters.ts";
import { DEFAULT_LIMITS, type LimitPolicy } from "../policy/cluster-policy.ts";
import { ClusterLimits } from "./cluster-limits.ts";

const NONE: LimitPolicy = {
  ...{ connections: 0, pendingRequests: 0, requests: 0, retries: 0 },
  ...{ instanceConnections: 0, instanceRequests: 0 },
};

function create(policy: Partial<LimitPolicy>): { limits: ClusterLimits; counters: ProxyCounters } {
  const counters = new ProxyCounters();
  return { limits: new ClusterLimits({ ...NONE, ...policy }, counters), counters };
}

test("ClusterLimits.tryRequest() refuses beyond the limit until one is released, and counts what it refused", () => {
  const { limits, counters } = create({ requests: 2 });
  assert.deepEqual([limits.tryRequest(), limits.tryRequest(), limits.tryRequest()], [true, true, false]);
  assert.equal(counters.overflowRequests, 1);
  limits.releaseRequest();
  assert.deepEqual([limits.tryRequest(), limits.tryRequest()], [true, false]);
  limits.releaseRequest();
  limits.releaseRequest();
  assert.equal(limits.requests, 0);
});

test("ClusterLimits.tryRetry() refuses beyond the limit until one is released, and counts what it refused", () => {
  const { limits, counters } = create({ retries: 1 });
  assert.deepEqual([limits.tryRetry(), limits.tryRetry()], [true, false]);
  limits.releaseRetry();
  assert.equal(limits.tryRetry(), true);
  assert.equal(counters.overflowRetries, 1);
});

test("ClusterLimits.tryConnection() always allows an instance its first", () => {
  const { limits, counters } = create({ connections: 2 });
  assert.deepEqual([limits.tryConnection(0), limits.tryConnection(1)], [true, true]);
  assert.equal(limits.hasConnectionRoom(), false);
  assert.equal(limits.tryConnection(2), false);
  assert.equal(limits.tryConnection(0), true);
  assert.equal(limits.connections, 3);
  assert.equal(counters.overflowConnections, 1);
});

test("ClusterLimits.tryConnection() keeps each instance to its own limit", () => {
  const { limits } = create({ instanceConnections: 2 });
  assert.deepEqual(
    [0, 1, 2].map((own) => limits.tryConnection(own)),
    [true, true, false],
  );
});

test("ClusterLimits.hasInstanceRoom() compares what the instance works on", () => {
  const { limits, counters } = create({ instanceRequests: 3 });
  assert.deepEqual(
    [0, 2, 3, 4].map((inFlight) => limits.hasInstanceRoom(inFlight)),
    [true, true, false, false],
  );
  assert.equal(counters.overflowRequests, 2);
});

test("ClusterLimits without limits refuse nothing", () => {
  const { limits, counters } = create({});
  for (let index = 0; index < 100_000; index += 1) {
    assert.ok(limits.tryRequest() && limits.tryRetry() && limits.tryConnection(index) && limits.hasInstanceRoom(index));
    assert.ok(limits.hasPendingRoom(index, true));
  }
  assert.deepEqual(counters, new ProxyCounters());
});

for (const { name, policy, waiting, http1, room } of [
  { name: "HTTP/1.1 below its default", policy: DEFAULT_LIMITS, waiting: 1_023, http1: true, room: true },
  { name: "HTTP/1.1 at its default", policy: DEFAULT_LIMITS, waiting: 1_024, http1: true, room: false },
  { name: "HTTP/2 at the default of HTTP/1.1", policy: DEFAULT_LIMITS, waiting: 10_000, http1: false, room: true },
  {
    name: "HTTP/1.1 under a policy of its own",
    policy: { ...NONE, pendingRequests: 5_000 },
    waiting: 4_999,
    http1: true,
    room: true,
  },
]) {
  test(`ClusterLimits.hasPendingRoom() is ${room} for ${name}`, () => {
    const { limits } = create(policy);
    limits.pendingRequests = waiting;
    assert.equal(limits.hasPendingRoom(waiting, http1), room);
    limits.pendingRequests = policy.pendingRequests;
    assert.equal(limits.hasPendingRoom(0, http1), false);
  });
}
