import assert from "node:assert/strict";
import { test } from "node:test";
import type { Log } from "../lib/log.ts";
import { createSeededRandom } from "../random/seeded-random.ts";
import type { Resource } from "../resources/resource.ts";
import { createMemoryStore } from "../store/memory.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { createTestCa } from "../testing/test-ca.ts";
import { formatWallTime } from "../time/wall-time.ts";
import type { PeerRules } from "../xds/peer-rules-secret.ts";
import { PeerRuleFollower } from "./peer-rules.ts";

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {} };
const WEB_ID = "spiffe://shop.mesh/ns/default/sa/web";

function resource(kind: string, name: string, spec: object): Resource {
  return { apiVersion: "weft.dev/v1alpha1", kind, metadata: { name, namespace: "" }, spec } as Resource;
}

test("PeerRuleFollower follows revocations and bundles, and forgets and deletes what has ended", async () => {
  const clock = new FakeClock();
  const random = createSeededRandom(1);
  const store = createMemoryStore({ clock, random });
  const told: PeerRules[] = [];
  const follower = new PeerRuleFollower({ store, trustDomain: "shop.mesh", clock, log: SILENT });
  follower.onRules((rules) => told.push(rules));
  const bank = (await createTestCa({ trustDomain: "bank.mesh" })).trustBundlePem;
  await store.put(resource("Revocation", "identity", { spiffeId: WEB_ID }));
  await follower.start();
  assert.ok(follower.revocations().has({ spiffeId: WEB_ID, workload: null, serialNumber: "1" }));

  const notAfter = formatWallTime(clock.wallMs() + 90_000);
  await store.put(resource("Revocation", "serial", { serialNumber: "0A:FF", notAfter }));
  await store.put(resource("TrustBundle", "bank", { trustDomain: "bank.mesh", bundle: bank }));
  await store.put(resource("TrustBundle", "self", { trustDomain: "shop.mesh", bundle: bank }));
  await clock.runUntilIdle();
  assert.ok(follower.revocations().has({ spiffeId: "spiffe://x/y", workload: null, serialNumber: "aff" }));
  assert.deepEqual([...follower.rules().bundles.keys()], ["bank.mesh"]);

  follower.setLease({ held: () => true });
  clock.advance(60_000);
  await clock.runUntilIdle();
  assert.notEqual(await store.get({ group: "weft.dev", kind: "Revocation", namespace: "", name: "serial" }), null);
  clock.advance(60_000);
  await clock.runUntilIdle();
  assert.equal(await store.get({ group: "weft.dev", kind: "Revocation", namespace: "", name: "serial" }), null);
  assert.ok(!follower.revocations().has({ spiffeId: "spiffe://x/y", workload: null, serialNumber: "aff" }));

  await store.delete({ group: "weft.dev", kind: "Revocation", namespace: "", name: "identity" });
  await store.delete({ group: "weft.dev", kind: "TrustBundle", namespace: "", name: "bank" });
  await clock.runUntilIdle();
  assert.deepEqual(told.at(-1), { bundles: new Map(), revoked: [] });
  follower.close();
  await store.close();
});
