// hot
import { Buffer } from "node:buffer";

/** What the RFC counts for an entry beside its name and value (RFC 7541 section 4.1). */
export const ENTRY_OVERHEAD = 32;

const FIRST_ENTRIES = 16;
const FIRST_BYTES = 1_024;

/**
 * The dynamic table of one direction of a connection (RFC 7541 section 2.3.2). Entries are kept as field lines, `name:
 * value\r\n`, in one ring of bytes, so that an indexed field is one copy. The ring has twice the table's size, hence a line
 * that does not fit at its end can start over without touching a line that is still in the table. Both rings grow with use,
 * up to what `maxBytes` allows.
 *
 * Entries are told apart by a number that counts inserts; number `n` is in slot `n & mask`.
 */
export class DynamicLines {
  /** The lines. */
  bytes: Uint8Array = Buffer.alloc(0);
  /** Inserts so far; the newest entry has the number `inserted - 1`. */
  inserted: number = 0;
  /** Entries in the table. */
  count: number = 0;
  /** Size as the RFC counts it. */
  size: number = 0;
  maxSize: number;
  /** Counts everything that changes which index stands for which entry. */
  changes: number = 0;
  // Per slot.
  mask: number = FIRST_ENTRIES - 1;
  lineAt: Int32Array = new Int32Array(FIRST_ENTRIES);
  nameBytes: Int32Array = new Int32Array(FIRST_ENTRIES);
  valueBytes: Int32Array = new Int32Array(FIRST_ENTRIES);
  /** What the owner wants to know about an entry. */
  tags: Int32Array = new Int32Array(FIRST_ENTRIES);
  #writeAt: number = 0;

  constructor(maxSize: number) {
    this.maxSize = maxSize;
  }

  /** Evicts what does not fit any more. */
  resize(maxSize: number): void {
    this.maxSize = maxSize;
    this.changes += 1;
    this.#evict(maxSize);
  }

  /**
   * Adds the line `name: value\r\n` that starts at `from` of `source`, which is not `bytes`. A line larger than the table
   * empties it and is not added (RFC 7541 section 4.4): false.
   */
  insert(source: Uint8Array, from: number, nameBytes: number, valueBytes: number, tag: number): boolean {
    const size = nameBytes + valueBytes + ENTRY_OVERHEAD;
    this.changes += 1;
    if (size > this.maxSize) {
      this.#evict(0);
      return false;
    }
    this.#evict(this.maxSize - size);
    if (this.count > this.mask) this.#growSlots();
    const length = nameBytes + valueBytes + 4;
    const at = this.#place(length);
    const slot = this.inserted & this.mask;
    Buffer.prototype.copy.call(source, this.bytes, at, from, from + length);
    this.lineAt[slot] = at;
    this.nameBytes[slot] = nameBytes;
    this.valueBytes[slot] = valueBytes;
    this.tags[slot] = tag;
    this.inserted += 1;
    this.count += 1;
    this.size += size;
    return true;
  }

  #evict(toSize: number): void {
    while (this.size > toSize) {
      const slot = (this.inserted - this.count) & this.mask;
      this.size -= (this.nameBytes[slot] as number) + (this.valueBytes[slot] as number) + ENTRY_OVERHEAD;
      this.count -= 1;
    }
  }

  /** Where a line of `length` bytes goes. */
  #place(length: number): number {
    if (this.size + length > this.bytes.length >> 1) this.#growBytes(length);
    if (this.#writeAt + length > this.bytes.length) this.#writeAt = 0;
    const at = this.#writeAt;
    this.#writeAt = at + length;
    return at;
  }

  #growBytes(length: number): void {
    const old = this.bytes;
    // A table of this size never holds more, so it grows at most so far.
    const grown = Math.min(this.maxSize, Math.max(FIRST_BYTES, (this.size + length) * 2)) * 2;
    if (grown <= old.length) return;
    this.bytes = Buffer.alloc(grown);
    let to = 0;
    for (let number = this.inserted - this.count; number < this.inserted; number += 1) {
      const slot = number & this.mask;
      const from = this.lineAt[slot] as number;
      const bytes = (this.nameBytes[slot] as number) + (this.valueBytes[slot] as number) + 4;
      Buffer.prototype.copy.call(old, this.bytes, to, from, from + bytes);
      this.lineAt[slot] = to;
      to += bytes;
    }
    this.#writeAt = to;
  }

  #growSlots(): void {
    const { mask, lineAt, nameBytes, valueBytes, tags } = this;
    const slots = (mask + 1) * 2;
    this.mask = slots - 1;
    this.lineAt = new Int32Array(slots);
    this.nameBytes = new Int32Array(slots);
    this.valueBytes = new Int32Array(slots);
    this.tags = new Int32Array(slots);
    for (let number = this.inserted - this.count; number < this.inserted; number += 1) {
      const from = number & mask;
      const to = number & this.mask;
      this.lineAt[to] = lineAt[from] as number;
      this.nameBytes[to] = nameBytes[from] as number;
      this.valueBytes[to] = valueBytes[from] as number;
      this.tags[to] = tags[from] as number;
    }
  }
}
