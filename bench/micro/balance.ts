// Nanoseconds of one pick with its observation, by strategy and number of instances. `node dist/bench/micro/balance.js
// [seconds]`, also under Bun. CPU time, as other work on the machine does not count in it.
import type { BalancingStrategy } from "../../src/proxy/policy/cluster-policy.ts";
import type { Balancer } from "../../src/proxy/balance/host.ts";
import { createBalancer } from "../../src/proxy/balance/create-balancer.ts";
import { type TestHost, createTestHosts } from "../../src/testing/balanced-hosts.ts";
import { DEFAULT_BALANCING } from "../../src/proxy/policy/cluster-policy.ts";
import { OUTCOME_OK } from "../../src/proxy/upstream/attempt-outcome.ts";
import { systemRandom } from "../../src/random/system-random.ts";
import { systemClock } from "../../src/time/system-clock.ts";

const STRATEGIES: readonly BalancingStrategy[] = [
  "adaptive",
  "roundRobin",
  "leastRequest",
  "random",
  "peakEwma",
  "ringHash",
  "maglev",
];
const COUNTS = [2, 10, 1_000];
const BATCH = 100_000;

class Subject {
  readonly label: string;
  readonly hosts: readonly TestHost[];
  readonly balancer: Balancer<TestHost>;
  pickNs: number = Number.POSITIVE_INFINITY;
  bothNs: number = Number.POSITIVE_INFINITY;

  constructor(strategy: BalancingStrategy, count: number, weighted: boolean) {
    this.label = `${strategy}, ${count} instances${weighted ? " of different weights" : ""}`;
    this.balancer = createBalancer<TestHost>(
      { ...DEFAULT_BALANCING, strategy, slowStartMs: 0 },
      { random: systemRandom, zone: "" },
    );
    this.hosts = createTestHosts(systemClock, count);
    for (const [index, host] of this.hosts.entries()) {
      if (weighted) host.config = { ...host.config, weight: 1 + (index % 7) };
      host.inFlight = index % 5;
      host.report(index % 9, 5 + (index % 3), 0);
    }
    this.balancer.update(this.hosts);
  }

  pick(): number {
    const start = process.cpuUsage();
    for (let index = 0; index < BATCH; index += 1) this.balancer.pick(index, null, 1);
    return nanoseconds(start);
  }

  pickAndObserve(): number {
    const start = process.cpuUsage();
    for (let index = 0; index < BATCH; index += 1) {
      const host = this.balancer.pick(index, null, 1);
      if (host !== null) this.balancer.observe(host, OUTCOME_OK, 5, 1 + index / BATCH);
    }
    return nanoseconds(start);
  }

  measure(): void {
    this.pickNs = Math.min(this.pickNs, this.pick());
    this.bothNs = Math.min(this.bothNs, this.pickAndObserve());
  }
}

function nanoseconds(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1_000) / BATCH;
}

const seconds = Number(process.argv[2] ?? "1");
const runtime = "Bun" in globalThis ? `Bun ${process.versions["bun"] ?? ""}` : `Node ${process.version}`;
const subjects = STRATEGIES.flatMap((strategy) =>
  COUNTS.flatMap((count) => [new Subject(strategy, count, false), new Subject(strategy, count, true)]),
);
process.stdout.write(`${runtime}, best of the batches within ${seconds} s, by turns: pick, pick and observe\n`);
const end = process.hrtime.bigint() + BigInt(Math.round(seconds * subjects.length * 1e9));
do {
  for (const subject of subjects) subject.measure();
} while (process.hrtime.bigint() < end);
for (const { label, pickNs, bothNs } of subjects) {
  process.stdout.write(`${label.padEnd(52)} ${pickNs.toFixed(0).padStart(6)} ns ${bothNs.toFixed(0).padStart(6)} ns\n`);
}
