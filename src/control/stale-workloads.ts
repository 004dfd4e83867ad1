import type { Log } from "../lib/log.ts";
import { WeftError } from "../lib/weft-error.ts";
import type { Resource } from "../resources/resource.ts";
import { encodeKey, toResourceKey } from "../store/store-key.ts";
import type { Store } from "../store/store.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { JobLease } from "./replicas/job-lease.ts";

export interface StaleWorkloadsOptions {
  readonly store: Store;
  readonly resources: () => Iterable<Resource>;
  /** Ids ("<namespace>/<workload>") of the proxies that are connected now, to any control plane; null: nobody knows. */
  readonly connected: () => Promise<ReadonlySet<string> | null>;
  /** With several control planes one does this. */
  readonly lease: JobLease;
  readonly clock: Clock;
  readonly log: Log;
}

/** On an EndpointSlice: the workload whose instance it lists. Without the label a slice is never touched. */
export const WORKLOAD_LABEL = "weft.dev/workload";

/** Long enough for a proxy to restart or reconnect, and for a control plane's restart not to count. */
export const STALE_AFTER_MS = 30_000;
const SWEEP_MS = 5_000;
/** How long arrivals may put deletions off: proxies come and go in a large mesh all day. */
const ARRIVALS_LIMIT_MS = 300_000;

interface Absence {
  readonly version: string;
  readonly sinceMs: number;
}

/**
 * Deletes what dead runners left behind: an EndpointSlice with the workload label goes when, for 30 s on end as this
 * control plane saw it, that workload's proxy was not connected and nobody wrote the slice. A control plane that just
 * started has seen nothing yet, so it waits as long; a write of the slice (its runner refreshing it) starts the 30 s
 * anew; and the deletion names the version it saw, so a write at the same moment wins. While no proxy at all is
 * connected nothing is deleted: then it is more likely the control plane that nobody can reach. Nor while proxies keep
 * arriving (until none has come for 30 s, at most for five minutes on end): a mesh that comes back all at once needs longer
 * than that to be let in, and those who wait are not dead.
 */
export class StaleWorkloads {
  readonly #options: StaleWorkloadsOptions;
  readonly #absent: Map<string, Absence> = new Map();
  /** Who was connected at the last sweep. */
  #connected: ReadonlySet<string> = new Set();
  /** Of arrivals that follow each other within 30 s, the first and the last. */
  #arrivals: { readonly firstMs: number; readonly lastMs: number } | null = null;
  readonly #timer: Timer;

  constructor(options: StaleWorkloadsOptions) {
    this.#options = options;
    this.#timer = options.clock.every(SWEEP_MS, (stale: StaleWorkloads) => void stale.sweep(), this);
  }

  close(): void {
    this.#timer.clear();
  }

  /** Runs every 5 s by itself. */
  async sweep(): Promise<void> {
    const { clock, connected, lease, resources } = this.#options;
    const proxies = lease.held() ? await connected() : null;
    if (proxies === null) {
      // Whoever was absent may have come back without our seeing it.
      this.#absent.clear();
      return;
    }
    const nowMs = clock.nowMs();
    const mayDelete = proxies.size > 0 && !this.#areArriving(proxies, nowMs);
    const seen = new Set<string>();
    const stale: Resource[] = [];
    for (const resource of resources()) {
      const workload = resource.kind === "EndpointSlice" ? resource.metadata.labels?.[WORKLOAD_LABEL] : undefined;
      if (workload === undefined || proxies.has(`${resource.metadata.namespace}/${workload}`)) continue;
      const key = encodeKey(toResourceKey(resource));
      seen.add(key);
      const version = resource.metadata.resourceVersion ?? "";
      const absence = this.#absent.get(key);
      if (absence === undefined || absence.version !== version) this.#absent.set(key, { version, sinceMs: nowMs });
      else if (nowMs - absence.sinceMs >= STALE_AFTER_MS && mayDelete) stale.push(resource);
    }
    for (const key of this.#absent.keys()) if (!seen.has(key)) this.#absent.delete(key);
    for (const resource of stale) if (lease.held()) await this.#delete(resource);
  }

  #areArriving(proxies: ReadonlySet<string>, nowMs: number): boolean {
    const before = this.#connected;
    this.#connected = new Set(proxies);
    if (this.#arrivals !== null && nowMs - this.#arrivals.lastMs >= STALE_AFTER_MS) this.#arrivals = null;
    for (const id of proxies) {
      if (before.has(id)) continue;
      this.#arrivals = { firstMs: this.#arrivals?.firstMs ?? nowMs, lastMs: nowMs };
      break;
    }
    return this.#arrivals !== null && nowMs - this.#arrivals.firstMs < ARRIVALS_LIMIT_MS;
  }

  async #delete(resource: Resource): Promise<void> {
    const { store, log } = this.#options;
    const { namespace, name, labels, resourceVersion = "" } = resource.metadata;
    try {
      await store.delete(toResourceKey(resource), { ifVersion: resourceVersion });
      log.info("removed the endpoints of a workload whose proxy is gone", {
        namespace,
        name,
        workload: labels?.[WORKLOAD_LABEL],
      });
    } catch (error) {
      // Refreshed at this moment: its next state is looked at afresh.
      if (error instanceof WeftError && error.code === "WEFT_STORE_CONFLICT") return;
      log.warn("cannot remove the endpoints of a workload whose proxy is gone", { namespace, name, error });
    }
  }
}
