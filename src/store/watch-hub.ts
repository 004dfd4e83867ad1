import { WeftError } from "../lib/weft-error.ts";
import type { Resource } from "../resources/resource.ts";
import type { EventHistory } from "./event-history.ts";
import type { WatchOptions } from "./store.ts";
import { isWatched, parseVersion } from "./watch-filter.ts";

interface Watcher {
  readonly options: WatchOptions;
  /** What existed when the watch began at "0"; null once it was delivered. */
  snapshot: readonly Resource[] | null;
  /** The version of the last event looked at. */
  cursor: number;
}

/**
 * Delivers events to watchers, from microtasks. A watcher has no queue of its own: it is a place in the history, which
 * is bounded; one that falls behind the history is told so and ended.
 */
export class WatchHub {
  readonly #history: EventHistory;
  readonly #listExisting: () => readonly Resource[];
  readonly #watchers: Set<Watcher> = new Set();
  #scheduled: boolean = false;

  /** `listExisting` gives all resources as of the newest event of `history`. */
  constructor(history: EventHistory, listExisting: () => readonly Resource[]) {
    this.#history = history;
    this.#listExisting = listExisting;
  }

  watch(options: WatchOptions): () => void {
    const cursor = parseVersion(options.fromVersion);
    const fromStart = cursor === 0;
    const watcher: Watcher = {
      options,
      snapshot: fromStart ? this.#listExisting().filter((resource) => isWatched(options, resource)) : null,
      cursor: fromStart ? this.#history.newest() : cursor,
    };
    this.#watchers.add(watcher);
    this.schedule();
    return () => {
      this.#watchers.delete(watcher);
    };
  }

  /** Call after every change of the history. */
  schedule(): void {
    if (this.#scheduled || this.#watchers.size === 0) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      for (const watcher of this.#watchers) this.#deliver(watcher);
    });
  }

  /** Ends every watch with `error`, from a microtask. */
  close(error: WeftError): void {
    const ended = [...this.#watchers];
    this.#watchers.clear();
    for (const watcher of ended) queueMicrotask(() => watcher.options.onError(error));
  }

  #deliver(watcher: Watcher): void {
    const { options } = watcher;
    try {
      const existing = watcher.snapshot ?? [];
      watcher.snapshot = null;
      for (const resource of existing) {
        if (!this.#watchers.has(watcher)) return;
        options.onEvent({ type: "ADDED", resource });
      }
      while (this.#watchers.has(watcher) && watcher.cursor !== this.#history.newest()) {
        const event = this.#history.at(watcher.cursor + 1);
        if (event === null) return this.#end(watcher, this.#describeGap(watcher.cursor));
        watcher.cursor += 1;
        if (isWatched(options, event.resource)) options.onEvent(event);
      }
    } catch (error) {
      // A watcher that throws must neither stop the others nor be called again as if it had seen the event.
      this.#end(watcher, error instanceof Error ? error : new Error(String(error)));
    }
  }

  #end(watcher: Watcher, error: Error): void {
    if (this.#watchers.delete(watcher)) watcher.options.onError(error);
  }

  #describeGap(cursor: number): WeftError {
    const from = this.#history.oldestResumable();
    const to = this.#history.newest();
    const found = cursor < 0 ? "no version of this store" : `version ${cursor}`;
    return new WeftError("WEFT_STORE_TOO_OLD", `Cannot watch: found ${found}; expected one of ${from} to ${to}`, {
      hint: "List again and watch from the version of the list",
      details: { oldest: String(from), newest: String(to) },
    });
  }
}
