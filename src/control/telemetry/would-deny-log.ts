import { parseDeniedCall } from "../../observe/would-deny.ts";
import type { WouldDenyRow } from "../views.ts";

/** About 0.3 KiB each. */
const DEFAULT_MAX_ENTRIES = 5_000;
const KEEP_MS = 24 * 3_600_000;

interface Entry {
  readonly source: string;
  readonly destination: string;
  readonly protocol: WouldDenyRow["protocol"];
  readonly key: string;
  count: number;
  readonly firstAtMs: number;
  lastAtMs: number;
}

export type WouldDenyLabels = Pick<WouldDenyRow, "source" | "destination" | "protocol">;

/**
 * What permissive access let pass and strict access would have denied, each kind of call once, for a day after it was seen
 * last. Bounded: past the limit the one that was not seen for longest goes. Times are of the monotonic clock.
 */
export class WouldDenyLog {
  readonly #maxEntries: number;
  /** The one seen last is last. */
  readonly #entries: Map<string, Entry> = new Map();

  constructor(maxEntries: number = DEFAULT_MAX_ENTRIES) {
    this.#maxEntries = maxEntries;
  }

  /** `calls` are keys of observe/would-deny.ts; others are passed over. */
  add(labels: WouldDenyLabels, calls: Iterable<readonly [key: string, count: number]>, nowMs: number): void {
    const { source, destination, protocol } = labels;
    for (const [key, count] of calls) {
      if (count <= 0 || parseDeniedCall(key) === null) continue;
      const id = JSON.stringify([source, destination, protocol, key]);
      const known = this.#entries.get(id);
      const entry = known ?? { source, destination, protocol, key, count: 0, firstAtMs: nowMs, lastAtMs: nowMs };
      entry.count += count;
      entry.lastAtMs = nowMs;
      this.#entries.delete(id);
      this.#entries.set(id, entry);
    }
    for (const [id, { lastAtMs }] of this.#entries) {
      if (this.#entries.size <= this.#maxEntries && nowMs - lastAtMs < KEEP_MS) break;
      this.#entries.delete(id);
    }
  }

  /** Those seen in the last `windowMs`, in no particular order. Counts are since a kind of call was seen first. */
  list(windowMs: number, nowMs: number): readonly WouldDenyRow[] {
    const rows: WouldDenyRow[] = [];
    for (const { source, destination, protocol, key, count, firstAtMs, lastAtMs } of this.#entries.values()) {
      const call = parseDeniedCall(key);
      if (call === null || nowMs - lastAtMs > windowMs) continue;
      const ages = { firstSeenAgoMs: Math.round(nowMs - firstAtMs), lastSeenAgoMs: Math.round(nowMs - lastAtMs) };
      rows.push({ source, destination, protocol, ...call, count, ...ages });
    }
    return rows;
  }
}

/** One row per kind of call of any of the lists, ordered by its labels. */
export function mergeWouldDeny(lists: readonly (readonly WouldDenyRow[])[]): readonly WouldDenyRow[] {
  const merged = new Map<string, WouldDenyRow>();
  for (const row of lists.flat()) {
    const id = JSON.stringify([row.destination, row.source, row.port, row.path, row.method, row.protocol]);
    const known = merged.get(id);
    merged.set(id, known === undefined ? row : addRows(known, row));
  }
  return [...merged].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, row]) => row);
}

/** The same call, seen by two. */
export function addRows(one: WouldDenyRow, other: WouldDenyRow): WouldDenyRow {
  return {
    ...one,
    count: one.count + other.count,
    firstSeenAgoMs: Math.max(one.firstSeenAgoMs, other.firstSeenAgoMs),
    lastSeenAgoMs: Math.min(one.lastSeenAgoMs, other.lastSeenAgoMs),
  };
}
