import type { Deadline, DeadlineOwner } from "../../time/timer-wheel.ts";
import type { TripPolicy } from "../policy/cluster-policy.ts";
import type { HealthContext } from "./health-context.ts";
import type { HealthHost } from "./host-health.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";
import { CircuitBreaker } from "../circuit/circuit-breaker.ts";
import { CircuitReporter } from "./circuit-reporter.ts";
import { nameHost } from "./health-context.ts";

/**
 * A circuit breaker for each instance. An open one makes its instance unavailable, so that balancing goes elsewhere; when
 * its time is over the instance is available for as many trial calls as the policy says.
 */
export class HostCircuits<H extends HealthHost> implements DeadlineOwner {
  readonly #context: HealthContext;
  readonly #policy: TripPolicy;
  #hosts: readonly H[] = [];
  readonly #wake: Deadline = new WheelDeadline(this, 0);

  constructor(context: HealthContext, policy: TripPolicy) {
    this.#context = context;
    this.#policy = policy;
  }

  update(hosts: readonly H[]): void {
    this.#hosts = hosts;
    for (const host of hosts) {
      const { health } = host;
      health.circuit ??= new CircuitBreaker(
        this.#policy,
        this.#context.random,
        new CircuitReporter(this.#context, nameHost(host), () => this.#changed(host)),
      );
    }
  }

  /** On the path of every attempt. */
  record(host: H, outcome: number, latencyMs: number, nowMs: number): void {
    const { circuit } = host.health;
    if (circuit === null) return;
    circuit.record(outcome, latencyMs, nowMs);
    // A trial call that ended makes room for another.
    if (circuit.state !== "closed" && !host.health.available) this.#context.refresh(host);
  }

  /** All trial calls of `host` are under way. */
  onTrialsFull(host: HealthHost): void {
    this.#context.refresh(host);
    this.#arm();
  }

  onDeadline(): void {
    const nowMs = this.#context.clock.nowMs();
    for (const host of this.#hosts) {
      const { circuit } = host.health;
      if (circuit === null || circuit.state === "closed") continue;
      circuit.tryAgain(nowMs);
      this.#context.refresh(host);
    }
    this.#arm();
  }

  forget(host: HealthHost): void {
    const { circuit } = host.health;
    if (circuit === null) return;
    if (circuit.state !== "closed") this.#context.counters.circuitsOpenNow -= 1;
    host.health.circuit = null;
    this.#context.refresh(host);
  }

  close(): void {
    for (const host of this.#hosts) this.forget(host);
    this.#hosts = [];
    this.#context.wheel.clear(this.#wake);
  }

  #changed(host: H): void {
    this.#context.refresh(host);
    this.#arm();
  }

  /** For whichever circuit changes by itself first. */
  #arm(): void {
    const nowMs = this.#context.clock.nowMs();
    let atMs = Number.POSITIVE_INFINITY;
    for (const { health } of this.#hosts) {
      const { circuit } = health;
      if (circuit?.state === "open") atMs = Math.min(atMs, circuit.openUntilMs);
      else if (circuit?.state === "halfOpen" && !circuit.hasRoom(nowMs)) atMs = Math.min(atMs, circuit.roomAtMs());
    }
    if (atMs === Number.POSITIVE_INFINITY) this.#context.wheel.clear(this.#wake);
    else this.#context.wheel.arm(this.#wake, Math.max(0, atMs - nowMs));
  }
}
