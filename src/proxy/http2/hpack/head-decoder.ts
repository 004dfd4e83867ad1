// hot
import type { DecodeFailure } from "../../http1/decoder-contract.ts";
import type { Head } from "../../head.ts";
import { copySpan } from "./byte-copy.ts";
import { DynamicLines } from "./dynamic-lines.ts";
import { HEAD_COMPRESSION, HEAD_OK, HeadBuilder, type HeadLimits, SEEN_FIELD, TAG_BAD_VALUE } from "./head-builder.ts";
import * as failures from "./head-failure.ts";
import { decodeHuffman, huffmanBound } from "./huffman.ts";
import { NAME_AUTHORITY, NAME_COOKIE, NAME_PROTOCOL, nameKind } from "./name-kind.ts";
import { endOfRun, RunCache } from "./run-cache.ts";
import {
  STATIC_BYTES,
  STATIC_COUNT,
  STATIC_KIND,
  STATIC_LINE_AT,
  STATIC_NAME_BYTES,
  STATIC_VALUE_BYTES,
} from "./static-lines.ts";

export {
  HEAD_COMPRESSION,
  HEAD_MALFORMED,
  HEAD_OK,
  HEAD_TOO_LARGE,
  type HeadLimits,
  KIND_REQUEST,
  KIND_RESPONSE,
  KIND_TRAILERS,
} from "./head-builder.ts";

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const DELETE = 0x7f;
const COLON = 0x3a;
/** HPACK integers above this are refused; no length or index comes near it. */
const MAX_INTEGER = 0xfffffff;
/** Shorter runs are not worth a look into the cache. */
const MIN_RUN_BYTES = 2;
/** What a table has before anything is agreed (RFC 9113 section 6.5.2). */
const DEFAULT_TABLE_BYTES = 4_096;
const NO_BYTES: Uint8Array = new Uint8Array(0);

/**
 * Turns the header blocks that a peer sends on one connection into heads, strictly: the HTTP/1.1 text of a head is free of
 * everything that two parsers could read in two ways, so passing it on as HTTP/1.1 smuggles nothing.
 *
 * `decode` must be given every complete header block of the connection in order, also those of streams that nobody wants
 * any more. Whatever its verdict (other than HEAD_COMPRESSION), the table is in step afterwards. After a verdict other than
 * HEAD_OK the head's contents are of no use. It never throws, and what is over a limit is decoded for the table only.
 */
export class HeadDecoder {
  /** About the last verdict; null after HEAD_OK. */
  failure: DecodeFailure | null = null;

  readonly #maxTableBytes: number;
  readonly #table: DynamicLines;
  readonly #builder: HeadBuilder;
  readonly #runs: RunCache = new RunCache();
  #block: Uint8Array = NO_BYTES;
  #pos: number = 0;
  #end: number = 0;
  /** The last string has a byte that no field value may have. */
  #badValue: boolean = false;

  constructor(limits: HeadLimits) {
    this.#maxTableBytes = limits.maxTableBytes;
    this.#table = new DynamicLines(DEFAULT_TABLE_BYTES);
    this.#builder = new HeadBuilder(limits);
  }

  /**
   * Decodes `block` from `start` to `end` into `head`, whose bytes are written over, and replaced by larger ones when
   * needed. `bodyless`: a response to HEAD, which announces a body and has none. A response that ends with its head and
   * announces a body all the same is BODY_NONE with its `declaredLength`: the caller knows whether that is right.
   * Returns a HEAD_*.
   */
  decode(
    kind: number,
    block: Uint8Array,
    start: number,
    end: number,
    endStream: boolean,
    head: Head,
    bodyless: boolean = false,
  ): number {
    const builder = this.#builder;
    builder.begin(kind, head);
    this.#block = block;
    this.#pos = start;
    this.#end = end;
    this.failure = null;
    const failure = this.#fields();
    if (failure !== null) {
      builder.verdict = HEAD_COMPRESSION;
      this.failure = failure;
    } else {
      if (builder.verdict === HEAD_OK) builder.complete(endStream, bodyless);
      this.failure = builder.failure;
    }
    builder.release();
    this.#block = NO_BYTES;
    return builder.verdict;
  }

