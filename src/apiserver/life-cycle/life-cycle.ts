import type { Log } from "../../lib/log.ts";
import { WeftError } from "../../lib/weft-error.ts";
import { DEFAULT_NAMESPACE } from "../../resources/object-meta-schema.ts";
import { encodeKey } from "../../store/store-key.ts";
import type { ResourceKey, Store } from "../../store/store.ts";
import type { Clock, Timer } from "../../time/clock.ts";
import { collectGarbage } from "./collect-garbage.ts";
import { emptyNamespace } from "./empty-namespace.ts";
import { enterNamespace, isNamespace, namespaceKey } from "./namespaces.ts";
import { ObjectGraph } from "./object-graph.ts";

export interface LifeCycleOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the store could not do at once is tried again, ever more slowly. */
const MIN_RETRY_MS = 500;
const MAX_RETRY_MS = 60_000;
/** In one go: more mean that this control plane reads an old state, which time cures. */
const MAX_LOST_RACES = 10;

/**
 * Sees to what follows from writes: deletes what lost its last owner, ends deletions that waited for dependents, empties
 * namespaces that are being deleted, makes the namespaces that resources are in (and "default"). It follows the store's
 * events and has nothing to do between them; what it does is compare-and-swap, so several control planes on one store
 * may all do it.
 */
export class LifeCycle {
  readonly #options: LifeCycleOptions;
  /** By encoded key: each waits once. As large as the store at most. */
  readonly #queue: Map<string, ResourceKey> = new Map();
  #graph: ObjectGraph = new ObjectGraph();
  #stopWatch: (() => void) | null = null;
  #working: Promise<void> | null = null;
  #retry: Timer | null = null;
  #retryMs: number = MIN_RETRY_MS;
  #isClosed: boolean = false;

  constructor(options: LifeCycleOptions) {
    this.#options = options;
  }

  /** Begins. Resolves when there is a namespace "default", or the store failed: then it goes on trying. */
  async start(): Promise<void> {
    try {
      await enterNamespace(this.#options.store, DEFAULT_NAMESPACE, false);
    } catch (error) {
      // Terminating is how it may have been left by something that is not this server.
      this.#options.log.warn(`there is no namespace "${DEFAULT_NAMESPACE}" yet`, { error });
      this.#add([namespaceKey(DEFAULT_NAMESPACE)]);
    }
    this.#follow();
  }

  /** Resolves when everything that is known of is done, or waits for its next try. */
  async whenIdle(): Promise<void> {
    while (this.#working !== null) await this.#working;
  }

  /** Resolves when the step that was begun is over. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopWatch?.();
    this.#retry?.clear();
    this.#queue.clear();
    await this.whenIdle();
  }

  #follow(): void {
    this.#graph = new ObjectGraph();
    this.#stopWatch = this.#options.store.watch({
      fromVersion: "0",
      onEvent: (event) => this.#add(this.#graph.see(event)),
      onError: (error) => this.#followAgain(error),
    });
  }

  /** From the beginning: what was missed is found by looking at everything. */
  #followAgain(error: Error): void {
    if (this.#isClosed || isClosedStore(error)) return;
    this.#options.log.warn("the life cycle of resources lost its place in the store and begins again", { error });
    this.#later(() => this.#follow());
  }

  #add(keys: readonly ResourceKey[]): void {
    if (this.#isClosed) return;
    for (const key of keys) this.#queue.set(encodeKey(key), key);
    if (this.#queue.size > 0 && this.#retry === null) this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    // One turn later, so that events which come together are looked at together.
    await Promise.resolve();
    let lostRaces = 0;
    for (const [id, key] of this.#queue) {
      this.#queue.delete(id);
      try {
        await this.#step(key);
        this.#retryMs = MIN_RETRY_MS;
      } catch (error) {
        if (this.#isClosed || isClosedStore(error)) break;
        // A lost race is followed by the event of whoever won; but that may have been seen already.
        this.#queue.set(id, key);
        lostRaces += isConflict(error) ? 1 : 0;
        if (isConflict(error) && lostRaces <= MAX_LOST_RACES) continue;
        const level = isConflict(error) ? "debug" : "warn";
        this.#options.log[level]("a step in the life cycle of a resource failed and is tried again", { ...key, error });
        this.#later(() => this.#add([]));
        break;
      }
    }
    this.#working = null;
    if (this.#retry === null) this.#add([]);
  }

  async #step(key: ResourceKey): Promise<void> {
    const { store } = this.#options;
    const isOfNamespace = isNamespaceKey(key);
    const found = await store.get(key);
    if (found === null) {
      const isWanted = key.name === DEFAULT_NAMESPACE || this.#graph.hasMembers(key.name);
      if (isOfNamespace && isWanted) await enterNamespace(store, key.name, false);
      return;
    }
    await collectGarbage({ ...this.#options, graph: this.#graph }, found);
    if (!isNamespace(found) || found.metadata.deletionTimestamp === undefined) return;
    const latest = await store.get(key);
    if (latest !== null) await emptyNamespace(this.#options, latest);
  }

  #later(run: () => void): void {
    if (this.#isClosed) return;
    this.#retry?.clear();
    this.#retry = this.#options.clock.after(
      this.#retryMs,
      () => {
        this.#retry = null;
        run();
      },
      undefined,
    );
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }
}

function isNamespaceKey({ group, kind }: ResourceKey): boolean {
  return group === "" && kind === "Namespace";
}

function isConflict(error: unknown): boolean {
  return error instanceof WeftError && error.code === "WEFT_STORE_CONFLICT";
}

function isClosedStore(error: unknown): boolean {
  return error instanceof WeftError && error.code === "WEFT_STORE_CLOSED";
}
