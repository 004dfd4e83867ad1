import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { createSeededRandom } from "../random/seeded-random.ts";
import type { Resource } from "../resources/resource.ts";
import { toResourceKey } from "./store-key.ts";
import { ACCOUNTS, createAccount, createSplit, hasCode, Recording, SPLITS } from "./store-samples.ts";
import type { Store } from "./store.ts";

/** The part of the store's table about `watch`. */
export function describeWatching(
  name: string,
  openStore: (context: TestContext, historyLimit?: number) => Promise<Store>,
  { remote }: { readonly remote: boolean },
): void {
  describe(`${name}: watching`, () => {
    test('watch() from "0" gives what exists as ADDED in version order, then changes', async (context) => {
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
        assert.deepEqual(
          versions,
          Array.from({ length: last - from }, (_, index) => from + 1 + index),
        );
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
        writes.push(
          random.below(3) === 0 ? store.delete(toResourceKey(createSplit(name, 0))) : store.put(createSplit(name, i)),
        );
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
      assert.deepEqual(
        [...state.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)),
        items,
      );
    });

    if (!remote) {
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
        assert.deepEqual(oldest.summary(), [
          "MODIFIED a@8",
          "MODIFIED a@9",
          "MODIFIED a@10",
          "MODIFIED a@11",
          "MODIFIED a@12",
        ]);
      });
    }

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
      assert.deepEqual(
        errors.map((error) => error.message),
        ["broken watcher"],
      );
    });
  });
}
