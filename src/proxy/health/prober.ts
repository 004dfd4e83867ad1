import type { HealthCheckPolicy } from "../policy/cluster-policy.ts";
import type { HealthHost } from "./host-health.ts";

/** What one check found. `unknown`: nothing that is the instance's doing; it counts neither way. */
export interface ProbeResult {
  readonly verdict: "passed" | "failed" | "unknown";
  /** For people: what was found, and what was expected. */
  readonly detail: string;
}

export interface ProbeListener {
  /** Once, and maybe before `probe` returns; not after `cancel`. */
  onProbeResult(result: ProbeResult): void;
}

/** A check under way, or one whose answer is still being read to its end. */
export interface Probe {
  /** Gives it up: nothing more is heard of it, and no timer of it is left. May be called more than once. */
  cancel(): void;
}

/** Makes single checks. It knows no time: who asks gives up what takes too long. */
export interface Prober<H extends HealthHost = HealthHost> {
  probe(host: H, check: HealthCheckPolicy, listener: ProbeListener): Probe;
}
