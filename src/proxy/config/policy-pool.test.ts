import assert from "node:assert/strict";
import { test } from "node:test";
import { envoy } from "#gen/protos.js";
import { compilePattern } from "../../lib/pattern.ts";
import { CLUSTER_TYPE, ROUTE_TYPE } from "../../xds/names.ts";
import { policyMetadata } from "../../testing/struct-fixture.ts";
import type { PlainFields } from "../../xds/to-struct.ts";
import { DEFAULT_ROUTE_POLICY, type RoutePolicy } from "../policy/route-policy.ts";
import type { Snapshot } from "../snapshot.ts";
import { PolicyPool } from "./policy-pool.ts";
import { SnapshotBuilder } from "./snapshot-builder.ts";

test("PolicyPool.share() gives equal values one object, also those of the version before", () => {
  const first = new PolicyPool();
  const one = first.share("a", { x: 1, list: [{ y: 2 }] });
  assert.equal(first.share("a", { x: 1, list: [{ y: 2 }] }), one);
  const second = new PolicyPool(first.kept);
  assert.equal(second.share("a", { x: 1, list: [{ y: 2 }] }), one);
});

test("PolicyPool.share() keeps the parts that are the same when the whole is not", () => {
  const first = new PolicyPool();
  const one = first.share("a", { x: 1, list: [{ y: 2 }, { y: 3 }] });
  const second = new PolicyPool(first.kept);
  const two = second.share("a", { x: 9, list: [{ y: 2 }, { y: 4 }] });
  assert.notEqual(two, one);
  assert.equal(two.list[0], one.list[0]);
  assert.notEqual(two.list[1], one.list[1]);
  // And again, although the whole was found in the version before and its parts were not looked for.
  const third = new PolicyPool(second.kept);
  assert.equal(third.share("a", { x: 9, list: [{ y: 2 }, { y: 4 }] }), two);
  const fourth = new PolicyPool(third.kept);
  assert.equal(fourth.share("a", { x: 8, list: [{ y: 2 }] }).list[0], one.list[0]);
});

test("PolicyPool.share() keeps nothing that the last version did not have", () => {
  const first = new PolicyPool();
  const one = first.share("a", { x: 1 });
  const second = new PolicyPool(first.kept);
  second.share("a", { x: 2 });
  assert.equal(second.kept.size, 1);
  assert.notEqual(new PolicyPool(second.kept).share("a", { x: 1 }), one);
});

test("PolicyPool.share() tells scopes, sets, maps and patterns apart by what they hold", () => {
  const pool = new PolicyPool();
  const one = pool.share("a", { set: new Set([1]) });
  assert.equal(pool.share("a", { set: new Set([1]) }), one);
  assert.notEqual(pool.share("a", { set: new Set([2]) }), one);
  assert.notEqual(pool.share("b", { set: new Set([1]) }), one);
  assert.notEqual(pool.share("a", { set: new Map([[1, 1]]) }), one);
  const pattern = pool.share("a", { pattern: compilePattern("a+", "full") });
  assert.equal(pool.share("a", { pattern: compilePattern("a+", "full") }), pattern);
  assert.notEqual(pool.share("a", { pattern: compilePattern("a+", "search") }), pattern);
  assert.equal(pattern.pattern.matches("aa"), true);
});

test("PolicyPool.share() leaves constants as they are", () => {
  assert.equal(new PolicyPool().share("a", DEFAULT_ROUTE_POLICY), DEFAULT_ROUTE_POLICY);
});

const LIMIT = { name: "l", requests: 5, periodMs: 1_000 };
const FAULT = { name: "f", percentage: 1, untilMs: 5, reset: true };

test("a rate limit is the same object after a change of anything else in its table", () => {
  const builder = new SnapshotBuilder("default/web");
  const before = applyRoutes(builder, { h: { name: "default/p", rateLimits: [LIMIT] }, other: {} });
  const after = applyRoutes(builder, {
    added: { name: "default/q", rateLimits: [LIMIT] },
    h: { name: "default/p", rateLimits: [LIMIT], faults: [FAULT] },
  });
  assert.notEqual(policyOf(after, "h"), policyOf(before, "h"));
  assert.equal(policyOf(after, "h").rateLimits[0], policyOf(before, "h").rateLimits[0]);
  assert.notEqual(policyOf(after, "added").rateLimits[0], policyOf(before, "h").rateLimits[0]);
});

test("a table that is refused leaves the policies of the version in force", () => {
  const builder = new SnapshotBuilder("default/web");
  const before = applyRoutes(builder, { h: { name: "default/p", rateLimits: [LIMIT] } });
  assert.match(upsertRoutes(builder, { h: { rateLimits: [{ ...LIMIT, requests: -1 }] } }) ?? "", /requests: found -1/);
  assert.equal(policyOf(builder.build(), "h"), policyOf(before, "h"));
  const after = applyRoutes(builder, { h: { name: "default/p", rateLimits: [LIMIT] }, more: {} });
  assert.equal(policyOf(after, "h"), policyOf(before, "h"));
});

test("a cluster's policy is the same object after a change of anything else in the cluster", () => {
  const builder = new SnapshotBuilder("default/web");
  const before = applyCluster(builder, "1", { retryBudget: { ratio: 0.5 } });
  const after = applyCluster(builder, "2", { retryBudget: { ratio: 0.5 } });
  assert.notEqual(after.clusters.get("c"), before.clusters.get("c"));
  assert.equal(after.clusters.get("c")?.policy, before.clusters.get("c")?.policy);
});

function applyRoutes(builder: SnapshotBuilder, policies: Readonly<Record<string, PlainFields>>): Snapshot {
  assert.equal(upsertRoutes(builder, policies), null);
  return builder.build();
}

function upsertRoutes(builder: SnapshotBuilder, policies: Readonly<Record<string, PlainFields>>): string | null {
  const virtualHosts = Object.entries(policies).map(([name, policy]) => ({
    name,
    domains: [name],
    routes: [{ match: { prefix: "/" }, route: { cluster: "c" }, metadata: policyMetadata(policy) }],
  }));
  const { RouteConfiguration } = envoy.config.route.v3;
  return builder.upsert(ROUTE_TYPE, "r", RouteConfiguration.encode({ name: "r", virtualHosts }).finish());
}

function applyCluster(builder: SnapshotBuilder, altStatName: string, policy: PlainFields): Snapshot {
  const { Cluster } = envoy.config.cluster.v3;
  const bytes = Cluster.encode({ name: "c", altStatName, metadata: policyMetadata(policy) }).finish();
  assert.equal(builder.upsert(CLUSTER_TYPE, "c", bytes), null);
  return builder.build();
}

function policyOf(snapshot: Snapshot, domain: string): RoutePolicy {
  const policy = snapshot.routes.get("r")?.exact.get(domain)?.routes[0]?.policy;
  assert.ok(policy !== undefined);
  return policy;
}
