import type { WatchOptions } from "../store.ts";
import { isWatched, parseVersion } from "../watch-filter.ts";
import { catchUp } from "./catch-up.ts";
import type { EtcdClient } from "./etcd-client.ts";
import { tooOldError } from "./etcd-failure.ts";
import type { EtcdKeys } from "./etcd-keys.ts";
import type { EtcdView } from "./etcd-view.ts";

export interface StoreWatchOptions {
  readonly client: EtcdClient;
  readonly keys: EtcdKeys;
  readonly view: EtcdView;
  readonly watch: WatchOptions;
  /** Of etcd, read through a majority. */
  readonly newestRevision: () => Promise<number>;
}

/**
 * One watch of the store: finds out where in the history it begins, and hands it to the view as soon as that can carry it.
 *
 *     "0"                    →                      attached, with what the view has
 *     a version the view has →                      attached
 *     an older one           → catch up from etcd → attached
 *     a newer one            → ask etcd: the view is behind → attached; nobody has it → too old
 */
export class StoreWatch {
  readonly #options: StoreWatchOptions;
  /** Stops what the watch is at now. */
  #stopStep: () => void = () => {};
  #onEnded: () => void = () => {};
  #over: boolean = false;

  constructor(options: StoreWatchOptions) {
    this.#options = options;
  }

  /** `onEnded` is called when it ended by itself. */
  start(onEnded: () => void): void {
    this.#onEnded = onEnded;
    this.#begin().catch((error: unknown) => this.end(error instanceof Error ? error : new Error(String(error))));
  }

  stop(): void {
    this.#over = true;
    this.#stopStep();
  }

  end(error: Error): void {
    if (this.#over) return;
    this.stop();
    this.#onEnded();
    this.#options.watch.onError(error);
  }

  async #begin(): Promise<void> {
    const { view, watch } = this.#options;
    const from = parseVersion(watch.fromVersion);
    if (from === 0) {
      // Delivered from a microtask. The view has every write of this process; what others wrote in the last moments comes
      // as changes.
      const existing = view
        .state()
        .listAll()
        .filter((resource) => isWatched(watch, resource));
      this.#attach(view.revision(), existing);
      return;
    }
    // Nothing may be called inside the call that began the watch.
    await Promise.resolve();
    if (from > view.revision()) {
      const newest = await this.#options.newestRevision();
      if (from > newest) throw tooOldError(`version ${from}, while etcd is at ${newest}`, view.oldest());
    }
    if (from < 0) throw tooOldError(`"${watch.fromVersion}", no version of this store`, view.oldest());
    if (from >= view.oldest()) this.#attach(from);
    else this.#catchUp(from);
  }

  #attach(cursor: number, existing: Parameters<EtcdView["attach"]>[2] = null): void {
    if (this.#over) return;
    const { view, watch } = this.#options;
    const options = { ...watch, onError: (error: Error) => this.end(error) };
    this.#stopStep = view.attach(options, cursor, existing);
  }

  #catchUp(from: number): void {
    if (this.#over) return;
    const { client, keys, view, watch } = this.#options;
    this.#stopStep = catchUp({
      client,
      keys,
      watch,
      fromRevision: from,
      target: () => view.oldest(),
      onCaughtUp: (revision) => this.#attach(revision),
      onError: (error) => this.end(error),
    });
  }
}
