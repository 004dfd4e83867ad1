import type { Log } from "../../lib/log.ts";
import type { EtcdClient } from "../../store/etcd/etcd-client.ts";
import type { Clock, Timer } from "../../time/clock.ts";
import type { JobLease } from "./job-lease.ts";

export interface EtcdSessionOptions {
  readonly client: Pick<EtcdClient, "grantLease" | "renewLease" | "revokeLease" | "txn">;
  /** Different for every session. */
  readonly id: string;
  /** Exists as long as the session: put with `presence` as its value. */
  readonly presenceKey: string;
  readonly presence: string;
  /** Held by at most one session. */
  readonly jobsKey: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** A control plane that died is forgotten after this long; its jobs then go to another. */
export const SESSION_SECONDS = 15;
const RENEW_MS = 4_000;
/** Closing waits no longer for etcd. */
const CLOSE_MS = 1_000;
/** A write begun while the lease was held may still be carried out this much later: etcd's request timeout and some. */
const JOB_MARGIN_MS = 6_000;

/**
 * One control plane's lease in etcd: it says that the control plane is there, and one of the sessions has the jobs. When
 * the lease was lost (a long outage, a suspended machine) a new one takes its place.
 *
 * How long the lease lasts is counted from when its last renewal was sent, on this machine's monotonic clock: etcd counts
 * from later, so it never ends sooner.
 */
export class EtcdSession implements JobLease {
  readonly #options: EtcdSessionOptions;
  #leaseId: number = 0;
  #livesUntilMs: number = 0;
  #hasJobs: boolean = false;
  #timer: Timer | null = null;
  #beating: Promise<void> = Promise.resolve();
  #isFailing: boolean = false;
  #closed: boolean = false;

  constructor(options: EtcdSessionOptions) {
    this.#options = options;
  }

  /** Resolves when others can see it. Rejects as EtcdClient does. */
  async start(): Promise<void> {
    await this.#beat();
    this.#timer = this.#options.clock.every(RENEW_MS, () => this.beat(), undefined);
  }

  held(): boolean {
    return this.#hasJobs && !this.#closed && this.#options.clock.nowMs() < this.#livesUntilMs - JOB_MARGIN_MS;
  }

  /** Runs every 4 s by itself. */
  beat(): void {
    this.#beating = this.#beating.then(() => this.#tryToBeat());
  }

  /** Others take over at once. Never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.clear();
    const { client, clock } = this.#options;
    const revoked = this.#beating.then(async () => {
      if (this.#leaseId !== 0) await client.revokeLease(this.#leaseId).catch(() => undefined);
    });
    // Without an answer it ends by itself.
    const limit = new Promise<void>((resolve) => clock.after(CLOSE_MS, resolve, undefined));
    await Promise.race([revoked, limit]);
  }

  async #tryToBeat(): Promise<void> {
    const { log } = this.#options;
    if (this.#closed) return;
    try {
      await this.#beat();
      if (this.#isFailing) log.info("etcd has this control plane's lease again");
      this.#isFailing = false;
    } catch (error) {
      // Proxies are served on; what others see of us, and the jobs, wait.
      if (!this.#isFailing) log.warn("cannot renew this control plane's lease in etcd; trying on", { error });
      this.#isFailing = true;
    }
  }

  async #beat(): Promise<void> {
    if (this.#leaseId !== 0) await this.#renew();
    if (this.#leaseId === 0) await this.#begin();
    if (!this.#hasJobs) await this.#seekJobs();
  }

  async #renew(): Promise<void> {
    const { client, clock } = this.#options;
    const sentAtMs = clock.nowMs();
    const leftSeconds = await client.renewLease(this.#leaseId);
    if (leftSeconds > 0) this.#livesUntilMs = sentAtMs + leftSeconds * 1000;
    else this.#lose();
  }

  async #begin(): Promise<void> {
    const { client, clock, presence, presenceKey } = this.#options;
    const sentAtMs = clock.nowMs();
    const leaseId = await client.grantLease(SESSION_SECONDS);
    // Sent again until it is known to be there; twice is the same as once.
    await client.txn({ compare: [], success: [{ put: presenceKey, value: presence, leaseId }] });
    this.#leaseId = leaseId;
    this.#livesUntilMs = sentAtMs + SESSION_SECONDS * 1000;
  }

  /** Whoever has the key has it as long as its lease lasts. */
  async #seekJobs(): Promise<void> {
    const { client, id, jobsKey, log } = this.#options;
    const holder = `${id}/${this.#leaseId}`;
    const { succeeded, results } = await client.txn({
      compare: [{ key: jobsKey, createRevision: 0 }],
      success: [{ put: jobsKey, value: holder, leaseId: this.#leaseId }],
      failure: [{ get: jobsKey }],
    });
    // Ours already: an earlier answer was lost.
    this.#hasJobs = succeeded || results[0]?.[0]?.value.toString("utf8") === holder;
    if (this.#hasJobs) log.info("this control plane runs the mesh's jobs");
  }

  #lose(): void {
    if (this.#hasJobs) this.#options.log.warn("this control plane no longer runs the mesh's jobs: its lease was lost");
    this.#leaseId = 0;
    this.#hasJobs = false;
    this.#livesUntilMs = 0;
  }
}
