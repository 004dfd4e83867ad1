import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { ClosingStack } from "../../src/control/closing-stack.ts";
import { systemRandom } from "../../src/random/system-random.ts";
import { openEtcdStore } from "../../src/store/etcd/open-etcd-store.ts";
import { importIntoStore } from "../../src/store/export/import-into-store.ts";
import { formatExport, parseExport } from "../../src/store/export/mesh-export.ts";
import { backUpLmdbStore } from "../../src/store/back-up-lmdb.ts";
import { openLmdbStore } from "../../src/store/lmdb.ts";
import { toResourceKey } from "../../src/store/store-key.ts";
import { createAccount, createSplit, hasCode, Recording, SPLITS } from "../../src/store/store-samples.ts";
import type { Store } from "../../src/store/store.ts";
import { systemClock } from "../../src/time/system-clock.ts";
import { weightOf } from "../faults/truth-log.ts";
import { createClient, ETCD, EtcdCluster, SILENT } from "./etcd-cluster.ts";
import { findProgram } from "./needs.ts";

const ETCDCTL = findProgram("etcdctl");
const skip = ETCD.skip === false ? ETCDCTL.skip : ETCD.skip;
const MESH = "shop";

test("a snapshot of etcd, restored into another etcd, is the mesh as it was", { skip }, async (context) => {
  const closing = closeAfter(context);
  const folder = await makeFolder(closing);
  const before = await EtcdCluster.start();
  closing.add(() => before.stop());
  const store = await openOn(closing, before.endpoints());
  await store.put(createSplit("reviews", 1));
  const kept = await exportOf(store);
  const snapshot = join(folder, "backup.db");
  await etcdctl("--endpoints", before.endpoints().join(","), "snapshot", "save", snapshot);
  await store.put(createSplit("reviews", 2));

  const data = join(folder, "restored");
  const after = await EtcdCluster.start({
    place: () => ({ folder: data }),
    prepare: (member) =>
      etcdctl(
        ...["snapshot", "restore", snapshot, "--data-dir", data, "--name", member.name],
        ...["--initial-cluster", `${member.name}=${member.peerUrl}`, "--initial-advertise-peer-urls", member.peerUrl],
      ),
  });
  closing.add(() => after.stop());
  const restored = await openOn(closing, after.endpoints());
  assert.equal(await exportOf(restored), kept);
  await restored.put(createSplit("reviews", 3));
  assert.notEqual(await exportOf(restored), kept);
});

test("a store whose etcd went back to a backup tells its watchers to list again", { skip }, async (context) => {
  const closing = closeAfter(context);
  const folder = await makeFolder(closing);
  const data = join(folder, "data");
  const cluster = await EtcdCluster.start({ place: () => ({ folder: data }) });
  closing.add(() => cluster.stop());
  const store = await openOn(closing, cluster.endpoints());
  await store.put(createSplit("reviews", 1));
  const snapshot = join(folder, "backup.db");
  await etcdctl("--endpoints", cluster.endpoints().join(","), "snapshot", "save", snapshot);
  const kept = await exportOf(store);
  for (let weight = 2; weight < 12; weight += 1) await store.put(createSplit("reviews", weight));
  const recording = new Recording();
  recording.start(store, { fromVersion: (await store.listAll()).resourceVersion });

  await cluster.kill(0);
  await rm(data, { recursive: true });
  const { name, peerUrl } = cluster.describe(0);
  await etcdctl(
    ...["snapshot", "restore", snapshot, "--data-dir", data, "--name", name],
    ...["--initial-cluster", `${name}=${peerUrl}`, "--initial-advertise-peer-urls", peerUrl],
  );
  cluster.restart(0);
  await cluster.ready();
  hasCode("WEFT_STORE_TOO_OLD")(await recording.failed());
  assert.equal(await exportOf(store), kept);
  const written = await store.put(createSplit("reviews", 20));
  assert.deepEqual(await store.get(toResourceKey(written)), written);
});

