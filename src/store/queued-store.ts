import { WeftError } from "../lib/weft-error.ts";
import type { Random } from "../random/random.ts";
import type { Resource } from "../resources/resource.ts";
import type { Clock } from "../time/clock.ts";
import { CommittedState } from "./committed-state.ts";
import { createStamp } from "./create-stamp.ts";
import { EventHistory } from "./event-history.ts";
import { planDelete, planPut, type Stamp, type WritePlan } from "./plan-write.ts";
import { encodeKey, toResourceKey } from "./store-key.ts";
import type { GroupKind, ListResult, PutOptions, ResourceKey, Store, WatchEvent, WatchOptions } from "./store.ts";
import { WatchHub } from "./watch-hub.ts";

/** Kubernetes' API server keeps five minutes; this is hours of a busy mesh, and some 10 MB. */
export const DEFAULT_HISTORY_LIMIT = 10_000;
const MAX_PENDING_WRITES = 10_000;
const MAX_BATCH = 256;

export interface StoreOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** How many events a watch may be behind. Default 10,000. */
  readonly historyLimit?: number;
}

/** Where a store keeps what it has committed. */
export interface Persistence {
  /** Makes all of `events` durable, or none. They come in version order, without gaps, one call at a time. */
  commit(events: readonly WatchEvent[]): Promise<void>;
  close(): Promise<void>;
}

/** What a persistence held when it was opened. */
export interface StoredState {
  readonly resources: readonly Resource[];
  /** The last events, without gaps, up to `version`. */
  readonly events: readonly WatchEvent[];
  readonly version: number;
}

interface PendingWrite {
  readonly plan: WritePlan;
  readonly resolve: (outcome: Resource | null) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A store in memory over a persistence. A write is decided at once against the newest state, decided writes included,
 * and queued; writes that come together are committed together. Only when they are durable are they seen by readers,
 * told to watchers and acknowledged, so nothing that anybody saw can be undone by a crash.
 */
export class QueuedStore implements Store {
  readonly #options: StoreOptions;
  readonly #persistence: Persistence;
  readonly #committed: CommittedState;
  readonly #history: EventHistory;
  readonly #hub: WatchHub;
  readonly #batchLimit: number;
  /** The last event decided and not yet durable, by encoded key. */
  readonly #decided: Map<string, WatchEvent> = new Map();
  #decidedVersion: number;
  #pending: PendingWrite[] = [];
  #committing: Promise<void> | null = null;
  #closed: boolean = false;

  constructor(options: StoreOptions, persistence: Persistence, state: StoredState) {
    const historyLimit = options.historyLimit ?? DEFAULT_HISTORY_LIMIT;
    this.#options = options;
    this.#persistence = persistence;
    this.#committed = new CommittedState(state.resources);
    this.#history = new EventHistory(historyLimit, state.events, state.version);
    this.#hub = new WatchHub(this.#history, () => this.#committed.listAll());
    this.#decidedVersion = state.version;
    // A batch longer than the history would end watches that keep up.
    this.#batchLimit = Math.min(MAX_BATCH, historyLimit);
  }

  async get(key: ResourceKey): Promise<Resource | null> {
    this.#assertOpen();
    return this.#committed.get(key);
  }

  async list(kind: GroupKind, namespace?: string): Promise<ListResult> {
    this.#assertOpen();
    return this.#toList(this.#committed.list(kind, namespace));
  }

  async listAll(): Promise<ListResult> {
    this.#assertOpen();
    return this.#toList(this.#committed.listAll());
  }

  async put(resource: Resource, options: PutOptions = {}): Promise<Resource> {
    this.#assertWritable();
    const key = toResourceKey(resource);
    const plan = planPut(this.#newest(key), resource, options, () => this.#stamp());
    const outcome = await this.#enqueue(key, plan);
    // A put always has an outcome; only a delete of nothing has none.
    return outcome as Resource;
  }

  async delete(key: ResourceKey, options: PutOptions = {}): Promise<Resource | null> {
    this.#assertWritable();
    return await this.#enqueue(
      key,
      planDelete(this.#newest(key), key, options, () => this.#stamp()),
    );
  }

  watch(options: WatchOptions): () => void {
    this.#assertOpen();
    return this.#hub.watch(options);
  }

  /** Finishes the writes that were begun. Watches end with WEFT_STORE_CLOSED. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#committing;
    this.#hub.close(closedError());
    await this.#persistence.close();
  }

  #toList(items: readonly Resource[]): ListResult {
    return Object.freeze({ items: Object.freeze(items), resourceVersion: String(this.#history.newest()) });
  }

  #newest(key: ResourceKey): Resource | null {
    const decided = this.#decided.get(encodeKey(key));
    if (decided === undefined) return this.#committed.get(key);
    return decided.type === "DELETED" ? null : decided.resource;
  }

  #stamp(): Stamp {
    return createStamp(this.#options, this.#decidedVersion + 1);
  }

  /** Resolves with the plan's outcome once it is durable, and everything that was decided before it. */
  #enqueue(key: ResourceKey, plan: WritePlan): Promise<Resource | null> {
    if (plan.event !== null) {
      this.#decidedVersion += 1;
      this.#decided.set(encodeKey(key), plan.event);
    }
    return new Promise((resolve, reject) => {
      this.#pending.push({ plan, resolve, reject });
      this.#committing ??= this.#commitPending();
    });
  }

  async #commitPending(): Promise<void> {
    // One turn later, so that writes made together are committed together.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, this.#batchLimit);
      const events = batch.flatMap(({ plan }) => (plan.event === null ? [] : [plan.event]));
      try {
        if (events.length > 0) await this.#persistence.commit(events);
      } catch (error) {
        this.#abandon(batch, error);
        continue;
      }
      for (const event of events) this.#apply(event);
      this.#hub.schedule();
      for (const { plan, resolve } of batch) resolve(plan.outcome);
    }
    this.#committing = null;
  }

  #apply(event: WatchEvent): void {
    this.#committed.apply(event);
    this.#history.add(event);
    const key = encodeKey(toResourceKey(event.resource));
    if (this.#decided.get(key) === event) this.#decided.delete(key);
  }

  /** What was decided on top of a failed batch fails with it: its versions would leave a gap. */
  #abandon(batch: readonly PendingWrite[], cause: unknown): void {
    const failed = [...batch, ...this.#pending];
    this.#pending = [];
    this.#decided.clear();
    this.#decidedVersion = this.#history.newest();
    const error =
      cause instanceof WeftError
        ? cause
        : new WeftError(
            "WEFT_STORE_WRITE_FAILED",
            `Cannot write to the store: found ${describe(cause)}; expected a working disk`,
            {
              cause,
              hint: "Check that the disk is not full and the state folder is writable; nothing was changed",
            },
          );
    for (const { reject } of failed) reject(error);
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError();
  }

  #assertWritable(): void {
    this.#assertOpen();
    if (this.#pending.length < MAX_PENDING_WRITES) return;
    throw new WeftError("WEFT_STORE_BUSY", `Cannot write: found ${MAX_PENDING_WRITES} writes waiting; expected fewer`, {
      hint: "Wait for earlier writes before making more",
    });
  }
}

function closedError(): WeftError {
  return new WeftError("WEFT_STORE_CLOSED", "Cannot use the store: found it closed; expected an open one");
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
