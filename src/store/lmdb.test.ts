import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { WeftError } from "../lib/weft-error.ts";
import { createSeededRandom } from "../random/seeded-random.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { openLmdbStore } from "./lmdb.ts";
import { toResourceKey } from "./store-key.ts";
import { createSplit, Recording, SPLITS } from "./store-samples.ts";
import { describeStore } from "./store-table.ts";
import type { Store } from "./store.ts";

function createPath(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "weft-store-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "store");
}

function open(path: string, historyLimit: number = 100): Promise<Store> {
  return openLmdbStore({ path, clock: new FakeClock(), random: createSeededRandom(7), historyLimit });
}

describeStore("LmdbStore", async (context, options) => {
  const path = createPath(context);
  const store = await openLmdbStore({ ...options, path });
  context.after(() => store.close());
  return store;
});

test("LmdbStore gives back everything after closing and opening, and goes on counting", async (context) => {
  const path = createPath(context);
  const first = await open(path);
  await first.put(createSplit("a", 1));
  await first.put(createSplit("b", 1));
  await first.delete(toResourceKey(createSplit("a", 1)));
  const before = await first.listAll();
  await first.close();

  const second = await open(path);
  context.after(() => second.close());
  assert.deepEqual(await second.listAll(), before);
  assert.ok(Object.isFrozen((await second.list(SPLITS)).items[0]?.spec));
  const same = await second.put(createSplit("b", 1));
  assert.equal(same.metadata.resourceVersion, "2");
  assert.equal((await second.put(createSplit("a", 1))).metadata.resourceVersion, "4");
});

test("LmdbStore.watch() resumes after a restart from any version the history still has", async (context) => {
  const path = createPath(context);
  const first = await open(path, 5);
  for (let i = 1; i <= 9; i += 1) await first.put(createSplit("a", i));
  await first.delete(toResourceKey(createSplit("a", 0)));
  await first.close();

  const second = await open(path, 5);
  context.after(() => second.close());
  const resumed = new Recording();
  resumed.start(second, { fromVersion: "5" });
  await second.put(createSplit("b", 1));
  await resumed.until(6);
  assert.deepEqual(resumed.summary(), [
    "MODIFIED a@6",
    "MODIFIED a@7",
    "MODIFIED a@8",
    "MODIFIED a@9",
    "DELETED a@10",
    "ADDED b@11",
  ]);
  const old = new Recording();
  old.start(second, { fromVersion: "4" });
  assert.equal(((await old.failed()) as WeftError).code, "WEFT_STORE_TOO_OLD");
});

test("LmdbStore opened with a smaller history limit forgets the older events, on disk too", async (context) => {
  const path = createPath(context);
  const first = await open(path, 50);
  for (let i = 1; i <= 20; i += 1) await first.put(createSplit("a", i));
  await first.close();
  await (await open(path, 3)).close();
  const third = await open(path, 50);
  context.after(() => third.close());
  const recording = new Recording();
  recording.start(third, { fromVersion: "16" });
  assert.equal(((await recording.failed()) as WeftError).code, "WEFT_STORE_TOO_OLD");
  const kept = new Recording();
  kept.start(third, { fromVersion: "17" });
  await kept.until(3);
});

test("LmdbStore keeps its folder 0700 and its files 0600", async (context) => {
  const path = createPath(context);
  const store = await open(path);
  context.after(() => store.close());
  await store.put(createSplit("a", 1));
  assert.equal(statSync(path).mode & 0o777, 0o700);
  const modes = readdirSync(path).map((file) => `${file} ${(statSync(join(path, file)).mode & 0o777).toString(8)}`);
  assert.deepEqual(modes.sort(), ["data.mdb 600", "lock.mdb 600"]);
});

test("openLmdbStore() refuses a folder that others may read", async (context) => {
  const path = createPath(context);
  await (await open(path)).close();
  chmodSync(path, 0o755);
  await assert.rejects(open(path), (error) => error instanceof WeftError && error.code === "WEFT_STATE_PERMISSIONS");
});

test("openLmdbStore() refuses a damaged file with a hint", async (context) => {
  const path = createPath(context);
  await (await open(path)).close();
  writeFileSync(join(path, "data.mdb"), "this is no database".repeat(1000), { mode: 0o600 });
  await assert.rejects(open(path), (error) => {
    assert.ok(error instanceof WeftError);
    assert.equal(error.code, "WEFT_STORE_OPEN");
    assert.match(error.hint ?? "", /damaged/);
    return true;
  });
});

test("LmdbStore refuses to write after another process did, and loses nothing of either", async (context) => {
  const path = createPath(context);
  const first = await open(path);
  const second = await open(path);
  await first.put(createSplit("a", 1));
  await assert.rejects(
    second.put(createSplit("b", 1)),
    (error) => error instanceof WeftError && error.code === "WEFT_STORE_SHARED",
  );
  assert.deepEqual((await second.list(SPLITS)).items, []);
  await second.close();
  await first.put(createSplit("c", 1));
  await first.close();
  const third = await open(path);
  context.after(() => third.close());
  assert.deepEqual(
    (await third.list(SPLITS)).items.map((resource) => resource.metadata.name),
    ["a", "c"],
  );
});

interface Acknowledged {
  readonly version: number;
  readonly name: string;
  /** "-" for a deletion. */
  readonly weight: string;
}

/** Runs the writer until it has acknowledged `count` writes, kills it with SIGKILL and returns all it acknowledged. */
async function runUntilKilled(path: string, seed: number, count: number): Promise<readonly Acknowledged[]> {
  const script = fileURLToPath(new URL("./crash-writer.js", import.meta.url));
  const child = spawn(process.execPath, [script, path, String(seed)], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const acknowledged: Acknowledged[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const [version, name, weight] = line.split(" ");
    acknowledged.push({ version: Number(version), name: name ?? "", weight: weight ?? "" });
    if (acknowledged.length === count) child.kill("SIGKILL");
  }
  assert.deepEqual(await exited, [null, "SIGKILL"]);
  return acknowledged;
}

test("LmdbStore has every acknowledged write after kill -9 in the middle of writing, round after round", async (context) => {
  const path = createPath(context);
  const openBig = (): Promise<Store> => open(path, 100_000);
  const seeded = await openBig();
  await seeded.put(createSplit("seed", 1));
  await seeded.close();
  const random = createSeededRandom(5);
  let from = 1;
  for (let round = 0; round < 6; round += 1) {
    const acknowledged = await runUntilKilled(path, round, 20 + random.below(200));
    const store = await openBig();
    const { items, resourceVersion } = await store.list(SPLITS);
    const recording = new Recording();
    recording.start(store, { fromVersion: String(from) });
    await recording.until(Number(resourceVersion) - from);

    const written = new Map(recording.events.map((event) => [Number(event.resource.metadata.resourceVersion), event]));
    for (const { version, name, weight } of acknowledged) {
      const event = written.get(version);
      assert.equal(event?.resource.metadata.name, name, `acknowledged version ${version} is there`);
      assert.equal(event.type === "DELETED", weight === "-");
      if (weight !== "-") assert.deepEqual(event.resource.spec, createSplit(name, Number(weight)).spec);
    }
    const last = new Map(recording.events.map((event) => [event.resource.metadata.name, event]));
    for (const [name, event] of last) {
      const current = items.find((resource) => resource.metadata.name === name) ?? null;
      assert.deepEqual(current, event.type === "DELETED" ? null : event.resource, `${name} is as its last event says`);
    }
    from = Number(resourceVersion);
    await store.close();
  }
});