test("a mesh moves from LMDB to etcd and back, and nothing is different", { skip }, async (context) => {
  const closing = closeAfter(context);
  const folder = await makeFolder(closing);
  const openLocal = async (name: string): Promise<Store> => {
    const store = await openLmdbStore({ path: join(folder, name), clock: systemClock, random: systemRandom });
    closing.add(() => store.close());
    return store;
  };
  const first = await openLocal("first");
  await Promise.all(Array.from({ length: 1_200 }, (_, index) => first.put(createAccount(`a${index}`))));
  await first.put(createSplit("reviews", 1));
  await first.put(createSplit("reviews", 2));
  const exported = await exportOf(first);

  const cluster = await EtcdCluster.start();
  closing.add(() => cluster.stop());
  const inEtcd = await openOn(closing, cluster.endpoints());
  await load(inEtcd, exported);
  // Another control plane loads it in pages.
  const other = await openOn(closing, cluster.endpoints());
  assert.equal(await exportOf(other), exported);
  const last = await openLocal("last");
  await load(last, await exportOf(inEtcd));
  assert.equal(await exportOf(last), exported);
});

test("a backup of LMDB, taken while somebody writes, opens as the mesh at one moment", async (context) => {
  const closing = closeAfter(context);
  const folder = await makeFolder(closing);
  const path = join(folder, "store");
  const store = await openLmdbStore({ path, clock: systemClock, random: systemRandom });
  closing.add(() => store.close());
  const load = { isDone: false };
  let acknowledged = 0;
  const writing = (async () => {
    for (let weight = 1; !load.isDone; weight += 1) {
      await store.put(createSplit("first", weight));
      await store.put(createSplit("second", weight));
      acknowledged = weight;
    }
  })();
  for (let round = 0; round < 5; round += 1) {
    const before = acknowledged;
    const target = join(folder, `copy${round}`);
    // Another process, as `weft store backup` is one.
    await backUpElsewhere(path, target);
    const after = acknowledged;
    const copy = await openLmdbStore({ path: target, clock: systemClock, random: systemRandom });
    const weights = (await copy.list(SPLITS)).items.map((split) => weightOf(JSON.stringify(split)));
    await copy.close();
    const [first = 0, second = 0] = weights;
    assert.ok(first - second === 0 || first - second === 1, `${first} and ${second} are of one moment`);
    assert.ok(second >= before && first <= after + 1, `${before} <= ${second}, ${first} <= ${after + 1}`);
  }
  load.isDone = true;
  await writing;
  await assert.rejects(backUpLmdbStore(path, join(folder, "copy0")), hasCode("WEFT_STORE_BACKUP"));
  await assert.rejects(backUpLmdbStore(folder, join(folder, "new")), hasCode("WEFT_STORE_BACKUP"));
});

async function backUpElsewhere(path: string, target: string): Promise<void> {
  const module = new URL("../../src/store/back-up-lmdb.js", import.meta.url).href;
  const program = `import { backUpLmdbStore } from ${JSON.stringify(module)}; await backUpLmdbStore(...process.argv.slice(1));`;
  await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program, path, target]);
}

/** Last opened, first closed. */
function closeAfter(context: TestContext): ClosingStack {
  const closing = new ClosingStack();
  context.after(() => closing.close());
  return closing;
}

async function makeFolder(closing: ClosingStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "weft-backup-"));
  closing.add(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function openOn(closing: ClosingStack, endpoints: readonly string[]): Promise<Store> {
  const client = createClient(endpoints);
  const store = await openEtcdStore({ client, mesh: MESH, clock: systemClock, random: systemRandom, log: SILENT });
  closing.add(async () => {
    await store.close();
    client.close();
  });
  return store;
}

async function exportOf(store: Store): Promise<string> {
  const { items } = await store.listAll();
  return formatExport({ mesh: MESH, exportedAt: "2026-01-01T00:00:00Z", resources: items });
}

async function load(store: Store, text: string): Promise<void> {
  await importIntoStore(store, parseExport(text, "export").resources, { file: "export", replace: false });
}

async function etcdctl(...words: readonly string[]): Promise<void> {
  await promisify(execFile)(ETCDCTL.path, words, { env: { ETCDCTL_API: "3" } });
}
