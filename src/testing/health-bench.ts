import type { Log, LogFields } from "../lib/log.ts";
import { ClusterHealth } from "../proxy/health/cluster-health.ts";
import { type HealthHost, HostHealth } from "../proxy/health/host-health.ts";
import type { Probe, ProbeListener, ProbeResult, Prober } from "../proxy/health/prober.ts";
import { ProxyCounters } from "../proxy/counters.ts";
import { type ClusterPolicy, DEFAULT_CLUSTER_POLICY, type HealthCheckPolicy } from "../proxy/policy/cluster-policy.ts";
import { createSeededRandom } from "../random/seeded-random.ts";
import { TimerWheel } from "../time/timer-wheel.ts";
import { FakeClock } from "./fake-clock.ts";

/** The wheel is late by up to one tick. */
export const WHEEL_TICK_MS = 20;

export const HTTP_CHECK: HealthCheckPolicy = {
  kind: "http",
  path: "/healthz",
  statuses: [[200, 299]],
  service: "",
  intervalMs: 5_000,
  timeoutMs: 1_000,
  jitterPercent: 0,
  unhealthyThreshold: 3,
  healthyThreshold: 2,
};

/** The health of a cluster of `count` instances that no proxy serves, with time by hand and checks by hand. */
export class HealthBench {
  readonly clock: FakeClock = new FakeClock();
  readonly wheel: TimerWheel = new TimerWheel(this.clock);
  readonly counters: ProxyCounters = new ProxyCounters();
  readonly log: RecordingLog = new RecordingLog();
  readonly prober: FakeProber = new FakeProber(this.clock);
  readonly health: ClusterHealth;
  readonly policy: ClusterPolicy;
  hosts: readonly HealthHost[];
  changes: number = 0;

  constructor(policy: Partial<ClusterPolicy>, count: number, seed: number = 1) {
    this.policy = { ...DEFAULT_CLUSTER_POLICY, ...policy };
    this.health = new ClusterHealth({
      service: "default/reviews:80",
      clock: this.clock,
      wheel: this.wheel,
      random: createSeededRandom(seed),
      log: this.log,
      counters: this.counters,
      policy: this.policy,
      onChange: () => {
        this.changes += 1;
      },
      prober: this.prober,
    });
    this.hosts = Array.from({ length: count }, (_, index) => createHealthHost(index));
    this.health.update(this.hosts);
  }

  host(index: number): HealthHost {
    const host = this.hosts[index];
    if (host === undefined) throw new RangeError(`There is no instance ${index}`);
    return host;
  }

  /** As many attempts with this outcome, one after the other; those that the circuit does not admit are left out. */
  send(index: number, outcome: number, count: number = 1, latencyMs: number = 1): number {
    const host = this.host(index);
    let sent = 0;
    for (let attempt = 0; attempt < count; attempt += 1) {
      if (!host.health.admit(this.clock.nowMs())) continue;
      this.clock.advance(latencyMs);
      this.health.record(host, outcome, latencyMs);
      sent += 1;
    }
    return sent;
  }

  /** Names of the instances that get no requests. */
  out(): string[] {
    return this.hosts.filter(({ health }) => !health.available).map(({ config }) => config.workload);
  }
}

export function createHealthHost(index: number): HealthHost {
  const config = {
    ...{ address: `10.0.0.${index + 1}`, port: 80, version: "v1", workload: `reviews-${index}` },
    ...{ weight: 1, priority: 0, zone: "" },
  };
  return { config, health: new HostHealth() };
}

/** Lines as "message instance". */
export class RecordingLog implements Log {
  readonly lines: string[] = [];
  readonly fields: LogFields[] = [];

  debug(): void {
    // Not what users are told.
  }

  info(message: string, fields: LogFields = {}): void {
    this.#add("info", message, fields);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#add("warn", message, fields);
  }

  error(message: string, fields: LogFields = {}): void {
    this.#add("error", message, fields);
  }

  count(message: string): number {
    return this.lines.filter((line) => line.includes(message)).length;
  }

  #add(level: string, message: string, fields: LogFields): void {
    this.lines.push(`${level} ${message}`);
    this.fields.push(fields);
  }
}

/** One check that a test has to answer. */
export interface OpenProbe extends Probe {
  readonly host: HealthHost;
  readonly atMs: number;
  isCancelled: boolean;
  answer(verdict: ProbeResult["verdict"]): void;
}

/** Answers at once when `verdict` is set; keeps the checks open otherwise. */
export class FakeProber implements Prober {
  verdict: ProbeResult["verdict"] | null = null;
  readonly open: OpenProbe[] = [];
  /** Of all checks, when they were begun. */
  readonly begunMs: number[] = [];
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  probe(host: HealthHost, _check: HealthCheckPolicy, listener: ProbeListener): Probe {
    this.begunMs.push(this.#clock.nowMs());
    const probe: OpenProbe = {
      host,
      atMs: this.#clock.nowMs(),
      isCancelled: false,
      cancel: () => {
        probe.isCancelled = true;
        this.#remove(probe);
      },
      answer: (verdict) => {
        this.#remove(probe);
        listener.onProbeResult({ verdict, detail: `the test says ${verdict}` });
      },
    };
    this.open.push(probe);
    if (this.verdict !== null) probe.answer(this.verdict);
    return probe;
  }

  #remove(probe: OpenProbe): void {
    const index = this.open.indexOf(probe);
    if (index >= 0) this.open.splice(index, 1);
  }
}
