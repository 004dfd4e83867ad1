// hot
import { Buffer } from "node:buffer";
import { copySpan, equalSpans } from "./byte-copy.ts";
import { DynamicLines, ENTRY_OVERHEAD } from "./dynamic-lines.ts";
import { HASH_START, hashByte, NameTracker } from "./name-tracker.ts";
import { STATIC_BYTES, STATIC_COUNT, STATIC_LINE_AT, STATIC_NAME_BYTES, STATIC_VALUE_BYTES } from "./static-lines.ts";
import { writeInteger } from "./hpack-integer.ts";

/** The line is in a table: `number` says where. */
export const LINE_INDEXED = 0;
/** The line is worth a place in the table. */
export const LINE_INSERT = 1;
/** Nothing to gain from indexing it, and that will not change soon. */
export const LINE_LITERAL = 2;
/** May be indexed when it comes again. */
export const LINE_UNDECIDED = 3;
/** A secret: no hop may index it (RFC 7541 section 7.1.3). */
export const LINE_SECRET = 4;
/** Not passed on: a field of one hop, or of framing. Never what `classify` says. */
export const LINE_SKIPPED = 5;

/** Longer values are not kept in the table. */
const MAX_VALUE_BYTES = 1_024;
/** Shorter cookies could be guessed byte by byte from the lengths of blocks; as other encoders draw the line. */
const MIN_COOKIE_BYTES = 20;
const SIGHTINGS = 256;
/**
 * A line that comes again after more heads than this counts as another: of what takes turns among more values than there
 * are templates, no head is like one before.
 */
const RECENT_HEADS = 8;
const FIRST_LINE_BYTES = 512;
const SPACE = 0x20;
const COLON = 0x3a;
const CR = 0x0d;
const LF = 0x0a;

const STATIC_ACCEPT_ENCODING = 16;
const STATIC_AUTHORIZATION = 23;
const STATIC_COOKIE = 32;
const STATIC_PROXY_AUTHORIZATION = 49;
const STATIC_SET_COOKIE = 55;

/** Stands for names that are not there yet; never asked. */
const NO_NAMES: NameTracker = new NameTracker();
const NO_NUMBERS: Int32Array = new Int32Array(0);
const NO_BYTES: Uint8Array = new Uint8Array(0);

/**
 * An encoder's table, and what decides which lines go into it: a line is inserted when it comes again soon (the first line
 * of a name, when the name does), unless the values of its name hardly ever repeat. So the table stands still
 * for repeating traffic, whatever varies in it. Works on one line at a time: `beginHead` once for a head,
 * then `prepare`, then the other methods.
 */
export class LineIndex {
  readonly table: DynamicLines;
  readonly #maxTableBytes: number;
  // What follows is made for the first head: many connections are idle.
  #names: NameTracker = NO_NAMES;
  /** Number of the entry whose line has this hash, perhaps; bytes are compared. */
  #entries: Int32Array = NO_NUMBERS;
  /** Hashes of lines seen, and when. */
  #sightings: Int32Array = NO_NUMBERS;
  #sightedAt: Int32Array = NO_NUMBERS;
  #heads: number = 0;
  /** The prepared line, name in lower case. */
  line: Uint8Array = NO_BYTES;
  nameBytes: number = 0;
  valueBytes: number = 0;
  /** Of the name alone. */
  nameHash: number = 0;
  #lineHash: number = 0;
  #name: number = -1;
  /** Of a LINE_INDEXED line: the number of its entry, or minus its static index. */
  number: number = 0;

  constructor(tableBytes: number, maxTableBytes: number) {
    this.table = new DynamicLines(tableBytes);
    this.#maxTableBytes = maxTableBytes;
  }

