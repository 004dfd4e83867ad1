import { Deadline, type DeadlineOwner, type TimerWheel } from "../../time/timer-wheel.ts";
import type { KeyEntry } from "./response-store.ts";
import type { StoredResponse } from "./stored-response.ts";
import { type RequestView, selectValues } from "./vary.ts";

/** A request that waits for what another fetches. It is told once. */
export interface FetchWaiter {
  /** This came, or is used in place of what did not (`onError`): use it, or go on alone. */
  offer(response: StoredResponse, onError: boolean): void;
  /** Nothing came that could be shared: go on. `again`: as nobody has asked yet, one of those that wait may for the others. */
  goOn(again: boolean): void;
  /** False when it would not be answered by a response with this selection. */
  fits(names: readonly string[], selection: string): boolean;
}

/** Nobody waits longer for another's answer; nginx's default for the same. */
export const MAX_WAIT_MS = 5_000;
const MAX_WAITERS = 1_024;
const NOBODY: readonly FetchWaiter[] = [];

/**
 * One request for a key that is on its way to an instance, and those that wait for its answer instead of asking as well. They
 * wait until its head shows that it cannot be shared, else until its body is there.
 */
export class SharedFetch implements DeadlineOwner {
  /** What it fetches is out of date before it came, and is not stored. */
  isSpoiled: boolean = false;
  readonly #entry: KeyEntry;
  /** By what Vary named the last time. */
  readonly #names: readonly string[];
  readonly #selection: string;
  readonly #wheel: TimerWheel;
  /** Null: nobody has waited yet. */
  #waiters: Set<FetchWaiter> | null = null;
  #isOpen: boolean;
  #deadline: Deadline | null = null;

  /** `isOpen`: others may wait for it. */
  constructor(entry: KeyEntry, view: RequestView, wheel: TimerWheel, isOpen: boolean) {
    this.#entry = entry;
    this.#names = entry.variants.at(-1)?.facts.vary ?? [];
    this.#selection = selectValues(view, this.#names);
    this.#wheel = wheel;
    this.#isOpen = isOpen;
    entry.fetches.push(this);
  }

  /** It will probably give what this request asks for. */
  serves(view: RequestView): boolean {
    return selectValues(view, this.#names) === this.#selection;
  }

  /** False when the request has to go by itself. */
  join(waiter: FetchWaiter): boolean {
    if (!this.#isOpen || this.isSpoiled) return false;
    const waiters = (this.#waiters ??= new Set());
    if (waiters.size >= MAX_WAITERS) return false;
    waiters.add(waiter);
    if (this.#deadline === null) {
      this.#deadline = new Deadline(this, 0);
      this.#wheel.arm(this.#deadline, MAX_WAIT_MS);
    }
    return true;
  }

  leave(waiter: FetchWaiter): void {
    this.#waiters?.delete(waiter);
    if (this.#waiters === null || this.#waiters.size === 0) this.#disarm();
  }

  /** Nobody waits for it any more, and nobody will. */
  letGo(again: boolean): void {
    this.#isOpen = false;
    for (const waiter of this.#take()) waiter.goOn(again);
  }

  /** The head has come: those for whom it is not go on. */
  sift(names: readonly string[], selection: string): void {
    if (this.#waiters === null) return;
    for (const waiter of [...this.#waiters]) {
      if (waiter.fits(names, selection)) continue;
      this.leave(waiter);
      waiter.goOn(false);
    }
  }

  /** It is over; those that wait are told by `offerTo` or `letGo`. */
  end(): void {
    this.#isOpen = false;
    const { fetches } = this.#entry;
    const index = fetches.indexOf(this);
    if (index >= 0) fetches.splice(index, 1);
  }

  offer(response: StoredResponse, onError: boolean): void {
    for (const waiter of this.#take()) waiter.offer(response, onError);
  }

  spoil(): void {
    this.isSpoiled = true;
    this.letGo(false);
  }

  onDeadline(): void {
    this.letGo(false);
  }

  #take(): readonly FetchWaiter[] {
    if (this.#waiters === null) return NOBODY;
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    this.#disarm();
    return waiters;
  }

  #disarm(): void {
    if (this.#deadline === null) return;
    this.#wheel.clear(this.#deadline);
    this.#deadline = null;
  }
}
