// hot
import { Buffer } from "node:buffer";
import {
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_EXPECT,
  FIELD_HOST,
  FIELD_TE,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
  type Head,
} from "../head.ts";
import { hostLength } from "./authority.ts";
import { connectionOptions } from "./connection-option.ts";
import { fieldId } from "./field-name.ts";

/** What is remembered of one connection at most; lines beyond are parsed each time. */
const MAX_BYTES = 4_096;
const MAX_LINES = 40;
/** Up to this a loop is faster than the call of the native comparison (measured on Bun 1.4 and Node 26). */
const LOOP_BYTES = 64;
/** Lines that turn out to be others than remembered before everything is learned anew; doubles each time. */
const FIRST_MISSES = 16;
const MAX_MISSES = 1 << 20;
// Takes offsets, so that no view is made.
const compareNatively = Buffer.prototype.compare;

/** 1 for fields that say something to the parser: where they are taken over, they are judged again. */
export const JUDGED_FIELDS: Uint8Array = new Uint8Array(256);
for (const id of [
  FIELD_HOST,
  FIELD_CONTENT_LENGTH,
  FIELD_TRANSFER_ENCODING,
  FIELD_CONNECTION,
  FIELD_TE,
  FIELD_UPGRADE,
  FIELD_EXPECT,
]) {
  JUDGED_FIELDS[id] = 1;
}

/**
 * The field lines of an earlier head of the same connection, with what parsing them gave. A client that keeps its
 * connection sends nearly the same lines each time; lines that are byte for byte the same are not parsed again, only
 * compared, many at a time. How a line splits into name and value and which field it is depends on its own bytes alone, so
 * this is all that is taken over; what follows from it in its head (a second Host, a length beside chunks) is not.
 *
 * Lines that changed once (request ids, dates) divide the others into runs and are not compared again.
 */
export class FieldMemory {
  /** Lines remembered. */
  count: number = 0;
  readonly ids: Uint8Array = new Uint8Array(MAX_LINES);
  /** For Host the length of its authority, for Connection its OPTION_* bits, else 0. */
  readonly verdicts: Int16Array = new Int16Array(MAX_LINES);
  #bytes: Uint8Array = new Uint8Array(0);
  /** Four per line as in `Head.spans`; then the end of the last line. */
  readonly #spans: Uint16Array = new Uint16Array(4 * MAX_LINES + 1);
  /** End of the run of steady lines that a line is in; a line that changes has its own index. */
  readonly #runEnds: Uint8Array = new Uint8Array(MAX_LINES);
  #misses: number = 0;
  #allowedMisses: number = FIRST_MISSES;

