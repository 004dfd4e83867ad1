import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { silentLog } from "../../lib/log.ts";
import { createSeededRandom } from "../../random/seeded-random.ts";
import type { ObjectMeta, Resource } from "../../resources/resource.ts";
import { createMemoryStore } from "../../store/memory.ts";
import { toResourceKey } from "../../store/store-key.ts";
import type { Store } from "../../store/store.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { deleteObject, type Propagation } from "./delete-object.ts";
import { LifeCycle } from "./life-cycle.ts";

let clock: FakeClock;
let store: Store;
let lifeCycle: LifeCycle;

beforeEach(async () => {
  clock = new FakeClock();
  store = createMemoryStore({ clock, random: createSeededRandom(1) });
  lifeCycle = new LifeCycle({ store, clock, log: silentLog });
  await lifeCycle.start();
});

afterEach(async () => {
  await lifeCycle.close();
  await store.close();
});

async function put(name: string, metadata: Partial<ObjectMeta> = {}): Promise<Resource> {
  const meta = { name, namespace: "shop", ...metadata };
  return store.put({ apiVersion: "v1", kind: "ServiceAccount", metadata: meta });
}

function ownedBy(owner: Resource, more: Readonly<Record<string, unknown>> = {}): Partial<ObjectMeta> {
  const { apiVersion, kind, metadata } = owner;
  return { ownerReferences: [{ apiVersion, kind, name: metadata.name, uid: metadata.uid ?? "", ...more }] };
}

async function remove(resource: Resource, propagation: Propagation = "Background"): Promise<void> {
  const latest = await store.get(toResourceKey(resource));
  assert.ok(latest !== null);
  await deleteObject({ store, clock }, latest, { propagation, isDryRun: false });
}

/** Names of what there is, once nothing is left to do. */
async function settle(): Promise<readonly string[]> {
  let before = "";
  for (;;) {
    await clock.runUntilIdle();
    await lifeCycle.whenIdle();
    const { items, resourceVersion } = await store.listAll();
    if (resourceVersion === before)
      return items.filter(({ kind }) => kind !== "Namespace").map(({ metadata }) => metadata.name);
    before = resourceVersion;
  }
}

describe("LifeCycle of what is owned", () => {
  test("deletes what lost its last owner, and what belonged to that", async () => {
    const owner = await put("owner");
    const child = await put("child", ownedBy(owner));
    await put("grandchild", ownedBy(child));
    await put("free");
    assert.deepEqual(await settle(), ["owner", "child", "grandchild", "free"]);
    await remove(owner);
    assert.deepEqual(await settle(), ["free"]);
  });

  test("deletes what names an owner that never was, or another of the same name", async () => {
    const owner = await put("owner");
    const { apiVersion, kind } = owner;
    await put("orphan", { ownerReferences: [{ apiVersion, kind, name: "nobody", uid: "1" }] });
    await put("mistaken", { ownerReferences: [{ apiVersion, kind, name: "owner", uid: "of-another" }] });
    assert.deepEqual(await settle(), ["owner"]);
  });

  test("keeps what has an owner of a kind that weft does not know", async () => {
    await put("kept", { ownerReferences: [{ apiVersion: "apps/v1", kind: "Deployment", name: "web", uid: "1" }] });
    assert.deepEqual(await settle(), ["kept"]);
  });

  test("takes a lost owner off what has another", async () => {
    const one = await put("one");
    const two = await put("two");
    const owners = [...(ownedBy(one).ownerReferences ?? []), ...(ownedBy(two).ownerReferences ?? [])];
    const child = await put("child", { ownerReferences: owners });
    await settle();
    await remove(one);
    assert.deepEqual(await settle(), ["two", "child"]);
    const found = await store.get(toResourceKey(child));
    assert.deepEqual(found?.metadata.ownerReferences, ownedBy(two).ownerReferences);
  });

  test("lets dependents be when their owner is deleted with Orphan", async () => {
    const owner = await put("owner");
    const child = await put("child", ownedBy(owner));
    await settle();
    await remove(owner, "Orphan");
    assert.deepEqual(await settle(), ["child"]);
    assert.equal((await store.get(toResourceKey(child)))?.metadata.ownerReferences, undefined);
  });

  test("keeps an owner deleted with Foreground until what blocks it is gone", async () => {
    const owner = await put("owner");
    const child = await put("child", {
      ...ownedBy(owner, { blockOwnerDeletion: true }),
      finalizers: ["example.com/x"],
    });
    await settle();
    await remove(owner, "Foreground");
    assert.deepEqual((await settle()).toSorted(), ["child", "owner"]);
    const waiting = await store.get(toResourceKey(child));
    assert.ok(waiting?.metadata.deletionTimestamp !== undefined);
    const { finalizers: _finalizers, ...metadata } = waiting.metadata;
    await store.put({ ...waiting, metadata });
    await store.delete(toResourceKey(child));
    assert.deepEqual(await settle(), []);
  });

  test("keeps no owner for a dependent that does not block it", async () => {
    const owner = await put("owner");
    await put("child", { ...ownedBy(owner), finalizers: ["example.com/x"] });
    await settle();
    await remove(owner, "Foreground");
    assert.deepEqual(await settle(), ["child"]);
  });
});

