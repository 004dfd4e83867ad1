import type { Exchange } from "../exchange.ts";
import type { Holder } from "../filters/filter.ts";
import { Deadline, type DeadlineOwner, type TimerWheel } from "../../time/timer-wheel.ts";

export interface WaitingRequestOwner {
  /** It waited for too long. */
  onWaitOver(waiting: WaitingRequest): void;
  /** Its exchange ended while it waited. */
  onWaiterGone(waiting: WaitingRequest): void;
}

export interface WaitingRequestOptions {
  readonly owner: WaitingRequestOwner;
  readonly wheel: TimerWheel;
  readonly beganMs: number;
}

/** One request in front of a busy app. */
export class WaitingRequest implements Holder, DeadlineOwner {
  readonly exchange: Exchange;
  readonly beganMs: number;
  readonly #options: WaitingRequestOptions;
  readonly #deadline: Deadline;

  constructor(x: Exchange, options: WaitingRequestOptions, maxWaitMs: number) {
    this.exchange = x;
    this.beganMs = options.beganMs;
    this.#options = options;
    this.#deadline = new Deadline(this, 0);
    x.holder = this;
    options.wheel.arm(this.#deadline, maxWaitMs);
  }

  /** It waits no longer. */
  end(): void {
    this.#options.wheel.clear(this.#deadline);
    if (this.exchange.holder === this) this.exchange.holder = null;
  }

  onDeadline(): void {
    this.end();
    this.#options.owner.onWaitOver(this);
  }

  onEndedWhileHeld(): void {
    this.#options.wheel.clear(this.#deadline);
    this.#options.owner.onWaiterGone(this);
  }
}
