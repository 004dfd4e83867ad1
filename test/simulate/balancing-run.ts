import type { Balancer, Host } from "../../src/proxy/balance/host.ts";
import { createBalancer } from "../../src/proxy/balance/create-balancer.ts";
import { HostStats } from "../../src/proxy/balance/host-stats.ts";
import { toLocalHead } from "../../src/proxy/http2/local-head.ts";
import { EndpointLoad } from "../../src/proxy/load/endpoint-load.ts";
import { REPORT_MS } from "../../src/proxy/load/load-report.ts";
import { type BalancingStrategy, DEFAULT_BALANCING } from "../../src/proxy/policy/cluster-policy.ts";
import type { EndpointConfig } from "../../src/proxy/snapshot.ts";
import {
  OUTCOME_ERROR,
  OUTCOME_GATEWAY_ERROR,
  OUTCOME_OK,
  OUTCOME_TIMEOUT,
} from "../../src/proxy/upstream/attempt-outcome.ts";
import { createSeededRandom } from "../../src/random/seeded-random.ts";
import type { Clock } from "../../src/time/clock.ts";
import type { Random } from "../../src/random/random.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { EventQueue } from "./event-queue.ts";
import { type InstanceModel, SimulatedInstance } from "./simulated-instance.ts";

export interface BalancingScenario {
  readonly name: string;
  readonly instances: readonly InstanceModel[];
}

export interface BalancingRun {
  readonly strategy: BalancingStrategy;
  readonly scenario: BalancingScenario;
  /** Share of what all instances together can answer. */
  readonly load: number;
  readonly seconds: number;
  readonly seed: number;
  /** Proxies that call, each with a balancer of its own. */
  readonly callers: number;
}

export interface BalancingResult {
  readonly requests: number;
  /** Of all requests, failed ones with the time until they failed. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errorRatio: number;
  /** Of the requests that were sent to each instance. */
  readonly shares: readonly number[];
}

/** A caller gives up after it. */
const TIMEOUT_MS = 1_000;
const NETWORK_MS = 0.25;
/** What happens before it does not count. */
const WARM_UP_SECONDS = 5;

/** Runs the real balancers against modelled instances in simulated time. The same seed gives the same result. */
export function runBalancing(run: BalancingRun): BalancingResult {
  const random = createSeededRandom(run.seed);
  const events = new EventQueue(new FakeClock());
  const instances = run.scenario.instances.map((model) => new SimulatedInstance(model, events, random));
  const tally = new Tally(instances.length, WARM_UP_SECONDS * 1_000);
  const callers = Array.from(
    { length: run.callers },
    () => new SimulatedCaller(run.strategy, instances, events, random),
  );
  const perSecond = run.load * instances.reduce((sum, instance) => sum + instance.capacity(), 0);
  const endMs = (WARM_UP_SECONDS + run.seconds) * 1_000;
  const arrive = (): void => {
    callers[random.below(callers.length)]?.call(tally);
    const waitMs = (-Math.log(1 - random.next()) * 1_000) / perSecond;
    if (events.clock.nowMs() + waitMs < endMs) events.add(waitMs, arrive);
  };
  arrive();
  events.run(endMs + 2 * TIMEOUT_MS);
  return tally.result();
}

class SimulatedHost implements Host {
  readonly config: EndpointConfig;
  readonly load: EndpointLoad;
  readonly stats: HostStats = new HostStats();
  readonly health: { readonly available: boolean } = { available: true };
  readonly addedMs: number = -60_000;
  inFlight: number = 0;
  reportedMs: number = -REPORT_MS;
  readonly instance: SimulatedInstance;
  readonly index: number;

  constructor(instance: SimulatedInstance, index: number, clock: Clock) {
    this.load = new EndpointLoad(clock, this);
    this.instance = instance;
    this.index = index;
    const address = `10.0.0.${index}`;
    this.config = { address, port: 80, version: "", workload: "", weight: 1, priority: 0, zone: "" };
  }
}

/** One proxy that calls: balances, times out, and takes load reports as they come. */
class SimulatedCaller {
  readonly #balancer: Balancer<SimulatedHost>;
  readonly #events: EventQueue;

  constructor(
    strategy: BalancingStrategy,
    instances: readonly SimulatedInstance[],
    events: EventQueue,
    random: Random,
  ) {
    const deps = { clock: events.clock, random, zone: "" };
    this.#balancer = createBalancer<SimulatedHost>({ ...DEFAULT_BALANCING, strategy }, deps);
    this.#balancer.update(instances.map((instance, index) => new SimulatedHost(instance, index, events.clock)));
    this.#events = events;
  }

  call(tally: Tally): void {
    const events = this.#events;
    const { clock } = events;
    const beganMs = clock.nowMs();
    const host = this.#balancer.pick(0, null, beganMs);
    if (host === null) throw new Error("There is always an instance");
    host.inFlight += 1;
    let open = true;
    const end = (outcome: number): void => {
      if (!open) return;
      open = false;
      host.inFlight -= 1;
      const tookMs = clock.nowMs() - beganMs;
      this.#balancer.observe(host, outcome, tookMs, clock.nowMs());
      tally.add(host.index, beganMs, tookMs, outcome !== OUTCOME_OK);
    };
    events.add(TIMEOUT_MS, () => end(OUTCOME_TIMEOUT));
    events.add(NETWORK_MS, () => {
      host.instance.handle((status) => {
        const text = this.#report(host);
        events.add(NETWORK_MS, () => {
          if (text !== "") host.load.takeFrom(toLocalHead(200, text, 0));
          end(status === 200 ? OUTCOME_OK : status === 503 ? OUTCOME_GATEWAY_ERROR : OUTCOME_ERROR);
        });
      });
    });
  }

  /** The report that the instance's proxy puts on this response, as seldom as the real one does; "" = none. */
  #report(host: SimulatedHost): string {
    const nowMs = this.#events.clock.nowMs();
    if (nowMs - host.reportedMs < REPORT_MS) return "";
    host.reportedMs = nowMs;
    return Buffer.from(host.instance.report.lines(nowMs).bytes).toString("latin1");
  }
}

class Tally {
  readonly #sent: number[];
  readonly #tookMs: number[] = [];
  readonly #fromMs: number;
  #failed: number = 0;

  constructor(instances: number, fromMs: number) {
    this.#sent = new Array<number>(instances).fill(0);
    this.#fromMs = fromMs;
  }

  add(instance: number, beganMs: number, tookMs: number, failed: boolean): void {
    if (beganMs < this.#fromMs) return;
    this.#sent[instance] = (this.#sent[instance] ?? 0) + 1;
    this.#tookMs.push(tookMs);
    if (failed) this.#failed += 1;
  }

  result(): BalancingResult {
    const sorted = Float64Array.from(this.#tookMs).sort();
    const requests = sorted.length;
    const at = (part: number): number => sorted[Math.min(requests - 1, Math.floor(requests * part))] ?? 0;
    return {
      requests,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      errorRatio: this.#failed / Math.max(1, requests),
      shares: this.#sent.map((count) => count / Math.max(1, requests)),
    };
  }
}
