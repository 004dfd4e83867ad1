import type { Deadline, DeadlineOwner } from "../../time/timer-wheel.ts";
import type { HealthCheckPolicy } from "../policy/cluster-policy.ts";
import type { HealthContext } from "./health-context.ts";
import type { HealthHost } from "./host-health.ts";
import type { Probe, ProbeListener, ProbeResult, Prober } from "./prober.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";
import { nameHost } from "./health-context.ts";

/** Of one cluster at once; what is due beyond it waits its turn. */
const MAX_AT_ONCE = 16;
/** The first check of an instance comes within so long, so that one big update does not start all at once. */
const FIRST_WITHIN_MS = 1_000;

/**
 * Asks instances at intervals whether they are well. An instance counts as healthy until its first result, which counts at
 * once; from then on it takes as many results in a row as the policy says to change that. Checks keep their interval
 * whether the service has traffic or not.
 */
export class ActiveChecks<H extends HealthHost> {
  readonly #context: HealthContext;
  readonly #prober: Prober<H>;
  readonly #policies: readonly HealthCheckPolicy[];
  readonly #tasks: Map<H, readonly CheckTask<H>[]> = new Map();
  /** Due, in order, while as many as may be are under way. Each is in it once at most. */
  readonly #due: Set<CheckTask<H>> = new Set();
  #underWay: number = 0;
  #isStarting: boolean = false;
  #toldUnknown: boolean = false;

  constructor(context: HealthContext, prober: Prober<H>, policies: readonly HealthCheckPolicy[]) {
    this.#context = context;
    this.#prober = prober;
    this.#policies = policies;
  }