  /** Null, or why the block is no HPACK. */
  #fields(): DecodeFailure | null {
    if (!this.#tableSizes()) return failures.BAD_TABLE_SIZE;
    const end = this.#end;
    const block = this.#block;
    while (this.#pos < end) {
      const first = block[this.#pos] as number; // below `end`
      if (first >= 0x80) {
        if (!this.#run(block, end)) return failures.BAD_COMPRESSION;
      } else if (first >= 0x40 || first < 0x20) {
        if (!this.#literal(first)) return failures.BAD_COMPRESSION;
      } else return failures.BAD_TABLE_SIZE;
    }
    return null;
  }

  /** Dynamic table size updates, at most two and only at the start (RFC 7541 section 4.2). */
  #tableSizes(): boolean {
    for (let updates = 0; this.#pos < this.#end; updates += 1) {
      const first = this.#block[this.#pos] as number; // below #end
      if (first < 0x20 || first >= 0x40) return true;
      const size = this.#integer(0x1f);
      if (size < 0 || size > this.#maxTableBytes || updates === 2) return false;
      this.#table.resize(size);
    }
    return true;
  }

  /** An integer whose first byte is at #pos (RFC 7541 section 5.1); -1 when it is cut off or too large. */
  #integer(mask: number): number {
    const block = this.#block;
    let at = this.#pos;
    const prefix = (block[at++] as number) & mask; // callers know that there is a byte
    if (prefix < mask) {
      this.#pos = at;
      return prefix;
    }
    let value = mask;
    for (let scale = 1; scale <= 0x10000000 && at < this.#end; scale *= 128) {
      const byte = block[at++] as number; // below #end
      value += (byte & 0x7f) * scale;
      if (byte >= 0x80) continue;
      this.#pos = at;
      return value <= MAX_INTEGER ? value : -1;
    }
    return -1;
  }

  /** A string literal, decoded to `to` of the head's bytes; returns its end there, or -1 when it is wrong. Sets #badValue for values. */
  #string(to: number, isValue: boolean): number {
    if (this.#pos >= this.#end) return -1;
    const block = this.#block;
    const builder = this.#builder;
    const huffman = (block[this.#pos] as number) >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.#pos;
    const end = start + length;
    if (length < 0 || end > this.#end) return -1;
    this.#pos = end;
    if (!huffman) {
      builder.reserve(to, length);
      if (isValue) this.#badValue = copyChecked(block, start, end, builder.out, to);
      else copySpan(block, start, end, builder.out, to);
      return to + length;
    }
    builder.reserve(to, huffmanBound(length));
    const decoded = decodeHuffman(block, start, end, builder.out, to);
    if (isValue) this.#badValue = decoded >= 0 && copyChecked(builder.out, to, decoded, builder.out, to);
    return decoded;
  }

  /** Indexed fields up to the next literal; at once when this run was decoded before. */
  #run(block: Uint8Array, end: number): boolean {
    const start = this.#pos;
    const runEnd = endOfRun(block, start, end);
    const builder = this.#builder;
    const { changes } = this.#table;
    if (runEnd - start < MIN_RUN_BYTES || builder.verdict !== HEAD_OK) return this.#indexedUpTo(runEnd);
    const replay = this.#runs.find(builder, block, start, runEnd, changes);
    if (replay !== null && replay.appendTo(builder)) {
      this.#pos = runEnd;
      return true;
    }
    if (!this.#runs.isRepeated()) return this.#indexedUpTo(runEnd);
    if (builder.seen !== 0 && (builder.seen & SEEN_FIELD) === 0) {
      if (this.#startsWithPseudo(block[start] as number)) return this.#indexedUpTo(runEnd);
      // The lines that stand for pseudo-fields are no part of the run behind them.
      builder.startFields();
    }
    const mark = this.#runs.mark(builder);
    if (!this.#indexedUpTo(runEnd)) return false;
    this.#runs.remember(builder, mark, block, start, runEnd, changes);
    return true;
  }

  /** True also when it cannot be told from the first byte. */
  #startsWithPseudo(first: number): boolean {
    const index = first & 0x7f;
    if (index <= STATIC_COUNT) return (STATIC_KIND[index] as number) > NAME_COOKIE;
    const table = this.#table;
    if (first === 0xff || index - STATIC_COUNT > table.count) return true;
    return (table.tags[(table.inserted - (index - STATIC_COUNT)) & table.mask] as number) > NAME_COOKIE;
  }

  #indexedUpTo(runEnd: number): boolean {
    while (this.#pos < runEnd) {
      if (!this.#indexed(this.#block[this.#pos] as number)) return false; // below the end of the block
    }
    return true;
  }

  #indexed(first: number): boolean {
    let index = first & 0x7f;
    if (first === 0xff) index = this.#integer(0x7f);
    else this.#pos += 1;
    if (index <= 0) return false;
    const builder = this.#builder;
    if (index <= STATIC_COUNT) {
      if (builder.verdict !== HEAD_OK) return true;
      this.#copyLine(
        STATIC_BYTES,
        STATIC_LINE_AT[index] as number, // index is at most STATIC_COUNT
        STATIC_NAME_BYTES[index] as number,
        STATIC_VALUE_BYTES[index] as number,
        STATIC_KIND[index] as number,
      );
      return true;
    }
    const table = this.#table;
    if (index - STATIC_COUNT > table.count) return false;
    if (builder.verdict !== HEAD_OK) return true;
    const slot = (table.inserted - (index - STATIC_COUNT)) & table.mask;
    this.#copyLine(
      table.bytes,
      table.lineAt[slot] as number, // slots are masked
      table.nameBytes[slot] as number,
      table.valueBytes[slot] as number,
      table.tags[slot] as number,
    );
    return true;
  }

  /** A line of a table becomes a field of the head. */
  #copyLine(lines: Uint8Array, lineAt: number, nameBytes: number, valueBytes: number, tag: number): void {
    const builder = this.#builder;
    if (tag >= NAME_AUTHORITY && tag <= NAME_PROTOCOL) {
      builder.reserve(builder.at, valueBytes);
      const from = lineAt + nameBytes + 2;
      const start = builder.at;
      builder.pseudo(tag, start, copySpan(lines, from, from + valueBytes, builder.out, start));
      return;
    }
    if ((builder.seen & SEEN_FIELD) === 0) builder.startFields();
    if (builder.verdict !== HEAD_OK) return;
    builder.reserve(builder.at, nameBytes + valueBytes);
    const { at } = builder;
    const valueStart = at + nameBytes + 2;
    copySpan(lines, lineAt, lineAt + nameBytes + valueBytes + 4, builder.out, at);
    builder.field(at + nameBytes, valueStart, valueStart + valueBytes, tag);
  }

  /** A field that is not indexed: with incremental indexing (0x40), without (0x00) or never indexed (0x10). */
  #literal(first: number): boolean {
    const builder = this.#builder;
    const index = this.#integer(first >= 0x40 ? 0x3f : 0x0f);
    if (index < 0) return false;
    let kind: number;
    let nameEnd: number;
    if (index === 0) {
      const nameAt = this.#pos;
      nameEnd = this.#string(builder.at, false);
      if (nameEnd < 0) return false;
      kind = nameKind(builder.out, builder.at, nameEnd);
      if (kind <= NAME_COOKIE && this.#startsFields()) {
        this.#pos = nameAt;
        nameEnd = this.#string(builder.at, false);
      }
    } else if (index <= STATIC_COUNT) {
      kind = STATIC_KIND[index] as number; // index is at most STATIC_COUNT
      if (kind >= NAME_AUTHORITY && first < 0x40) return this.#pseudoValue(kind);
      nameEnd = this.#copyName(STATIC_BYTES, STATIC_LINE_AT[index] as number, STATIC_NAME_BYTES[index] as number, kind);
    } else {
      const table = this.#table;
      if (index - STATIC_COUNT > table.count) return false;
      const slot = (table.inserted - (index - STATIC_COUNT)) & table.mask;
      kind = (table.tags[slot] as number) & 0xff; // slots are masked
      nameEnd = this.#copyName(table.bytes, table.lineAt[slot] as number, table.nameBytes[slot] as number, kind);
    }
    return this.#value(kind, nameEnd, first >= 0x40);
  }

  /** The value of a pseudo-field that is not inserted: nobody needs its name as text. */
  #pseudoValue(kind: number): boolean {
    const builder = this.#builder;
    const start = builder.at;
    const end = this.#string(start, false);
    if (end < 0) return false;
    if (builder.verdict === HEAD_OK) builder.pseudo(kind, start, end);
    return true;
  }

