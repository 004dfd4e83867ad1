import { status } from "@grpc/grpc-js";
import { WeftError } from "../../lib/weft-error.ts";
import type {
  EtcdClient,
  EtcdClientOptions,
  EtcdKeyValue,
  EtcdRange,
  EtcdRangeResult,
  EtcdStatus,
  EtcdTxn,
  EtcdTxnResult,
  EtcdWatchOptions,
} from "./etcd-client.ts";
import {
  COMPACT,
  isChange,
  LEASE_GRANT,
  LEASE_REVOKE,
  RANGE,
  STATUS,
  toKeyValue,
  toRangeRequest,
  toTxnRequest,
  TXN,
} from "./etcd-messages.ts";
import { EtcdWatch } from "./etcd-watch.ts";
import { MemberPool } from "./member-pool.ts";
import { renewLease } from "./renew-lease.ts";

/** Lease ids are chosen here, below 2^53, so that a number holds them. */
const LEASE_ID_BYTES = 6;

export class GrpcEtcdClient implements EtcdClient {
  readonly #options: EtcdClientOptions;
  readonly #pool: MemberPool;
  readonly #watches: Set<EtcdWatch> = new Set();

  constructor(options: EtcdClientOptions) {
    this.#options = options;
    this.#pool = new MemberPool(options);
  }

  async get(key: string): Promise<EtcdKeyValue | null> {
    return (await this.range({ key })).kvs[0] ?? null;
  }

  async range(range: EtcdRange): Promise<EtcdRangeResult> {
    const { kvs, more, header } = await this.#pool.call(RANGE, toRangeRequest(range), { change: false });
    return { kvs: (kvs ?? []).map(toKeyValue), more: more ?? false, revision: header?.revision ?? 0 };
  }

  async txn(txn: EtcdTxn): Promise<EtcdTxnResult> {
    const { succeeded, header, responses } = await this.#pool.call(TXN, toTxnRequest(txn), { change: isChange(txn) });
    return {
      succeeded: succeeded ?? false,
      revision: header?.revision ?? 0,
      results: (responses ?? []).map((response) => (response.responseRange?.kvs ?? []).map(toKeyValue)),
    };
  }

  watch(options: EtcdWatchOptions): () => void {
    const { clock, log } = this.#options;
    const watch = new EtcdWatch({
      pool: this.#pool,
      clock,
      log,
      watch: options,
      readRevision: async () => (await this.range({ key: options.key, limit: 1, keysOnly: true })).revision,
    });
    this.#watches.add(watch);
    watch.start();
    return () => {
      this.#watches.delete(watch);
      watch.stop();
    };
  }

  async grantLease(ttlSeconds: number): Promise<number> {
    const chosen = Buffer.from(this.#options.random.bytes(LEASE_ID_BYTES)).readUIntBE(0, LEASE_ID_BYTES);
    const { id } = await this.#pool.call(LEASE_GRANT, { ttl: ttlSeconds, id: chosen }, { change: true });
    return id ?? chosen;
  }

  renewLease(leaseId: number): Promise<number> {
    return renewLease(this.#pool, this.#options.clock, leaseId);
  }

  async revokeLease(leaseId: number): Promise<void> {
    try {
      await this.#pool.call(LEASE_REVOKE, { id: leaseId }, { change: true });
    } catch (error) {
      const isGone = error instanceof WeftError && error.details["grpcCode"] === status.NOT_FOUND;
      if (!isGone) throw error;
    }
  }

  async compact(revision: number): Promise<void> {
    await this.#pool.call(COMPACT, { revision, physical: true }, { change: true });
  }

  async status(): Promise<EtcdStatus> {
    const answer = await this.#pool.call(STATUS, {}, { change: false });
    return {
      endpoint: this.#pool.current().name,
      version: answer.version ?? "",
      databaseBytes: answer.dbSize ?? 0,
      usedBytes: answer.dbSizeInUse ?? 0,
      revision: answer.header?.revision ?? 0,
      errors: answer.errors ?? [],
    };
  }

  close(): void {
    for (const watch of this.#watches) watch.stop();
    this.#watches.clear();
    this.#pool.close();
  }
}
