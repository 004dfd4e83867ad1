import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { createSeededRandom } from "../../random/seeded-random.ts";
import type { Resource } from "../../resources/resource.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { createMemoryStore } from "../memory.ts";
import { createAccount, createSplit, hasCode } from "../store-samples.ts";
import type { Store } from "../store.ts";
import { importIntoStore } from "./import-into-store.ts";
import { formatExport, parseExport } from "./mesh-export.ts";

let seed = 0;

function openStore(context: TestContext): Store {
  seed += 1;
  const store = createMemoryStore({ clock: new FakeClock(), random: createSeededRandom(seed) });
  context.after(() => store.close());
  return store;
}

async function exportOf(store: Store): Promise<string> {
  const { items } = await store.listAll();
  return formatExport({ mesh: "shop", exportedAt: "2026-01-01T00:00:00Z", resources: items });
}

function load(store: Store, text: string, replace: boolean = false): ReturnType<typeof importIntoStore> {
  return importIntoStore(store, parseExport(text, "mesh.jsonl").resources, { file: "mesh.jsonl", replace });
}

async function createFullStore(context: TestContext): Promise<Store> {
  const store = openStore(context);
  await store.put(createSplit("reviews", 1));
  await store.put(createSplit("reviews", 2));
  const owner = await store.put(createAccount("web"));
  const reference = { apiVersion: "v1", kind: "ServiceAccount", name: "web", uid: owner.metadata.uid ?? "" };
  const owned = createAccount("owned");
  await store.put({ ...owned, metadata: { ...owned.metadata, ownerReferences: [reference] } });
  return store;
}

test("importIntoStore() gives another store all that formatExport() wrote, with uids and generations", async (context) => {
  const from = await createFullStore(context);
  const to = openStore(context);
  const text = await exportOf(from);
  assert.deepEqual(await load(to, text), { created: 3, changed: 0, deleted: 0, unchanged: 0 });
  assert.equal(await exportOf(to), text);
  const { resourceVersion } = await to.listAll();
  assert.deepEqual(await load(to, text), { created: 0, changed: 0, deleted: 0, unchanged: 3 });
  assert.equal((await to.listAll()).resourceVersion, resourceVersion, "the second time changes nothing");
});

test("importIntoStore() writes nothing when something else is there, unless it may replace", async (context) => {
  const text = await exportOf(await createFullStore(context));
  const to = openStore(context);
  await to.put(createSplit("reviews", 9));
  await to.put(createSplit("gone", 1));
  await assert.rejects(load(to, text), hasCode("WEFT_STORE_IMPORT"));
  assert.equal((await to.listAll()).resourceVersion, "2");
  assert.deepEqual(await load(to, text, true), { created: 2, changed: 1, deleted: 1, unchanged: 0 });
  assert.equal(await exportOf(to), text, "uids too are those of the file");
});

test("importIntoStore() refuses a file with a resource that is not valid, whole", async (context) => {
  const from = openStore(context);
  await from.put(createAccount("fine"));
  await from.put({ ...createSplit("bad", 1), spec: { service: "bad", backends: [{ service: "x", weight: -1 }] } });
  const to = openStore(context);
  await assert.rejects(load(to, await exportOf(from)), (error: unknown) => {
    hasCode("WEFT_STORE_EXPORT")(error);
    assert.match(String(error), /TrafficSplit "default\/bad".*weight/);
    return true;
  });
  assert.deepEqual((await to.listAll()).items, []);
});

test("parseExport() says which line of a file is wrong", async (context) => {
  const text = await exportOf(await createFullStore(context));
  const lines = text.trimEnd().split("\n");
  const cut = lines.slice(0, 3).join("\n");
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["", /:1: found an empty line/],
    ["apiVersion: v1", /:1: found a line that is not JSON/],
    ["{}", /:1: found no header/],
    [text.replace('"weftExport":1', '"weftExport":2'), /:1: found format 2; expected format 1/],
    [cut, /:3: found 2 resources; expected 3, as the header says/],
    [[lines[0], lines[1], lines[2], "{}"].join("\n"), /:4: found no resource/],
    [[lines[0], lines[1], lines[2], lines[1]].join("\n"), /:4: found the resource of line 2 again/],
    [text.slice(0, -10), /:4: found a line that is not JSON/],
  ];
  for (const [input, expected] of wrong) assert.throws(() => parseExport(input, "x"), expected);
});

test("formatExport() of the same resources is the same text, in whatever order they were written", async (context) => {
  const first = openStore(context);
  const second = openStore(context);
  const resources: Resource[] = [createSplit("a", 1), createAccount("b"), createSplit("c", 1, "shop")];
  for (const resource of resources) await first.put(resource);
  await load(second, await exportOf(first));
  for (const resource of resources.toReversed()) await second.put({ ...resource, status: { seen: true } });
  assert.equal(await exportOf(second), await exportOf(first));
});
