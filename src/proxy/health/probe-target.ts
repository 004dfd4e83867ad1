import type { Exchange } from "../exchange.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { ClusterConfig } from "../snapshot.ts";
import type { HealthHost } from "./host-health.ts";

/** What checks need of an endpoint. */
export interface ProbeTarget extends HealthHost {
  readonly runtime: ProxyRuntime;
  readonly cluster: { readonly config: ClusterConfig };
  /** Sends `x` to exactly this endpoint, over the connection that requests use. */
  checkout(x: Exchange): void;
}
