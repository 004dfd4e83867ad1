import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { createSeededRandom } from "../random/seeded-random.ts";
import type { Resource } from "../resources/resource.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { toResourceKey } from "./store-key.ts";
import { createAccount, createSplit, hasCode, type OpenStore, Recording, SPLITS } from "./store-samples.ts";
import { describeWatching } from "./store-watch-table.ts";
import type { Store } from "./store.ts";

export interface StoreTraits {
  /**
   * A server keeps the data: reads ask it, so they may show a write that the writer has not heard of yet, and how much
   * history there is, is the server's affair.
   */
  readonly remote?: boolean;
}

/** Every rule of the `Store` contract; each implementation runs it. */
export function describeStore(name: string, open: OpenStore, { remote = false }: StoreTraits = {}): void {
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
      const metadata = {
        ...written.metadata,
        labels,
        annotations: { "a.b/c": "d" },
        extra: [1],
        uid: "mine",
        resourceVersion: "99",
      };
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
      const fourth = await store.put({
        ...base,
        metadata: { ...base.metadata, labels: { x: "y" } },
        status: { ok: true },
      });
      assert.equal(new Set([first, second, third, fourth].map((resource) => resource.metadata.uid)).size, 1);
      assert.deepEqual(
        [first, second, third, fourth].map((resource) => [
          resource.metadata.resourceVersion,
          resource.metadata.generation,
        ]),
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
        assert.ok(Object.isFrozen((resource?.spec as typeof spec | undefined)?.backends[0]));
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
      await assert.rejects(
        store.put(createSplit("a", 3), { ifVersion: "1" }),
        hasCode("WEFT_STORE_CONFLICT", { found: "2" }),
      );
      await assert.rejects(
        store.delete(toResourceKey(first), { ifVersion: "1" }),
        hasCode("WEFT_STORE_CONFLICT", { found: "2" }),
      );
      assert.equal((await store.delete(toResourceKey(first), { ifVersion: "2" }))?.metadata.resourceVersion, "3");
    });

    test("put() refuses an old version even when it would change nothing", async (context) => {
      const store = await openStore(context);
      await store.put(createSplit("a", 1));
      await store.put(createSplit("a", 2));
      await assert.rejects(
        store.put(createSplit("a", 2), { ifVersion: "1" }),
        hasCode("WEFT_STORE_CONFLICT", { found: "2" }),
      );
    });

    test('put() with "absent" only creates', async (context) => {
      const store = await openStore(context);
      await store.put(createSplit("a", 1), { ifVersion: "absent" });
      await assert.rejects(
        store.put(createSplit("a", 2), { ifVersion: "absent" }),
        hasCode("WEFT_STORE_CONFLICT", { found: "1" }),
      );
    });

    test("put() and delete() with a version refuse when there is nothing", async (context) => {
      const store = await openStore(context);
      const split = createSplit("a", 1);
      await assert.rejects(store.put(split, { ifVersion: "1" }), hasCode("WEFT_STORE_CONFLICT", { found: "absent" }));
      await assert.rejects(
        store.delete(toResourceKey(split), { ifVersion: "1" }),
        hasCode("WEFT_STORE_CONFLICT", { found: "absent" }),
      );
    });

    test("of many writers with the same version exactly one wins, round after round", async (context) => {
      const store = await openStore(context);
      let current = await store.put(createSplit("a", 0));
      for (let round = 1; round <= 20; round += 1) {
        const ifVersion = current.metadata.resourceVersion ?? "";
        const attempts = Array.from({ length: 8 }, (_, writer) =>
          store.put(createSplit("a", round * 10 + writer), { ifVersion }),
        );
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

    if (!remote) {
      test("a read never shows a write before it is acknowledged", async (context) => {
        const store = await openStore(context);
        const writing = store.put(createSplit("a", 1));
        const seen = await store.get(toResourceKey(createSplit("a", 1)));
        assert.equal(seen, null);
        await writing;
        assert.notEqual(await store.get(toResourceKey(createSplit("a", 1))), null);
      });
    }

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

  describeWatching(name, openStore, { remote });

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
