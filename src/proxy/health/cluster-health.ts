import type { Log } from "../../lib/log.ts";
import type { Random } from "../../random/random.ts";
import type { Clock } from "../../time/clock.ts";
import type { TimerWheel } from "../../time/timer-wheel.ts";
import type { ProxyCounters } from "../counters.ts";
import type { ClusterPolicy, TripPolicy } from "../policy/cluster-policy.ts";
import type { HealthContext } from "./health-context.ts";
import type { HealthHost, HostHealth, HostWatcher } from "./host-health.ts";
import type { Prober } from "./prober.ts";
import { CircuitBreaker, type CircuitState } from "../circuit/circuit-breaker.ts";
import { ClusterLimits } from "../circuit/cluster-limits.ts";
import { ActiveChecks } from "./active-checks.ts";
import { CircuitReporter } from "./circuit-reporter.ts";
import { HostCircuits } from "./host-circuits.ts";
import { OutlierEjector } from "./outlier-ejector.ts";

export interface ClusterHealthDeps<H extends HealthHost> {
  /** For the log: the cluster's name, "<namespace>/<service>:<port>". */
  readonly service: string;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
  readonly counters: ProxyCounters;
  readonly policy: ClusterPolicy;
  /** `available` of some instance changed. May be called from within any method, never before the constructor is done. */
  readonly onChange: () => void;
  /** Null: active checks are not made, whatever the policy says (hosts outside the mesh). */
  readonly prober: Prober<H> | null;
}

/** One cluster's health for the admin page. */
export interface ClusterHealthView {
  readonly circuit: { readonly state: CircuitState; readonly reason: string; readonly trips: number } | null;
  readonly limits: Readonly<Record<"connections" | "pendingRequests" | "requests" | "retries", LimitView>>;
  readonly instances: readonly InstanceHealthView[];
}

/** `limit` 0 = none. */
export interface LimitView {
  readonly now: number;
  readonly limit: number;
}

export interface InstanceHealthView {
  readonly address: string;
  readonly workload: string;
  readonly version: string;
  readonly available: boolean;
  /** Why it gets no requests, or gets fewer; empty when all is well. */
  readonly reasons: readonly string[];
  readonly ejectionsInARow: number;
}

/**
 * The health of one cluster's instances: active checks, outlier ejection and circuits, which together say whether an
 * instance is `available`; and the cluster's own circuit and limits. One per cluster, across snapshots. What is done with
 * unavailable instances (other ones, or all of them when too few are left) is the balancer's affair.
 */
export class ClusterHealth<H extends HealthHost = HealthHost> implements HealthContext, HostWatcher {
  readonly service: string;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
  readonly counters: ProxyCounters;
  readonly limits: ClusterLimits;
  /** Of the whole service; null = its policy has none. `admit` before the first attempt, `record` when the exchange is over. */
  circuit: CircuitBreaker | null = null;
  readonly #onChange: () => void;
  readonly #prober: Prober<H> | null;
  #policy: ClusterPolicy;
  #hosts: readonly H[] = [];
  #ejector: OutlierEjector<H> | null = null;
  #circuits: HostCircuits<H> | null = null;
  #checks: ActiveChecks<H> | null = null;

  constructor(deps: ClusterHealthDeps<H>) {
    this.service = deps.service;
    this.clock = deps.clock;
    this.wheel = deps.wheel;
    this.random = deps.random;
    this.log = deps.log;
    this.counters = deps.counters;
    this.#onChange = deps.onChange;
    this.#prober = deps.prober;
    this.#policy = deps.policy;
    this.limits = new ClusterLimits(deps.policy.limits, deps.counters);
    this.#useOutliers(deps.policy);
    this.#useTrip(deps.policy.trip);
    this.#useInstanceTrip(deps.policy.instanceTrip);
    this.#useChecks(deps.policy);
  }

  /** The instances there are now. Those that stay keep what is known of them. */
  update(hosts: readonly H[]): void {
    const staying = new Set(hosts);
    for (const host of this.#hosts) {
      if (staying.has(host)) continue;
      this.#checks?.forget(host);
      this.#ejector?.forget(host);
      this.#circuits?.forget(host);
      host.health.watcher = null;
    }
    this.#hosts = hosts;
    for (const { health } of hosts) health.watcher = this;
    this.#ejector?.update(hosts);
    this.#circuits?.update(hosts);
    this.#checks?.update(hosts);
  }

