import type { WatchEvent } from "../store.ts";

export interface HistoryEntry {
  readonly revision: number;
  readonly event: WatchEvent;
}

/** The last events, oldest first. Revisions grow, with gaps: other keys of etcd have some of them. */
export class RevisionHistory {
  readonly #limit: number;
  #entries: HistoryEntry[] = [];
  /** Every event after this revision is kept. */
  #oldest: number = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** A watch can go on from this revision or any later one. */
  oldest(): number {
    return this.#oldest;
  }

  /** Forgets all; nothing happened after `revision` yet. */
  restart(revision: number): void {
    this.#entries = [];
    this.#oldest = revision;
  }

  add(entry: HistoryEntry): void {
    this.#entries.push(entry);
  }

  /** Drops what is beyond the limit, now and then: after those who keep up were told. */
  trim(): void {
    const excess = this.#entries.length - this.#limit;
    if (excess <= 0) return;
    // By an eighth at a time, so that an event costs little when the history is full.
    if (excess < this.#limit / 8) return;
    this.#oldest = this.#entries[excess - 1]?.revision ?? this.#oldest;
    this.#entries = this.#entries.slice(excess).filter((entry) => entry.revision > this.#oldest);
  }

  /** All events after `revision`. */
  after(revision: number): readonly HistoryEntry[] {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#entries.slice(low);
  }
}
