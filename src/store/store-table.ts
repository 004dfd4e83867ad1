import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { WeftError } from "../lib/weft-error.ts";
import { createSeededRandom } from "../random/seeded-random.ts";
import type { Resource } from "../resources/resource.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import type { StoreOptions } from "./queued-store.ts";
import { toResourceKey } from "./store-key.ts";
import type { Store, WatchEvent, WatchOptions } from "./store.ts";

/** Opens an empty store and closes it after the test. */
export type OpenStore = (context: TestContext, options: StoreOptions) => Promise<Store>;

export const SPLITS = { group: "split.smi-spec.io", kind: "TrafficSplit" } as const;
export const ACCOUNTS = { group: "", kind: "ServiceAccount" } as const;

export function createSplit(name: string, weight: number, namespace: string = "default"): Resource {
  const spec = { service: name, backends: [{ service: `${name}-v1`, weight }], matches: [] };
  return { apiVersion: "split.smi-spec.io/v1alpha4", kind: "TrafficSplit", metadata: { name, namespace }, spec };
}

function createAccount(name: string, namespace: string = "default"): Resource {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } };
}

/** What a watch received; `until` waits for a number of events, `failed` for its end. */
export class Recording {
  readonly events: WatchEvent[] = [];
  readonly errors: Error[] = [];
  #waiting: (() => void)[] = [];

  start(store: Store, options: Partial<WatchOptions> & { readonly fromVersion: string }): () => void {
    return store.watch({
      ...options,
      onEvent: (event) => {
        this.events.push(event);
        this.#wake();
      },
      onError: (error) => {
        this.errors.push(error);
        this.#wake();
      },
    });
  }