  /** The lines of another head follow. */
  beginHead(): void {
    if (this.#names === NO_NAMES) this.#start();
    this.#heads = (this.#heads + 1) | 0;
  }

  #start(): void {
    let slots = 256;
    while (slots < this.#maxTableBytes / (ENTRY_OVERHEAD / 2)) slots *= 2;
    this.#names = new NameTracker();
    this.#entries = new Int32Array(slots);
    this.#sightings = new Int32Array(SIGHTINGS);
    this.#sightedAt = new Int32Array(SIGHTINGS);
    this.line = Buffer.alloc(FIRST_LINE_BYTES);
  }

  /** Takes a line: name and value may be in different buffers. */
  prepare(
    names: Uint8Array,
    nameStart: number,
    nameEnd: number,
    values: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const nameBytes = nameEnd - nameStart;
    const valueBytes = valueEnd - valueStart;
    this.nameBytes = nameBytes;
    this.valueBytes = valueBytes;
    if (nameBytes + valueBytes + 4 > this.line.length) this.line = Buffer.alloc((nameBytes + valueBytes + 4) * 2);
    const { line } = this;
    let hash = HASH_START;
    for (let index = 0; index < nameBytes; index += 1) {
      let byte = names[nameStart + index] as number; // below `nameEnd`
      if (byte >= 0x41 && byte <= 0x5a) byte |= 0x20;
      line[index] = byte;
      hash = hashByte(hash, byte);
    }
    line[nameBytes] = COLON;
    line[nameBytes + 1] = SPACE;
    this.nameHash = hash;
    this.#name = this.#names.slotOf(line, 0, nameBytes, hash);
    const to = nameBytes + 2;
    if (valueBytes > MAX_VALUE_BYTES) copySpan(values, valueStart, valueEnd, line, to);
    else {
      hash = hashByte(hash, COLON);
      for (let index = 0; index < valueBytes; index += 1) {
        const byte = values[valueStart + index] as number; // below `valueEnd`
        line[to + index] = byte;
        hash = hashByte(hash, byte);
      }
    }
    line[to + valueBytes] = CR;
    line[to + valueBytes + 1] = LF;
    this.#lineHash = hash;
  }

  /** What to do with the prepared line: LINE_*. Learns from it. */
  classify(): number {
    const name = this.#name;
    const staticIndex = name < 0 ? 0 : (this.#names.staticIndex[name] as number); // slots are below its length
    if (isSecret(staticIndex, this.valueBytes)) return LINE_SECRET;
    const found = this.#find(staticIndex);
    const isVolatile = name >= 0 && this.#names.isVolatile(name);
    if (found && !(isVolatile && this.number >= 0)) {
      if (name >= 0) this.#names.hit(name);
      return LINE_INDEXED;
    }
    const size = this.nameBytes + this.valueBytes + ENTRY_OVERHEAD;
    if (name < 0 || this.valueBytes > MAX_VALUE_BYTES || size > this.table.maxSize >> 1) return LINE_LITERAL;
    const isRepeated = this.#sight() || found;
    if (isVolatile) {
      if (isRepeated) this.#names.hit(name);
      else this.#names.miss(name);
      return LINE_LITERAL;
    }
    this.#names.miss(name);
    if (isRepeated || (staticIndex === 0 && !this.#isAlive(name) && this.#names.isKnown(name))) return LINE_INSERT;
    return LINE_UNDECIDED;
  }

  /** The HPACK index of the prepared line's name at this moment; 0 when there is none. */
  nameIndex(): number {
    const name = this.#name;
    if (name < 0) return 0;
    const staticIndex = this.#names.staticIndex[name] as number;
    if (staticIndex > 0) return staticIndex;
    return this.#isAlive(name) ? STATIC_COUNT + this.#age(this.#names.entry[name] as number) : 0;
  }

  /** Adds the prepared line to the table. To be called after its literal is written, as names may be evicted by it. */
  insert(): void {
    const { table } = this;
    const number = table.inserted;
    if (!table.insert(this.line, 0, this.nameBytes, this.valueBytes, 0)) return;
    this.#entries[this.#lineHash & (this.#entries.length - 1)] = number | 0;
    if (this.#name >= 0) this.#names.entry[this.#name] = number | 0;
  }

  /** The HPACK index of an entry at this moment, by what `number` was; 0 when it is gone. */
  indexOf(number: number): number {
    if (number < 0) return -number;
    const age = this.#age(number | 0);
    return age > 0 && age <= this.table.count ? STATIC_COUNT + age : 0;
  }

  /** Inserts since an entry came, its own included. */
  #age(entry: number): number {
    return (this.table.inserted - entry) | 0;
  }

  /** True when the newest entry of a name is still in the table, and is its. */
  #isAlive(name: number): boolean {
    const entry = this.#names.entry[name] as number;
    const age = this.#age(entry);
    if (age <= 0 || age > this.table.count) return false;
    const slot = entry & this.table.mask;
    return (
      this.table.nameBytes[slot] === this.nameBytes && this.#isAt(this.table.lineAt[slot] as number, this.nameBytes)
    );
  }

  #find(staticIndex: number): boolean {
    if (staticIndex > 0 && this.valueBytes === STATIC_VALUE_BYTES[staticIndex]) {
      if (this.valueBytes === 0 || (staticIndex === STATIC_ACCEPT_ENCODING && this.#isStatic(staticIndex))) {
        this.number = -staticIndex;
        return true;
      }
    }
    if (this.valueBytes > MAX_VALUE_BYTES) return false;
    const { table } = this;
    const entry = this.#entries[this.#lineHash & (this.#entries.length - 1)] as number;
    const age = this.#age(entry);
    if (age <= 0 || age > table.count) return false;
    const slot = entry & table.mask;
    if (table.nameBytes[slot] !== this.nameBytes || table.valueBytes[slot] !== this.valueBytes) return false;
    if (!this.#isAt(table.lineAt[slot] as number, this.nameBytes + this.valueBytes + 2)) return false;
    this.number = table.inserted - age;
    return true;
  }

  #isAt(lineAt: number, length: number): boolean {
    return equalSpans(this.line, 0, length, this.table.bytes, lineAt);
  }

  #isStatic(index: number): boolean {
    const start = STATIC_LINE_AT[index] as number; // index is at most STATIC_COUNT
    const length = (STATIC_NAME_BYTES[index] as number) + 2 + (STATIC_VALUE_BYTES[index] as number);
    return equalSpans(this.line, 0, length, STATIC_BYTES, start);
  }

  /** True when the prepared line was seen in one of the last heads. */
  #sight(): boolean {
    const slot = (this.#lineHash >>> 8) & (SIGHTINGS - 1);
    const isRecent = ((this.#heads - (this.#sightedAt[slot] as number)) | 0) <= RECENT_HEADS;
    const seen = isRecent && this.#sightings[slot] === this.#lineHash;
    this.#sightings[slot] = this.#lineHash;
    this.#sightedAt[slot] = this.#heads;
    return seen;
  }

  /** Writes the first byte and the name of a literal of the prepared line. `flags` 0x40, 0x00 or 0x10. */
  writeName(flags: number, out: Uint8Array, offset: number): number {
    const index = this.nameIndex();
    let at = writeInteger(index, flags === 0x40 ? 0x3f : 0x0f, flags, out, offset);
    if (index > 0) return at;
    at = writeInteger(this.nameBytes, 0x7f, 0, out, at);
    return copySpan(this.line, 0, this.nameBytes, out, at);
  }

  writeValue(out: Uint8Array, offset: number): number {
    const at = writeInteger(this.valueBytes, 0x7f, 0, out, offset);
    const start = this.nameBytes + 2;
    return copySpan(this.line, start, start + this.valueBytes, out, at);
  }
}

function isSecret(staticIndex: number, valueBytes: number): boolean {
  if (staticIndex === STATIC_AUTHORIZATION || staticIndex === STATIC_PROXY_AUTHORIZATION) return true;
  return (staticIndex === STATIC_COOKIE || staticIndex === STATIC_SET_COOKIE) && valueBytes < MIN_COOKIE_BYTES;
}
