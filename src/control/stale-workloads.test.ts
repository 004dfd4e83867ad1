import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../lib/log.ts";
import { createSeededRandom } from "../random/seeded-random.ts";
import type { Resource } from "../resources/resource.ts";
import { createMemoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { StaleWorkloads, WORKLOAD_LABEL } from "./stale-workloads.ts";

interface Scene {
  readonly clock: FakeClock;
  readonly store: Store;
  readonly connected: Set<string>;
  readonly stale: StaleWorkloads;
  /** Whether all control planes say who is connected to them. */
  isKnown: boolean;
  isHeld: boolean;
  names(): string[];
  put(name: string, workload: string | null, address?: string): Promise<void>;
}

async function createScene(): Promise<Scene> {
  const clock = new FakeClock();
  const store = createMemoryStore({ clock, random: createSeededRandom(1) });
  const resources = new Map<string, Resource>();
  store.watch({
    fromVersion: "0",
    onEvent: ({ type, resource }) =>
      void (type === "DELETED"
        ? resources.delete(resource.metadata.name)
        : resources.set(resource.metadata.name, resource)),
    onError: assert.fail,
  });
  const connected = new Set(["default/other-0"]);
  const stale = new StaleWorkloads({
    store,
    clock,
    log: silentLog,
    connected: () => Promise.resolve(scene.isKnown ? connected : null),
    lease: { held: () => scene.isHeld },
    resources: () => resources.values(),
  });
  const scene: Scene = {
    isKnown: true,
    isHeld: true,
    clock,
    store,
    connected,
    stale,
    names: () => [...resources.keys()],
    async put(name, workload, address = "127.0.0.1") {
      await store.put({
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: { name, namespace: "default", labels: workload === null ? {} : { [WORKLOAD_LABEL]: workload } },
        addressType: "IPv4",
        endpoints: [{ addresses: [address] }],
      });
      await clock.runUntilIdle();
    },
  };
  return scene;
}

test("StaleWorkloads removes a slice whose proxy was away for 30 s", async () => {
  const scene = await createScene();
  await scene.put("reviews", "reviews-0");
  await scene.clock.elapse(34_999);
  assert.deepEqual(scene.names(), ["reviews"]);
  await scene.clock.elapse(5_001);
  assert.deepEqual(scene.names(), []);
  scene.stale.close();
  assert.equal(scene.clock.pendingTimers(), 0);
});

test("StaleWorkloads counts the 30 s on end: a proxy that comes back starts them anew", async () => {
  const scene = await createScene();
  await scene.put("reviews", "reviews-0");
  await scene.clock.elapse(25_000);
  scene.connected.add("default/reviews-0");
  await scene.clock.elapse(5_000);
  scene.connected.delete("default/reviews-0");
  await scene.clock.elapse(30_000);
  assert.deepEqual(scene.names(), ["reviews"]);
  await scene.clock.elapse(10_000);
  assert.deepEqual(scene.names(), []);
  scene.stale.close();
});

test("StaleWorkloads spares a slice that somebody writes", async () => {
  const scene = await createScene();
  await scene.put("reviews", "reviews-0");
  await scene.clock.elapse(30_000);
  await scene.put("reviews", "reviews-0", "127.0.0.2");
  await scene.clock.elapse(30_000);
  assert.deepEqual(scene.names(), ["reviews"]);
  scene.stale.close();
});

test("StaleWorkloads never touches a slice without the label, or one whose proxy is connected", async () => {
  const scene = await createScene();
  await scene.put("legacy", null);
  await scene.put("other", "other-0");
  await scene.clock.elapse(600_000);
  assert.deepEqual(scene.names(), ["legacy", "other"]);
  scene.stale.close();
});

test("StaleWorkloads removes nothing while no proxy is connected at all", async () => {
  const scene = await createScene();
  scene.connected.clear();
  await scene.put("reviews", "reviews-0");
  await scene.clock.elapse(600_000);
  assert.deepEqual(scene.names(), ["reviews"]);
  scene.connected.add("default/other-0");
  await scene.clock.elapse(30_000);
  assert.deepEqual(scene.names(), ["reviews"]);
  await scene.clock.elapse(5_000);
  assert.deepEqual(scene.names(), []);
  scene.stale.close();
});

test("StaleWorkloads waits while proxies keep arriving: a large mesh that comes back takes longer than 30 s", async () => {
  const scene = await createScene();
  await scene.put("reviews", "reviews-0");
  for (let arrived = 0; arrived < 6; arrived += 1) {
    scene.connected.add(`default/web-${arrived}`);
    await scene.clock.elapse(20_000);
  }
  scene.connected.add("default/reviews-0");
  await scene.clock.elapse(60_000);
  assert.deepEqual(scene.names(), ["reviews"]);
  scene.stale.close();
});

test("StaleWorkloads waits five minutes for arrivals, and no longer", async () => {
  const scene = await createScene();
  await scene.put("reviews", "reviews-0");
  const arriveFor = async (forMs: number): Promise<void> => {
    for (let ms = 0; ms < forMs; ms += 10_000) {
      scene.connected.add(`default/web-${scene.clock.nowMs()}`);
      await scene.clock.elapse(10_000);
    }
  };
  await arriveFor(300_000);
  assert.deepEqual(scene.names(), ["reviews"]);
  await arriveFor(10_000);
  assert.deepEqual(scene.names(), []);
  scene.stale.close();
});

test("StaleWorkloads counts nothing while a control plane does not say who is connected to it", async () => {
  const scene = await createScene();
  await scene.put("reviews", "reviews-0");
  await scene.clock.elapse(30_000);
  scene.isKnown = false;
  await scene.clock.elapse(600_000);
  scene.isKnown = true;
  await scene.clock.elapse(30_000);
  assert.deepEqual(scene.names(), ["reviews"]);
  await scene.clock.elapse(10_000);
  assert.deepEqual(scene.names(), []);
  scene.stale.close();
});

test("StaleWorkloads leaves all to whoever has the lease, and begins to count when it gets it", async () => {
  const scene = await createScene();
  scene.isHeld = false;
  await scene.put("reviews", "reviews-0");
  await scene.clock.elapse(600_000);
  scene.isHeld = true;
  await scene.clock.elapse(30_000);
  assert.deepEqual(scene.names(), ["reviews"]);
  await scene.clock.elapse(10_000);
  assert.deepEqual(scene.names(), []);
  scene.stale.close();
});
