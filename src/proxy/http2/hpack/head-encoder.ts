// hot
import { Buffer } from "node:buffer";
import {
  BODY_NONE,
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_DROPPED,
  FIELD_HOST,
  FIELD_KEEP_ALIVE,
  FIELD_OTHER,
  FIELD_PROXY_AUTHORIZATION,
  FIELD_PROXY_CONNECTION,
  FIELD_TE,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
  type FieldLines,
  type Head,
  METHOD_CONNECT,
} from "../../head.ts";
import { equalsIgnoreCase, fieldId } from "../../http1/field-name.ts";
import { HeadTemplate, shapeOf } from "./head-template.ts";
import { writeInteger } from "./hpack-integer.ts";
import { LineFates } from "./line-fates.ts";
import {
  LINE_INDEXED,
  LINE_INSERT,
  LINE_LITERAL,
  LINE_SECRET,
  LINE_SKIPPED,
  LINE_UNDECIDED,
  LineIndex,
} from "./line-index.ts";
import {
  INDEX_METHOD,
  INDEXED,
  INDEXED_HTTP,
  writeAuthority,
  writeBodyLength,
  writeLength,
  writeMethod,
  writePath,
  writeProtocol,
  writeStatus,
  writeString,
} from "./pseudo-writer.ts";

export interface HeadEncoderOptions {
  /** The largest table we keep for a peer that allows it. On links 65,536, else 4,096. */
  readonly tableBytes: number;
}

/** What a table has before anything is agreed (RFC 9113 section 6.5.2). */
const DEFAULT_TABLE_BYTES = 4_096;
/** Kinds of heads that alternate on a connection and are each encoded the fast way. */
const TEMPLATES = 8;
/** After so many heads a template is learnt anew, from a few heads: what varied may have come to rest. */
const TEMPLATE_USES = 4_096;
const LEARNT_HEADS = 16;
/** More than the syntax of a line adds: two integers. */
const LINE_BYTES = 16;
/** Pseudo-fields, content-length and table size updates. */
const HEAD_BYTES = 192;

const INSERT_FLAG = 0x40;
const NEVER_INDEX_FLAG = 0x10;

const AUTHORITY: Uint8Array = Buffer.from(":authority", "latin1");
const PROTOCOL: Uint8Array = Buffer.from(":protocol", "latin1");
const CONNECT: Uint8Array = Buffer.from("CONNECT", "latin1");
const TRAILERS: Uint8Array = Buffer.from("trailers", "latin1");

/** 1 for fields of one hop and of framing, and Host: `:authority` says what it does. */
const SKIPPED: Uint8Array = new Uint8Array(256);
for (const id of [
  FIELD_DROPPED,
  FIELD_HOST,
  FIELD_CONNECTION,
  FIELD_KEEP_ALIVE,
  FIELD_PROXY_CONNECTION,
  FIELD_TRANSFER_ENCODING,
  FIELD_CONTENT_LENGTH,
  FIELD_UPGRADE,
  FIELD_PROXY_AUTHORIZATION,
]) {
  SKIPPED[id] = 1;
}

/**
 * Writes heads as header blocks of one connection, in the order in which they are sent. Pseudo-fields come first, then all
 * indexed fields as one run (which the decoder on the other side has seen before), then literals; fields with one name stay
 * in their order. Strings are not Huffman-coded: inside a mesh bytes are cheaper than the time.
 *
 * A head like an earlier one is written from a `HeadTemplate`; any other goes line by line through the `LineIndex`.
 */
export class HeadEncoder {
  readonly #tableBytes: number;
  readonly #index: LineIndex;
  readonly #templates: HeadTemplate[] = [];
  #nextTemplate: number = 0;
  /** So many heads more are written line by line whatever templates there are. */
  #learning: number = 0;
  readonly #fates: LineFates = new LineFates();
  /** The smallest table size since the last block; -1 when it did not change. */
  #smallestTable: number = -1;
  #peerTable: number = DEFAULT_TABLE_BYTES;

