import type { EndpointLoad } from "../load/endpoint-load.ts";
import type { EndpointConfig } from "../snapshot.ts";

/** One instance as balancing sees it. */
export interface Host {
  readonly config: EndpointConfig;
  /** Requests of this proxy that it works on; for opaque bytes, connections. */
  readonly inFlight: number;
  /** What its own proxy says about it. */
  readonly load: EndpointLoad;
  readonly health: { readonly available: boolean };
  /** Clock milliseconds when it came into the configuration. */
  readonly addedMs: number;
}

/** Chooses an instance for each request. Allocates nothing and waits for nothing when it picks. */
export interface Balancer<H extends Host = Host> {
  /** The instances changed: some came, left, or have another weight, zone or priority. In a stable order. */
  update(hosts: readonly H[]): void;
  /** `available` of one or more instances changed. */
  healthChanged(): void;
  /**
   * `hash` 0 = the request has none. `avoided` failed this very request and is passed over when there is another. Null when
   * there is no instance at all.
   */
  pick(hash: number, avoided: H | null, nowMs: number): H | null;
  /** An attempt to `host` was answered, or failed; see `attempt-outcome.ts`. */
  observe(host: H, outcome: number, latencyMs: number, nowMs: number): void;
}
