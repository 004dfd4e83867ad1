import type { Deadline, DeadlineOwner } from "../../time/timer-wheel.ts";
import type { OutlierPolicy } from "../policy/cluster-policy.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";
import { formatWallTime } from "../../time/wall-time.ts";
import {
  OUTCOME_ABANDONED,
  OUTCOME_ERROR,
  OUTCOME_OK,
  OUTCOME_THROTTLED,
  OUTCOME_TIMEOUT,
} from "../upstream/attempt-outcome.ts";
import { type HealthContext, nameHost } from "./health-context.ts";
import type { HealthHost, HostHealth } from "./host-health.ts";
import { findOutliers } from "./outlier-statistics.ts";

const INTERVAL = 0;
const RETURN = 1;

/**
 * Takes instances out that answer worse than the others, for a time that grows with each ejection in a row. It looks at
 * the outcome of real requests only. Its interval runs while there is something to look at: an idle cluster costs no timer.
 *
 *   in --errors in a row, or stands out at the end of an interval--> ejected for n × base --> in, counts at zero
 */
export class OutlierEjector<H extends HealthHost> implements DeadlineOwner {
  readonly #context: HealthContext;
  #policy: OutlierPolicy;
  #hosts: readonly H[] = [];
  readonly #interval: Deadline = new WheelDeadline(this, INTERVAL);
  readonly #return: Deadline = new WheelDeadline(this, RETURN);
  #isRunning: boolean = false;

  constructor(context: HealthContext, policy: OutlierPolicy) {
    this.#context = context;
    this.#policy = policy;
  }

  setPolicy(policy: OutlierPolicy): void {
    this.#policy = policy;
  }

  /** Those that left must have been given to `forget`. */
  update(hosts: readonly H[]): void {
    this.#hosts = hosts;
  }

  /** On the path of every attempt. */
  record(host: H, outcome: number, latencyMs: number): void {
    const { health } = host;
    if (outcome === OUTCOME_ABANDONED || health.ejectedUntilMs > 0) return;
    if (!this.#isRunning) this.#run();
    health.requests += 1;
    if (outcome <= OUTCOME_THROTTLED) {
      health.consecutive5xx = 0;
      health.consecutiveGatewayErrors = 0;
      if (outcome === OUTCOME_OK) addTime(health, latencyMs);
      return;
    }
    health.failures += 1;
    if (outcome === OUTCOME_TIMEOUT) addTime(health, latencyMs);
    this.#countFailure(host, outcome);
  }

  onDeadline(deadline: Deadline): void {
    if (deadline.kind === INTERVAL) this.#endInterval();
    else this.#takeBack();
  }

  /** An instance that left, or all of them when the policy did: it is not ejected any more. */
  forget(host: HealthHost): void {
    const { health } = host;
    health.clearCounts();
    health.ejections = 0;
    if (health.ejectedUntilMs === 0) return;
    health.ejectedUntilMs = 0;
    health.ejectionReason = "";
    this.#context.counters.ejectedNow -= 1;
    this.#context.refresh(host);
  }

  close(): void {
    for (const host of this.#hosts) this.forget(host);
    this.#hosts = [];
    this.#context.wheel.clear(this.#interval);
    this.#context.wheel.clear(this.#return);
    this.#isRunning = false;
  }

  #countFailure(host: H, outcome: number): void {
    const { health } = host;
    const { consecutive5xx, consecutiveGatewayErrors } = this.#policy;
    health.consecutive5xx += 1;
    health.consecutiveGatewayErrors = outcome === OUTCOME_ERROR ? 0 : health.consecutiveGatewayErrors + 1;
    if (consecutiveGatewayErrors > 0 && health.consecutiveGatewayErrors >= consecutiveGatewayErrors)
      this.#eject(host, `${health.consecutiveGatewayErrors} requests in a row got no answer, 502, 503 or 504`);
    else if (consecutive5xx > 0 && health.consecutive5xx >= consecutive5xx)
      this.#eject(host, `${health.consecutive5xx} requests in a row failed`);
  }

