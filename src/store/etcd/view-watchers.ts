import type { WeftError } from "../../lib/weft-error.ts";
import type { Resource } from "../../resources/resource.ts";
import type { WatchOptions } from "../store.ts";
import { isWatched } from "../watch-filter.ts";
import type { RevisionHistory } from "./revision-history.ts";

interface Watcher {
  readonly options: WatchOptions;
  /** What existed when the watch began at "0"; null once it was delivered. */
  existing: readonly Resource[] | null;
  /** The revision of the last event looked at; may be ahead of the history. */
  cursor: number;
}

/** Those who are told of new events as they come. A watcher has no queue of its own: it is a place in the history. */
export class ViewWatchers {
  readonly #history: RevisionHistory;
  readonly #watchers: Set<Watcher> = new Set();

  constructor(history: RevisionHistory) {
    this.#history = history;
  }

  /** Delivers what there is from a microtask. Returns a function that stops. */
  add(options: WatchOptions, cursor: number, existing: readonly Resource[] | null): () => void {
    const watcher: Watcher = { options, cursor, existing };
    this.#watchers.add(watcher);
    queueMicrotask(() => this.#deliver(watcher));
    return () => {
      this.#watchers.delete(watcher);
    };
  }

  /** Tells everybody what is new in the history. */
  deliver(): void {
    for (const watcher of this.#watchers) this.#deliver(watcher);
  }

  /** From microtasks. */
  endAll(error: WeftError): void {
    const ended = [...this.#watchers];
    this.#watchers.clear();
    for (const watcher of ended) queueMicrotask(() => watcher.options.onError(error));
  }

  #deliver(watcher: Watcher): void {
    const { options } = watcher;
    try {
      const existing = watcher.existing ?? [];
      watcher.existing = null;
      for (const resource of existing) {
        if (!this.#watchers.has(watcher)) return;
        options.onEvent({ type: "ADDED", resource });
      }
      for (const { revision, event } of this.#history.after(watcher.cursor)) {
        if (!this.#watchers.has(watcher)) return;
        watcher.cursor = revision;
        if (isWatched(options, event.resource)) options.onEvent(event);
      }
    } catch (error) {
      // A watcher that throws must neither stop the others nor be called again as if it had seen the event.
      if (this.#watchers.delete(watcher)) options.onError(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
