import type { Clock, Timer } from "./clock.ts";

/** What a wheel calls when a deadline passes. */
export interface DeadlineOwner {
  onDeadline(deadline: Deadline): void;
}

/**
 * One reusable deadline: made once with its owner, armed and cleared any number of times without allocating. The owner
 * clears it when what it guards has ended; a deadline that only rests keeps its owner in memory.
 */
export class Deadline {
  readonly owner: DeadlineOwner;
  /** Set by the owner: which of its deadlines this is. */
  readonly kind: number;
  /** When it fires; -1 while it is not armed. */
  dueTick: number = -1;
  /** The slot it is in, which is that of `dueTick` or an earlier one; -1 in none. */
  slotTick: number = -1;
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
 * (20 ms) after its time, never before. The wheel ticks only while something is armed or rests.
 *
 * What is moved with every request (a connection's idle time) is renewed instead of armed, and rests instead of being
 * cleared: it stays in its slot, and is moved to where it belongs when the wheel comes by.
 */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #slots: Deadline[] = [];
  /** Deadlines that are due in this tick and whose owners have not been called yet. */
  readonly #due: Deadline = createSentinel();
  #tick: number = 0;
  readonly #originMs: number;
  /** Deadlines in slots. */
  #held: number = 0;
  #timer: Timer | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#originMs = clock.nowMs();
    for (let i = 0; i < SLOT_COUNT; i += 1) this.#slots.push(createSentinel());
  }

  /**
   * Fires `deadline.owner.onDeadline(deadline)` once after `delayMs`. Re-arming moves it. `nowMs` saves a look at the
   * clock for those who have just had one.
   */
  arm(deadline: Deadline, delayMs: number, nowMs: number = this.#clock.nowMs()): void {
    if (this.#held === 0) this.#start();
    const due = Math.ceil((nowMs - this.#originMs + delayMs) / TICK_MS);
    this.#place(deadline, due <= this.#tick ? this.#tick + 1 : due);
  }

  /**
   * As `arm`, for a long wait that begins anew all the time: no look at the clock, and usually one store. When the event
   * loop is late the wait is shorter by as much.
   */
  renew(deadline: Deadline, delayMs: number): void {
    if (this.#held === 0) this.#start();
    this.#place(deadline, this.#tick + 1 + Math.ceil(delayMs / TICK_MS));
  }

  /** As `clear`, for a deadline that will be armed or renewed again. */
  rest(deadline: Deadline): void {
    deadline.dueTick = -1;
  }

  clear(deadline: Deadline): void {
    deadline.dueTick = -1;
    if (deadline.slotTick < 0) return;
    if (deadline.previous !== null) deadline.previous.next = deadline.next;
    if (deadline.next !== null) deadline.next.previous = deadline.previous;
    deadline.previous = null;
    deadline.next = null;
    deadline.slotTick = -1;
    this.#held -= 1;
  }

  /** Deadlines that are armed or rest: what is not 0 when all owners are gone is a leak. */
  armedCount(): number {
    return this.#held;
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
    while (this.#tick < target && this.#held > 0) {
      this.#tick += 1;
      this.#moveDue(this.#slot(this.#tick));
      // Owners may arm and clear other deadlines, due ones too, so always take the first that is left.
      while (this.#due.next !== null && this.#due.next !== this.#due) {
        const deadline = this.#due.next;
        const { dueTick } = deadline;
        this.clear(deadline);
        // An owner that was called before may have changed it.
        if (dueTick > this.#tick) this.#place(deadline, dueTick);
        else if (dueTick >= 0) deadline.owner.onDeadline(deadline);
      }
    }
    this.#tick = target;
    if (this.#held === 0) this.close();
  }

  /** A deadline that moves to a later time stays where it is. */
  #place(deadline: Deadline, dueTick: number): void {
    deadline.dueTick = dueTick;
    if (deadline.slotTick >= 0) {
      if (deadline.slotTick <= dueTick) return;
      this.clear(deadline);
      deadline.dueTick = dueTick;
    }
    deadline.slotTick = dueTick;
    append(this.#slot(dueTick), deadline);
    this.#held += 1;
  }

  /** Empties the slot of this tick: what is due waits to be called, what moved later gets its slot, what rests goes. */
  #moveDue(head: Deadline): void {
    let deadline = head.next;
    while (deadline !== null && deadline !== head) {
      const next: Deadline | null = deadline.next;
      // A slot also holds what is due in later rounds of the wheel.
      if (deadline.slotTick <= this.#tick) {
        if (deadline.previous !== null) deadline.previous.next = next;
        if (next !== null) next.previous = deadline.previous;
        if (deadline.dueTick < 0) {
          deadline.previous = null;
          deadline.next = null;
          deadline.slotTick = -1;
          this.#held -= 1;
        } else if (deadline.dueTick <= this.#tick) {
          append(this.#due, deadline);
        } else {
          deadline.slotTick = deadline.dueTick;
          append(this.#slot(deadline.dueTick), deadline);
        }
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
