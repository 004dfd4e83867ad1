import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultBench } from "../faults/fault-bench.ts";
import { FAULTS } from "../faults/fault-list.ts";
import { ETCD } from "./etcd-cluster.ts";
import { findProgram, isStrict } from "./needs.ts";

const programs = [ETCD, findProgram("etcdctl"), findProgram("ip"), findProgram("nft")];
const isRoot = process.getuid?.() === 0;
if (!isRoot && isStrict()) throw new Error("network namespaces need root, and WEFT_TEST_STRICT=1 allows no skips");
const skip = programs.find((program) => program.skip !== false)?.skip ?? (isRoot ? false : "namespaces need root");

test("stores on three members lose no acknowledged write and no event under every fault", { skip }, async (context) => {
  const bench = await FaultBench.start({ seed: 5, network: true });
  context.after(() => bench.close());
  await bench.progress(20);
  for (const fault of FAULTS) {
    await fault.run(bench);
    await bench.load.watchFromList(bench.random.below(bench.stores.length));
    await bench.progress(10);
  }
  const report = await bench.finish();
  assert.deepEqual(report.violations, []);
  // The check says something only if there was something to check.
  assert.ok(report.acknowledged > 500, `${report.acknowledged} writes were acknowledged`);
  assert.ok(report.events > 1_000, `${report.events} events were seen`);
  assert.ok((report.refused["WEFT_STORE_FULL"] ?? 0) > 0, "the quota refused writes");
  assert.ok(report.relists > 0, "a watcher was told that it missed something");
});
