import type { ClusterHealthView } from "../health/cluster-health.ts";
import type { OverloadView } from "../overload/overload-gate.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { Snapshot } from "../snapshot.ts";
import { ClusterState } from "./cluster-state.ts";

export interface ClusterView extends ClusterHealthView {
  /** Null = no policy asks for a gate. */
  readonly overload: OverloadView | null;
}

/** All clusters of a proxy by name. A new snapshot touches only the clusters whose configuration object changed. */
export class UpstreamRegistry {
  readonly #runtime: ProxyRuntime;
  readonly #clusters: Map<string, ClusterState> = new Map();

  constructor(runtime: ProxyRuntime) {
    this.#runtime = runtime;
  }

  get(name: string): ClusterState | undefined {
    return this.#clusters.get(name);
  }

  /** Called with every snapshot before it is published. */
  reconcile(snapshot: Snapshot): void {
    for (const [name, config] of snapshot.clusters) {
      const state = this.#clusters.get(name);
      if (state === undefined) this.#clusters.set(name, new ClusterState(this.#runtime, config));
      else if (state.config !== config) state.update(config);
    }
    for (const [name, state] of this.#clusters) {
      if (!snapshot.clusters.has(name)) {
        state.retire();
        this.#clusters.delete(name);
      }
    }
  }

  /** Idle connections close now; busy ones with the exchange they carry. */
  close(): void {
    for (const state of this.#clusters.values()) state.retire();
    this.#clusters.clear();
  }

  /** The health of each cluster's instances, its circuit, its limits and the gate in front of it, by the cluster's name. */
  describe(): Readonly<Record<string, ClusterView>> {
    const describe = ({ health, gate }: ClusterState): ClusterView => {
      return { ...health.describe(), overload: gate?.describe() ?? null };
    };
    return Object.fromEntries(Array.from(this.#clusters, ([name, state]) => [name, describe(state)]));
  }

  all(): Iterable<ClusterState> {
    return this.#clusters.values();
  }
}
