import type { WatchEvent } from "./store.ts";

/** The last `limit` events, one for each version without gaps, oldest first. */
export class EventHistory {
  readonly #limit: number;
  #events: WatchEvent[];
  /** Index of the oldest event kept; what stands before it is dropped now and then, not at every event. */
  #start: number = 0;
  #newest: number;

  constructor(limit: number, events: readonly WatchEvent[], newest: number) {
    this.#limit = limit;
    this.#events = events.slice(-limit);
    this.#newest = newest;
  }

  /** The version of the last event, or of the store when it has none. */
  newest(): number {
    return this.#newest;
  }

  /** A watch can go on from this version or any later one. */
  oldestResumable(): number {
    return this.#newest - this.#size();
  }

  add(event: WatchEvent): void {
    this.#events.push(event);
    this.#newest += 1;
    if (this.#size() > this.#limit) this.#start += 1;
    if (this.#start > this.#limit) {
      this.#events = this.#events.slice(this.#start);
      this.#start = 0;
    }
  }

  /** The event of `version`; null when it is not kept. */
  at(version: number): WatchEvent | null {
    if (version <= this.oldestResumable() || version > this.#newest) return null;
    return this.#events[this.#events.length - (this.#newest - version) - 1] ?? null;
  }

  #size(): number {
    return this.#events.length - this.#start;
  }
}
