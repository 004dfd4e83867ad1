import type { Random } from "../random/random.ts";
import type { BalancingPolicy } from "../proxy/policy/cluster-policy.ts";
import type { Balancer } from "../proxy/balance/host.ts";
import { FakeClock } from "./fake-clock.ts";
import { LoadReport, REPORT_MS } from "../proxy/load/load-report.ts";
import { OUTCOME_GATEWAY_ERROR, OUTCOME_OK } from "../proxy/upstream/attempt-outcome.ts";
import { createBalancer } from "../proxy/balance/create-balancer.ts";
import { type TestHost, createTestHosts } from "./balanced-hosts.ts";

export interface SimulatedInstance {
  /** Requests worked on at once; others wait. */
  readonly workers: number;
  /** Mean of the exponential time that one request takes. */
  readonly serviceMs: number;
  /** It fails every request at once. */
  readonly failing: boolean;
  /** Its proxy says on responses how busy it is. */
  readonly reporting: boolean;
}

export interface SimulationOptions {
  readonly policy: BalancingPolicy;
  readonly random: Random;
  readonly instances: readonly SimulatedInstance[];
  /** Proxies that call, each with its own balancer. */
  readonly callers: number;
  readonly requestsPerSecond: number;
  readonly durationMs: number;
  /** What was begun before does not count. */
  readonly warmUpMs: number;
}

export interface SimulationResult {
  /** Requests that each instance got. */
  readonly counts: readonly number[];
  /** Of answers that were no failures, ascending; what was not answered at the end counts with its age. */
  readonly latenciesMs: Float64Array;
  readonly failures: number;
}

/** Callers, instances and time, with the real balancers and load reports between them. */
export function simulateFleet(options: SimulationOptions): SimulationResult {
  return new Fleet(options).run();
}

interface Job {
  readonly caller: Caller;
  readonly host: TestHost;
  readonly beganMs: number;
  readonly met: number;
}

interface Caller {
  readonly balancer: Balancer<TestHost>;
  readonly hosts: readonly TestHost[];
  readonly reportedMs: number[];
}

class Instance {
  readonly config: SimulatedInstance;
  readonly report: LoadReport;
  readonly queue: Job[] = [];
  working: number = 0;
  count: number = 0;

  constructor(config: SimulatedInstance, clock: FakeClock) {
    this.config = config;
    this.report = new LoadReport(clock);
  }
}

class Fleet {
  readonly #options: SimulationOptions;
  readonly #clock: FakeClock = new FakeClock();
  readonly #instances: Instance[];
  readonly #callers: Caller[];
  readonly #latencies: number[] = [];
  #failures: number = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#instances = options.instances.map((config) => new Instance(config, this.#clock));
    this.#callers = Array.from({ length: options.callers }, () => {
      const hosts = createTestHosts(this.#clock, options.instances.length);
      const balancer = createBalancer<TestHost>(options.policy, { random: options.random, zone: "" });
      balancer.update(hosts);
      return { balancer, hosts, reportedMs: hosts.map(() => -REPORT_MS) };
    });
  }

  run(): SimulationResult {
    const { durationMs } = this.#options;
    this.#clock.after(0, arrive, this as Fleet);
    this.#clock.advance(durationMs);
    for (const { queue } of this.#instances) {
      for (const { beganMs } of queue)
        if (beganMs >= this.#options.warmUpMs) this.#latencies.push(durationMs - beganMs);
    }
    return {
      counts: this.#instances.map(({ count }) => count),
      latenciesMs: Float64Array.from(this.#latencies).sort(),
      failures: this.#failures,
    };
  }

  arrive(): void {
    const { random, requestsPerSecond } = this.#options;
    this.#clock.after(exponential(random, 1_000 / requestsPerSecond), arrive, this as Fleet);
    const nowMs = this.#clock.nowMs();
    const caller = this.#callers[random.below(this.#callers.length)] as Caller; // below the length
    const host = caller.balancer.pick(0, null, nowMs);
    if (host === null) throw new Error("Cannot simulate: there is no instance");
    const instance = this.#instances[caller.hosts.indexOf(host)] as Instance; // one for each host
    host.inFlight += 1;
    if (nowMs >= this.#options.warmUpMs) instance.count += 1;
    const job = { caller, host, beganMs: nowMs, met: instance.report.begin() };
    if (instance.working < instance.config.workers) this.#work(instance, job);
    else instance.queue.push(job);
  }

  finish(instance: Instance, job: Job): void {
    const nowMs = this.#clock.nowMs();
    const { caller, host, beganMs } = job;
    const { failing, reporting } = instance.config;
    const latencyMs = nowMs - beganMs;
    const index = caller.hosts.indexOf(host);
    if (reporting && nowMs - (caller.reportedMs[index] ?? 0) >= REPORT_MS) {
      caller.reportedMs[index] = nowMs;
      host.report(instance.report.inFlight(), instance.report.latencyMs(nowMs), nowMs);
    }
    caller.balancer.observe(host, failing ? OUTCOME_GATEWAY_ERROR : OUTCOME_OK, latencyMs, nowMs);
    host.inFlight -= 1;
    instance.report.end(failing ? -1 : latencyMs, job.met);
    if (beganMs >= this.#options.warmUpMs) {
      if (failing) this.#failures += 1;
      else this.#latencies.push(latencyMs);
    }
    instance.working -= 1;
    const next = instance.queue.shift();
    if (next !== undefined) this.#work(instance, next);
  }

  #work(instance: Instance, job: Job): void {
    instance.working += 1;
    const { failing, serviceMs } = instance.config;
    const tookMs = failing ? 0.1 : exponential(this.#options.random, serviceMs);
    this.#clock.after(tookMs, ([fleet, at, done]) => fleet.finish(at, done), [this as Fleet, instance, job] as const);
  }
}

function arrive(fleet: Fleet): void {
  fleet.arrive();
}

function exponential(random: Random, mean: number): number {
  return -Math.log(1 - random.next()) * mean;
}
