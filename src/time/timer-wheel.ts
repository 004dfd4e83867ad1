import type { Clock, Timer } from "./clock.ts";

/** What a wheel calls when a deadline passes. */
export interface DeadlineOwner {
  onDeadline(deadline: Deadline): void;
}

/**
 * One reusable deadline: made once with its owner, armed and cleared any number of times without allocating. The owner
 * clears it when what it guards has ended.
 */
export class Deadline {
  readonly owner: DeadlineOwner;
  /** Set by the owner: which of its deadlines this is. */
  readonly kind: number;
  dueTick: number = -1;
  previous: Deadline | null = null;
  next: Deadline | null = null;

  constructor(owner: DeadlineOwner, kind: number) {
    this.owner = owner;
    this.kind = kind;
  }

  isArmed(): boolean {
    return this.dueTick >= 0;
  }
}

const SLOT_COUNT = 1024;

/**
 * Coarse deadlines for the request path: arming and clearing cost a few stores. A deadline fires at or up to one tick
 * (20 ms) after its time, never before. The wheel ticks only while something is armed.
 */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #slots: Deadline[] = [];
  /** Deadlines that are due in this tick and whose owners have not been called yet. */
  readonly #due: Deadline = createSentinel();
  #tick: number = 0;
  readonly #originMs: number;
  #armed: number = 0;
  #timer: Timer | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#originMs = clock.nowMs();
    for (let i = 0; i < SLOT_COUNT; i += 1) this.#slots.push(createSentinel());
  }

  /** Fires `deadline.owner.onDeadline(deadline)` once after `delayMs`. Re-arming moves it. */
  arm(deadline: Deadline, delayMs: number): void {
    if (deadline.dueTick >= 0) this.clear(deadline);
    if (this.#armed === 0) this.#start();
    const due = Math.ceil((this.#clock.nowMs() - this.#originMs + delayMs) / TICK_MS);
    deadline.dueTick = due <= this.#tick ? this.#tick + 1 : due;
    append(this.#slot(deadline.dueTick), deadline);
    this.#armed += 1;
  }

  clear(deadline: Deadline): void {
    if (deadline.dueTick < 0) return;
    if (deadline.previous !== null) deadline.previous.next = deadline.next;
    if (deadline.next !== null) deadline.next.previous = deadline.previous;
    deadline.previous = null;
    deadline.next = null;
    deadline.dueTick = -1;
    this.#armed -= 1;
  }

  armedCount(): number {
    return this.#armed;
  }

  close(): void {
    this.#timer?.clear();
    this.#timer = null;
  }

  #start(): void {
    this.#tick = Math.floor((this.#clock.nowMs() - this.#originMs) / TICK_MS);
    if (this.#timer === null) this.#timer = this.#clock.every(TICK_MS, advance, this);
  }

  /** Called by the clock; visits every slot between the last tick and now. */
  advanceNow(): void {
    const target = Math.floor((this.#clock.nowMs() - this.#originMs) / TICK_MS);
    while (this.#tick < target && this.#armed > 0) {
      this.#tick += 1;
      this.#moveDue(this.#slot(this.#tick));
      // Owners may arm and clear other deadlines, due ones too, so always take the first that is left.
      while (this.#due.next !== null && this.#due.next !== this.#due) {
        const deadline = this.#due.next;
        this.clear(deadline);
        deadline.owner.onDeadline(deadline);
      }
    }
    this.#tick = target;
    if (this.#armed === 0) this.close();
  }

  #moveDue(head: Deadline): void {
    let deadline = head.next;
    while (deadline !== null && deadline !== head) {
      const next: Deadline | null = deadline.next;
      if (deadline.dueTick <= this.#tick) {
        if (deadline.previous !== null) deadline.previous.next = next;
        if (next !== null) next.previous = deadline.previous;
        append(this.#due, deadline);
      }
      deadline = next;
    }
  }

  #slot(tick: number): Deadline {
    const slot = this.#slots[tick % SLOT_COUNT];
    if (slot === undefined) throw new RangeError("A wheel slot is missing");
    return slot;
  }
}

const TICK_MS = 20;

const NO_OWNER: DeadlineOwner = {
  onDeadline(): void {
    throw new Error("A wheel sentinel was armed");
  },
};

function createSentinel(): Deadline {
  const sentinel = new Deadline(NO_OWNER, 0);
  sentinel.previous = sentinel;
  sentinel.next = sentinel;
  return sentinel;
}

function append(head: Deadline, deadline: Deadline): void {
  deadline.previous = head.previous;
  deadline.next = head;
  if (head.previous !== null) head.previous.next = deadline;
  head.previous = deadline;
}

function advance(wheel: TimerWheel): void {
  wheel.advanceNow();
}