  update(hosts: readonly H[]): void {
    const { random } = this.#context;
    for (const host of hosts) {
      if (this.#tasks.has(host)) continue;
      const tasks = this.#policies.map((policy) => new CheckTask(this, this.#context, { host, policy }));
      this.#tasks.set(host, tasks);
      for (const task of tasks) task.wait(random.next() * Math.min(task.policy.intervalMs, FIRST_WITHIN_MS));
    }
  }

  forget(host: H): void {
    const tasks = this.#tasks.get(host) ?? [];
    this.#tasks.delete(host);
    for (const task of tasks) {
      this.#due.delete(task);
      task.close();
    }
    this.#startDue();
  }

  close(): void {
    this.#due.clear();
    for (const host of this.#tasks.keys()) this.forget(host);
  }

  /** For one task: it is due. */
  ask(task: CheckTask<H>): void {
    this.#due.add(task);
    this.#startDue();
  }

  started(): void {
    this.#underWay += 1;
  }

  ended(): void {
    this.#underWay -= 1;
    this.#startDue();
  }

  probe(task: CheckTask<H>): Probe {
    return this.#prober.probe(task.host, task.policy, task);
  }

  /** A result that counts neither way is told once, with what to do. */
  tellUnknown(task: CheckTask<H>, detail: string): void {
    this.#context.counters.checksUnknown += 1;
    if (this.#toldUnknown) return;
    this.#toldUnknown = true;
    const { log, service } = this.#context;
    log.warn("a health check says nothing about its instance", {
      ...{ service, instance: nameHost(task.host), check: describeCheck(task.policy), reason: detail },
    });
  }

  #startDue(): void {
    // Checks that end at once would start each other, each inside the one before.
    if (this.#isStarting) return;
    this.#isStarting = true;
    for (const task of this.#due) {
      if (this.#underWay >= MAX_AT_ONCE) break;
      this.#due.delete(task);
      task.start();
    }
    this.#isStarting = false;
  }
}

export function describeCheck(policy: HealthCheckPolicy): string {
  switch (policy.kind) {
    case "http":
      return `http ${policy.path}`;
    case "grpc":
      return policy.service === "" ? "grpc" : `grpc ${policy.service}`;
    default:
      return policy.kind;
  }
}

interface CheckSubject<H extends HealthHost> {
  readonly host: H;
  readonly policy: HealthCheckPolicy;
}

/**
 * One check of one instance, again and again.
 *
 *   waiting --interval--> due --its turn--> under way --result, or no result in time--> waiting
 */
class CheckTask<H extends HealthHost> implements DeadlineOwner, ProbeListener {
  readonly host: H;
  readonly policy: HealthCheckPolicy;
  readonly #checks: ActiveChecks<H>;
  readonly #context: HealthContext;
  readonly #name: string;
  readonly #deadline: Deadline = new WheelDeadline(this, 0);
  #state: "waiting" | "underWay" | "closed" = "waiting";
  #probe: Probe | null = null;
  #startedMs: number = 0;
  #hasResult: boolean = false;
  /** Results in a row that speak against the present state. */
  #against: number = 0;

  constructor(checks: ActiveChecks<H>, context: HealthContext, subject: CheckSubject<H>) {
    this.#checks = checks;
    this.#context = context;
    this.host = subject.host;
    this.policy = subject.policy;
    this.#name = describeCheck(subject.policy);
  }

  wait(delayMs: number): void {
    this.#state = "waiting";
    this.#context.wheel.arm(this.#deadline, delayMs);
  }

  start(): void {
    const { clock, wheel } = this.#context;
    this.#state = "underWay";
    this.#startedMs = clock.nowMs();
    wheel.arm(this.#deadline, this.policy.timeoutMs);
    this.#checks.started();
    const probe = this.#checks.probe(this);
    // The result may have come already, and even have closed this task.
    if (this.#isClosed()) probe.cancel();
    else this.#probe = probe;
  }

  onDeadline(): void {
    if (this.#state === "waiting") {
      this.#checks.ask(this);
      return;
    }
    this.#probe?.cancel();
    this.onProbeResult({ verdict: "failed", detail: `no answer within ${this.policy.timeoutMs} ms` });
  }

  onProbeResult(result: ProbeResult): void {
    if (!this.#isUnderWay()) return;
    const { clock, random } = this.#context;
    const { intervalMs, jitterPercent } = this.policy;
    const nextMs = intervalMs * (1 + (jitterPercent / 100) * random.next()) - (clock.nowMs() - this.#startedMs);
    this.wait(Math.max(0, nextMs));
    if (result.verdict === "unknown") this.#checks.tellUnknown(this, result.detail);
    else this.#count(result.verdict === "passed", result.detail);
    this.#checks.ended();
  }

  close(): void {
    const wasUnderWay = this.#isUnderWay();
    this.#state = "closed";
    this.#context.wheel.clear(this.#deadline);
    this.#probe?.cancel();
    this.#probe = null;
    this.#recover();
    if (wasUnderWay) this.#checks.ended();
  }

  #isClosed(): boolean {
    return this.#state === "closed";
  }

  #isUnderWay(): boolean {
    return this.#state === "underWay";
  }

  #count(passed: boolean, detail: string): void {
    const { counters, log, service } = this.#context;
    const { failingChecks } = this.host.health;
    if (passed) counters.checksPassed += 1;
    else counters.checksFailed += 1;
    const wasFailing = failingChecks.has(this.#name);
    if (passed !== wasFailing) {
      this.#against = 0;
      this.#hasResult = true;
      if (wasFailing) failingChecks.set(this.#name, detail);
      return;
    }
    this.#against += 1;
    const threshold = passed ? this.policy.healthyThreshold : this.policy.unhealthyThreshold;
    if (this.#hasResult && this.#against < threshold) return;
    this.#hasResult = true;
    this.#against = 0;
    const facts = { service, instance: nameHost(this.host), check: this.#name, reason: detail };
    if (passed) {
      log.info("instance passes its health check again", facts);
      this.#recover();
      return;
    }
    log.warn("instance fails its health check", facts);
    if (failingChecks.size === 0) counters.unhealthyNow += 1;
    failingChecks.set(this.#name, detail);
    this.#context.refresh(this.host);
  }

  /** The check does not fail, or is made no more. */
  #recover(): void {
    const { failingChecks } = this.host.health;
    if (!failingChecks.delete(this.#name)) return;
    if (failingChecks.size === 0) this.#context.counters.unhealthyNow -= 1;
    this.#context.refresh(this.host);
  }
}
