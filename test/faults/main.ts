// npm run store-faults: control planes' stores on a real etcd of three members, faults, and a check of everything that
// writers, readers and watchers saw. See docs/store.md. Needs root, etcd, etcdctl, ip and nft.
//   --minutes N    how long faults are made (3), and those of members' clocks once more so long
//   --seed N       of the choice of faults and writes (1)
//   --only TEXT    faults whose name contains it
//   --etcd FILE    another etcd
import { parseArgs } from "node:util";
import { systemClock } from "../../src/time/system-clock.ts";
import { FaultBench } from "./fault-bench.ts";
import { JUMPING_ETCD } from "../integration/etcd-cluster.ts";
import { type Fault, FAULTS } from "./fault-list.ts";
import { formatReport } from "./format-report.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "3" },
    seed: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    etcd: { type: "string" },
  },
});
const print = (line: string): void => void process.stdout.write(`${line}\n`);
let failed = 0;
for (const needsClocks of [false, true]) {
  const faults = FAULTS.filter(({ name, clocks = false }) => clocks === needsClocks && name.includes(values.only));
  if (faults.length === 0) continue;
  if (needsClocks && JUMPING_ETCD.skip !== false) {
    print(
      `clocks of members are left alone: ${JUMPING_ETCD.skip} (test/faults/jumping-etcd/build.sh .build/tools/etcd-jumping)`,
    );
    continue;
  }
  failed += await runFaults(faults, needsClocks ? JUMPING_ETCD.path : values.etcd);
}
process.exitCode = failed === 0 ? 0 : 1;

/** Each once, then any until the time is over. Resolves with the number of violations. */
async function runFaults(faults: readonly Fault[], program: string | undefined): Promise<number> {
  const bench = await FaultBench.start({
    seed: Number(values.seed),
    network: faults.some(({ network }) => network),
    ...(program === undefined ? {} : { program }),
  });
  try {
    print(
      `etcd ${(await bench.operator.status()).version}, ${bench.cluster.size} members, ${bench.stores.length} stores`,
    );
    await bench.progress(50);
    const endAtMs = systemClock.nowMs() + Number(values.minutes) * 60_000;
    let made = 0;
    for (let index = 0; index < faults.length || systemClock.nowMs() < endAtMs; index += 1) {
      const fault = faults[index] ?? faults[bench.random.below(faults.length)];
      if (fault === undefined) break;
      const startedMs = systemClock.nowMs();
      await fault.run(bench);
      const healedMs = systemClock.nowMs();
      await bench.load.watchFromList(bench.random.below(bench.stores.length));
      await bench.progress(30);
      made += 1;
      const goingMs = systemClock.nowMs() - healedMs;
      print(
        `  ${fault.name}: ${((healedMs - startedMs) / 1000).toFixed(1)} s, 30 writes ${goingMs.toFixed(0)} ms later`,
      );
    }
    const report = await bench.finish();
    print(formatReport(report, made));
    return report.violations.length;
  } finally {
    await bench.close();
  }
}
