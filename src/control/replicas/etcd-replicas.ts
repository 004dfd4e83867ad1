import type { Log } from "../../lib/log.ts";
import { WeftError } from "../../lib/weft-error.ts";
import { type EtcdClient, type EtcdEvent, prefixEnd } from "../../store/etcd/etcd-client.ts";
import type { Clock, Timer } from "../../time/clock.ts";
import type { Replica, ReplicaDirectory } from "./replica-directory.ts";

export interface EtcdReplicasOptions {
  readonly client: Pick<EtcdClient, "range" | "watch">;
  /** Each replica's key is this and its id; ends with a slash. */
  readonly prefix: string;
  readonly self: Replica;
  readonly clock: Clock;
  readonly log: Log;
}

/** More are not looked at: something else writes there. */
const MAX_REPLICAS = 1_000;
const RETRY_MS = 1_000;

/** The control planes that have a lease in etcd, followed live. While etcd is away it is who was there last. */
export class EtcdReplicas implements ReplicaDirectory {
  readonly self: Replica;
  readonly #options: EtcdReplicasOptions;
  #byId: ReadonlyMap<string, Replica>;
  #all: readonly Replica[] = [];
  readonly #listeners: Set<() => void> = new Set();
  #stopWatching: () => void = () => undefined;
  #timer: Timer | null = null;
  #closed: boolean = false;

  constructor(options: EtcdReplicasOptions) {
    this.#options = options;
    this.self = options.self;
    this.#byId = new Map([[this.self.id, this.self]]);
    this.#publish();
  }

  /** Rejects as EtcdClient does. */
  async start(): Promise<void> {
    const { client, prefix } = this.#options;
    const rangeEnd = prefixEnd(prefix);
    const { kvs, revision } = await client.range({ key: prefix, rangeEnd, limit: MAX_REPLICAS });
    if (this.#closed) return;
    const found = kvs.flatMap((kv) => parseReplica(kv.value.toString("utf8")) ?? []);
    this.#replace(new Map([this.self, ...found].map((replica) => [replica.id, replica])));
    this.#stopWatching = client.watch({
      key: prefix,
      rangeEnd,
      fromRevision: revision + 1,
      onEvents: (events) => this.#follow(events),
      onEnd: (error) => this.#restart(error),
    });
  }

  all(): readonly Replica[] {
    return this.#all;
  }

  onChange(listener: () => void): () => void {
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  }

  close(): void {
    this.#closed = true;
    this.#timer?.clear();
    this.#stopWatching();
    this.#listeners.clear();
  }

  #follow(events: readonly EtcdEvent[]): void {
    const { prefix } = this.#options;
    const next = new Map(this.#byId);
    for (const { type, kv } of events) {
      const id = kv.key.slice(prefix.length);
      const replica = type === "PUT" ? parseReplica(kv.value.toString("utf8")) : null;
      if (replica !== null && replica.id === id && next.size < MAX_REPLICAS) next.set(id, replica);
      else if (id !== this.self.id) next.delete(id);
    }
    this.#replace(next);
  }

  /** Everything is read again. */
  #restart(error: Error): void {
    if (this.#closed || (error instanceof WeftError && error.code === "WEFT_STORE_CLOSED")) return;
    const { clock, log } = this.#options;
    this.#timer = clock.after(
      RETRY_MS,
      () => {
        this.start().catch((failure: unknown) => {
          log.debug("cannot list the control planes; trying on", { error: failure });
          this.#restart(error);
        });
      },
      undefined,
    );
  }

  #replace(next: ReadonlyMap<string, Replica>): void {
    const isSame =
      next.size === this.#byId.size &&
      [...next].every(([id, replica]) => JSON.stringify(this.#byId.get(id)) === JSON.stringify(replica));
    if (isSame) return;
    this.#byId = next;
    this.#publish();
    const { log } = this.#options;
    log.info("the control planes of the mesh changed", { controlPlanes: this.#all.map((replica) => replica.name) });
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        log.error("a listener failed with the control planes of the mesh", { error });
      }
    }
  }

  /** Of those at one address only the newest is there: the others died, and their leases have not ended yet. */
  #publish(): void {
    const byAddress = new Map<string, Replica>();
    for (const replica of [...this.#byId.values(), this.self].toSorted((a, b) => a.startedWallMs - b.startedWallMs)) {
      byAddress.set(JSON.stringify(replica.xds), replica);
    }
    byAddress.set(JSON.stringify(this.self.xds), this.self);
    this.#all = Object.freeze([...byAddress.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1)));
  }
}

export function formatReplica(replica: Replica): string {
  return JSON.stringify(replica);
}

/** Null for what no control plane of a version that we know wrote. */
export function parseReplica(text: string): Replica | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const { id, name, xds, weftVersion, startedWallMs } = (value ?? {}) as Partial<Record<keyof Replica, unknown>>;
  const { host, port } = (xds ?? {}) as { readonly host?: unknown; readonly port?: unknown };
  if (typeof id !== "string" || typeof name !== "string" || typeof host !== "string" || host === "") return null;
  if (typeof port !== "number" || !Number.isInteger(port) || port < 1 || port > 65_535) return null;
  if (typeof weftVersion !== "string" || typeof startedWallMs !== "number") return null;
  return { id, name, xds: { host, port }, weftVersion, startedWallMs };
}
