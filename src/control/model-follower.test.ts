import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../lib/log.ts";
import { WeftError } from "../lib/weft-error.ts";
import { createSeededRandom } from "../random/seeded-random.ts";
import type { Resource } from "../resources/resource.ts";
import { createMemoryStore } from "../store/memory.ts";
import type { Store, WatchOptions } from "../store/store.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { compileModel } from "./model/compile-model.ts";
import type { MeshModel } from "./model/mesh-model.ts";
import { ModelFollower } from "./model-follower.ts";
import type { ModelFollowerOptions } from "./model-follower.ts";

interface Scene {
  readonly clock: FakeClock;
  readonly store: Store;
  readonly models: MeshModel[];
  readonly follower: ModelFollower;
}

function createScene(change: Partial<ModelFollowerOptions> = {}): Scene {
  const clock = new FakeClock();
  const store = createMemoryStore({ clock, random: createSeededRandom(1) });
  const models: MeshModel[] = [];
  const onModel = (model: MeshModel): void => void models.push(model);
  return { clock, store, models, follower: new ModelFollower({ store, clock, log: silentLog, onModel, ...change }) };
}

function createService(name: string, port = 80): Resource {
  return { apiVersion: "v1", kind: "Service", metadata: { name, namespace: "default" }, spec: { ports: [{ port }] } };
}

test("ModelFollower.start() puts a model of what the store holds in force", async () => {
  const { clock, store, models, follower } = createScene();
  await store.put(createService("a"));
  await follower.start();
  assert.deepEqual([...follower.model().services.keys()], ["default/a"]);
  assert.deepEqual(models, [follower.model()]);
  follower.close();
  assert.equal(clock.pendingTimers(), 0);
});

test("ModelFollower makes one model of a burst of writes", async () => {
  const { clock, store, models, follower } = createScene();
  await follower.start();
  for (const name of ["a", "b", "c"]) await store.put(createService(name));
  await store.delete({ group: "", kind: "Service", namespace: "default", name: "b" });
  await clock.elapse(4);
  assert.equal(models.length, 1);
  await clock.elapse(1);
  assert.equal(models.length, 2);
  assert.deepEqual([...follower.model().services.keys()], ["default/a", "default/c"]);
  follower.close();
});

test("ModelFollower tells nothing of a write that changes no meaning", async () => {
  const { clock, store, models, follower } = createScene();
  await store.put(createService("a"));
  await follower.start();
  await store.put({ ...createService("a"), metadata: { name: "a", namespace: "default", annotations: { note: "x" } } });
  await clock.elapse(10);
  assert.equal(models.length, 1);
  follower.close();
});

test("ModelFollower keeps the last good model when one cannot be put in force, and goes on", async () => {
  let broken = false;
  const { clock, store, models, follower } = createScene({
    compile: (resources, previous) => {
      if (broken) throw new Error("broken");
      return compileModel(resources, previous);
    },
  });
  await store.put(createService("a"));
  await follower.start();
  const good = follower.model();
  broken = true;
  await store.put(createService("b"));
  await clock.elapse(5);
  assert.equal(follower.model(), good);
  assert.equal(follower.failures(), 1);
  broken = false;
  await store.put(createService("c"));
  await clock.elapse(5);
  assert.equal(models.length, 2);
  assert.deepEqual([...follower.model().services.keys()], ["default/a", "default/b", "default/c"]);
  follower.close();
});

test("ModelFollower keeps the last valid state of a resource that is not valid any more, and leaves out what never was", async () => {
  const { clock, store, follower } = createScene();
  await store.put({ ...createService("never"), spec: { ports: "none" } });
  await store.put(createService("a", 8080));
  await follower.start();
  assert.deepEqual([...follower.model().services.keys()], ["default/a"]);
  await store.put({ ...createService("a"), spec: { ports: [{ port: -1 }] } });
  await store.put(createService("b"));
  await clock.elapse(5);
  assert.equal(follower.model().services.get("default/a")?.ports[0]?.port, 8080);
  assert.ok(follower.model().services.has("default/b"));
  await store.delete({ group: "", kind: "Service", namespace: "default", name: "a" });
  await clock.elapse(5);
  assert.deepEqual([...follower.model().services.keys()], ["default/b"]);
  follower.close();
});

test("ModelFollower.start() refuses to begin without any model", async () => {
  const { follower } = createScene({
    compile: () => {
      throw new Error("broken");
    },
  });
  await assert.rejects(follower.start(), { code: "WEFT_CONTROL_MODEL" });
});

test("ModelFollower lists again when its watch is too old, and misses nothing", async () => {
  const clock = new FakeClock();
  const store = createMemoryStore({ clock, random: createSeededRandom(1) });
  let watching: WatchOptions | null = null;
  let listings = 0;
  const flaky: Store = {
    ...bind(store),
    listAll: async () => {
      listings += 1;
      if (listings === 2) throw new Error("the store is away");
      return store.listAll();
    },
    watch: (options) => {
      watching = options;
      return store.watch(options);
    },
  };
  const follower = new ModelFollower({ store: flaky, clock, log: silentLog, onModel: () => undefined });
  await follower.start();
  await store.put(createService("a"));
  (watching as WatchOptions | null)?.onError(new WeftError("WEFT_STORE_TOO_OLD", "too old"));
  await clock.elapse(999);
  await store.put(createService("b"));
  await clock.elapse(10);
  assert.equal(listings, 3);
  assert.deepEqual([...follower.model().services.keys()], ["default/a", "default/b"]);
  await store.put(createService("c"));
  await clock.elapse(10);
  assert.equal(follower.model().services.size, 3);
  follower.close();
});

function bind(store: Store): Store {
  return {
    get: (key) => store.get(key),
    list: (kind, namespace) => store.list(kind, namespace),
    listAll: () => store.listAll(),
    put: (resource, options) => store.put(resource, options),
    delete: (key, options) => store.delete(key, options),
    watch: (options) => store.watch(options),
    close: () => store.close(),
  };
}
