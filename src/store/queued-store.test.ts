import assert from "node:assert/strict";
import { test } from "node:test";
import { createSeededRandom } from "../random/seeded-random.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { type Persistence, QueuedStore } from "./queued-store.ts";
import { toResourceKey } from "./store-key.ts";
import { createSplit, hasCode, Recording } from "./store-samples.ts";
import type { WatchEvent } from "./store.ts";

/** A disk whose commits wait for the test, and can fail. */
class SlowDisk implements Persistence {
  readonly batches: (readonly WatchEvent[])[] = [];
  #settle: ((error: Error | null) => void) | null = null;
  #began: (() => void) | null = null;

  commit(events: readonly WatchEvent[]): Promise<void> {
    this.batches.push(events);
    this.#began?.();
    return new Promise((resolve, reject) => {
      this.#settle = (error) => (error === null ? resolve() : reject(error));
    });
  }

  async close(): Promise<void> {}

  /** Resolves when the commit after those seen so far begins. */
  async began(count: number): Promise<void> {
    while (this.batches.length < count) {
      await new Promise<void>((resolve) => {
        this.#began = resolve;
      });
    }
  }

  finish(error: Error | null = null): void {
    assert.ok(this.#settle !== null, "a commit is under way");
    this.#settle(error);
    this.#settle = null;
  }
}

function createStore(disk: Persistence): QueuedStore {
  const options = { clock: new FakeClock(), random: createSeededRandom(1) };
  return new QueuedStore(options, disk, { resources: [], events: [], version: 0 });
}

test("QueuedStore commits writes that wait together in one batch, in order", async () => {
  const disk = new SlowDisk();
  const store = createStore(disk);
  const first = store.put(createSplit("a", 1));
  await disk.began(1);
  const rest = [store.put(createSplit("b", 1)), store.put(createSplit("a", 2)), store.put(createSplit("a", 2))];
  disk.finish();
  await first;
  await disk.began(2);
  disk.finish();
  await Promise.all(rest);
  assert.deepEqual(
    disk.batches.map((batch) => batch.map((event) => event.resource.metadata.resourceVersion)),
    [["1"], ["2", "3"]],
  );
});

test("QueuedStore acknowledges a write that changes nothing only when what it repeats is durable", async () => {
  const disk = new SlowDisk();
  const store = createStore(disk);
  const order: string[] = [];
  const first = store.put(createSplit("a", 1)).then(() => order.push("written"));
  await disk.began(1);
  const again = store.put(createSplit("a", 1)).then(() => order.push("repeated"));
  await Promise.resolve();
  assert.deepEqual(order, []);
  disk.finish();
  await Promise.all([first, again]);
  assert.deepEqual(order, ["written", "repeated"]);
  assert.equal(disk.batches.length, 1);
});

test("QueuedStore fails what a broken disk did not take, and what was decided on it, and goes on after", async () => {
  const disk = new SlowDisk();
  const store = createStore(disk);
  const recording = new Recording();
  recording.start(store, { fromVersion: "0" });
  const first = store.put(createSplit("a", 1));
  await disk.began(1);
  const second = store.put(createSplit("a", 2), { ifVersion: "1" });
  disk.finish(new Error("no space left"));
  await assert.rejects(first, hasCode("WEFT_STORE_WRITE_FAILED"));
  await assert.rejects(second, hasCode("WEFT_STORE_WRITE_FAILED"));
  assert.deepEqual(await store.listAll(), { items: [], resourceVersion: "0" });

  const third = store.put(createSplit("a", 3), { ifVersion: "absent" });
  await disk.began(2);
  disk.finish();
  assert.equal((await third).metadata.resourceVersion, "1");
  await recording.until(1);
  assert.deepEqual(recording.summary(), ["ADDED a@1"]);
});

test("QueuedStore decides against deletions and writes that still wait", async () => {
  const disk = new SlowDisk();
  const store = createStore(disk);
  const key = toResourceKey(createSplit("a", 1));
  const early = [store.put(createSplit("a", 1)), store.delete(key)];
  await disk.began(1);
  const late = [store.put(createSplit("a", 2)), store.delete(key)];
  disk.finish();
  await Promise.all(early);
  // The second put and deletion are being written: for a new write there is nothing.
  await assert.rejects(
    store.put(createSplit("a", 9), { ifVersion: "3" }),
    hasCode("WEFT_STORE_CONFLICT", { found: "absent" }),
  );
  await disk.began(2);
  disk.finish();
  await Promise.all(late);
  assert.equal(await store.get(key), null);
});

test("QueuedStore refuses more writes than may wait", async () => {
  const disk = new SlowDisk();
  const store = createStore(disk);
  const first = store.put(createSplit("a", 0));
  await disk.began(1);
  const waiting = Array.from({ length: 10_000 }, (_, i) => store.put(createSplit("a", i + 1)));
  await assert.rejects(store.put(createSplit("b", 1)), hasCode("WEFT_STORE_BUSY"));
  disk.finish(new Error("gone"));
  const results = await Promise.allSettled([first, ...waiting]);
  assert.ok(results.every((result) => result.status === "rejected"));
});
