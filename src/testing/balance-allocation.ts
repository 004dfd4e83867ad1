// For `balance.alloc.test.ts`, which runs it as a process of its own: prints, per strategy, how many heap bytes one pick
// with its observation costs. The smallest of several rounds counts: what is left is ours, not the compiler's.
import type { BalancingStrategy } from "../proxy/policy/cluster-policy.ts";
import type { Balancer } from "../proxy/balance/host.ts";
import { systemRandom } from "../random/system-random.ts";
import { FakeClock } from "./fake-clock.ts";
import { DEFAULT_BALANCING } from "../proxy/policy/cluster-policy.ts";
import { OUTCOME_OK } from "../proxy/upstream/attempt-outcome.ts";
import { createBalancer } from "../proxy/balance/create-balancer.ts";
import { type TestHost, createTestHosts } from "./balanced-hosts.ts";

const STRATEGIES: readonly BalancingStrategy[] = [
  "adaptive",
  "roundRobin",
  "leastRequest",
  "random",
  "peakEwma",
  "ringHash",
  "maglev",
];
const PICKS = 100_000;
const ROUNDS = 12;

function bytesPerPick(strategy: BalancingStrategy): number {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error("Cannot measure allocation: gc() is not exposed; expected --expose-gc");
  const clock = new FakeClock();
  const balancer = createBalancer<TestHost>({ ...DEFAULT_BALANCING, strategy }, { random: systemRandom, zone: "a" });
  const hosts = createTestHosts(clock, 10);
  for (const [index, host] of hosts.entries())
    host.config = { ...host.config, weight: 1 + (index % 3), zone: "ab"[index % 2] ?? "" };
  balancer.update(hosts);
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) {
    // Half of the rounds go by reports.
    if (round % 2 === 0) for (const host of hosts) host.report(3, 5, 0);
    collect();
    const before = process.memoryUsage().heapUsed;
    run(balancer, round % 2 === 0 ? 0 : 2_000);
    least = Math.min(least, (process.memoryUsage().heapUsed - before) / PICKS);
  }
  return least;
}

function run(balancer: Balancer<TestHost>, nowMs: number): void {
  let avoided: TestHost | null = null;
  for (let index = 0; index < PICKS; index += 1) {
    const host = balancer.pick(index & 1 ? index : 0, avoided, nowMs);
    if (host === null) throw new Error("Cannot measure allocation: nobody was picked");
    balancer.observe(host, OUTCOME_OK, index & 15, nowMs);
    avoided = (index & 7) === 0 ? host : null;
  }
}

process.stdout.write(
  JSON.stringify(Object.fromEntries(STRATEGIES.map((strategy) => [strategy, bytesPerPick(strategy)]))),
);