  #copyName(lines: Uint8Array, lineAt: number, nameBytes: number, kind: number): number {
    const builder = this.#builder;
    if (kind <= NAME_COOKIE) this.#startsFields();
    builder.reserve(builder.at, nameBytes);
    return copySpan(lines, lineAt, lineAt + nameBytes, builder.out, builder.at);
  }

  /** True when the builder was told of its first field, so that it may have written in front of it. */
  #startsFields(): boolean {
    const builder = this.#builder;
    if ((builder.seen & SEEN_FIELD) !== 0 || builder.verdict !== HEAD_OK) return false;
    builder.startFields();
    return true;
  }

  /** The value behind a name that is in the head's bytes already. */
  #value(kind: number, nameEnd: number, inserts: boolean): boolean {
    const builder = this.#builder;
    const valueStart = nameEnd + 2;
    const valueEnd = this.#string(valueStart, true);
    if (valueEnd < 0) return false;
    const { out } = builder;
    out[nameEnd] = COLON;
    out[nameEnd + 1] = SPACE;
    out[valueEnd] = CR;
    out[valueEnd + 1] = LF;
    const isPseudo = kind >= NAME_AUTHORITY && kind <= NAME_PROTOCOL;
    const tag = !isPseudo && (this.#badValue || hasOuterSpace(out, valueStart, valueEnd)) ? kind | TAG_BAD_VALUE : kind;
    const { at } = builder;
    if (inserts) this.#table.insert(out, at, nameEnd - at, valueEnd - valueStart, tag);
    if (builder.verdict !== HEAD_OK) return true;
    if (isPseudo) builder.pseudo(kind, valueStart, valueEnd);
    else builder.field(nameEnd, valueStart, valueEnd, tag);
    return true;
  }
}

/** Copies a value; true when it has a byte that no field value may have (RFC 9113 section 8.2.1, RFC 9110 section 5.5). */
function copyChecked(bytes: Uint8Array, start: number, end: number, out: Uint8Array, offset: number): boolean {
  let bad = false;
  for (let from = start, to = offset; from < end; from += 1, to += 1) {
    const byte = bytes[from] as number; // below `end`
    if (byte < SPACE ? byte !== TAB : byte === DELETE) bad = true;
    out[to] = byte;
  }
  return bad;
}

function hasOuterSpace(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return false;
  const first = bytes[start];
  const last = bytes[end - 1];
  return first === SPACE || first === TAB || last === SPACE || last === TAB;
}
