import { WeftError } from "../../lib/weft-error.ts";
import type { Resource } from "../../resources/resource.ts";
import type { Clock } from "../../time/clock.ts";
import type { WritePlan } from "../plan-write.ts";
import { formatKey } from "../store-key.ts";
import type { ResourceKey, WatchEvent } from "../store.ts";
import type { EtcdClient, EtcdKeyValue, EtcdTxnResult } from "./etcd-client.ts";
import type { EtcdKeys } from "./etcd-keys.ts";
import type { EtcdView } from "./etcd-view.ts";
import { decodeResource, encodeResource, withVersion } from "./resource-value.ts";
import type { Epoch, WriterEpoch } from "./writer-epoch.ts";

export interface EtcdWriterOptions {
  readonly client: EtcdClient;
  readonly keys: EtcdKeys;
  readonly view: EtcdView;
  readonly epoch: WriterEpoch;
  readonly clock: Clock;
}

/** What a write is decided against. */
interface Base {
  readonly resource: Resource | null;
  /** 0 = there is no key. */
  readonly modRevision: number;
  /** Read from etcd's majority, not from the view, which may be behind. */
  readonly verified: boolean;
}

/** The revision of a write that was made; or what stands in its way, null when that is not known. */
type Attempt = { readonly revision: number } | { readonly found: Base | null };

/** With this many control planes' worth of races something is wrong. */
const MAX_ATTEMPTS = 50;
/** How long it may take to find out what became of a write that was not answered; a new leader needs some seconds. */
const RESOLVE_MS = 15_000;

/**
 * Writes by compare-and-swap on the key's mod revision. A write that gets no answer is neither acknowledged nor repeated
 * before it is known what became of it: a new epoch makes sure that it cannot happen later, and the watch, once it has come
 * to that epoch, has shown the write's receipt if it did happen. When that cannot be found out in time, it is
 * WEFT_STORE_UNKNOWN_OUTCOME.
 */
export class EtcdWriter {
  readonly #options: EtcdWriterOptions;
  /** Numbers of the writes that are not settled, and at what revision their receipt was seen; 0 = not yet. */
  readonly #unsettled: Map<number, number> = new Map();
  #lastNumber: number = 0;
  #lastRevision: number = 0;

  constructor(options: EtcdWriterOptions) {
    this.#options = options;
  }

  /** The revision of the newest write acknowledged. */
  lastRevision(): number {
    return this.#lastRevision;
  }

  onReceipt(receipt: string, revision: number): void {
    const [writer, number] = receipt.split(":");
    if (writer !== this.#options.epoch.writer || !this.#unsettled.has(Number(number))) return;
    this.#unsettled.set(Number(number), revision);
  }

  /** `decide` may be called several times, and throws what the writer is to be told. */
  async write(key: ResourceKey, decide: (existing: Resource | null) => WritePlan): Promise<Resource | null> {
    let base: Base = this.#known(key);
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const plan = decideAt(base, decide);
      if (plan === null || plan.event === null) {
        if (plan !== null && base.verified) return plan.outcome;
        base = await this.#read(key);
        continue;
      }
      const result = await this.#attempt(key, base.modRevision, plan.event);
      if ("revision" in result) {
        this.#lastRevision = Math.max(this.#lastRevision, result.revision);
        return plan.outcome === null ? null : withVersion(plan.outcome, result.revision);
      }
      base = result.found ?? (await this.#read(key));
    }
    throw new WeftError(
      "WEFT_STORE_BUSY",
      `Cannot write ${formatKey(key)}: found it changed by somebody else ${MAX_ATTEMPTS} times in a row; expected a moment without`,
      { hint: "Look for programs that write it all the time" },
    );
  }

  async #attempt(key: ResourceKey, modRevision: number, event: WatchEvent): Promise<Attempt> {
    const { client, keys, view, epoch: epochs } = this.#options;
    const etcdKey = keys.ofResource(key);
    const change =
      event.type === "DELETED" ? { delete: etcdKey } : { put: etcdKey, value: encodeResource(event.resource) };
    const epoch = await epochs.current(RESOLVE_MS);
    this.#lastNumber += 1;
    const number = this.#lastNumber;
    const gaps = view.gaps();
    this.#unsettled.set(number, 0);
    try {
      const result = await client.txn({
        compare: [
          { key: etcdKey, modRevision },
          { key: epoch.key, modRevision: epoch.revision },
        ],
        success: [change, { put: keys.version, value: `${epochs.writer}:${number}` }],
        failure: [{ get: etcdKey }, { get: epoch.key }],
      });
      if (result.succeeded) return { revision: result.revision };
      return { found: this.#refused(result, epoch) };
    } catch (error) {
      if (!(error instanceof WeftError)) throw error;
      const isFull = error.code === "WEFT_STORE_FULL";
      if (!isFull && error.code !== "WEFT_STORE_UNKNOWN_OUTCOME") throw error;
      const revision = await this.#settle(number, gaps, () => (isFull ? this.#lastWrite() : this.#fence(epoch)));
      if (revision === null) throw unknownError(key, event, error);
      if (revision > 0) return { revision };
      if (isFull) throw error;
      return { found: null };
    } finally {
      this.#unsettled.delete(number);
    }
  }

  #refused({ results }: EtcdTxnResult, epoch: Epoch): Base {
    const [found, touched] = results;
    if ((touched?.[0]?.modRevision ?? 0) !== epoch.revision) this.#options.epoch.lost(epoch);
    return this.#toBase(found?.[0] ?? null);
  }

