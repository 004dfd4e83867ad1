import { type ServiceError, status } from "@grpc/grpc-js";
import type { weft } from "#gen/protos.js";
import type { Log } from "../../lib/log.ts";
import { WeftError } from "../../lib/weft-error.ts";
import type { Clock, Timer } from "../../time/clock.ts";
import type { EtcdWatchOptions } from "./etcd-client.ts";
import { meaningOf, tooOldError } from "./etcd-failure.ts";
import { type EtcdMember, MemberError, type WatchStream } from "./etcd-member.ts";
import { toEvent, WATCH } from "./etcd-messages.ts";
import type { MemberPool } from "./member-pool.ts";

export interface EtcdWatchParts {
  readonly pool: MemberPool;
  readonly clock: Clock;
  readonly log: Log;
  readonly watch: EtcdWatchOptions;
  /** The newest revision of etcd, read through a majority. */
  readonly readRevision: () => Promise<number>;
}

/** How often the member is asked for a sign of life. */
const ASK_MS = 5_000;
/** A member that says nothing for so long is left. */
const SILENCE_MS = 12_000;
const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 1_000;
const NOT_OURS = -1;

/**
 * One watch that survives the members it runs on. It knows the revision it is complete up to, and asks the next member
 * for everything after it, so nothing is missed and nothing comes twice.
 *
 * A member's answers that hold no events count as complete only when they are for this watch: etcd before 3.4.25 answers a
 * question for progress (id -1) ahead of events that are on their way.
 */
export class EtcdWatch {
  readonly #parts: EtcdWatchParts;
  /** Everything up to here was told. */
  #done: number;
  #stream: WatchStream | null = null;
  #timer: Timer | null = null;
  #heardAtMs: number = 0;
  #pauseMs: number = FIRST_PAUSE_MS;
  #clusterId: number | null = null;
  #connected: boolean = false;
  #stopped: boolean = false;

  constructor(parts: EtcdWatchParts) {
    this.#parts = parts;
    this.#done = parts.watch.fromRevision - 1;
  }

