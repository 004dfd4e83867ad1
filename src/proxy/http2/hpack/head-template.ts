// hot
import { Buffer } from "node:buffer";
import { FIELD_OTHER, type FieldLines, type Head } from "../../head.ts";
import { copySpan, equalSpans } from "./byte-copy.ts";
import { writeInteger } from "./hpack-integer.ts";
import type { LineFates } from "./line-fates.ts";
import { LINE_INDEXED, LINE_SECRET, LINE_SKIPPED, type LineIndex } from "./line-index.ts";

/** Heads with more text or more lines are not kept as templates. */
const MAX_TEXT_BYTES = 8_192;
const MAX_LINES = 160;
const NO_BYTES: Uint8Array = new Uint8Array(0);

// Four numbers for a run of indexed fields that stand side by side.
const RUN_FIRST = 0;
const RUN_LAST = 1;
const RUN_TEXT = 2;
const RUN_END = 3;
const RUN_STRIDE = 4;

// Seven numbers for a literal.
/** 0: a field of the head; otherwise one more than the addition's index. */
const LITERAL_SOURCE = 0;
/** Index of the field, or of the line in its addition. */
const LITERAL_FIELD = 1;
/** Where its name is in the text. */
const LITERAL_NAME = 2;
const LITERAL_NAME_END = 3;
/** Where the bytes before its value are in `#prefixes`. */
const LITERAL_PREFIX = 4;
const LITERAL_PREFIX_END = 5;
/** 0x10: never indexed; else 0. */
const LITERAL_FLAGS = 6;
const LITERAL_STRIDE = 7;

/**
 * A head that was encoded, so that the next one like it is encoded without looking at its fields one by one: the text of
 * indexed fields that stand side by side is compared at once, and all their indexes are in one block already. What varies
 * is written as literals whose names are prepared too. Only for heads in canonical form: see `shapeOf`.
 */
export class HeadTemplate {
  /** What `shapeOf` gave; 0 = this template is of no use. */
  shape: number = 0;
  /** Heads encoded with it. */
  uses: number = 0;
  /** HPACK index of the authority; 0 when it is a literal. */
  authorityIndex: number = 0;
  #authorityNumber: number = 0;
  #authorityIndexed: boolean = false;
  #authority: Uint8Array = NO_BYTES;
  #authorityBytes: number = 0;
  /** `table.changes` when indexes were last worked out. */
  #renderedAt: number = -1;
  #text: Uint8Array = NO_BYTES;
  #count: number = 0;
  #ids: Uint8Array = NO_BYTES;
  #runs: Int32Array = new Int32Array(0);
  #runCount: number = 0;
  #literals: Int32Array = new Int32Array(0);
  #literalCount: number = 0;
  #prefixes: Uint8Array = NO_BYTES;
  #numbers: Float64Array = new Float64Array(0);
  #numberCount: number = 0;
  #block: Uint8Array = NO_BYTES;
  #blockBytes: number = 0;
  /** As they were when it was learnt. */
  #additions: FieldLines[] = [];
  /** For each addition where its first literal is in `#literals`; -1 when not all of its lines are literals. */
  #additionLiterals: Int32Array = new Int32Array(0);