  /**
   * The revision of the write; 0 when it was not made and never will be; null when that cannot be found out. `horizon`
   * gives a revision after which it can not be made.
   */
  async #settle(number: number, gaps: number, horizon: () => Promise<number>): Promise<number | null> {
    const { clock, view } = this.#options;
    const giveUpAtMs = clock.nowMs() + RESOLVE_MS;
    try {
      if (!(await view.reached(await horizon(), Math.max(giveUpAtMs - clock.nowMs(), 0)))) return null;
    } catch {
      return null;
    }
    const seen = this.#unsettled.get(number) ?? 0;
    // What was seen is certain; what was not seen is certain only if nothing was missed.
    return seen === 0 && view.gaps() !== gaps ? null : seen;
  }

  async #fence(epoch: Epoch): Promise<number> {
    return (await this.#options.epoch.end(epoch, RESOLVE_MS)).revision;
  }

  /** For a write that etcd answered, so that it is not on its way any more: the write that reaches the quota is made and called refused. */
  async #lastWrite(): Promise<number> {
    return (await this.#options.client.get(this.#options.keys.version))?.modRevision ?? 0;
  }

  #known(key: ResourceKey): Base {
    const resource = this.#options.view.get(key);
    return { resource, modRevision: Number(resource?.metadata.resourceVersion ?? 0), verified: false };
  }

  async #read(key: ResourceKey): Promise<Base> {
    return this.#toBase(await this.#options.client.get(this.#options.keys.ofResource(key)));
  }

  #toBase(kv: EtcdKeyValue | null): Base {
    const resource = kv === null ? null : decodeResource(this.#options.keys, kv);
    return { resource, modRevision: kv?.modRevision ?? 0, verified: true };
  }
}

/** Null when the view's word is not enough: it may be behind. */
function decideAt(base: Base, decide: (existing: Resource | null) => WritePlan): WritePlan | null {
  try {
    return decide(base.resource);
  } catch (error) {
    const isConflict = error instanceof WeftError && error.code === "WEFT_STORE_CONFLICT";
    if (isConflict && !base.verified) return null;
    throw error;
  }
}

function unknownError(key: ResourceKey, event: WatchEvent, cause: WeftError): WeftError {
  const what = event.type === "DELETED" ? "was deleted" : "was written";
  return new WeftError(
    "WEFT_STORE_UNKNOWN_OUTCOME",
    `Cannot tell whether ${formatKey(key)} ${what}: found no answer of etcd in ${RESOLVE_MS / 1000} s; expected one`,
    { hint: "Read it when etcd answers again, and repeat the change if it is missing", cause, details: cause.details },
  );
}
