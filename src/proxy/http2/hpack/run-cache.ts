// hot
import { Buffer } from "node:buffer";
import { FIELD_EXPECT, FIELD_HOST } from "../../head.ts";
import { copySpan } from "./byte-copy.ts";
import {
  HEAD_OK,
  type HeadBuilder,
  SEEN_AUTHORITY,
  SEEN_FIELD,
  SEEN_HOST,
  SEEN_LENGTH,
  SEEN_METHOD,
  SEEN_PATH,
  SEEN_PROTOCOL,
  SEEN_STATUS,
} from "./head-builder.ts";

const SLOTS = 32;
const MAX_RUN_BYTES = 96;
const MAX_TEXT_BYTES = 4_096;
const NO_BYTES: Uint8Array = new Uint8Array(0);

/**
 * What a run of indexed fields did to a head: its lines and where they are. A run at the start of a block also has the
 * pseudo-fields; any other has fields only.
 */
export class CachedRun {
  changes: number = -1;
  kind: number = 0;
  isFirst: boolean = false;
  /** SEEN_* bits that the run added. */
  #seen: number = 0;
  #raw: Uint8Array = NO_BYTES;
  #rawBytes: number = 0;
  #text: Uint8Array = NO_BYTES;
  #textBytes: number = 0;
  #count: number = 0;
  /** Offsets into the text. */
  #spans: Int32Array = new Int32Array(0);
  #ids: Uint8Array = NO_BYTES;
  #length: number = 0;
  #cookieAt: number = -1;
  // Of a first run: what is in the head beside fields. Offsets into the text.
  #method: number = 0;
  #methodEnd: number = 0;
  #methodStart: number = 0;
  #targetStart: number = 0;
  #targetEnd: number = 0;
  #pathEnd: number = 0;
  #authorityStart: number = 0;
  #authorityEnd: number = 0;
  #status: number = 0;
  #reasonStart: number = 0;
  #reasonEnd: number = 0;