  /** True when `head`, of the same shape, can be encoded with this template. */
  matches(head: Head, isRequest: boolean): boolean {
    const { ids, spans, bytes, count } = head;
    if (count !== this.#count || head.additionCount !== this.#additions.length) return false;
    const ownIds = this.#ids;
    for (let index = 0; index < count; index += 1) if (ids[index] !== ownIds[index]) return false;
    if (isRequest && this.#authorityIndexed) {
      const start = head.authorityStart;
      if (head.authorityEnd - start !== this.#authorityBytes) return false;
      if (!equalSpans(bytes, start, head.authorityEnd, this.#authority, 0)) return false;
    }
    const text = this.#text;
    const runs = this.#runs;
    // All indexes below are of fields and of numbers that `learn` stored.
    for (let run = 0; run < this.#runCount; run += RUN_STRIDE) {
      const start = spans[(runs[run + RUN_FIRST] as number) * 4] as number;
      const end = (spans[(runs[run + RUN_LAST] as number) * 4 + 3] as number) + 2;
      const at = runs[run + RUN_TEXT] as number;
      if (end - start !== (runs[run + RUN_END] as number) - at || !equalSpans(bytes, start, end, text, at))
        return false;
    }
    return this.#matchesNames(head) && this.#matchesAdditions(head);
  }

  /** A field with an id has the name of that id. */
  #matchesNames(head: Head): boolean {
    const { spans, bytes, ids } = head;
    const literals = this.#literals;
    for (let literal = 0; literal < this.#literalCount; literal += LITERAL_STRIDE) {
      if (literals[literal + LITERAL_SOURCE] !== 0) return true;
      const field = literals[literal + LITERAL_FIELD] as number;
      if (ids[field] !== FIELD_OTHER) continue;
      const start = spans[field * 4] as number;
      const end = spans[field * 4 + 1] as number;
      const at = literals[literal + LITERAL_NAME] as number;
      if (end - start !== (literals[literal + LITERAL_NAME_END] as number) - at) return false;
      if (!equalSpans(bytes, start, end, this.#text, at)) return false;
    }
    return true;
  }

  /** Lines never change, so that the same object is the same lines. Of literals only the names need be the same. */
  #matchesAdditions(head: Head): boolean {
    for (let index = 0; index < head.additionCount; index += 1) {
      const lines = head.additions[index] as FieldLines; // additionCount of them are set
      const own = this.#additions[index] as FieldLines; // as many
      if (lines === own) continue;
      const literal = this.#additionLiterals[index] as number;
      if (literal < 0 ? !isSame(lines, own) : !this.#hasNames(lines, own.count, literal)) return false;
    }
    return true;
  }

  #hasNames({ bytes, spans, count }: FieldLines, expected: number, first: number): boolean {
    if (count !== expected) return false;
    const literals = this.#literals;
    for (let line = 0, literal = first; line < count; line += 1, literal += LITERAL_STRIDE) {
      const start = spans[line * 4] as number; // four for each line
      const end = spans[line * 4 + 1] as number;
      const at = literals[literal + LITERAL_NAME] as number;
      if (end - start !== (literals[literal + LITERAL_NAME_END] as number) - at) return false;
      if (!equalSpans(bytes, start, end, this.#text, at)) return false;
    }
    return true;
  }

  /** Brings the indexes up to date; false when an entry is gone, and the template of no use any more. */
  render(index: LineIndex): boolean {
    if (this.#renderedAt === index.table.changes) return true;
    if (this.#authorityIndexed) {
      this.authorityIndex = index.indexOf(this.#authorityNumber);
      if (this.authorityIndex === 0) return false;
    }
    let at = 0;
    for (let entry = 0; entry < this.#numberCount; entry += 1) {
      const current = index.indexOf(this.#numbers[entry] as number); // numberCount of them are set
      if (current === 0) return false;
      at = writeInteger(current, 0x7f, 0x80, this.#block, at);
    }
    this.#blockBytes = at;
    this.#renderPrefixes(index);
    this.#renderedAt = index.table.changes;
    return true;
  }

  /** The first byte and the name of every literal, as short as they can be said now. */
  #renderPrefixes(index: LineIndex): void {
    const literals = this.#literals;
    const text = this.#text;
    let at = 0;
    for (let literal = 0; literal < this.#literalCount; literal += LITERAL_STRIDE) {
      const start = literals[literal + LITERAL_NAME] as number;
      const end = literals[literal + LITERAL_NAME_END] as number;
      index.prepare(text, start, end, text, end, end);
      const prefixEnd = index.writeName(literals[literal + LITERAL_FLAGS] as number, this.#prefixes, at);
      literals[literal + LITERAL_PREFIX] = at;
      literals[literal + LITERAL_PREFIX_END] = prefixEnd;
      at = prefixEnd;
    }
  }

  /** Writes the indexes of the fields, then what is not indexed. */
  write(head: Head, out: Uint8Array, offset: number): number {
    const { spans, bytes } = head;
    const literals = this.#literals;
    const prefixes = this.#prefixes;
    let at = copySpan(this.#block, 0, this.#blockBytes, out, offset);
    for (let literal = 0; literal < this.#literalCount; literal += LITERAL_STRIDE) {
      const prefixEnd = literals[literal + LITERAL_PREFIX_END] as number;
      for (let from = literals[literal + LITERAL_PREFIX] as number; from < prefixEnd; from += 1) {
        out[at++] = prefixes[from] as number;
      }
      const source = literals[literal + LITERAL_SOURCE] as number;
      const base = (literals[literal + LITERAL_FIELD] as number) * 4;
      if (source === 0) {
        at = writeValue(bytes, spans[base + 2] as number, spans[base + 3] as number, out, at);
      } else {
        const lines = head.additions[source - 1] as FieldLines; // as many as when it was learnt
        at = writeValue(lines.bytes, lines.spans[base + 2] as number, lines.spans[base + 3] as number, out, at);
      }
    }
    return at;
  }

  /**
   * Becomes the template of `head`, whose lines had these fates, none of them undecided. `authorityNumber`: see
   * `LineIndex.number`; NaN when the authority is a literal. Allocates what it has no room for yet.
   */
  learn(head: Head, shape: number, fates: LineFates, authorityNumber: number): void {
    this.shape = 0;
    const textStart = head.count > 0 ? (head.spans[0] as number) : 0;
    const textEnd = head.count > 0 ? (head.spans[head.count * 4 - 1] as number) + 2 : 0;
    let room = textEnd - textStart;
    for (let index = 0; index < head.additionCount; index += 1) {
      room += (head.additions[index] as FieldLines).bytes.length;
    }
    if (room > MAX_TEXT_BYTES || fates.count > MAX_LINES) return;
    this.#makeRoom(room, fates.count, head.additionCount);
    copySpan(head.bytes, textStart, textEnd, this.#text, 0);
    this.#count = head.count;
    for (let index = 0; index < head.count; index += 1) this.#ids[index] = head.ids[index] as number; // below count
    this.#authorityIndexed = !Number.isNaN(authorityNumber);
    this.#authorityNumber = this.#authorityIndexed ? authorityNumber : 0;
    this.authorityIndex = 0;
    this.#authorityBytes = head.authorityEnd - head.authorityStart;
    // Not `slice`, which is no copy when the bytes are a Buffer.
    if (this.#authority.length < this.#authorityBytes) this.#authority = Buffer.alloc(this.#authorityBytes);
    copySpan(head.bytes, head.authorityStart, head.authorityEnd, this.#authority, 0);
    this.#learnFields(head, fates, textStart);
    this.#learnAdditions(head, fates, textEnd - textStart);
    this.#renderedAt = -1;
    this.uses = 0;
    this.shape = shape;
  }

  #makeRoom(textBytes: number, lines: number, additions: number): void {
    if (textBytes > this.#text.length) this.#text = Buffer.alloc(textBytes);
    if (additions > this.#additionLiterals.length) this.#additionLiterals = new Int32Array(additions);
    if (lines * RUN_STRIDE > this.#runs.length) {
      this.#ids = new Uint8Array(lines);
      this.#runs = new Int32Array(lines * RUN_STRIDE);
      this.#literals = new Int32Array(lines * LITERAL_STRIDE);
      this.#numbers = new Float64Array(lines);
      this.#block = Buffer.alloc(lines * 4);
    }
    const prefixBytes = textBytes + lines * 8;
    if (prefixBytes > this.#prefixes.length) this.#prefixes = Buffer.alloc(prefixBytes);
  }

  #learnFields(head: Head, fates: LineFates, textStart: number): void {
    const { spans, count } = head;
    const runs = this.#runs;
    this.#runCount = 0;
    this.#literalCount = 0;
    this.#numberCount = 0;
    let inRun = false;
    for (let field = 0; field < count; field += 1) {
      const kind = fates.kinds[field] as number; // one for each line
      if (kind === LINE_INDEXED) {
        this.#numbers[this.#numberCount] = fates.numbers[field] as number;
        this.#numberCount += 1;
        if (!inRun) {
          runs[this.#runCount + RUN_FIRST] = field;
          runs[this.#runCount + RUN_TEXT] = (spans[field * 4] as number) - textStart;
          this.#runCount += RUN_STRIDE;
          inRun = true;
        }
        runs[this.#runCount - RUN_STRIDE + RUN_LAST] = field;
        runs[this.#runCount - RUN_STRIDE + RUN_END] = (spans[field * 4 + 3] as number) + 2 - textStart;
        continue;
      }
      inRun = false;
      if (kind === LINE_SKIPPED) continue;
      const nameStart = (spans[field * 4] as number) - textStart;
      this.#addLiteral(0, field, nameStart, (spans[field * 4 + 1] as number) - textStart, kind);
    }
  }

  #learnAdditions(head: Head, fates: LineFates, textAt: number): void {
    this.#additions.length = 0;
    let at = textAt;
    let fate = head.count;
    for (let index = 0; index < head.additionCount; index += 1) {
      const lines = head.additions[index] as FieldLines; // additionCount of them are set
      this.#additions.push(lines);
      this.#additionLiterals[index] = this.#literalCount;
      for (let line = 0; line < lines.count; line += 1, fate += 1) {
        const kind = fates.kinds[fate] as number;
        if (kind === LINE_INDEXED || kind === LINE_SKIPPED) this.#additionLiterals[index] = -1;
        if (kind === LINE_INDEXED) {
          this.#numbers[this.#numberCount] = fates.numbers[fate] as number;
          this.#numberCount += 1;
        } else if (kind !== LINE_SKIPPED) {
          const start = lines.spans[line * 4] as number;
          const end = lines.spans[line * 4 + 1] as number;
          this.#addLiteral(index + 1, line, at, copySpan(lines.bytes, start, end, this.#text, at), kind);
          at += end - start;
        }
      }
    }
  }

  #addLiteral(source: number, field: number, nameStart: number, nameEnd: number, kind: number): void {
    const literals = this.#literals;
    const base = this.#literalCount;
    literals[base + LITERAL_SOURCE] = source;
    literals[base + LITERAL_FIELD] = field;
    literals[base + LITERAL_NAME] = nameStart;
    literals[base + LITERAL_NAME_END] = nameEnd;
    literals[base + LITERAL_FLAGS] = kind === LINE_SECRET ? 0x10 : 0;
    this.#literalCount = base + LITERAL_STRIDE;
  }
}

/**
 * A number for the ids and the lengths of the names of a head; heads with other fields rarely have the same. 0 when the
 * head is not in canonical form: `name: value\r\n` one behind the other, in the order of its fields.
 */
export function shapeOf(head: Head, isRequest: boolean): number {
  const { spans, ids, count } = head;
  let shape = isRequest ? -1 - count : count;
  let expected = count > 0 ? (spans[0] as number) : 0;
  for (let index = 0, base = 0; index < count; index += 1, base += 4) {
    const nameStart = spans[base] as number; // four for each of head.count
    const nameEnd = spans[base + 1] as number;
    if (nameStart !== expected || spans[base + 2] !== nameEnd + 2) return 0;
    expected = (spans[base + 3] as number) + 2;
    shape = (Math.imul(shape, 31) + (((ids[index] as number) << 6) + nameEnd - nameStart)) | 0;
  }
  return shape | 1;
}

function isSame(lines: FieldLines, others: FieldLines): boolean {
  const { length } = lines.bytes;
  return length === others.bytes.length && equalSpans(lines.bytes, 0, length, others.bytes, 0);
}

function writeValue(bytes: Uint8Array, start: number, end: number, out: Uint8Array, offset: number): number {
  const length = end - start;
  if (length < 0x7f) {
    out[offset] = length;
    return copySpan(bytes, start, end, out, offset + 1);
  }
  return copySpan(bytes, start, end, out, writeInteger(length, 0x7f, 0, out, offset));
}
