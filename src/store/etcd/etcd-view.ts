import type { Log } from "../../lib/log.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { Resource } from "../../resources/resource.ts";
import type { Clock, Timer } from "../../time/clock.ts";
import { CommittedState } from "../committed-state.ts";
import type { ResourceKey, WatchEvent, WatchOptions } from "../store.ts";
import type { EtcdClient, EtcdEvent, EtcdKeyValue } from "./etcd-client.ts";
import { tooOldError } from "./etcd-failure.ts";
import type { EtcdKeys } from "./etcd-keys.ts";
import { loadSnapshot } from "./load-snapshot.ts";
import { decodeResource, withVersion } from "./resource-value.ts";
import { RevisionHistory } from "./revision-history.ts";
import { ViewWatchers } from "./view-watchers.ts";

export interface EtcdViewOptions {
  readonly client: EtcdClient;
  readonly keys: EtcdKeys;
  readonly clock: Clock;
  readonly log: Log;
  readonly historyLimit: number;
  /** A write of any store of the mesh was seen, by what it put at the version key. */
  readonly onReceipt: (receipt: string, revision: number) => void;
}

interface Waiter {
  readonly revision: number;
  readonly resolve: (reached: boolean) => void;
  readonly timer: Timer;
}

const RELOAD_MS = 1_000;

/**
 * A copy of the mesh's resources that follows etcd by one watch, for all watchers and lists of this process. It is exact
 * as of `revision()`: everything up to there and nothing later.
 *
 * When etcd has compacted away what comes next (the watch was cut off for long), it loads all anew. If nothing was written
 * meanwhile it goes on as if nothing happened; else every watcher is told WEFT_STORE_TOO_OLD.
 */
export class EtcdView {
  readonly #options: EtcdViewOptions;
  readonly #history: RevisionHistory;
  readonly #watchers: ViewWatchers;
  readonly #waiters: Set<Waiter> = new Set();
  #state: CommittedState = new CommittedState([]);
  #revision: number = 0;
  #gaps: number = 0;
  #connected: boolean = false;
  #stopWatch: (() => void) | null = null;
  #reloadTimer: Timer | null = null;
  #closed: boolean = false;

  constructor(options: EtcdViewOptions) {
    this.#options = options;
    this.#history = new RevisionHistory(options.historyLimit);
    this.#watchers = new ViewWatchers(this.#history);
  }

  /** Resolves when the copy is complete. Rejects as EtcdClient.range does. */
  async open(): Promise<void> {
    await this.#load();
  }

  state(): CommittedState {
    return this.#state;
  }

  revision(): number {
    return this.#revision;
  }

  /** How often events may have been missed. */
  gaps(): number {
    return this.#gaps;
  }

  connected(): boolean {
    return this.#connected;
  }

  get(key: ResourceKey): Resource | null {
    return this.#state.get(key);
  }

  /** A watch can be attached at this revision or any later one. */
  oldest(): number {
    return this.#history.oldest();
  }