  #eject(host: H, reason: string): void {
    const { counters, log, clock, service } = this.#context;
    const { health } = host;
    if (!this.#mayEject(host)) {
      if (health.withheld) return;
      health.withheld = true;
      counters.ejectionsWithheld += 1;
      log.warn("an instance is not ejected although it should be: too few would be left", {
        ...{ service, instance: nameHost(host), reason, ejected: this.#ejectedCount(), instances: this.#hosts.length },
        ...{ maxEjectedPercent: this.#policy.maxEjectedPercent, minInstances: this.#policy.minInstances },
      });
      return;
    }
    health.ejections += 1;
    const { baseEjectionMs, maxEjectionMs } = this.#policy;
    const longMs = Math.min(baseEjectionMs * health.ejections, Math.max(baseEjectionMs, maxEjectionMs));
    health.clearCounts();
    health.ejectedUntilMs = clock.nowMs() + longMs;
    health.ejectionReason = reason;
    health.restless = true;
    counters.ejections += 1;
    counters.ejectedNow += 1;
    log.warn("instance ejected", {
      ...{ service, instance: nameHost(host), reason },
      ...{ until: formatWallTime(clock.wallMs() + longMs), inARow: health.ejections },
    });
    this.#armReturn();
    this.#context.refresh(host);
  }

  #mayEject(host: H): boolean {
    let others = 0;
    for (const { health } of this.#hosts) if (health !== host.health && health.available) others += 1;
    if (others < this.#policy.minInstances) return false;
    const ejected = this.#ejectedCount();
    // One may always go: of two or three instances none ever could otherwise.
    return ejected === 0 || 100 * (ejected + 1) <= this.#policy.maxEjectedPercent * this.#hosts.length;
  }

  #ejectedCount(): number {
    let count = 0;
    for (const { health } of this.#hosts) if (health.ejectedUntilMs > 0) count += 1;
    return count;
  }

  #takeBack(): void {
    const { counters, log, clock, service } = this.#context;
    const nowMs = clock.nowMs();
    for (const host of this.#hosts) {
      const { health } = host;
      if (health.ejectedUntilMs === 0 || health.ejectedUntilMs > nowMs) continue;
      health.clearCounts();
      health.ejectedUntilMs = 0;
      health.ejectionReason = "";
      // So that the interval it came back in is not its quiet one.
      health.restless = true;
      counters.ejectedNow -= 1;
      log.info("ejected instance is back", { service, instance: nameHost(host), ejectionsInARow: health.ejections });
      this.#context.refresh(host);
    }
    this.#armReturn();
  }

  /** For the one that is back first. */
  #armReturn(): void {
    let untilMs = Number.POSITIVE_INFINITY;
    for (const { health } of this.#hosts)
      if (health.ejectedUntilMs > 0) untilMs = Math.min(untilMs, health.ejectedUntilMs);
    if (untilMs === Number.POSITIVE_INFINITY) this.#context.wheel.clear(this.#return);
    else this.#context.wheel.arm(this.#return, Math.max(0, untilMs - this.#context.clock.nowMs()));
  }

  #run(): void {
    this.#isRunning = true;
    this.#context.wheel.arm(this.#interval, this.#policy.intervalMs);
  }

  #endInterval(): void {
    this.#isRunning = false;
    const outliers = findOutliers(this.#hosts, this.#policy);
    for (const { host, reason } of outliers) this.#eject(host, reason);
    let isBusy = false;
    for (const { health } of this.#hosts) {
      if (health.consecutive5xx === 0 && !outliers.some(({ host }) => host.health === health)) health.withheld = false;
      if (!health.restless && health.ejections > 0) health.ejections -= 1;
      if (health.requests > 0 || health.ejections > 0) isBusy = true;
      health.clearInterval();
    }
    if (isBusy) this.#run();
  }
}

function addTime(health: HostHealth, latencyMs: number): void {
  if (latencyMs < 0) return;
  health.timed += 1;
  health.latencySumMs += latencyMs;
}
