import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../lib/log.ts";
import { createSeededRandom } from "../random/seeded-random.ts";
import type { Resource } from "../resources/resource.ts";
import { createMemoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import type { Condition } from "./model/mesh-model.ts";
import { type StatusCondition, StatusWriter } from "./status-writer.ts";

const KEY = { group: "split.smi-spec.io", kind: "TrafficSplit", namespace: "default", name: "s" };

interface Scene {
  readonly clock: FakeClock;
  readonly store: Store;
  readonly writer: StatusWriter;
  found: readonly Condition[];
  isHeld: boolean;
  stored(): Promise<Resource>;
  conditions(): Promise<readonly StatusCondition[]>;
}

async function createScene(): Promise<Scene> {
  const clock = new FakeClock();
  const store = createMemoryStore({ clock, random: createSeededRandom(1) });
  const seen = new Map<string, Resource>();
  store.watch({
    fromVersion: "0",
    onEvent: ({ resource }) => void seen.set(resource.metadata.name, resource),
    onError: assert.fail,
  });
  const writer = new StatusWriter({
    store,
    clock,
    log: silentLog,
    lease: { held: () => scene.isHeld },
    resources: () => seen.values(),
    conditions: () => scene.found,
  });
  const scene: Scene = {
    ...{ clock, store, writer, found: [], isHeld: true },
    stored: async () => (await store.get(KEY)) ?? assert.fail("the split is stored"),
    async conditions() {
      const { status } = await scene.stored();
      return (status as { readonly conditions?: readonly StatusCondition[] } | undefined)?.conditions ?? [];
    },
  };
  await store.put({
    apiVersion: "split.smi-spec.io/v1alpha4",
    kind: "TrafficSplit",
    metadata: { name: "s", namespace: "default" },
    spec: { service: "root", backends: [{ service: "gone", weight: 1 }] },
  });
  await clock.runUntilIdle();
  return scene;
}

function finding(type: Condition["type"], message: string, reason: string = "BackendNotFound"): Condition {
  return { kind: "TrafficSplit", namespace: "default", name: "s", type, reason, message };
}

/** As after a change of the model. */
async function settle({ clock, writer }: Scene): Promise<void> {
  writer.changed();
  await clock.elapse(600);
  await clock.runUntilIdle();
}

test("StatusWriter leaves a resource alone with which nothing is wrong", async () => {
  const scene = await createScene();
  const { resourceVersion } = (await scene.stored()).metadata;
  await settle(scene);
  const { metadata, status } = await scene.stored();
  assert.deepEqual([metadata.resourceVersion, status], [resourceVersion, undefined]);
});

test("StatusWriter writes what is wrong, several findings of a type as one condition, and does so once", async () => {
  const scene = await createScene();
  scene.found = [
    finding("ResolvedRefs", "one"),
    finding("ResolvedRefs", "two"),
    finding("Conflicted", "three", "AnotherSplit"),
  ];
  await settle(scene);
  assert.deepEqual(
    (await scene.conditions()).map(({ type, status, reason, message }) => [type, status, reason, message]),
    [
      ["ResolvedRefs", "False", "BackendNotFound", "one; two"],
      ["Conflicted", "True", "AnotherSplit", "three"],
    ],
  );
  const { resourceVersion } = (await scene.stored()).metadata;
  await settle(scene);
  assert.equal((await scene.stored()).metadata.resourceVersion, resourceVersion);
});

test("StatusWriter says when it is mended, and keeps the time of the last change of status", async () => {
  const scene = await createScene();
  scene.found = [finding("ResolvedRefs", "one")];
  await settle(scene);
  const [first] = await scene.conditions();
  scene.found = [finding("ResolvedRefs", "another")];
  await scene.clock.elapse(10_000);
  const [second] = await scene.conditions();
  assert.deepEqual([second?.message, second?.lastTransitionTime], ["another", first?.lastTransitionTime]);
  scene.found = [];
  await scene.clock.elapse(10_000);
  const [third] = await scene.conditions();
  assert.deepEqual([third?.type, third?.status, third?.reason], ["ResolvedRefs", "True", "Mended"]);
  assert.notEqual(third?.lastTransitionTime, first?.lastTransitionTime);
});

test("StatusWriter keeps conditions and fields of others", async () => {
  const scene = await createScene();
  const theirs = {
    type: "Theirs",
    status: "True",
    reason: "R",
    message: "m",
    lastTransitionTime: "2026-01-01T00:00:00Z",
  };
  await scene.store.put({ ...(await scene.stored()), status: { note: 1, conditions: [theirs] } });
  scene.found = [finding("PortsMatch", "port")];
  await settle(scene);
  const { status } = await scene.stored();
  const [kept, ours] = (status as { readonly conditions: readonly StatusCondition[] }).conditions;
  assert.deepEqual([(status as { readonly note: number }).note, kept, ours?.type], [1, theirs, "PortsMatch"]);
});

test("StatusWriter writes nothing while another control plane has the job, and does when it gets it", async () => {
  const scene = await createScene();
  scene.isHeld = false;
  scene.found = [finding("ResolvedRefs", "one")];
  await settle(scene);
  assert.deepEqual(await scene.conditions(), []);
  scene.isHeld = true;
  await scene.clock.elapse(6_000);
  assert.equal((await scene.conditions()).length, 1);
});