  /** True once the view is complete up to `revision`; false when that takes more than `limitMs`, or the view closes. */
  reached(revision: number, limitMs: number): Promise<boolean> {
    if (this.#revision >= revision) return Promise.resolve(true);
    if (this.#closed) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (reached: boolean): void => {
        this.#waiters.delete(waiter);
        timer.clear();
        resolve(reached);
      };
      const timer = this.#options.clock.after(limitMs, () => settle(false), undefined);
      const waiter: Waiter = { revision, resolve: settle, timer };
      this.#waiters.add(waiter);
    });
  }

  /** Events after `cursor`, which is `oldest()` or later. `existing` is delivered first. */
  attach(options: WatchOptions, cursor: number, existing: readonly Resource[] | null): () => void {
    return this.#watchers.add(options, cursor, existing);
  }

  /** Ends all watches with `error`. */
  close(error: WeftError): void {
    this.#closed = true;
    this.#stopWatch?.();
    this.#reloadTimer?.clear();
    for (const waiter of this.#waiters) waiter.resolve(false);
    this.#watchers.endAll(error);
  }

  async #load(): Promise<void> {
    const { client, keys, log } = this.#options;
    const { kvs, revision } = await loadSnapshot(client, keys.resources);
    if (this.#closed) return;
    const resources = kvs.flatMap((kv) => {
      if (kv.key === keys.version) return [];
      const resource = this.#reuse(kv) ?? decodeResource(keys, kv);
      if (resource === null)
        log.error("a key in etcd is not the resource it should be; it is left out", { key: kv.key });
      return resource === null ? [] : [resource];
    });
    const lastWrite = kvs.reduce((newest, kv) => Math.max(newest, kv.modRevision), 0);
    const isFirst = this.#revision === 0;
    // As many resources as before and none newer: even by hand nothing was written.
    const isSame = !isFirst && revision >= this.#revision && lastWrite <= this.#revision;
    this.#state = new CommittedState(resources);
    this.#revision = revision;
    if (!isSame) {
      this.#history.restart(lastWrite);
      if (!isFirst) this.#gap();
    }
    this.#watch();
    this.#wake();
  }

  /** The object that is known already, when it is the same. */
  #reuse(kv: EtcdKeyValue): Resource | null {
    if (this.#revision === 0) return null;
    const key = parseKey(this.#options.keys, kv.key);
    const known = key === null ? null : this.#state.get(key);
    return known !== null && known.metadata.resourceVersion === String(kv.modRevision) ? known : null;
  }

  #gap(): void {
    this.#gaps += 1;
    this.#options.log.warn("events of etcd were compacted away while it could not be reached; watchers list again");
    this.#watchers.endAll(tooOldError("events that etcd compacted away while it could not be reached", this.#revision));
  }

  #watch(): void {
    const { client, keys } = this.#options;
    this.#stopWatch = client.watch({
      key: keys.resources,
      rangeEnd: keys.resourcesEnd,
      fromRevision: this.#revision + 1,
      onEvents: (events, revision) => this.#onEvents(events, revision),
      onEnd: (error) => this.#onEnd(error),
      onConnected: (connected) => {
        this.#connected = connected;
      },
    });
  }

  #onEvents(events: readonly EtcdEvent[], revision: number): void {
    for (const event of events) {
      if (event.kv.key === this.#options.keys.version) {
        this.#options.onReceipt(event.kv.value.toString(), event.kv.modRevision);
        continue;
      }
      const change = this.#toChange(event);
      if (change === null) continue;
      this.#state.apply(change);
      this.#history.add({ revision: event.kv.modRevision, event: change });
    }
    this.#revision = revision;
    this.#watchers.deliver();
    this.#history.trim();
    this.#wake();
  }

  #toChange(event: EtcdEvent): WatchEvent | null {
    const { keys, log } = this.#options;
    const { kv } = event;
    const key = parseKey(keys, kv.key);
    const known = key === null ? null : this.#state.get(key);
    if (event.type === "DELETE") {
      return known === null ? null : { type: "DELETED", resource: withVersion(known, kv.modRevision) };
    }
    const resource = decodeResource(keys, kv);
    if (resource === null) {
      log.error("a key in etcd was changed to what is not a resource; its last state stays in force", { key: kv.key });
      return null;
    }
    return { type: known === null ? "ADDED" : "MODIFIED", resource };
  }

  #onEnd(error: Error): void {
    this.#stopWatch = null;
    this.#connected = false;
    if (this.#closed) return;
    const isTooOld = error instanceof WeftError && error.code === "WEFT_STORE_TOO_OLD";
    if (!isTooOld) this.#options.log.error("the watch of etcd ended; loading everything anew", { error });
    this.#reload(isTooOld ? 0 : RELOAD_MS);
  }

  #reload(afterMs: number): void {
    this.#reloadTimer = this.#options.clock.after(
      afterMs,
      () => {
        this.#load().catch((error: unknown) => {
          if (this.#closed) return;
          this.#options.log.warn("cannot load the resources from etcd; trying again", { error });
          this.#reload(RELOAD_MS);
        });
      },
      undefined,
    );
  }

  #wake(): void {
    for (const waiter of this.#waiters) if (waiter.revision <= this.#revision) waiter.resolve(true);
  }
}

function parseKey(keys: EtcdKeys, key: string): ResourceKey | null {
  const [group, kind, namespace, name, ...rest] = key.slice(keys.resources.length).split("/");
  if (group === undefined || kind === undefined || namespace === undefined || name === undefined) return null;
  return rest.length === 0 ? { group, kind, namespace, name } : null;
}