  /** What did not change of the policy goes on as it was; of what did, nothing is remembered. */
  setPolicy(policy: ClusterPolicy): void {
    const old = this.#policy;
    if (old === policy) return;
    this.#policy = policy;
    this.limits.policy = policy.limits;
    if (!isSame(old.outliers, policy.outliers)) this.#useOutliers(policy);
    if (!isSame(old.trip, policy.trip)) this.#useTrip(policy.trip);
    if (!isSame(old.instanceTrip, policy.instanceTrip)) this.#useInstanceTrip(policy.instanceTrip);
    if (!isSame(old.healthChecks, policy.healthChecks)) this.#useChecks(policy);
  }

  /**
   * Once for every attempt that `host.health.admit` let through, when it was answered or failed: an OUTCOME_*, and the time
   * since it was admitted.
   */
  record(host: H, outcome: number, latencyMs: number, nowMs: number = this.clock.nowMs()): void {
    // One that left the configuration while it worked.
    if (host.health.watcher !== this) return;
    this.#ejector?.record(host, outcome, latencyMs);
    this.#circuits?.record(host, outcome, latencyMs, nowMs);
  }

  /** No timer is left, and no check under way. */
  close(): void {
    // First, so that no place that is given up goes to another check.
    this.#checks?.close();
    this.update([]);
    this.#ejector?.close();
    this.#circuits?.close();
    this.#useTrip(null);
  }

  describe(): ClusterHealthView {
    const nowMs = this.clock.nowMs();
    const { circuit, limits } = this;
    const { policy } = limits;
    return {
      circuit: circuit === null ? null : { state: circuit.state, reason: circuit.reason, trips: circuit.trips },
      limits: {
        connections: { now: limits.connections, limit: policy.connections },
        pendingRequests: { now: limits.pendingRequests, limit: policy.pendingRequests },
        requests: { now: limits.requests, limit: policy.requests },
        retries: { now: limits.retries, limit: policy.retries },
      },
      instances: this.#hosts.map(({ config, health }) => ({
        address: `${config.address}:${config.port}`,
        workload: config.workload,
        version: config.version,
        available: health.available,
        reasons: health.reasons(nowMs),
        ejectionsInARow: health.ejections,
      })),
    };
  }

  // HealthContext, HostWatcher

  refresh({ health }: HealthHost): void {
    const { circuit } = health;
    const available =
      health.failingChecks.size === 0 &&
      health.ejectedUntilMs === 0 &&
      (circuit === null || circuit.hasRoom(this.clock.nowMs()));
    if (available === health.available) return;
    health.available = available;
    this.#onChange();
  }

  onTrialsFull(health: HostHealth): void {
    const host = this.#hosts.find((known) => known.health === health);
    if (host !== undefined) this.#circuits?.onTrialsFull(host);
  }

  #useOutliers({ outliers }: ClusterPolicy): void {
    if (outliers !== null && this.#ejector !== null) {
      this.#ejector.setPolicy(outliers);
      return;
    }
    this.#ejector?.close();
    this.#ejector = outliers === null ? null : new OutlierEjector<H>(this, outliers);
    this.#ejector?.update(this.#hosts);
  }

  #useTrip(trip: TripPolicy | null): void {
    if (this.circuit !== null && this.circuit.state !== "closed") this.counters.circuitsOpenNow -= 1;
    const reporter = new CircuitReporter(this, "", () => undefined);
    this.circuit = trip === null ? null : new CircuitBreaker(trip, this.random, reporter);
  }

  #useInstanceTrip(trip: TripPolicy | null): void {
    this.#circuits?.close();
    this.#circuits = trip === null ? null : new HostCircuits<H>(this, trip);
    this.#circuits?.update(this.#hosts);
  }

  #useChecks({ healthChecks }: ClusterPolicy): void {
    this.#checks?.close();
    const prober = healthChecks.length === 0 ? null : this.#prober;
    this.#checks = prober === null ? null : new ActiveChecks<H>(this, prober, healthChecks);
    this.#checks?.update(this.#hosts);
  }
}

/** Policies are plain data. A change of endpoints alone brings equal ones. */
function isSame(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}