  start(): void {
    void Promise.resolve().then(() => this.#connect());
  }

  stop(): void {
    this.#stopped = true;
    this.#dropStream();
  }

  async #connect(): Promise<void> {
    const { pool, clock } = this.#parts;
    if (this.#stopped) return;
    const member = pool.current();
    try {
      await member.connect(pool.connectTimeoutMs());
      const token = await pool.token(member);
      if (this.#stopped) return;
      this.#open(member, token);
    } catch (error) {
      this.#lost(member, error);
      return;
    }
    this.#heardAtMs = clock.nowMs();
    this.#timer = clock.every(ASK_MS, () => this.#askForLife(member), undefined);
  }

  #open(member: EtcdMember, token: string | null): void {
    const { key, rangeEnd, previous } = this.#parts.watch;
    const stream = member.openWatch(WATCH, token);
    this.#stream = stream;
    stream.on("data", (response: weft.etcd.WatchResponse) => {
      if (this.#stream === stream) this.#onResponse(member, response);
    });
    stream.on("error", (error: ServiceError) => {
      if (this.#stream !== stream) return;
      this.#lost(member, memberError(member, error.code, error.details));
    });
    stream.on("end", () => {
      if (this.#stream === stream) this.#lost(member, new Error("the member ended the watch"));
    });
    stream.write({
      createRequest: {
        key: Buffer.from(key),
        rangeEnd: rangeEnd === undefined ? null : Buffer.from(rangeEnd),
        startRevision: this.#done + 1,
        progressNotify: true,
        prevKv: previous ?? false,
      },
    });
  }

  #onResponse(member: EtcdMember, response: weft.etcd.WatchResponse): void {
    this.#heardAtMs = this.#parts.clock.nowMs();
    if (response.canceled === true) {
      this.#onCanceled(member, response);
      return;
    }
    if (response.created === true) {
      this.#onCreated(response.header);
      return;
    }
    if (response.watchId === NOT_OURS) return;
    const events = (response.events ?? []).map(toEvent);
    const last = events.at(-1)?.kv.modRevision ?? response.header?.revision ?? 0;
    // After a reconnect the member may repeat what it sent to nobody in particular; it never does for a start revision,
    // but a repetition must not pass if it did.
    const fresh = events.filter((event) => event.kv.modRevision > this.#done);
    if (last <= this.#done) return;
    this.#done = last;
    this.#tell(() => this.#parts.watch.onEvents(fresh, last));
  }

  #onCreated(header: weft.etcd.Header | null | undefined): void {
    const clusterId = header?.clusterId ?? 0;
    if (this.#clusterId !== null && this.#clusterId !== clusterId) {
      this.#end(tooOldError("another etcd, or one that was restored from a backup", 0));
      return;
    }
    const isFirst = this.#clusterId === null;
    this.#clusterId = clusterId;
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#setConnected(true);
    if (!isFirst) void this.#checkRevision();
  }

  /** A restored backup may be behind what was told already; then its next events would pass unseen. */
  async #checkRevision(): Promise<void> {
    const done = this.#done;
    try {
      const revision = await this.#parts.readRevision();
      if (revision < done && !this.#stopped) {
        this.#end(tooOldError(`etcd at revision ${revision}, behind ${done}, which it had before`, 0));
      }
    } catch {
      // No majority answers: the watch hears nothing either, and is checked when it connects again.
    }
  }

  #onCanceled(member: EtcdMember, response: weft.etcd.WatchResponse): void {
    const { compactRevision, cancelReason } = response;
    if ((compactRevision ?? 0) > 0) {
      this.#end(tooOldError(`version ${this.#done}, which etcd has compacted away`, compactRevision ?? 0));
      return;
    }
    const text = cancelReason === undefined || cancelReason === "" ? "the member canceled the watch" : cancelReason;
    if (/permission denied/i.test(text ?? "")) {
      this.#lost(member, memberError(member, status.PERMISSION_DENIED, text ?? ""));
      return;
    }
    if (/auth token/i.test(text ?? "")) this.#parts.pool.dropToken();
    this.#lost(member, new Error(text ?? ""));
  }

  #askForLife(member: EtcdMember): void {
    if (this.#parts.clock.nowMs() - this.#heardAtMs >= SILENCE_MS) {
      this.#lost(member, new Error(`silent for ${SILENCE_MS} ms`));
      return;
    }
    this.#stream?.write({ progressRequest: {} });
  }

  #lost(member: EtcdMember, error: unknown): void {
    const { pool, log } = this.#parts;
    this.#dropStream();
    if (this.#stopped || pool.closed()) return;
    if (error instanceof WeftError) {
      this.#end(error);
      return;
    }
    if (error instanceof MemberError) {
      const meaning = meaningOf(error.failure);
      if (meaning instanceof WeftError) {
        this.#end(meaning);
        return;
      }
      if (meaning === "token") pool.dropToken();
    }
    this.#setConnected(false);
    pool.moveOn(member);
    log.debug("a watch of etcd lost its member and goes on at the next", { endpoint: member.name, error });
    void pool.pause(this.#pauseMs).then(() => this.#connect());
    this.#pauseMs = Math.min(this.#pauseMs * 2, LAST_PAUSE_MS);
  }

  #end(error: Error): void {
    this.#dropStream();
    if (this.#stopped) return;
    this.#stopped = true;
    this.#setConnected(false);
    this.#parts.watch.onEnd(error);
  }

  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    this.#parts.watch.onConnected?.(connected);
  }

  #dropStream(): void {
    this.#timer?.clear();
    this.#timer = null;
    const stream = this.#stream;
    this.#stream = null;
    if (stream === null) return;
    // What is left of it ends with an error that concerns nobody.
    stream.on("error", () => {});
    stream.cancel();
  }
}

function memberError(member: EtcdMember, code: status, text: string): MemberError {
  return new MemberError({ endpoint: member.name, code, text, unsent: false });
}
