import type { Exchange } from "../exchange.ts";
import type { Holder } from "../filters/filter.ts";
import type { FaultPolicy } from "../policy/route-policy.ts";
import type { Deadline, DeadlineOwner, TimerWheel } from "../../time/timer-wheel.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";

/** What a delayed request comes back to. */
export interface HeldRequestOwner {
  /** The wait is over: `faults` from `next` on are still to be looked at. */
  onDelayOver(x: Exchange, faults: readonly FaultPolicy[], next: number): void;
  /** The exchange ended while it waited. */
  onDelayCut(): void;
}

export interface HeldRequestOptions {
  readonly owner: HeldRequestOwner;
  readonly wheel: TimerWheel;
  readonly faults: readonly FaultPolicy[];
  readonly next: number;
}

/** One request during its delay. Ends once: by its timer, or with its exchange. */
export class HeldRequest implements Holder, DeadlineOwner {
  readonly #options: HeldRequestOptions;
  readonly #exchange: Exchange;
  readonly #deadline: Deadline;

  constructor(x: Exchange, options: HeldRequestOptions, delayMs: number) {
    this.#exchange = x;
    this.#options = options;
    this.#deadline = new WheelDeadline(this, 0);
    x.holder = this;
    options.wheel.arm(this.#deadline, delayMs);
  }

  onDeadline(_deadline: Deadline): void {
    const { owner, faults, next } = this.#options;
    const x = this.#exchange;
    // Somebody else has let it go on: it may be a later request of the same exchange by now.
    if (x.holder !== this) {
      owner.onDelayCut();
      return;
    }
    x.holder = null;
    owner.onDelayOver(x, faults, next);
  }

  onEndedWhileHeld(_x: Exchange): void {
    this.#options.wheel.clear(this.#deadline);
    this.#options.owner.onDelayCut();
  }
}
