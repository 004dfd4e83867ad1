// npm run store-faults: control planes' stores on a real etcd of three members, faults, and a check of everything that
// writers, readers and watchers saw. See docs/store.md. Needs root, etcd, etcdctl, ip and nft.
//   --minutes N    how long faults are made (3)
//   --seed N       of the choice of faults and writes (1)
//   --only TEXT    faults whose name contains it
//   --etcd FILE    another etcd
import { parseArgs } from "node:util";
import { systemClock } from "../../src/time/system-clock.ts";
import { FaultBench } from "./fault-bench.ts";
import { FAULTS } from "./fault-list.ts";
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
const faults = FAULTS.filter((fault) => fault.name.includes(values.only));
const bench = await FaultBench.start({
  seed: Number(values.seed),
  network: true,
  ...(values.etcd === undefined ? {} : { program: values.etcd }),
});
let failed = 1;
try {
  print(
    `etcd ${(await bench.operator.status()).version}, ${bench.cluster.size} members, ${bench.stores.length} stores`,
  );
  await bench.progress(50);
  const endAtMs = systemClock.nowMs() + Number(values.minutes) * 60_000;
  let made = 0;
  for (let index = 0; index < faults.length || systemClock.nowMs() < endAtMs; index += 1) {
    const fault = index < faults.length ? faults[index] : faults[bench.random.below(faults.length)];
    if (fault === undefined) break;
    const startedMs = systemClock.nowMs();
    await fault.run(bench);
    const healedMs = systemClock.nowMs();
    await bench.load.watchFromList(bench.random.below(bench.stores.length));
    await bench.progress(30);
    made += 1;
    const goingMs = systemClock.nowMs() - healedMs;
    print(`  ${fault.name}: ${((healedMs - startedMs) / 1000).toFixed(1)} s, 30 writes ${goingMs.toFixed(0)} ms later`);
  }
  const report = await bench.finish();
  print(formatReport(report, made));
  failed = report.violations.length;
} finally {
  await bench.close();
}
process.exitCode = failed === 0 ? 0 : 1;
