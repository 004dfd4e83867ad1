import type { Exchange } from "../exchange.ts";
import type { Holder } from "../filters/filter.ts";

export interface WaitingRequestOwner {
  /** Its exchange ended while it waited. */
  onWaiterGone(waiting: WaitingRequest): void;
}

/** One request in front of a busy app. */
export class WaitingRequest implements Holder {
  readonly exchange: Exchange;
  /** Its line. */
  readonly priority: number;
  readonly beganMs: number;
  readonly #owner: WaitingRequestOwner;
  /** Neighbours in its line: who came before it, and after. */
  older: WaitingRequest | null = null;
  newer: WaitingRequest | null = null;

  constructor(owner: WaitingRequestOwner, x: Exchange, nowMs: number) {
    this.#owner = owner;
    this.exchange = x;
    this.priority = x.priority;
    this.beganMs = nowMs;
    x.holder = this;
  }

  onEndedWhileHeld(_x: Exchange): void {
    this.#owner.onWaiterGone(this);
  }
}

/** Those who wait, in one line for each class, each in order of arrival. Every step is O(1), or O(classes). */
export class WaitingLines {
  length: number = 0;
  readonly #oldest: (WaitingRequest | null)[];
  readonly #newest: (WaitingRequest | null)[];
  /** Since when a line was never empty. */
  readonly #sinceMs: number[];

  constructor(classes: number) {
    this.#oldest = new Array<WaitingRequest | null>(classes).fill(null);
    this.#newest = new Array<WaitingRequest | null>(classes).fill(null);
    this.#sinceMs = new Array<number>(classes).fill(0);
  }

  get classes(): number {
    return this.#oldest.length;
  }

  oldest(priority: number): WaitingRequest | null {
    return this.#oldest[priority] ?? null;
  }

  newest(priority: number): WaitingRequest | null {
    return this.#newest[priority] ?? null;
  }

  /** For how long somebody of the class has waited, without a break; 0 = nobody waits. */
  standingMs(priority: number, nowMs: number): number {
    return this.oldest(priority) === null ? 0 : nowMs - (this.#sinceMs[priority] as number); // one for each line
  }

  add(waiting: WaitingRequest): void {
    const { priority } = waiting;
    waiting.older = this.newest(priority);
    if (waiting.older === null) {
      this.#oldest[priority] = waiting;
      this.#sinceMs[priority] = waiting.beganMs;
    } else waiting.older.newer = waiting;
    this.#newest[priority] = waiting;
    this.length += 1;
  }

  /** It must be in its line. */
  remove(waiting: WaitingRequest): void {
    const { older, newer, priority } = waiting;
    if (older === null) this.#oldest[priority] = newer;
    else older.newer = newer;
    if (newer === null) this.#newest[priority] = older;
    else newer.older = older;
    waiting.older = null;
    waiting.newer = null;
    this.length -= 1;
  }
}
