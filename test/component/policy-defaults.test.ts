import assert from "node:assert/strict";
import { test } from "node:test";
import { compileModel } from "../../src/control/model/compile-model.ts";
import { findPort, samplePolicy, sampleService } from "../../src/control/model/sample-resources.ts";
import {
  DEFAULT_BALANCING,
  DEFAULT_CLUSTER_POLICY,
  DEFAULT_LIMITS,
  DEFAULT_OUTLIERS,
} from "../../src/proxy/policy/cluster-policy.ts";
import { DEFAULT_RETRY } from "../../src/proxy/policy/route-policy.ts";

test("a section that says nothing changes nothing: its defaults are those of the proxy", () => {
  const empty = { loadBalancing: {}, outlierDetection: {}, limits: {}, retryBudget: {}, retries: {}, timeouts: {} };
  const model = compileModel([sampleService("reviews"), samplePolicy("p", empty)], null);
  const { policy, routePolicies } = findPort(model, "default/reviews", 80);
  const { minimumRingSize, ...balancing } = DEFAULT_BALANCING;
  assert.deepEqual(policy?.loadBalancing, { ...balancing, ringSize: minimumRingSize });
  assert.deepEqual(policy?.outlierDetection, { enabled: true, ...DEFAULT_OUTLIERS });
  assert.deepEqual(policy?.limits, DEFAULT_LIMITS);
  assert.deepEqual(policy?.retryBudget, DEFAULT_CLUSTER_POLICY.retryBudget);
  assert.deepEqual([policy?.connectMs, policy?.idleMs], [null, null]);
  const [route] = routePolicies;
  assert.equal(route?.timeouts, null);
  const { on, statuses, grpcStatuses, ...retries } = DEFAULT_RETRY;
  assert.deepEqual(
    { ...route?.retries },
    { ...retries, on: ["connect", "reset"], statuses: [...statuses], grpcStatuses: [...grpcStatuses] },
  );
  assert.equal(on, 3, "connect and reset");
});

test("a default gives way to what is written beside it", () => {
  const written = {
    healthChecks: [{ tcp: {}, interval: "500ms" }],
    outlierDetection: { maxEjection: "1s" },
    overload: { maxConcurrency: 2 },
    retries: { backoff: { base: "1s" } },
    limits: { perInstance: { connections: 5_000 } },
    cache: { maxBytes: 1_000 },
  };
  const model = compileModel([sampleService("reviews"), samplePolicy("p", written)], null);
  const { policy, routePolicies } = findPort(model, "default/reviews", 80);
  assert.equal(policy?.healthChecks?.[0]?.timeoutMs, 500);
  assert.equal(policy?.outlierDetection?.baseEjectionMs, 1_000);
  assert.deepEqual(policy?.overload?.concurrency, { min: 2, max: 2 });
  assert.equal(policy?.limits?.connections, 5_000);
  assert.deepEqual([routePolicies[0]?.retries?.backoffBaseMs, routePolicies[0]?.retries?.backoffMaxMs], [1_000, 1_000]);
  assert.equal(routePolicies[0]?.cache?.maxBodyBytes, 1_000);
});
