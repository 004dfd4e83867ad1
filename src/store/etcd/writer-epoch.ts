import type { Log } from "../../lib/log.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { Random } from "../../random/random.ts";
import type { Clock, Timer } from "../../time/clock.ts";
import { formatUuid } from "../create-stamp.ts";
import type { EtcdClient } from "./etcd-client.ts";
import { closedError } from "./etcd-failure.ts";
import type { EtcdKeys } from "./etcd-keys.ts";

export interface WriterEpochOptions {
  readonly client: EtcdClient;
  readonly keys: EtcdKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Epoch {
  readonly key: string;
  /** The key's mod revision. Every write of the epoch has it as a condition. */
  readonly revision: number;
}

/** The key goes so long after its store did. */
const LEASE_SECONDS = 300;
const RENEW_MS = 100_000;
const PAUSE_MS = 100;
const CLOSE_MS = 1_000;

/**
 * The fence of one store's writes. Each write has the condition that the epoch's key was not touched since the epoch began;
 * a new epoch touches it, and so makes sure that no write of the old one, still on its way somewhere, is carried out later.
 */
export class WriterEpoch {
  readonly writer: string;
  readonly #options: WriterEpochOptions;
  readonly #key: string;
  #epoch: Epoch | null = null;
  #beginning: Promise<Epoch> | null = null;
  #leaseId: number = 0;
  #timer: Timer | null = null;
  #closed: boolean = false;

  constructor(options: WriterEpochOptions) {
    this.#options = options;
    this.writer = formatUuid(options.random.bytes(16));
    this.#key = `${options.keys.writers}${this.writer}`;
  }

  /** The epoch to write in; begun when there is none. Rejects as EtcdClient.txn does. */
  current(limitMs: number): Promise<Epoch> {
    if (this.#epoch !== null) return Promise.resolve(this.#epoch);
    return this.#begin(limitMs);
  }

  /** Resolves once no write of `epoch` can be carried out any more, with the epoch that followed. */
  async end(epoch: Epoch, limitMs: number): Promise<Epoch> {
    this.lost(epoch);
    return await this.current(limitMs);
  }

  /** The key was touched or is gone (its lease ended): nothing can be written in `epoch` any more. */
  lost(epoch: Epoch): void {
    if (this.#epoch?.revision === epoch.revision) this.#epoch = null;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.clear();
    await this.#beginning?.catch(() => {});
    if (this.#leaseId === 0) return;
    const { client, clock } = this.#options;
    const revoking = client.revokeLease(this.#leaseId).catch(() => {});
    // When etcd does not answer the key goes with its lease.
    await Promise.race([revoking, new Promise<void>((resolve) => clock.after(CLOSE_MS, resolve, undefined))]);
  }

  #begin(limitMs: number): Promise<Epoch> {
    this.#beginning ??= this.#tryToBegin(limitMs).finally(() => {
      this.#beginning = null;
    });
    return this.#beginning;
  }

  /** Beginning twice does no harm, so it is repeated until an answer comes. */
  async #tryToBegin(limitMs: number): Promise<Epoch> {
    const { clock } = this.#options;
    const giveUpAtMs = clock.nowMs() + limitMs;
    for (;;) {
      if (this.#closed) throw closedError();
      try {
        return await this.#touch();
      } catch (error) {
        const isUnknown = error instanceof WeftError && error.code === "WEFT_STORE_UNKNOWN_OUTCOME";
        if (!isUnknown || clock.nowMs() >= giveUpAtMs) throw error;
      }
      await new Promise<void>((resolve) => clock.after(PAUSE_MS, resolve, undefined));
    }
  }

  async #touch(): Promise<Epoch> {
    const { client, keys } = this.#options;
    if (this.#leaseId === 0) this.#leaseId = await this.#grant();
    try {
      const { revision } = await client.txn({
        compare: [],
        success: [
          { put: this.#key, value: "", leaseId: this.#leaseId },
          // Whoever sees this has seen every write of the epoch before.
          { put: keys.version, value: `${this.writer}:0` },
        ],
      });
      this.#epoch = { key: this.#key, revision };
      return this.#epoch;
    } catch (error) {
      if (error instanceof WeftError && /lease not found/.test(String(error.details["text"]))) this.#leaseId = 0;
      throw error;
    }
  }

  async #grant(): Promise<number> {
    const { client, clock } = this.#options;
    const id = await client.grantLease(LEASE_SECONDS);
    this.#timer ??= clock.every(RENEW_MS, () => void this.#renew(), undefined);
    return id;
  }

  async #renew(): Promise<void> {
    const { client, log } = this.#options;
    const leaseId = this.#leaseId;
    try {
      if (leaseId === 0 || (await client.renewLease(leaseId)) > 0 || this.#leaseId !== leaseId) return;
      this.#leaseId = 0;
      this.#epoch = null;
    } catch (error) {
      log.debug("cannot renew the lease of this store's writes; trying again", { error });
    }
  }
}
