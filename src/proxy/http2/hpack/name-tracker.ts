// hot
import { Buffer } from "node:buffer";
import { STATIC_BYTES, STATIC_COUNT, STATIC_LINE_AT, STATIC_NAME_BYTES } from "./static-lines.ts";

const SLOTS = 128;
const PROBES = 16;
/** Longer names are sent in full each time. */
const MAX_NAME_BYTES = 40;
const MAX_SCORE = 16;
/** A name with more misses than this, and so many times more misses than hits, is volatile. */
const VOLATILE_MISSES = 8;
const VOLATILE_RATIO = 4;
/** At so many hits and misses both are halved: what was long ago counts less. */
const DECAY_AT = 64;
/** No index. */
const NONE = 0;

/**
 * What an encoder remembers of field names: which index stands for one, and whether its values repeat. A fixed number of
 * names; a new one takes the place of one that was not seen for a while.
 */
export class NameTracker {
  /** HPACK index in the static table; 0 = none. */
  readonly staticIndex: Uint8Array = new Uint8Array(SLOTS);
  /** Number (see DynamicLines) of the newest entry with this name; meaningless when that is gone or another's. */
  readonly entry: Int32Array = new Int32Array(SLOTS);
  readonly #hash: Int32Array = new Int32Array(SLOTS);
  readonly #length: Uint8Array = new Uint8Array(SLOTS);
  readonly #bytes: Uint8Array = Buffer.alloc(SLOTS * MAX_NAME_BYTES);
  /** 0 = free. Static names are not counted and stay. */
  readonly #score: Uint8Array = new Uint8Array(SLOTS);
  readonly #hits: Uint8Array = new Uint8Array(SLOTS);
  readonly #misses: Uint8Array = new Uint8Array(SLOTS);

  constructor() {
    for (let index = 1; index <= STATIC_COUNT; index += 1) {
      const start = STATIC_LINE_AT[index] as number; // index is at most STATIC_COUNT
      const end = start + (STATIC_NAME_BYTES[index] as number);
      const slot = this.slotOf(STATIC_BYTES, start, end, hashName(STATIC_BYTES, start, end));
      if (slot >= 0 && this.staticIndex[slot] === NONE) this.staticIndex[slot] = index;
    }
  }

  /** The slot of a name in lower case; -1 when there is no place for it (yet). */
  slotOf(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const length = end - start;
    if (length > MAX_NAME_BYTES) return -1;
    let free = -1;
    for (let probe = 0; probe < PROBES; probe += 1) {
      const slot = (hash + probe) & (SLOTS - 1);
      if (this.#hash[slot] === hash && this.#length[slot] === length && this.#is(slot, bytes, start)) {
        if ((this.#score[slot] as number) < MAX_SCORE) this.#score[slot] = (this.#score[slot] as number) + 1;
        return slot;
      }
      if (free < 0 && this.#score[slot] === 0 && this.staticIndex[slot] === NONE) free = slot;
    }
    if (free < 0) {
      this.#cool(hash);
      return -1;
    }
    this.#hash[free] = hash;
    this.#length[free] = length;
    this.#score[free] = 1;
    this.#hits[free] = 0;
    this.#misses[free] = 0;
    this.entry[free] = -1;
    for (let index = 0; index < length; index += 1) {
      this.#bytes[free * MAX_NAME_BYTES + index] = bytes[start + index] as number;
    }
    return free;
  }

  /** True when the name was seen before it was this time. */
  isKnown(slot: number): boolean {
    return (this.#score[slot] as number) > 1;
  }

  hit(slot: number): void {
    this.#hits[slot] = (this.#hits[slot] as number) + 1;
    this.#decay(slot);
  }

  miss(slot: number): void {
    this.#misses[slot] = (this.#misses[slot] as number) + 1;
    this.#decay(slot);
  }

  /** Values of this name hardly ever repeat. */
  isVolatile(slot: number): boolean {
    const misses = this.#misses[slot] as number;
    return misses > VOLATILE_MISSES && misses > VOLATILE_RATIO * (this.#hits[slot] as number);
  }

  #decay(slot: number): void {
    const hits = this.#hits[slot] as number;
    const misses = this.#misses[slot] as number;
    if (hits + misses < DECAY_AT) return;
    this.#hits[slot] = hits >> 1;
    this.#misses[slot] = misses >> 1;
  }

  #is(slot: number, bytes: Uint8Array, start: number): boolean {
    const length = this.#length[slot] as number;
    const base = slot * MAX_NAME_BYTES;
    for (let index = 0; index < length; index += 1) {
      if (this.#bytes[base + index] !== bytes[start + index]) return false;
    }
    return true;
  }

  /** No place where the name could be: those that are there must be seen again to stay. */
  #cool(hash: number): void {
    for (let probe = 0; probe < PROBES; probe += 1) {
      const slot = (hash + probe) & (SLOTS - 1);
      const score = this.#score[slot] as number;
      if (score > 0) this.#score[slot] = score - 1;
    }
  }
}

/** FNV-1a. */
export const HASH_START: number = 0x811c9dc5 | 0;

export function hashByte(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193);
}

function hashName(bytes: Uint8Array, start: number, end: number): number {
  let hash = HASH_START;
  for (let at = start; at < end; at += 1) hash = hashByte(hash, bytes[at] as number); // `at` is below `end`
  return hash;
}
