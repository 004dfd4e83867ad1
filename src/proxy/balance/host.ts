import type { EndpointLoad } from "../load/endpoint-load.ts";
import type { EndpointConfig } from "../snapshot.ts";
import type { HostStats } from "./host-stats.ts";

/** One instance as balancing sees it. */
export interface Host {
  readonly config: EndpointConfig;
  /** Requests of this proxy that it works on; for opaque bytes, connections. */
  readonly inFlight: number;
  /** What its own proxy says about it. */
  readonly load: EndpointLoad;
  /** What this proxy measured itself. Only the balancer writes to it. */
  readonly stats: HostStats;
  readonly health: { readonly available: boolean };
  /** Clock milliseconds when it came into the configuration. */
  readonly addedMs: number;
}

/** Chooses an instance for each request. Allocates nothing and waits for nothing when it picks. */
export interface Balancer<H extends Host = Host> {
  /** The instances changed: some came, left, or have another weight, zone or priority. In a stable order. */
  update(hosts: readonly H[]): void;
  /** `available` of one or more instances changed. What follows from it is worked out at the next pick. */
  healthChanged(): void;
  /**
   * `hash` 0 = the request has none. `avoided` failed this very request and is passed over when another is available. Null
   * when there is no instance at all, or none is available and the policy has no panic.
   */
  pick(hash: number, avoided: H | null, nowMs: number): H | null;
  /** An attempt to `host` was answered, or failed; see `attempt-outcome.ts`. `latencyMs` -1 = it says nothing. */
  observe(host: H, outcome: number, latencyMs: number, nowMs: number): void;
}