  async until(count: number): Promise<void> {
    while (this.events.length < count) {
      assert.deepEqual(this.errors, [], "the watch goes on");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async failed(): Promise<Error> {
    while (this.errors.length === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.errors[0] as Error;
  }

  /** `ADDED reviews@3`. */
  summary(): string[] {
    return this.events.map((event) => {
      const { name, resourceVersion } = event.resource.metadata;
      return `${event.type} ${name}@${resourceVersion}`;
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

function hasCode(code: string, details: Readonly<Record<string, unknown>> = {}): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof WeftError, String(error));
    assert.equal(error.code, code);
    for (const [key, value] of Object.entries(details)) assert.equal(error.details[key], value);
    return true;
  };
}

/** Every rule of the `Store` contract; each implementation runs it. */
export function describeStore(name: string, open: OpenStore): void {
  const clock = new FakeClock();
  const openStore = (context: TestContext, historyLimit: number = 100): Promise<Store> =>
    open(context, { clock, random: createSeededRandom(7), historyLimit });

  describe(`${name}: reading and writing`, () => {
    test("get() and list() of an empty store find nothing", async (context) => {
      const store = await openStore(context);
      assert.equal(await store.get(toResourceKey(createSplit("a", 1))), null);
      assert.deepEqual(await store.list(SPLITS), { items: [], resourceVersion: "0" });
    });

    test("put() sets version, uid, generation and creation time, and keeps the rest of the metadata", async (context) => {
      const store = await openStore(context);
      const written = createSplit("a", 1);
      const labels = { team: "web" };
      const metadata = { ...written.metadata, labels, annotations: { "a.b/c": "d" }, extra: [1], uid: "mine", resourceVersion: "99" };
      const stored = await store.put({ ...written, metadata });
      assert.match(stored.metadata.uid ?? "", /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.deepEqual(
        { ...stored, metadata: { ...stored.metadata, uid: "" } },
        {
          ...written,
          metadata: {
            name: "a",
            namespace: "default",
            labels,
            annotations: { "a.b/c": "d" },
            extra: [1],
            uid: "",
            resourceVersion: "1",
            generation: 1,
            creationTimestamp: "2026-01-01T00:00:00Z",
          },
        },
      );
      assert.deepEqual(await store.get(toResourceKey(written)), stored);
    });

    test("put() again keeps uid and creation time, and grows the generation only when the content changes", async (context) => {
      const store = await openStore(context);
      const first = await store.put(createSplit("a", 1));
      const second = await store.put(createSplit("a", 2));
      const base = createSplit("a", 2);
      const third = await store.put({ ...base, metadata: { ...base.metadata, labels: { x: "y" } } });
      const fourth = await store.put({ ...base, metadata: { ...base.metadata, labels: { x: "y" } }, status: { ok: true } });
      assert.equal(new Set([first, second, third, fourth].map((resource) => resource.metadata.uid)).size, 1);
      assert.deepEqual(
        [first, second, third, fourth].map((resource) => [resource.metadata.resourceVersion, resource.metadata.generation]),
        [
          ["1", 1],
          ["2", 2],
          ["3", 2],
          ["4", 2],
        ],
      );
    });

    test("put() grows the generation of a kind without spec when its own fields change", async (context) => {
      const store = await openStore(context);
      await store.put(createAccount("a"));
      const changed = await store.put({ ...createAccount("a"), automountServiceAccountToken: false });
      assert.equal(changed.metadata.generation, 2);
    });

    test("put() of what is already there changes nothing and returns it", async (context) => {
      const store = await openStore(context);
      const first = await store.put(createSplit("a", 1));
      const again = await store.put(createSplit("a", 1));
      const readBack = await store.put(first, { ifVersion: "1" });
      assert.deepEqual(again, first);
      assert.deepEqual(readBack, first);
      assert.equal((await store.listAll()).resourceVersion, "1");
    });

    test("everything returned is frozen, and detached from what was written", async (context) => {
      const store = await openStore(context);
      const spec = { service: "a", backends: [{ service: "b", weight: 1 }] };
      const stored = await store.put({ ...createSplit("a", 1), spec });
      const backend = spec.backends[0] as { weight: number };
      backend.weight = 9;
      const { items } = await store.list(SPLITS);
      assert.ok(Object.isFrozen(items));
      for (const resource of [stored, items[0], await store.get(toResourceKey(stored))]) {
        assert.deepEqual(resource?.spec, { service: "a", backends: [{ service: "b", weight: 1 }] });
        assert.ok(Object.isFrozen(resource));
        assert.ok(Object.isFrozen(resource?.metadata));
        assert.ok(Object.isFrozen((resource?.spec as typeof spec).backends[0]));
      }
    });

    test("list() gives one kind, in one namespace if asked, by namespace and name", async (context) => {
      const store = await openStore(context);
      await store.put(createSplit("b", 1));
      await store.put(createSplit("a", 1, "shop"));
      await store.put(createSplit("a", 1));
      await store.put(createAccount("a"));
      const names = (resources: readonly Resource[]): string[] =>
        resources.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`);
      const all = await store.list(SPLITS);
      assert.deepEqual(names(all.items), ["TrafficSplit default/a", "TrafficSplit default/b", "TrafficSplit shop/a"]);
      assert.equal(all.resourceVersion, "4");
      assert.deepEqual(names((await store.list(SPLITS, "shop")).items), ["TrafficSplit shop/a"]);
      assert.equal((await store.listAll()).items.length, 4);
    });

    test("delete() returns the last state with the version of the deletion, then null", async (context) => {
      const store = await openStore(context);
      const stored = await store.put(createSplit("a", 1));
      const key = toResourceKey(stored);
      const deleted = await store.delete(key);
      assert.deepEqual(deleted, { ...stored, metadata: { ...stored.metadata, resourceVersion: "2" } });
      assert.equal(await store.get(key), null);
      assert.equal(await store.delete(key), null);
      assert.equal((await store.list(SPLITS)).resourceVersion, "2");
    });

    test("put() after delete() makes a new resource", async (context) => {
      const store = await openStore(context);
      const first = await store.put(createSplit("a", 1));
      await store.delete(toResourceKey(first));
      const second = await store.put(createSplit("a", 1), { ifVersion: "absent" });
      assert.notEqual(second.metadata.uid, first.metadata.uid);
      assert.equal(second.metadata.generation, 1);
      assert.equal(second.metadata.resourceVersion, "3");
    });

    test("put() refuses what is not plain data and keys that cannot be told apart", async (context) => {
      const store = await openStore(context);
      const cyclic: Record<string, unknown> = {};
      cyclic.self = cyclic;
      await assert.rejects(store.put({ ...createSplit("a", 1), spec: cyclic }), hasCode("WEFT_STORE_INVALID"));
      await assert.rejects(store.put(createSplit("a/b", 1)), hasCode("WEFT_STORE_INVALID"));
      await assert.rejects(store.put(createSplit("", 1)), hasCode("WEFT_STORE_INVALID"));
      await assert.rejects(store.put(createSplit("a".repeat(2000), 1)), hasCode("WEFT_STORE_INVALID"));
      assert.equal((await store.listAll()).resourceVersion, "0");
    });
  });

  describe(`${name}: compare-and-swap`, () => {
    test("put() and delete() refuse a stale resourceVersion and say what they found", async (context) => {
      const store = await openStore(context);
      const first = await store.put(createSplit("a", 1));
      await store.put(createSplit("a", 2), { ifVersion: "1" });
      await assert.rejects(store.put(createSplit("a", 3), { ifVersion: "1" }), hasCode("WEFT_STORE_CONFLICT", { found: "2" }));
      await assert.rejects(store.delete(toResourceKey(first), { ifVersion: "1" }), hasCode("WEFT_STORE_CONFLICT", { found: "2" }));
      assert.equal((await store.delete(toResourceKey(first), { ifVersion: "2" }))?.metadata.resourceVersion, "3");
    });

    test("put() refuses an old version even when it would change nothing", async (context) => {
      const store = await openStore(context);
      await store.put(createSplit("a", 1));
      await store.put(createSplit("a", 2));
      await assert.rejects(store.put(createSplit("a", 2), { ifVersion: "1" }), hasCode("WEFT_STORE_CONFLICT", { found: "2" }));
    });

    test("put() with \"absent\" only creates", async (context) => {
      const store = await openStore(context);
      await store.put(createSplit("a", 1), { ifVersion: "absent" });
      await assert.rejects(store.put(createSplit("a", 2), { ifVersion: "absent" }), hasCode("WEFT_STORE_CONFLICT", { found: "1" }));
    });

    test("put() and delete() with a version refuse when there is nothing", async (context) => {
      const store = await openStore(context);
      const split = createSplit("a", 1);
      await assert.rejects(store.put(split, { ifVersion: "1" }), hasCode("WEFT_STORE_CONFLICT", { found: "absent" }));
      await assert.rejects(store.delete(toResourceKey(split), { ifVersion: "1" }), hasCode("WEFT_STORE_CONFLICT", { found: "absent" }));
    });

    test("of many writers with the same version exactly one wins, round after round", async (context) => {
      const store = await openStore(context);
      let current = await store.put(createSplit("a", 0));
      for (let round = 1; round <= 20; round += 1) {
        const ifVersion = current.metadata.resourceVersion ?? "";
        const attempts = Array.from({ length: 8 }, (_, writer) => store.put(createSplit("a", round * 10 + writer), { ifVersion }));
        const results = await Promise.allSettled(attempts);
        const won = results.filter((result) => result.status === "fulfilled");
        const lost = results.filter((result) => result.status === "rejected");
        assert.equal(won.length, 1);
        for (const { reason } of lost) hasCode("WEFT_STORE_CONFLICT")(reason);
        current = (won[0] as PromiseFulfilledResult<Resource>).value;
        assert.deepEqual(await store.get(toResourceKey(current)), current);
      }
      assert.equal(current.metadata.generation, 21);
    });

    test("a read never shows a write before it is acknowledged", async (context) => {
      const store = await openStore(context);
      const writing = store.put(createSplit("a", 1));
      const seen = await store.get(toResourceKey(createSplit("a", 1)));
      assert.equal(seen, null);
      await writing;
      assert.notEqual(await store.get(toResourceKey(createSplit("a", 1))), null);
    });

    test("writes of one turn to one key, deletions among them, take effect in order", async (context) => {
      const store = await openStore(context);
      const key = toResourceKey(createSplit("a", 1));
      const recording = new Recording();
      recording.start(store, { fromVersion: "0" });
      await Promise.all([
        store.put(createSplit("a", 1)),
        store.delete(key),
        store.put(createSplit("a", 2), { ifVersion: "absent" }),
        store.put(createSplit("a", 2)),
        store.delete(key),
      ]);
      assert.equal(await store.get(key), null);
      await recording.until(4);
      assert.deepEqual(recording.summary(), ["ADDED a@1", "DELETED a@2", "ADDED a@3", "DELETED a@4"]);
    });
  });

  describe(`${name}: watching`, () => {
    test("watch() from \"0\" gives what exists as ADDED in version order, then changes", async (context) => {
      const store = await openStore(context);
      await store.put(createSplit("a", 1));
      await store.put(createSplit("b", 1));
      await store.put(createSplit("a", 2));
      const recording = new Recording();
      recording.start(store, { fromVersion: "0" });
      assert.deepEqual(recording.events, [], "nothing is delivered inside watch()");
      await store.put(createSplit("b", 2));
      await store.delete(toResourceKey(createSplit("a", 0)));
      await recording.until(4);
      assert.deepEqual(recording.summary(), ["ADDED b@2", "ADDED a@3", "MODIFIED b@4", "DELETED a@5"]);
    });

    test("watch() from a version gives exactly what came after it", async (context) => {
      const store = await openStore(context);
      await store.put(createSplit("a", 1));
      const { resourceVersion } = await store.listAll();
      await store.put(createSplit("a", 2));
      await store.delete(toResourceKey(createSplit("a", 0)));
      const recording = new Recording();
      recording.start(store, { fromVersion: resourceVersion });
      await recording.until(2);
      await store.put(createSplit("a", 3));
      await recording.until(3);
      assert.deepEqual(recording.summary(), ["MODIFIED a@2", "DELETED a@3", "ADDED a@4"]);
    });

    test("watch() delivers one kind and one namespace when asked", async (context) => {
      const store = await openStore(context);
      await store.put(createSplit("before", 1, "shop"));
      const kind = new Recording();
      const both = new Recording();
      kind.start(store, { fromVersion: "0", kind: ACCOUNTS });
      both.start(store, { fromVersion: "0", kind: SPLITS, namespace: "shop" });
      await store.put(createSplit("a", 1));
      await store.put(createAccount("b"));
      await store.put(createSplit("c", 1, "shop"));
      await Promise.all([kind.until(1), both.until(2)]);
      assert.deepEqual(kind.summary(), ["ADDED b@3"]);
      assert.deepEqual(both.summary(), ["ADDED before@1", "ADDED c@4"]);
    });

    test("a deletion event holds the last state", async (context) => {
      const store = await openStore(context);
      await store.put(createSplit("a", 5));
      const recording = new Recording();
      recording.start(store, { fromVersion: "1" });
      await store.delete(toResourceKey(createSplit("a", 0)));
      await recording.until(1);
      assert.deepEqual(recording.events[0]?.resource.spec, createSplit("a", 5).spec);
      assert.ok(Object.isFrozen(recording.events[0]?.resource));
    });

    test("a write that changes nothing makes no event", async (context) => {
      const store = await openStore(context);
      const recording = new Recording();
      recording.start(store, { fromVersion: "0" });
      await store.put(createSplit("a", 1));
      await store.put(createSplit("a", 1));
      await store.put(createSplit("b", 1));
      await recording.until(2);
      assert.deepEqual(recording.summary(), ["ADDED a@1", "ADDED b@2"]);
    });

    test("no event is missed, doubled or out of order under concurrent writers and late watchers", async (context) => {
      const store = await openStore(context, 1000);
      await store.put(createSplit("first", 1));
      const recordings: { readonly recording: Recording; readonly from: number }[] = [];
      const random = createSeededRandom(3);
      const writer = async (id: number): Promise<void> => {
        for (let i = 0; i < 40; i += 1) {
          const name = `r${random.below(6)}`;
          if (random.below(4) === 0) await store.delete(toResourceKey(createSplit(name, 0)));
          else await store.put(createSplit(name, id * 1000 + i));
          if (i % 10 !== 0) continue;
          const recording = new Recording();
          const { resourceVersion } = await store.listAll();
          recording.start(store, { fromVersion: resourceVersion });
          recordings.push({ recording, from: Number(resourceVersion) });
        }
      };
      await Promise.all(Array.from({ length: 8 }, (_, id) => writer(id)));
      const last = Number((await store.listAll()).resourceVersion);
      assert.equal(recordings.length, 32);
      for (const { recording, from } of recordings) {
        await recording.until(last - from);
        const versions = recording.events.map((event) => Number(event.resource.metadata.resourceVersion));
        assert.deepEqual(versions, Array.from({ length: last - from }, (_, index) => from + 1 + index));
      }
    });

    test("replaying the events gives the listed state", async (context) => {
      const store = await openStore(context, 1000);
      const recording = new Recording();
      recording.start(store, { fromVersion: "0" });
      const random = createSeededRandom(11);
      const writes: Promise<unknown>[] = [];
      for (let i = 0; i < 300; i += 1) {
        const name = `r${random.below(10)}`;
        writes.push(random.below(3) === 0 ? store.delete(toResourceKey(createSplit(name, 0))) : store.put(createSplit(name, i)));
      }
      await Promise.all(writes);
      const { items, resourceVersion } = await store.list(SPLITS);
      await recording.until(Number(resourceVersion));
      const state = new Map<string, Resource>();
      for (const { type, resource } of recording.events) {
        assert.equal(type === "ADDED", !state.has(resource.metadata.name), "ADDED is for what did not exist");
        if (type === "DELETED") state.delete(resource.metadata.name);
        else state.set(resource.metadata.name, resource);
      }
      assert.deepEqual([...state.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)), items);
    });

    test("watch() from a version older than the history ends with WEFT_STORE_TOO_OLD", async (context) => {
      const store = await openStore(context, 5);
      for (let i = 1; i <= 12; i += 1) await store.put(createSplit("a", i));
      const old = new Recording();
      old.start(store, { fromVersion: "6" });
      hasCode("WEFT_STORE_TOO_OLD", { oldest: "7", newest: "12" })(await old.failed());
      assert.deepEqual(old.events, []);
      const oldest = new Recording();
      oldest.start(store, { fromVersion: "7" });
      await oldest.until(5);
      assert.deepEqual(oldest.summary(), ["MODIFIED a@8", "MODIFIED a@9", "MODIFIED a@10", "MODIFIED a@11", "MODIFIED a@12"]);
    });

    test("watch() from a version that this store never had ends with WEFT_STORE_TOO_OLD", async (context) => {
      const store = await openStore(context);
      await store.put(createSplit("a", 1));
      for (const fromVersion of ["2", "-1", "x", "", "01"]) {
        const recording = new Recording();
        recording.start(store, { fromVersion });
        hasCode("WEFT_STORE_TOO_OLD")(await recording.failed());
      }
    });

    test("a watcher that keeps up survives more writes at once than the history holds", async (context) => {
      const store = await openStore(context, 4);
      const recording = new Recording();
      recording.start(store, { fromVersion: "0" });
      await Promise.all(Array.from({ length: 50 }, (_, i) => store.put(createSplit("a", i))));
      await recording.until(50);
      assert.deepEqual(recording.errors, []);
    });

    test("a stopped watch gets nothing more, not even what is on its way", async (context) => {
      const store = await openStore(context);
      const recording = new Recording();
      const stop = recording.start(store, { fromVersion: "0" });
      const other = new Recording();
      other.start(store, { fromVersion: "0" });
      await store.put(createSplit("a", 1));
      await recording.until(1);
      const writing = store.put(createSplit("a", 2));
      stop();
      stop();
      await writing;
      await other.until(2);
      assert.deepEqual(recording.summary(), ["ADDED a@1"]);
      assert.deepEqual(recording.errors, []);
    });

    test("a watch stopped by its own event gets no second one", async (context) => {
      const store = await openStore(context);
      await store.put(createSplit("a", 1));
      await store.put(createSplit("b", 1));
      const other = new Recording();
      let count = 0;
      const stop = store.watch({
        fromVersion: "0",
        onEvent: () => {
          count += 1;
          stop();
        },
        onError: assert.fail,
      });
      other.start(store, { fromVersion: "0" });
      await other.until(2);
      assert.equal(count, 1);
    });

    test("a watcher that throws is ended and does not disturb the others", async (context) => {
      const store = await openStore(context);
      const errors: Error[] = [];
      store.watch({
        fromVersion: "0",
        onEvent: () => {
          throw new Error("broken watcher");
        },
        onError: (error) => errors.push(error),
      });
      const other = new Recording();
      other.start(store, { fromVersion: "0" });
      await store.put(createSplit("a", 1));
      await store.put(createSplit("a", 2));
      await other.until(2);
      assert.deepEqual(errors.map((error) => error.message), ["broken watcher"]);
    });
  });

  describe(`${name}: closing`, () => {
    test("close() finishes writes, ends watches and refuses what comes later", async (context) => {
      const store = await openStore(context);
      const recording = new Recording();
      recording.start(store, { fromVersion: "0" });
      const writing = store.put(createSplit("a", 1));
      await store.close();
      assert.equal((await writing).metadata.resourceVersion, "1");
      hasCode("WEFT_STORE_CLOSED")(await recording.failed());
      assert.deepEqual(recording.summary(), ["ADDED a@1"]);
      await assert.rejects(store.put(createSplit("a", 2)), hasCode("WEFT_STORE_CLOSED"));
      await assert.rejects(store.get(toResourceKey(createSplit("a", 2))), hasCode("WEFT_STORE_CLOSED"));
      await store.close();
    });
  });
}
