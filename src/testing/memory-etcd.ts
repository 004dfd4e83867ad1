import { WeftError } from "../lib/weft-error.ts";
import type {
  EtcdClient,
  EtcdCompare,
  EtcdEvent,
  EtcdKeyValue,
  EtcdOperation,
  EtcdRange,
  EtcdRangeResult,
  EtcdTxn,
  EtcdTxnResult,
  EtcdWatchOptions,
} from "../store/etcd/etcd-client.ts";
import type { Clock } from "../time/clock.ts";

/** What sessions, secrets and the directory use of etcd. */
type Used = Pick<EtcdClient, "get" | "range" | "txn" | "watch" | "grantLease" | "renewLease" | "revokeLease">;

interface Entry extends EtcdKeyValue {
  readonly leaseId: number | null;
}

/**
 * An etcd in memory, for tests of what is built on it; the store itself is tested on real ones. Leases end by the clock.
 * `fault` says what the next calls meet: "away" refuses them, "lost answer" carries changes out and loses the answer.
 */
export class MemoryEtcd implements Used {
  fault: "none" | "away" | "lost answer" = "none";
  readonly #clock: Clock;
  readonly #entries: Map<string, Entry> = new Map();
  readonly #leases: Map<number, { readonly ttlMs: number; endsAtMs: number }> = new Map();
  readonly #watches: Set<EtcdWatchOptions> = new Set();
  #revision: number = 1;
  #lastLease: number = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Keys in order, leases that have ended being seen to. */
  keys(): readonly string[] {
    this.#expire();
    return [...this.#entries.keys()].toSorted();
  }

  async get(key: string): Promise<EtcdKeyValue | null> {
    return (await this.range({ key })).kvs[0] ?? null;
  }

  async range({ key, rangeEnd }: EtcdRange): Promise<EtcdRangeResult> {
    await this.#enter();
    const kvs = [...this.#entries.values()].filter((kv) => isIn(kv.key, key, rangeEnd));
    return { kvs: kvs.toSorted((a, b) => (a.key < b.key ? -1 : 1)), more: false, revision: this.#revision };
  }

  async txn({ compare, success, failure = [] }: EtcdTxn): Promise<EtcdTxnResult> {
    await this.#enter();
    const succeeded = compare.every((condition) => this.#holds(condition));
    const operations = succeeded ? success : failure;
    this.#assertLeases(operations);
    if (operations.some((operation) => !("get" in operation))) this.#revision += 1;
    const events: EtcdEvent[] = [];
    const results = operations.map((operation) => this.#carryOut(operation, events));
    this.#tell(events);
    this.#loseAnswer();
    return { succeeded, revision: this.#revision, results };
  }

  watch(options: EtcdWatchOptions): () => void {
    this.#watches.add(options);
    return () => {
      this.#watches.delete(options);
    };
  }

  async grantLease(ttlSeconds: number): Promise<number> {
    await this.#enter();
    this.#lastLease += 1;
    const ttlMs = ttlSeconds * 1000;
    this.#leases.set(this.#lastLease, { ttlMs, endsAtMs: this.#clock.nowMs() + ttlMs });
    return this.#lastLease;
  }

  async renewLease(leaseId: number): Promise<number> {
    await this.#enter();
    const lease = this.#leases.get(leaseId);
    if (lease === undefined) return 0;
    lease.endsAtMs = this.#clock.nowMs() + lease.ttlMs;
    return lease.ttlMs / 1000;
  }

  async revokeLease(leaseId: number): Promise<void> {
    await this.#enter();
    this.#end(leaseId);
  }

  async #enter(): Promise<void> {
    // A call takes a turn.
    await Promise.resolve();
    if (this.fault === "away") throw new WeftError("WEFT_STORE_UNREACHABLE", "Cannot reach etcd: the test says so");
    this.#expire();
  }

  #loseAnswer(): void {
    if (this.fault === "lost answer") {
      throw new WeftError("WEFT_STORE_UNKNOWN_OUTCOME", "Cannot tell whether etcd made a change: the test says so");
    }
  }

  #expire(): void {
    const nowMs = this.#clock.nowMs();
    for (const [id, { endsAtMs }] of this.#leases) if (nowMs >= endsAtMs) this.#end(id);
  }

  #end(leaseId: number): void {
    this.#leases.delete(leaseId);
    const gone = [...this.#entries.values()].filter((entry) => entry.leaseId === leaseId);
    if (gone.length === 0) return;
    this.#revision += 1;
    for (const { key } of gone) this.#entries.delete(key);
    this.#tell(gone.map((entry) => ({ type: "DELETE", kv: { ...entry, value: Buffer.of() }, previous: null })));
  }

  #assertLeases(operations: readonly EtcdOperation[]): void {
    for (const operation of operations) {
      const leaseId = "put" in operation ? operation.leaseId : undefined;
      if (leaseId === undefined || this.#leases.has(leaseId)) continue;
      const details = { text: "etcdserver: requested lease not found" };
      throw new WeftError("WEFT_STORE_ETCD", "Cannot use etcd: the lease is gone", { details });
    }
  }

  #holds(condition: EtcdCompare): boolean {
    const entry = this.#entries.get(condition.key);
    if ("value" in condition) return entry !== undefined && entry.value.equals(Buffer.from(condition.value));
    if ("createRevision" in condition) return (entry?.createRevision ?? 0) === condition.createRevision;
    return (entry?.modRevision ?? 0) === condition.modRevision;
  }

  #carryOut(operation: EtcdOperation, events: EtcdEvent[]): readonly EtcdKeyValue[] {
    if ("get" in operation) {
      const found = this.#entries.get(operation.get);
      return found === undefined ? [] : [found];
    }
    if ("delete" in operation) throw new Error("MemoryEtcd does not delete in transactions");
    const key = operation.put;
    const entry: Entry = {
      key,
      value: Buffer.from(operation.value),
      createRevision: this.#entries.get(key)?.createRevision ?? this.#revision,
      modRevision: this.#revision,
      leaseId: operation.leaseId ?? null,
    };
    this.#entries.set(key, entry);
    events.push({ type: "PUT", kv: entry, previous: null });
    return [];
  }

  #tell(events: readonly EtcdEvent[]): void {
    for (const { key, rangeEnd, onEvents } of this.#watches) {
      const wanted = events.filter(({ kv }) => isIn(kv.key, key, rangeEnd));
      if (wanted.length > 0) onEvents(wanted, this.#revision);
    }
  }
}

function isIn(key: string, from: string, end: string | undefined): boolean {
  return end === undefined ? key === from : key >= from && key < end;
}