describe("LifeCycle of namespaces", () => {
  const namespace = (name: string): Promise<Resource | null> =>
    store.get({ group: "", kind: "Namespace", namespace: "", name });

  test("makes the namespace that a resource is in, and default", async () => {
    await put("a");
    await settle();
    assert.deepEqual((await namespace("shop"))?.status, { phase: "Active" });
    assert.deepEqual((await namespace("default"))?.metadata.labels, { "kubernetes.io/metadata.name": "default" });
    assert.equal(await namespace("other"), null);
  });

  test("empties a namespace that is being deleted, then deletes it", async () => {
    await put("a");
    await put("b", { finalizers: ["example.com/x"] });
    await put("elsewhere", { namespace: "default" });
    await settle();
    const shop = await namespace("shop");
    assert.ok(shop !== null);
    await remove(shop);
    assert.deepEqual((await settle()).toSorted(), ["b", "elsewhere"]);
    assert.deepEqual((await namespace("shop"))?.status, { phase: "Terminating" });
    await store.delete({ group: "", kind: "ServiceAccount", namespace: "shop", name: "b" });
    assert.deepEqual(await settle(), ["elsewhere"]);
    assert.equal(await namespace("shop"), null);
  });

  test("deletes what somebody puts into a namespace that is being deleted", async () => {
    await put("a", { finalizers: ["example.com/x"] });
    await settle();
    const shop = await namespace("shop");
    assert.ok(shop !== null);
    await remove(shop);
    await settle();
    await put("late");
    assert.deepEqual(await settle(), ["a"]);
  });

  test("makes namespaces for what a store held before there were any", async () => {
    await lifeCycle.close();
    await put("old", { namespace: "ancient" });
    lifeCycle = new LifeCycle({ store, clock, log: silentLog });
    await lifeCycle.start();
    await settle();
    assert.ok((await namespace("ancient")) !== null);
  });
});

test("LifeCycle tries again, more and more slowly, what the store refuses", async () => {
  await lifeCycle.close();
  let failures = 3;
  const failing: Store = {
    ...bind(store),
    get: (key) => (failures > 0 ? Promise.reject(new Error(`down ${(failures -= 1)}`)) : store.get(key)),
  };
  lifeCycle = new LifeCycle({ store: failing, clock, log: silentLog });
  await lifeCycle.start();
  await settle();
  assert.equal(failures, 1);
  clock.advance(499);
  await settle();
  assert.equal(failures, 1);
  clock.advance(1);
  await settle();
  clock.advance(1000);
  await settle();
  assert.equal(failures, 0);
});

function bind(inner: Store): Store {
  return {
    get: (key) => inner.get(key),
    list: (kind, namespace) => inner.list(kind, namespace),
    listAll: () => inner.listAll(),
    put: (resource, options) => inner.put(resource, options),
    delete: (key, options) => inner.delete(key, options),
    watch: (options) => inner.watch(options),
    close: () => inner.close(),
  };
}
