import type { Log } from "../../lib/log.ts";
import type { Resource } from "../../resources/resource.ts";
import { CommittedState } from "../committed-state.ts";
import { createStamp } from "../create-stamp.ts";
import { planDelete, planPut, type Stamp, type WritePlan } from "../plan-write.ts";
import { DEFAULT_HISTORY_LIMIT, type StoreOptions } from "../queued-store.ts";
import { encodeKey, toResourceKey } from "../store-key.ts";
import type { GroupKind, ListResult, PutOptions, ResourceKey, Store, WatchOptions } from "../store.ts";
import type { EtcdClient } from "./etcd-client.ts";
import { createEtcdKeys, type EtcdKeys } from "./etcd-keys.ts";
import { closedError } from "./etcd-failure.ts";
import { EtcdView } from "./etcd-view.ts";
import { EtcdWriter } from "./etcd-writer.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { loadSnapshot } from "./load-snapshot.ts";
import { decodeResource } from "./resource-value.ts";
import { StoreWatch } from "./store-watch.ts";
import { WriterEpoch } from "./writer-epoch.ts";

export interface EtcdStoreOptions extends StoreOptions {
  /** Stays open when the store closes: it may be shared. Close it after the store. */
  readonly client: EtcdClient;
  /** Several meshes can share one etcd. */
  readonly mesh: string;
  readonly log: Log;
}

const MAX_PENDING_WRITES = 10_000;
/** How long a list waits for the view before it asks etcd for everything. */
const VIEW_LAG_MS = 1_000;
/** How long an acknowledgement waits for the view, which usually is there at once. */
const WRITE_LAG_MS = 250;
/** How long closing waits for watchers to be told of the last writes. */
const CLOSE_LAG_MS = 1_000;

/**
 * A store for several control planes on one etcd. Versions are etcd's revisions. Every read is linearizable: it shows all
 * that was acknowledged before it, to anybody. A get asks etcd; a list asks etcd for the version of the last write, and is
 * answered from the view once that has come so far. All watches of the process share one watch of etcd.
 */
export class EtcdStore implements Store {
  readonly #options: EtcdStoreOptions;
  readonly #keys: EtcdKeys;
  readonly #view: EtcdView;
  readonly #epoch: WriterEpoch;
  readonly #writer: EtcdWriter;
  readonly #writes: KeyedQueue = new KeyedQueue(MAX_PENDING_WRITES);
  readonly #watches: Set<StoreWatch> = new Set();
  #closed: boolean = false;

  constructor(options: EtcdStoreOptions) {
    const { client, clock, random, log, historyLimit = DEFAULT_HISTORY_LIMIT } = options;
    this.#options = options;
    this.#keys = createEtcdKeys(options.mesh);
    const keys = this.#keys;
    this.#view = new EtcdView({
      client,
      keys,
      clock,
      log,
      historyLimit,
      onReceipt: (receipt, revision) => this.#writer.onReceipt(receipt, revision),
    });
    this.#epoch = new WriterEpoch({ client, keys, clock, random, log });
    this.#writer = new EtcdWriter({ client, keys, view: this.#view, epoch: this.#epoch, clock });
  }

  /** Call once, before anything else. Rejects with WEFT_STORE_UNREACHABLE or WEFT_STORE_DENIED. */
  async open(): Promise<void> {
    await this.#view.open();
  }

  /** Whether etcd answers: for readiness. False for a moment whenever a member is lost. */
  connected(): boolean {
    return this.#view.connected() && !this.#closed;
  }

  async get(key: ResourceKey): Promise<Resource | null> {
    this.#assertOpen();
    const kv = await this.#options.client.get(this.#keys.ofResource(key));
    if (kv === null) return null;
    const known = this.#view.get(key);
    return known?.metadata.resourceVersion === String(kv.modRevision) ? known : decodeResource(this.#keys, kv);
  }

  async list(kind: GroupKind, namespace?: string): Promise<ListResult> {
    this.#assertOpen();
    if (await this.#catchUp()) return toList(this.#view.state().list(kind, namespace), this.#view.revision());
    const { state, revision } = await this.#readAll(this.#keys.ofKind(kind, namespace));
    return toList(state.list(kind, namespace), revision);
  }

  async listAll(): Promise<ListResult> {
    this.#assertOpen();
    if (await this.#catchUp()) return toList(this.#view.state().listAll(), this.#view.revision());
    const { state, revision } = await this.#readAll(this.#keys.resources);
    return toList(state.listAll(), revision);
  }

  async put(resource: Resource, options: PutOptions = {}): Promise<Resource> {
    this.#assertOpen();
    const key = toResourceKey(resource);
    const outcome = await this.#write(key, (existing) => planPut(existing, resource, options, () => this.#stamp()));
    // A put always has an outcome; only a delete of nothing has none.
    return outcome as Resource;
  }

  async delete(key: ResourceKey, options: PutOptions = {}): Promise<Resource | null> {
    this.#assertOpen();
    return await this.#write(key, (existing) => planDelete(existing, key, options, () => this.#stamp()));
  }

  watch(options: WatchOptions): () => void {
    this.#assertOpen();
    const watch = new StoreWatch({
      client: this.#options.client,
      keys: this.#keys,
      view: this.#view,
      watch: options,
      newestRevision: async () => (await this.#readVersion()).revision,
    });
    this.#watches.add(watch);
    watch.start(() => this.#watches.delete(watch));
    return () => {
      this.#watches.delete(watch);
      watch.stop();
    };
  }

  /** Finishes the writes that were begun. Watches end with WEFT_STORE_CLOSED. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#writes.idle();
    await this.#view.reached(this.#writer.lastRevision(), CLOSE_LAG_MS);
    this.#view.close(closedError());
    for (const watch of this.#watches) watch.end(closedError());
    this.#watches.clear();
    await this.#epoch.close();
  }

  async #write(key: ResourceKey, decide: (existing: Resource | null) => WritePlan): Promise<Resource | null> {
    const outcome = await this.#writes.run(encodeKey(key), () => this.#writer.write(key, decide));
    // A watch or a list that comes next finds it in the view. It is durable either way.
    if (this.#view.connected()) await this.#view.reached(Number(outcome?.metadata.resourceVersion ?? 0), WRITE_LAG_MS);
    return outcome;
  }

  /** Whether the view shows everything acknowledged before this call. */
  async #catchUp(): Promise<boolean> {
    const { lastWrite } = await this.#readVersion();
    return await this.#view.reached(lastWrite, VIEW_LAG_MS);
  }

  async #readVersion(): Promise<{ readonly lastWrite: number; readonly revision: number }> {
    const { kvs, revision } = await this.#options.client.range({ key: this.#keys.version });
    return { lastWrite: kvs[0]?.modRevision ?? 0, revision };
  }

  async #readAll(prefix: string): Promise<{ readonly state: CommittedState; readonly revision: number }> {
    const { kvs, revision } = await loadSnapshot(this.#options.client, prefix);
    const resources = kvs.flatMap((kv) => decodeResource(this.#keys, kv) ?? []);
    return { state: new CommittedState(resources), revision };
  }

  /** The version is etcd's to say, and put in place of this one when it has. */
  #stamp(): Stamp {
    return createStamp(this.#options, 0);
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError();
  }
}

function toList(items: readonly Resource[], revision: number): ListResult {
  return Object.freeze({ items: Object.freeze(items), resourceVersion: String(revision) });
}
