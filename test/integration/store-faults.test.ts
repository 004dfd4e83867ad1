import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultBench, type FaultReport } from "../faults/fault-bench.ts";
import { type Fault, FAULTS } from "../faults/fault-list.ts";
import { ETCD, JUMPING_ETCD } from "./etcd-cluster.ts";
import { findProgram, isStrict } from "./needs.ts";

const programs = [ETCD, findProgram("etcdctl"), findProgram("ip"), findProgram("nft")];
const isRoot = process.getuid?.() === 0;
if (!isRoot && isStrict()) throw new Error("network namespaces need root, and WEFT_TEST_STRICT=1 allows no skips");
const skip = programs.find((program) => program.skip !== false)?.skip ?? (isRoot ? false : "namespaces need root");

test("stores on three members lose no acknowledged write and no event under every fault", { skip }, async (context) => {
  const bench = await FaultBench.start({ seed: 5, network: true });
  context.after(() => bench.close());
  const report = await runFaults(
    bench,
    FAULTS.filter(({ clocks }) => clocks !== true),
  );
  assert.deepEqual(report.violations, []);
  // The check says something only if there was something to check.
  assert.ok(report.acknowledged > 500, `${report.acknowledged} writes were acknowledged`);
  assert.ok(report.events > 1_000, `${report.events} events were seen`);
  assert.ok((report.refused["WEFT_STORE_FULL"] ?? 0) > 0, "the quota refused writes");
  assert.ok(report.relists > 0, "a watcher was told that it missed something");
});

test("stores lose nothing when the wall clocks of members jump", { skip: JUMPING_ETCD.skip }, async (context) => {
  const bench = await FaultBench.start({ seed: 7, network: false, program: JUMPING_ETCD.path });
  context.after(() => bench.close());
  const report = await runFaults(
    bench,
    FAULTS.filter(({ clocks }) => clocks === true),
  );
  assert.deepEqual(report.violations, []);
  assert.ok(report.acknowledged > 150, `${report.acknowledged} writes were acknowledged`);
});

async function runFaults(bench: FaultBench, faults: readonly Fault[]): Promise<FaultReport> {
  await bench.progress(20);
  for (const fault of faults) {
    await fault.run(bench);
    await bench.load.watchFromList(bench.random.below(bench.stores.length));
    await bench.progress(10);
  }
  return await bench.finish();
}