  constructor(options: HeadEncoderOptions) {
    this.#tableBytes = options.tableBytes;
    this.#index = new LineIndex(DEFAULT_TABLE_BYTES, options.tableBytes);
    this.setPeerTableBytes(DEFAULT_TABLE_BYTES);
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; the next block says so when the size changes. */
  setPeerTableBytes(bytes: number): void {
    this.#peerTable = Math.min(bytes, this.#tableBytes);
    const { maxSize } = this.#index.table;
    if (this.#smallestTable < 0 && this.#peerTable === maxSize) return;
    this.#smallestTable = Math.min(this.#smallestTable < 0 ? maxSize : this.#smallestTable, this.#peerTable);
  }

  /** Upper bound of the bytes that the encoded head needs. */
  static bound(head: Head): number {
    let bytes = HEAD_BYTES + head.end + head.authorityEnd - head.authorityStart + head.count * LINE_BYTES;
    for (let index = 0; index < head.additionCount; index += 1) {
      const lines = head.additions[index] as FieldLines; // additionCount of them are set
      bytes += lines.bytes.length + lines.count * LINE_BYTES;
    }
    return bytes;
  }

  /**
   * Writes a request at `offset` of `out`, which has room for `bound(head)` bytes, and returns its end. The scheme is http:
   * what this hop is secured with is nobody's matter. An upgrade becomes an extended CONNECT (RFC 8441).
   */
  encodeRequest(head: Head, out: Uint8Array, offset: number): number {
    const start = this.#writeTableSize(out, offset);
    const upgrade = head.upgrade && head.method !== METHOD_CONNECT ? head.find(FIELD_UPGRADE) : -1;
    if (head.method === METHOD_CONNECT || upgrade >= 0) return this.#writeConnect(head, upgrade, out, start);
    // A request without an authority (HTTP/1.0) gets none (RFC 9113 section 8.3.1); too rare for templates.
    const shape = head.authorityEnd === head.authorityStart ? 0 : shapeOf(head, true);
    const template = this.#findTemplate(head, shape, true);
    let at = writeMethod(head, out, start);
    out[at++] = INDEXED_HTTP;
    if (template === null) {
      at = this.#writeSlowly(head, shape, true, out, at);
    } else {
      if (template.authorityIndex > 0) at = writeInteger(template.authorityIndex, 0x7f, INDEXED, out, at);
      at = writePath(head, out, at);
      if (template.authorityIndex === 0) at = writeAuthority(head, out, at);
      at = template.write(head, out, at);
    }
    return writeBodyLength(head, out, at);
  }

  /** As `encodeRequest`. 101 is written as 200: the other protocol's stream is accepted. */
  encodeResponse(head: Head, out: Uint8Array, offset: number): number {
    let at = this.#writeTableSize(out, offset);
    at = writeStatus(head.status === 101 ? 200 : head.status, out, at);
    at = this.#writeFields(head, out, at);
    if (head.bodyKind === BODY_NONE) return head.declaredLength < 0 ? at : writeLength(head.declaredLength, out, at);
    return writeBodyLength(head, out, at);
  }

  /** As `encodeRequest`: fields only. */
  encodeTrailers(head: Head, out: Uint8Array, offset: number): number {
    return this.#writeFields(head, out, this.#writeTableSize(out, offset));
  }

  #writeFields(head: Head, out: Uint8Array, offset: number): number {
    const shape = shapeOf(head, false);
    const template = this.#findTemplate(head, shape, false);
    if (template !== null) return template.write(head, out, offset);
    return this.#writeSlowly(head, shape, false, out, offset);
  }

  #writeTableSize(out: Uint8Array, offset: number): number {
    if (this.#smallestTable < 0) return offset;
    let at = offset;
    const { maxSize } = this.#index.table;
    // RFC 7541 section 4.2: the smallest size in between, then the last.
    if (this.#smallestTable < Math.min(this.#peerTable, maxSize))
      at = writeInteger(this.#smallestTable, 0x1f, 0x20, out, at);
    at = writeInteger(this.#peerTable, 0x1f, 0x20, out, at);
    this.#index.table.resize(this.#smallestTable);
    this.#index.table.resize(this.#peerTable);
    this.#smallestTable = -1;
    return at;
  }

  /** A template that is good for `head`, brought up to date; null when there is none. */
  #findTemplate(head: Head, shape: number, isRequest: boolean): HeadTemplate | null {
    if (shape === 0) return null;
    if (this.#learning > 0) {
      this.#learning -= 1;
      return null;
    }
    for (let index = 0; index < this.#templates.length; index += 1) {
      const template = this.#templates[index] as HeadTemplate; // below the length
      if (template.shape !== shape || !template.matches(head, isRequest)) continue;
      template.uses += 1;
      if (template.uses <= TEMPLATE_USES && template.render(this.#index)) return template;
      if (template.uses > TEMPLATE_USES) this.#learning = LEARNT_HEADS;
      template.shape = 0;
      return null;
    }
    return null;
  }

  /** Line by line; learns. Requests: from the authority on. */
  #writeSlowly(head: Head, shape: number, isRequest: boolean, out: Uint8Array, offset: number): number {
    let at = offset;
    let authority = LINE_LITERAL;
    let authorityNumber = Number.NaN;
    const index = this.#index;
    index.beginHead();
    if (isRequest && head.authorityEnd === head.authorityStart) {
      at = writePath(head, out, at);
    } else if (isRequest) {
      index.prepare(AUTHORITY, 0, AUTHORITY.length, head.bytes, head.authorityStart, head.authorityEnd);
      authority = index.classify();
      if (authority === LINE_INDEXED) {
        authorityNumber = index.number;
        at = writeInteger(index.indexOf(index.number), 0x7f, INDEXED, out, at);
        at = writePath(head, out, at);
      } else {
        at = writePath(head, out, at);
        index.prepare(AUTHORITY, 0, AUTHORITY.length, head.bytes, head.authorityStart, head.authorityEnd);
        at = this.#writeLine(authority, out, at);
      }
    }
    const fates = this.#fates;
    fates.begin(head);
    this.#decideFields(head, isRequest);
    for (let fate = 0; fate < fates.count; fate += 1) {
      if (fates.kinds[fate] !== LINE_INDEXED) continue;
      at = writeInteger(index.indexOf(fates.numbers[fate] as number), 0x7f, INDEXED, out, at); // one per line
    }
    at = this.#writeLiterals(head, out, at);
    const settled = authority !== LINE_INSERT && authority !== LINE_UNDECIDED && fates.isSettled();
    if (settled && shape !== 0 && this.#learning === 0)
      this.#templateToReplace().learn(head, shape, fates, authorityNumber);
    return at;
  }

  #templateToReplace(): HeadTemplate {
    for (let index = 0; index < this.#templates.length; index += 1) {
      const template = this.#templates[index] as HeadTemplate; // below the length
      if (template.shape === 0) return template;
    }
    if (this.#templates.length < TEMPLATES) {
      const template = new HeadTemplate();
      this.#templates.push(template);
      return template;
    }
    this.#nextTemplate = (this.#nextTemplate + 1) % TEMPLATES;
    return this.#templates[this.#nextTemplate] as HeadTemplate; // all there
  }

  #decideFields(head: Head, isRequest: boolean): void {
    const { spans, ids, bytes } = head;
    for (let field = 0; field < head.count; field += 1) {
      const id = ids[field] as number; // below head.count, as are the spans
      const base = field * 4;
      const skipped = SKIPPED[id] === 1 || (id === FIELD_TE && !(isRequest && isTrailers(bytes, spans, base)));
      this.#decide(bytes, spans, base, skipped);
      // A template compares the values of indexed lines only, and this one must be what it is.
      if (id === FIELD_TE && this.#fates.kinds[field] !== LINE_INDEXED) this.#fates.unsettled = true;
    }
    for (let index = 0; index < head.additionCount; index += 1) {
      const lines = head.additions[index] as FieldLines; // additionCount of them are set
      for (let line = 0; line < lines.count; line += 1) {
        const base = line * 4;
        const id = fieldId(lines.bytes, lines.spans[base] as number, lines.spans[base + 1] as number);
        this.#decide(lines.bytes, lines.spans, base, id !== FIELD_OTHER && SKIPPED[id] === 1);
      }
    }
  }

  #decide(bytes: Uint8Array, spans: Int32Array, base: number, skipped: boolean): void {
    if (skipped) {
      this.#fates.add(LINE_SKIPPED, 0, 0);
      return;
    }
    const index = this.#index;
    prepare(index, bytes, spans, base);
    const kind = index.classify();
    this.#fates.add(kind, kind === LINE_INDEXED ? index.number : 0, index.nameHash);
  }

  #writeLiterals(head: Head, out: Uint8Array, offset: number): number {
    const { kinds } = this.#fates;
    let at = offset;
    let fate = 0;
    for (let field = 0; field < head.count; field += 1, fate += 1) {
      const kind = kinds[fate] as number; // one per line
      if (kind === LINE_INDEXED || kind === LINE_SKIPPED) continue;
      prepare(this.#index, head.bytes, head.spans, field * 4);
      at = this.#writeLine(kind, out, at);
    }
    for (let index = 0; index < head.additionCount; index += 1) {
      const lines = head.additions[index] as FieldLines;
      for (let line = 0; line < lines.count; line += 1, fate += 1) {
        const kind = kinds[fate] as number;
        if (kind === LINE_INDEXED || kind === LINE_SKIPPED) continue;
        prepare(this.#index, lines.bytes, lines.spans, line * 4);
        at = this.#writeLine(kind, out, at);
      }
    }
    return at;
  }

  /** The prepared line as a literal. */
  #writeLine(kind: number, out: Uint8Array, offset: number): number {
    const index = this.#index;
    const flags = kind === LINE_INSERT ? INSERT_FLAG : kind === LINE_SECRET ? NEVER_INDEX_FLAG : 0;
    const at = index.writeValue(out, index.writeName(flags, out, offset));
    if (kind === LINE_INSERT) index.insert();
    return at;
  }

  /** CONNECT, or an upgrade as one: rare, so without a template. `upgrade` is the index of its field; -1 = plain. */
  #writeConnect(head: Head, upgrade: number, out: Uint8Array, offset: number): number {
    let at = writeInteger(INDEX_METHOD, 0x0f, 0, out, offset);
    at = writeString(CONNECT, 0, CONNECT.length, out, at);
    if (upgrade >= 0) {
      out[at++] = 0;
      at = writeString(PROTOCOL, 0, PROTOCOL.length, out, at);
      at = writeProtocol(head, upgrade, out, at);
      out[at++] = INDEXED_HTTP;
      at = writePath(head, out, at);
    }
    at = writeAuthority(head, out, at);
    return this.#writeSlowly(head, 0, false, out, at);
  }
}

function prepare(index: LineIndex, bytes: Uint8Array, spans: Int32Array, base: number): void {
  index.prepare(
    bytes,
    spans[base] as number, // four per line
    spans[base + 1] as number,
    bytes,
    spans[base + 2] as number,
    spans[base + 3] as number,
  );
}

function isTrailers(bytes: Uint8Array, spans: Int32Array, base: number): boolean {
  return equalsIgnoreCase(bytes, spans[base + 2] as number, spans[base + 3] as number, TRAILERS);
}