  is(block: Uint8Array, start: number, end: number): boolean {
    if (end - start !== this.#rawBytes) return false;
    const raw = this.#raw;
    for (let from = start, to = 0; from < end; from += 1, to += 1) if (block[from] !== raw[to]) return false;
    return true;
  }

  /** Does it again. False, and nothing is done, when the fields must be looked at one by one. */
  appendTo(builder: HeadBuilder): boolean {
    if ((builder.seen & this.#seen & SEEN_LENGTH) !== 0) return false;
    if (this.#cookieAt >= 0 && builder.cookieAt >= 0) return false;
    if (!this.isFirst && (builder.seen & SEEN_FIELD) === 0) builder.startFields();
    // Also false when startFields refused: it had no room either.
    if (!builder.hasRoomFor(this.#textBytes, this.#count) || builder.verdict !== HEAD_OK) return false;
    builder.reserve(builder.at, this.#textBytes);
    const { head, at } = builder;
    const count = this.#count;
    const base = head.count;
    builder.at = copySpan(this.#text, 0, this.#textBytes, builder.out, at);
    while (base + count > head.ids.length) head.grow();
    const { spans, ids } = head;
    const own = this.#spans;
    for (let from = 0, to = base * 4; from < count * 4; from += 1, to += 1) spans[to] = (own[from] as number) + at;
    const ownIds = this.#ids;
    for (let index = 0; index < count; index += 1) ids[base + index] = ownIds[index] as number; // below #count
    head.count = base + count;
    builder.seen |= this.#seen;
    if ((this.#seen & SEEN_LENGTH) !== 0) builder.length = this.#length;
    if (this.#cookieAt >= 0) builder.cookieAt = base + this.#cookieAt;
    if (this.isFirst) this.#setPseudo(builder);
    return true;
  }

  /** A first run starts at 0, so its offsets are the head's. What it has not is 0, as in the head. */
  #setPseudo(builder: HeadBuilder): void {
    const { head } = builder;
    const seen = this.#seen;
    if ((seen & SEEN_METHOD) !== 0) {
      head.method = this.#method;
      head.methodStart = this.#methodStart;
      head.methodEnd = this.#methodEnd;
    }
    if ((seen & SEEN_PATH) !== 0) {
      head.targetStart = this.#targetStart;
      head.targetEnd = this.#targetEnd;
      head.pathEnd = this.#pathEnd;
    }
    if ((seen & SEEN_AUTHORITY) !== 0) {
      head.authorityStart = this.#authorityStart;
      head.authorityEnd = this.#authorityEnd;
    }
    if ((seen & SEEN_STATUS) !== 0) {
      head.status = this.#status;
      head.reasonStart = this.#reasonStart;
      head.reasonEnd = this.#reasonEnd;
    }
  }

  /** Takes what was added to the head since `mark`. Allocates what it has no room for yet. */
  store(builder: HeadBuilder, mark: RunMark, block: Uint8Array, start: number, end: number): void {
    const { head } = builder;
    const { at, count } = mark;
    const added = head.count - count;
    const textBytes = builder.at - at;
    this.kind = builder.kind;
    this.isFirst = mark.isFirst;
    this.#seen = builder.seen & ~mark.seen;
    this.#rawBytes = end - start;
    if (this.#raw.length < this.#rawBytes) this.#raw = Buffer.alloc(MAX_RUN_BYTES);
    copySpan(block, start, end, this.#raw, 0);
    this.#textBytes = textBytes;
    if (this.#text.length < textBytes) this.#text = Buffer.alloc(textBytes);
    copySpan(builder.out, at, builder.at, this.#text, 0);
    this.#count = added;
    if (this.#ids.length < added) {
      this.#ids = new Uint8Array(added);
      this.#spans = new Int32Array(added * 4);
    }
    for (let index = 0; index < added; index += 1) this.#ids[index] = head.ids[count + index] as number;
    for (let index = 0; index < added * 4; index += 1) {
      this.#spans[index] = (head.spans[count * 4 + index] as number) - at;
    }
    this.#length = builder.length;
    this.#cookieAt = builder.cookieAt < 0 ? -1 : builder.cookieAt - count;
    this.#method = head.method;
    this.#methodStart = head.methodStart;
    this.#methodEnd = head.methodEnd;
    this.#targetStart = head.targetStart;
    this.#targetEnd = head.targetEnd;
    this.#pathEnd = head.pathEnd;
    this.#authorityStart = head.authorityStart;
    this.#authorityEnd = head.authorityEnd;
    this.#status = head.status;
    this.#reasonStart = head.reasonStart;
    this.#reasonEnd = head.reasonEnd;
  }
}

/** The state of a builder before a run. */
export class RunMark {
  isFirst: boolean = false;
  at: number = 0;
  count: number = 0;
  seen: number = 0;
  cookieAt: number = -1;
}

/**
 * The runs of indexed fields that one peer sends again and again. The same bytes mean the same fields as long as the
 * dynamic table did not change, so one copy replaces a dozen look-ups and checks. A run is kept when it comes for the second
 * time; a fixed number of them, the newest of those that share a slot.
 */
export class RunCache {
  readonly #runs: (CachedRun | null)[] = Array.from({ length: SLOTS }, () => null);
  readonly #sighted: Int32Array = new Int32Array(SLOTS);
  readonly #mark: RunMark = new RunMark();
  #slot: number = 0;
  #hash: number = 0;

  /** The run between `start` and `end` as it was done before; null when it was not, or not in this state. */
  find(builder: HeadBuilder, block: Uint8Array, start: number, end: number, changes: number): CachedRun | null {
    const isFirst = builder.seen === 0;
    let hash = changes + builder.kind * 3 + (isFirst ? 1 : 0);
    for (let at = start; at < end; at += 1) hash = (Math.imul(hash, 31) + (block[at] as number)) | 0; // below `end`
    hash ^= hash >>> 15;
    this.#hash = hash;
    this.#slot = hash & (SLOTS - 1);
    const run = this.#runs[this.#slot] as CachedRun | null; // masked
    if (run === null || run.changes !== changes || run.kind !== builder.kind || run.isFirst !== isFirst) return null;
    return run.is(block, start, end) ? run : null;
  }

  /** True when what `find` looked for last came before. */
  isRepeated(): boolean {
    if (this.#sighted[this.#slot] === this.#hash) return true;
    this.#sighted[this.#slot] = this.#hash;
    return false;
  }

  mark(builder: HeadBuilder): RunMark {
    const mark = this.#mark;
    mark.isFirst = builder.seen === 0;
    mark.at = builder.at;
    mark.count = builder.head.count;
    mark.seen = builder.seen;
    mark.cookieAt = builder.cookieAt;
    return mark;
  }

  /** Keeps what the run did, when it did nothing but add. */
  remember(builder: HeadBuilder, mark: RunMark, block: Uint8Array, start: number, end: number, changes: number): void {
    const { head } = builder;
    const added = builder.seen & ~mark.seen;
    const textBytes = builder.at - mark.at;
    if (builder.verdict !== HEAD_OK || builder.scattered || mark.cookieAt >= 0) return;
    if (end - start > MAX_RUN_BYTES || textBytes > MAX_TEXT_BYTES || textBytes < 0) return;
    if ((added & (SEEN_HOST | SEEN_PROTOCOL)) !== 0) return;
    if (!mark.isFirst && (added & ~SEEN_LENGTH) !== 0) return;
    for (let index = mark.count; index < head.count; index += 1) {
      const id = head.ids[index];
      if (id === FIELD_EXPECT || (id === FIELD_HOST && !mark.isFirst)) return;
    }
    const run = this.#runs[this.#slot] ?? new CachedRun();
    this.#runs[this.#slot] = run;
    run.store(builder, mark, block, start, end);
    run.changes = changes;
  }
}

/** Where the indexed fields end that start at `start`. */
export function endOfRun(block: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const first = block[at] as number; // below `end`
    if (first < 0x80) return at;
    at += 1;
    if (first !== 0xff) continue;
    while (at < end && (block[at] as number) >= 0x80) at += 1;
    at += 1;
  }
  return Math.min(at, end);
}
