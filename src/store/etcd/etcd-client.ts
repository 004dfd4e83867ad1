import type { Clock } from "../../time/clock.ts";
import type { Random } from "../../random/random.ts";
import type { Log } from "../../lib/log.ts";

export interface EtcdTls {
  /** Who may have signed the members' certificates. Left out: the roots of the system. */
  readonly caPem?: string;
  /** For members that ask for a client's certificate; both or none. */
  readonly certificatePem?: string;
  readonly keyPem?: string;
}

export interface EtcdClientOptions {
  /** `host:port`, `http://host:port` or `https://host:port` of each member, at least one. All plain or all https. */
  readonly endpoints: readonly string[];
  /** For https endpoints. */
  readonly tls?: EtcdTls;
  /** For an etcd with authentication on. */
  readonly user?: { readonly name: string; readonly password: string };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** From a call to its answer on one member. Default 5,000. */
  readonly requestTimeoutMs?: number;
  /** How long a call goes from member to member before WEFT_STORE_UNREACHABLE. Default 6,000: an election takes 1 to 3 s. */
  readonly giveUpMs?: number;
  /** TCP, TLS and HTTP/2 to one member. Default 2,000. */
  readonly connectTimeoutMs?: number;
}

export interface EtcdKeyValue {
  readonly key: string;
  readonly value: Buffer;
  readonly createRevision: number;
  readonly modRevision: number;
}

export interface EtcdRange {
  readonly key: string;
  /** Exclusive. Left out: the one key. `prefixEnd(key)` for all keys that begin with `key`. */
  readonly rangeEnd?: string;
  /** Default none. */
  readonly limit?: number;
  /** As of this revision; default the newest (linearizable: no older than any write acknowledged to anybody before). */
  readonly revision?: number;
  readonly keysOnly?: boolean;
}

export interface EtcdRangeResult {
  /** By key, in byte order. */
  readonly kvs: readonly EtcdKeyValue[];
  /** There is more than `limit`. */
  readonly more: boolean;
  /** Of the whole of etcd, when this was read. */
  readonly revision: number;
}

/** A condition of a transaction. Revision 0 = the key does not exist. */
export type EtcdCompare =
  | { readonly key: string; readonly modRevision: number }
  | { readonly key: string; readonly createRevision: number }
  | { readonly key: string; readonly value: string | Uint8Array };

export type EtcdOperation =
  | { readonly get: string }
  /** `leaseId`: the key goes when the lease ends. */
  | { readonly put: string; readonly value: string | Uint8Array; readonly leaseId?: number }
  | { readonly delete: string; readonly rangeEnd?: string };

export interface EtcdTxn {
  /** All must hold. */
  readonly compare: readonly EtcdCompare[];
  readonly success: readonly EtcdOperation[];
  readonly failure?: readonly EtcdOperation[];
}

export interface EtcdTxnResult {
  /** Whether `success` was carried out; `failure` otherwise. */
  readonly succeeded: boolean;
  /** Of the whole of etcd afterwards: the mod revision of every key that `success` put. */
  readonly revision: number;
  /** One for each operation carried out: what a `get` found, empty for the others. */
  readonly results: readonly (readonly EtcdKeyValue[])[];
}

export interface EtcdEvent {
  readonly type: "PUT" | "DELETE";
  /** For DELETE: the key and the revision of the deletion, with an empty value. */
  readonly kv: EtcdKeyValue;
  /** What was there before, when `previous` was asked for and etcd still has it. */
  readonly previous: EtcdKeyValue | null;
}

export interface EtcdWatchOptions {
  readonly key: string;
  /** As in EtcdRange. */
  readonly rangeEnd?: string;
  /** The first revision to be told of. */
  readonly fromRevision: number;
  readonly previous?: boolean;
  /**
   * All events of one or more whole revisions, in order; the watch is complete up to `revision`. May be empty: nothing
   * happened up to `revision`.
   */
  readonly onEvents: (events: readonly EtcdEvent[], revision: number) => void;
  /**
   * Called once when the watch cannot go on: `WEFT_STORE_TOO_OLD` (details: `oldest`) when what comes next is no longer
   * kept, `WEFT_STORE_DENIED` when etcd does not allow it, WEFT_STORE_ETCD for anything else that another member would
   * answer too. A lost connection is no end: the watch goes on at another member, without gap or repetition.
   */
  readonly onEnd: (error: Error) => void;
  /** The watch has (true) or has not (false) a member that answers. For readiness. */
  readonly onConnected?: (connected: boolean) => void;
}

export interface EtcdStatus {
  readonly endpoint: string;
  readonly version: string;
  readonly databaseBytes: number;
  readonly usedBytes: number;
  readonly revision: number;
  /** Alarms and the like, e.g. `etcdserver: no leader`. */
  readonly errors: readonly string[];
}

/**
 * Talks to the members of one etcd (3.4 or later). Every call goes to the member that answered last, and reads go on to
 * the next one when it fails. Failures are WeftErrors:
 *
 * - `WEFT_STORE_UNREACHABLE`: no member answered; nothing was changed. details: `tried` (endpoint → what it said).
 * - `WEFT_STORE_UNKNOWN_OUTCOME`: a change was sent and no answer came; it may have been made, and may still be made within
 *   the next seconds. Only from `txn` with operations that change something, and the lease calls.
 * - `WEFT_STORE_FULL`: etcd's space quota is reached. The change may have been made all the same: etcd carries out the one
 *   that reaches the quota, and then says this. It will not be made later. `WEFT_STORE_DENIED`: user, password, certificate or permission.
 * - `WEFT_STORE_TOO_OLD`: a read at a revision that was compacted. `WEFT_STORE_TOO_LARGE`: more than etcd takes.
 * - `WEFT_STORE_ETCD`: any other refusal; nothing was changed.
 * - `WEFT_STORE_CLOSED`.
 */
export interface EtcdClient {
  /** The key's newest value, or null. */
  get(key: string): Promise<EtcdKeyValue | null>;
  range(range: EtcdRange): Promise<EtcdRangeResult>;
  /** Compare-and-swap. Never sent twice: what to do about an unknown outcome is the caller's. */
  txn(txn: EtcdTxn): Promise<EtcdTxnResult>;
  /** Nothing is called inside this call. Returns a function that stops the watch. */
  watch(options: EtcdWatchOptions): () => void;
  /** Returns the lease's id. Its keys go `ttlSeconds` after the last renewal. */
  grantLease(ttlSeconds: number): Promise<number>;
  /** Renews once. Returns the seconds it has left; 0 when there is no such lease (any more). */
  renewLease(leaseId: number): Promise<number>;
  /** Its keys go at once. Nothing happens when there is no such lease. */
  revokeLease(leaseId: number): Promise<void>;
  /** Drops what was there before `revision`: affects everybody who uses this etcd. */
  compact(revision: number): Promise<void>;
  /** Asks the member in use. */
  status(): Promise<EtcdStatus>;
  /** Ends all calls and watches (without a word to the watches). */
  close(): void;
}

/** The end of the range of all keys that begin with `prefix`, which must not be empty nor end with U+FFFF. */
export function prefixEnd(prefix: string): string {
  const last = prefix.charCodeAt(prefix.length - 1);
  return prefix.slice(0, -1) + String.fromCharCode(last + 1);
}
