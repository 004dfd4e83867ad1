import type { EndpointConfig } from "../snapshot.ts";
import type { CircuitBreaker } from "../circuit/circuit-breaker.ts";

/** An instance whose health is kept: an endpoint of a cluster. */
export interface HealthHost {
  readonly config: EndpointConfig;
  readonly health: HostHealth;
}

export interface HostWatcher {
  /** As many trial calls are under way as its circuit allows. */
  onTrialsFull(health: HostHealth): void;
}

/**
 * What is known of one instance's health, and the counts that outlier ejection goes by. One per endpoint, for as long as
 * the endpoint is in the configuration. Only `ClusterHealth` writes to it; balancing reads `available`.
 */
export class HostHealth {
  /** Passes its checks as far as is known, is not ejected, and its circuit lets calls through. True at first. */
  available: boolean = true;
  /** Whose instance it is; null: nobody's any more, and what is recorded does not count. */
  watcher: HostWatcher | null = null;
  /** What its failing active checks last said; empty = none fails. */
  readonly failingChecks: Map<string, string> = new Map();
  /** Clock milliseconds; 0 = not ejected. */
  ejectedUntilMs: number = 0;
  /** Why it is ejected; "" = it is not. */
  ejectionReason: string = "";
  /** Ejections in a row, less those that quiet intervals forgave. */
  ejections: number = 0;
  /** Of this one instance; null = its policy has none. */
  circuit: CircuitBreaker | null = null;
  /** In a row. */
  consecutive5xx: number = 0;
  consecutiveGatewayErrors: number = 0;
  /** An ejection was due, and not made for the sake of the others; told once. */
  withheld: boolean = false;
  /** In this interval. */
  requests: number = 0;
  failures: number = 0;
  /** Answers and timeouts in this interval, and their time. */
  timed: number = 0;
  latencySumMs: number = 0;
  /** Ejected in this interval, or still ejected at its end. */
  restless: boolean = false;

  /**
   * Before each attempt. False: its circuit is open, or all trial calls are under way: the attempt fails with
   * `circuit_open`, even where panic balancing chose the instance. True is followed by one `ClusterHealth.record`.
   */
  admit(nowMs: number): boolean {
    const { circuit } = this;
    if (circuit === null || circuit.state === "closed") return true;
    const admitted = circuit.admit(nowMs);
    if (admitted && this.available && !circuit.hasRoom(nowMs)) this.watcher?.onTrialsFull(this);
    return admitted;
  }

  /** Why it gets no requests, for people; empty when it does. Times in clock milliseconds. */
  reasons(nowMs: number): readonly string[] {
    const reasons: string[] = [];
    for (const [check, detail] of this.failingChecks) reasons.push(`fails its ${check} check: ${detail}`);
    if (this.ejectedUntilMs > 0)
      reasons.push(`ejected for ${toSeconds(this.ejectedUntilMs - nowMs)} s more: ${this.ejectionReason}`);
    const { circuit } = this;
    if (circuit?.state === "open")
      reasons.push(`circuit open for ${toSeconds(circuit.openUntilMs - nowMs)} s more: ${circuit.reason}`);
    if (circuit?.state === "halfOpen") reasons.push(`circuit half open: ${circuit.reason}`);
    return reasons;
  }

  clearInterval(): void {
    this.requests = 0;
    this.failures = 0;
    this.timed = 0;
    this.latencySumMs = 0;
    this.restless = this.ejectedUntilMs > 0;
  }

  /** Nothing that was before counts any more. */
  clearCounts(): void {
    this.clearInterval();
    this.consecutive5xx = 0;
    this.consecutiveGatewayErrors = 0;
    this.withheld = false;
  }
}

function toSeconds(ms: number): number {
  return Math.max(0, Math.ceil(ms / 1000));
}