  /** Remembers the lines of a head that was accepted, in place of those before. */
  learn(head: Head): void {
    const { bytes, spans } = head;
    const start = spans[0] as number; // learned from heads with fields only
    let count = 0;
    let end = start;
    while (count < head.count && count < MAX_LINES) {
      const next = count + 1 < head.count ? (spans[(count + 1) * 4] as number) : head.end - 2;
      if (next - start > MAX_BYTES) break;
      end = next;
      count += 1;
    }
    if (this.#bytes.length < end - start) this.#bytes = new Uint8Array(end - start);
    this.#bytes.set(bytes.subarray(start, end));
    for (let index = 0; index < count; index += 1) {
      for (let part = index * 4; part < index * 4 + 4; part += 1) this.#spans[part] = (spans[part] as number) - start;
      this.#judge(index);
    }
    this.#spans[count * 4] = end - start;
    this.#runEnds.fill(count, 0, count);
    this.count = count;
    this.#misses = 0;
    this.#allowedMisses = Math.min(this.#allowedMisses * 2, MAX_MISSES);
  }

  /** True when so many lines were others that this memory is of little use. */
  isStale(): boolean {
    return this.#misses > this.#allowedMisses;
  }

  /**
   * How many lines from `line` on stand at `at` of `bytes`, byte for byte and whole before `limit`: a run of steady lines,
   * part of one, or none.
   */
  countSame(line: number, bytes: Uint8Array, at: number, limit: number): number {
    const runEnd = this.#runEnds[line] as number; // `line` is below the count
    if (runEnd === line) return 0;
    const from = this.#spans[line * 4] as number;
    const length = (this.#spans[runEnd * 4] as number) - from;
    if (at + length <= limit && this.#isSame(from, bytes, at, length)) return runEnd - line;
    return this.#countPart(line, runEnd, bytes, at, limit);
  }

  /** The lines of a run before the first that is another. */
  #countPart(line: number, runEnd: number, bytes: Uint8Array, at: number, limit: number): number {
    const from = this.#spans[line * 4] as number;
    let next = line;
    while (next < runEnd) {
      const lineAt = this.#spans[next * 4] as number;
      const lineLength = (this.#spans[next * 4 + 4] as number) - lineAt;
      if (at + lineAt - from + lineLength > limit || !this.#isSame(lineAt, bytes, at + lineAt - from, lineLength))
        break;
      next += 1;
    }
    return next - line;
  }

  /** Adds the fields of `lines` lines from `line` on to the head, which has room, as they stand at `at`; returns their end. */
  takeOver(line: number, lines: number, head: Head, at: number): number {
    const spans = this.#spans;
    const to = head.spans;
    const { ids } = head;
    const shift = at - (spans[line * 4] as number);
    const first = head.count;
    const known = this.ids;
    for (let index = 0, part = line * 4, out = first * 4; index < lines; index += 1, part += 4, out += 4) {
      to[out] = (spans[part] as number) + shift;
      to[out + 1] = (spans[part + 1] as number) + shift;
      to[out + 2] = (spans[part + 2] as number) + shift;
      to[out + 3] = (spans[part + 3] as number) + shift;
      ids[first + index] = known[line + index] as number;
    }
    head.count = first + lines;
    return (spans[(line + lines) * 4] as number) + shift;
  }

  /** Position of the colon when the line at `at` begins with the very name of `line`; -1 otherwise. */
  colonOf(line: number, bytes: Uint8Array, at: number, limit: number): number {
    const nameAt = this.#spans[line * 4] as number;
    const length = (this.#spans[line * 4 + 1] as number) - nameAt;
    // With the colon: a longer name is another one.
    return at + length < limit && this.#isSame(nameAt, bytes, at, length + 1) ? at + length : -1;
  }

  /** A line came with the name of `line` that is not the same. Returns the line that is due after it. */
  changed(line: number): number {
    if (this.#runEnds[line] !== line) {
      this.#misses += 1;
      for (let index = line; index >= 0 && (this.#runEnds[index] as number) > line; index -= 1) {
        this.#runEnds[index] = line;
      }
    }
    return line + 1;
  }

  /** A line came with another name than `line`: the one after it, or a new one. Returns the line that is due after it. */
  missed(line: number, bytes: Uint8Array, at: number, limit: number): number {
    this.#misses += 1;
    return line + 1 < this.count && this.colonOf(line + 1, bytes, at, limit) >= 0 ? line + 2 : line;
  }

  #isSame(from: number, bytes: Uint8Array, at: number, length: number): boolean {
    const own = this.#bytes;
    if (length > LOOP_BYTES) return compareNatively.call(bytes, own, from, from + length, at, at + length) === 0;
    for (let index = 0; index < length; index += 1) if (own[from + index] !== bytes[at + index]) return false;
    return true;
  }

  #judge(line: number): void {
    const bytes = this.#bytes;
    const base = line * 4;
    const start = this.#spans[base + 2] as number; // `line` is below the count
    const end = this.#spans[base + 3] as number;
    // From the bytes: in the head the ids of fields that are not passed on are replaced.
    const id = fieldId(bytes, this.#spans[base] as number, this.#spans[base + 1] as number);
    this.ids[line] = id;
    if (id === FIELD_HOST) this.verdicts[line] = hostLength(bytes, start, end);
    else this.verdicts[line] = id === FIELD_CONNECTION ? connectionOptions(bytes, start, end) : 0;
  }
}
