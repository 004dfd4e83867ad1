// hot. Longer than most files: the grammar of heads in RFC 9113 section 8 in one place.
import { Buffer } from "node:buffer";
import { authorityEnd, hasPort } from "../../http1/authority.ts";
import { BYTE_CLASS, BYTE_PATH, BYTE_QUERY, BYTE_TOKEN } from "../../http1/byte-class.ts";
import * as refusals from "../../http1/decode-failure.ts";
import type { DecodeFailure } from "../../http1/decoder-contract.ts";
import { equalsIgnoreCase, sameIgnoreCase } from "../../http1/field-name.ts";
import { parseContentLength } from "../../http1/framing-field.ts";
import { methodId } from "../../http1/method.ts";
import { reasonPhrase } from "../../http1/reason-phrase.ts";
import { isForbiddenTrailer, isFramingField } from "../../http1/trailer-field.ts";
import { isCarriedProtocol } from "../../http1/upgrade-field.ts";
import {
  BODY_CHUNKED,
  BODY_LENGTH,
  BODY_NONE,
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_DROPPED,
  FIELD_EXPECT,
  FIELD_HOST,
  FIELD_KEEP_ALIVE,
  FIELD_OTHER,
  FIELD_PROXY_CONNECTION,
  FIELD_TE,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
  Head,
  MAX_FIELDS,
  METHOD_CONNECT,
  METHOD_GET,
  METHOD_OPTIONS,
  METHOD_PATCH,
  METHOD_POST,
  METHOD_PUT,
} from "../../head.ts";
import { joinCrumb, joinScatteredCrumbs } from "./cookie-crumbs.ts";
import * as failures from "./head-failure.ts";
import {
  NAME_AUTHORITY,
  NAME_COOKIE,
  NAME_METHOD,
  NAME_PATH,
  NAME_PROTOCOL,
  NAME_SCHEME,
  NAME_STATUS,
  NAME_UNKNOWN_PSEUDO,
} from "./name-kind.ts";

/** The head is filled. */
export const HEAD_OK = 0;
/** A stream error, PROTOCOL_ERROR (RFC 9113 section 8.1.1). */
export const HEAD_MALFORMED = 1;
/** Well-formed and refused: a request is answered with `failure.status` (431, 414, 417, 501), a response is a bad one. */
export const HEAD_TOO_LARGE = 2;
/** A connection error, COMPRESSION_ERROR. The decoder must not be used again. */
export const HEAD_COMPRESSION = 3;

export const KIND_REQUEST = 0;
export const KIND_RESPONSE = 1;
export const KIND_TRAILERS = 2;

/** What one connection may make the decoder hold. */
export interface HeadLimits {
  /** Bytes of the values of pseudo-fields and of the lines of fields in HTTP/1.1's form. Also of trailers. */
  readonly maxHeadBytes: number;
  /** The request target; above it 414. */
  readonly maxTargetBytes: number;
  /** Fields of one head, at most 128; the crumbs of a cookie are one field. */
  readonly maxFields: number;
  /** Our SETTINGS_HEADER_TABLE_SIZE: what the peer's encoder may make its table. */
  readonly maxTableBytes: number;
}

/** Bit in the tag of a field: its value has bytes that no field may have. The lower eight bits are a FIELD_* or NAME_*. */
export const TAG_BAD_VALUE = 256;

// What was seen. Pseudo-fields have the bits 1 << (NAME_* - NAME_AUTHORITY).
export const SEEN_AUTHORITY = 1;
export const SEEN_METHOD: number = 1 << (NAME_METHOD - NAME_AUTHORITY);
export const SEEN_PATH: number = 1 << (NAME_PATH - NAME_AUTHORITY);
export const SEEN_SCHEME: number = 1 << (NAME_SCHEME - NAME_AUTHORITY);
export const SEEN_STATUS: number = 1 << (NAME_STATUS - NAME_AUTHORITY);
export const SEEN_PROTOCOL: number = 1 << (NAME_PROTOCOL - NAME_AUTHORITY);
export const SEEN_FIELD = 64;
export const SEEN_HOST = 128;
export const SEEN_LENGTH = 256;

const CR = 0x0d;
const LF = 0x0a;
const SLASH = 0x2f;
const QUESTION = 0x3f;
const ASTERISK = 0x2a;
const MAX_METHOD_BYTES = 32;
const FIRST_BYTES = 2_048;
/** Bytes of a head larger than this are not kept for the next one. */
const MAX_KEPT_BYTES = 16_384;
/** Room kept free behind every string: the syntax of its line, and the names of the lines for host and upgrade. */
const MARGIN_BYTES = 64;

const HTTP: Uint8Array = toBytes("http");
const HTTPS: Uint8Array = toBytes("https");
const CONTINUE: Uint8Array = toBytes("100-continue");
const TRAILERS: Uint8Array = toBytes("trailers");
const HOST_NAME: Uint8Array = toBytes("host: ");
const UPGRADE_NAME: Uint8Array = toBytes("upgrade: ");
const GET: Uint8Array = toBytes("GET");
const REASONS: readonly Uint8Array[] = Array.from({ length: 600 }, (_, status) => toBytes(reasonPhrase(status)));
const NO_HEAD: Head = new Head();

/**
 * Makes a `Head` of pseudo-fields and fields as they come out of HPACK. The caller writes a string to `out` at `at` (after
 * `reserve`) and then says what it is; what `pseudo` and `field` take stays there. Once `verdict` is not HEAD_OK nothing may
 * be told any more.
 */
export class HeadBuilder {
  head: Head = NO_HEAD;
  /** The bytes of `head`. */
  out: Uint8Array = NO_HEAD.bytes;
  /** Where the next string goes. */
  at: number = 0;
  /** SEEN_* bits. */
  seen: number = 0;
  verdict: number = HEAD_OK;
  failure: DecodeFailure | null = null;
  kind: number = KIND_REQUEST;
  /** The value of content-length with SEEN_LENGTH. */
  length: number = 0;
  /** Index of the first cookie field; -1 when there is none. */
  cookieAt: number = -1;
  /** Cookie crumbs did not stand side by side. */
  scattered: boolean = false;
  readonly #maxHeadBytes: number;
  readonly #maxTargetBytes: number;
  readonly #maxFields: number;
  #protocolStart: number = 0;
  #protocolEnd: number = 0;

  constructor(limits: HeadLimits) {
    this.#maxHeadBytes = limits.maxHeadBytes;
    this.#maxTargetBytes = limits.maxTargetBytes;
    this.#maxFields = Math.min(limits.maxFields, MAX_FIELDS);
  }

  begin(kind: number, head: Head): void {
    head.recycle();
    if (head.bytes.length < FIRST_BYTES || head.bytes.length > MAX_KEPT_BYTES) head.bytes = Buffer.alloc(FIRST_BYTES);
    this.head = head;
    this.out = head.bytes;
    this.at = 0;
    this.seen = 0;
    this.verdict = HEAD_OK;
    this.failure = null;
    this.kind = kind;
    this.length = 0;
    this.cookieAt = -1;
    this.scattered = false;
  }

  /** Keeps nothing alive between heads. */
  release(): void {
    this.head = NO_HEAD;
    this.out = NO_HEAD.bytes;
  }

  /** The first reason counts. */
  refuse(verdict: number, failure: DecodeFailure): void {
    if (this.verdict !== HEAD_OK) return;
    this.verdict = verdict;
    this.failure = failure;
  }

  /** Makes room for `length` bytes at `at` and the syntax of a line around them. */
  reserve(at: number, length: number): void {
    const needed = at + length + MARGIN_BYTES;
    if (needed <= this.out.length) return;
    const grown = Buffer.alloc(Math.max(needed, this.out.length * 2));
    grown.set(this.out);
    this.out = grown;
    this.head.bytes = grown;
  }

  /** False when the head, or its fields, would be more than the limits allow. */
  hasRoomFor(bytes: number, fields: number): boolean {
    return this.at + bytes <= this.#maxHeadBytes && this.head.count + fields <= this.#maxFields;
  }

  /** A pseudo-field: `kind` is NAME_AUTHORITY to NAME_PROTOCOL, its value is in `out` at `start`, which is not before `at`. */
  pseudo(kind: number, start: number, end: number): void {
    const bit = 1 << (kind - NAME_AUTHORITY);
    const { seen } = this;
    if (this.kind !== KIND_REQUEST ? kind !== NAME_STATUS || this.kind !== KIND_RESPONSE : kind === NAME_STATUS) {
      this.refuse(HEAD_MALFORMED, failures.UNKNOWN_PSEUDO);
    } else if ((seen & SEEN_FIELD) !== 0) this.refuse(HEAD_MALFORMED, failures.LATE_PSEUDO);
    else if ((seen & bit) !== 0) this.refuse(HEAD_MALFORMED, failures.DUPLICATE_PSEUDO);
    else if (end > this.#maxHeadBytes) this.refuse(HEAD_TOO_LARGE, refusals.HEAD_TOO_LARGE);
    else {
      this.seen = seen | bit;
      this.at = end;
      if (kind === NAME_PATH) this.#path(start, end);
      else if (kind === NAME_METHOD) this.#method(start, end);
      else if (kind === NAME_AUTHORITY) this.#authority(start, end);
      else if (kind === NAME_SCHEME) this.#scheme(start, end);
      else if (kind === NAME_STATUS) this.#status(start, end);
      else this.#protocol(start, end);
    }
  }

  #path(start: number, end: number): void {
    const { out, head } = this;
    if (end - start > this.#maxTargetBytes) {
      this.refuse(HEAD_TOO_LARGE, refusals.TARGET_TOO_LONG);
      return;
    }
    const classes = BYTE_CLASS;
    let at = start;
    while (at < end && ((classes[out[at] as number] as number) & BYTE_PATH) !== 0) at += 1; // `at` is below `end`
    head.pathEnd = at;
    if (at < end && out[at] === QUESTION) {
      while (at < end && ((classes[out[at] as number] as number) & BYTE_QUERY) !== 0) at += 1;
    }
    head.targetStart = start;
    head.targetEnd = end;
    const first = out[start];
    if (at < end || start === end || (first !== SLASH && (first !== ASTERISK || end > start + 1))) {
      this.refuse(HEAD_MALFORMED, refusals.BAD_TARGET);
    }
  }

  #method(start: number, end: number): void {
    const { out, head } = this;
    let at = start;
    while (at < end && ((BYTE_CLASS[out[at] as number] as number) & BYTE_TOKEN) !== 0) at += 1; // `at` is below `end`
    if (at < end || start === end) this.refuse(HEAD_MALFORMED, refusals.BAD_METHOD);
    else if (end - start > MAX_METHOD_BYTES) this.refuse(HEAD_TOO_LARGE, refusals.METHOD_TOO_LONG);
    head.method = methodId(out, start, end);
    head.methodStart = start;
    head.methodEnd = end;
  }

  #authority(start: number, end: number): void {
    const { head } = this;
    const checked = authorityEnd(this.out, start, end);
    head.authorityStart = start;
    head.authorityEnd = checked;
    if (start === end) this.refuse(HEAD_MALFORMED, failures.MISSING_AUTHORITY);
    else if (checked < 0) this.refuse(HEAD_MALFORMED, refusals.BAD_AUTHORITY);
  }

  #scheme(start: number, end: number): void {
    const { out } = this;
    this.at = start; // nobody reads it again
    if (!equalsIgnoreCase(out, start, end, HTTP) && !equalsIgnoreCase(out, start, end, HTTPS)) {
      this.refuse(HEAD_MALFORMED, failures.BAD_SCHEME);
    }
  }

  #protocol(start: number, end: number): void {
    // As an HTTP/1.1 upgrade, h2c would open a connection past everything that checks requests.
    if (!isCarriedProtocol(this.out, start, end)) this.refuse(HEAD_MALFORMED, failures.BAD_PROTOCOL);
    this.#protocolStart = start;
    this.#protocolEnd = end;
  }

  #status(start: number, end: number): void {
    const { out, head } = this;
    const hundreds = (out[start] as number) - 0x30; // `reserve` left room behind the value
    const tens = (out[start + 1] as number) - 0x30;
    const ones = (out[start + 2] as number) - 0x30;
    const status = hundreds * 100 + tens * 10 + ones;
    const digits = hundreds >= 1 && hundreds <= 5 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9;
    if (end - start !== 3 || !digits || status === 101) {
      this.refuse(HEAD_MALFORMED, failures.BAD_STATUS);
      return;
    }
    head.status = status;
    const reason = REASONS[status] as Uint8Array; // up to 599
    this.reserve(start, reason.length);
    head.reasonStart = start;
    head.reasonEnd = copyAll(reason, this.out, start);
    this.at = head.reasonEnd;
  }

  /** To be called before the first field is written: the lines that pseudo-fields stand for go in front of it. */
  startFields(): void {
    const { head, seen } = this;
    this.seen = seen | SEEN_FIELD;
    if (this.kind !== KIND_REQUEST) return;
    if ((seen & SEEN_AUTHORITY) !== 0) {
      const { authorityStart, authorityEnd: end } = head;
      const line = this.at;
      head.authorityStart = line + HOST_NAME.length;
      head.authorityEnd = this.#addLine(HOST_NAME, authorityStart, end, FIELD_HOST);
    }
    if ((seen & SEEN_PROTOCOL) !== 0) {
      this.#addLine(UPGRADE_NAME, this.#protocolStart, this.#protocolEnd, FIELD_UPGRADE);
    }
  }

  /** Returns where the value ends. */
  #addLine(name: Uint8Array, start: number, end: number, id: number): number {
    this.reserve(this.at, end - start);
    const line = this.at;
    const { out } = this;
    const valueStart = copyAll(name, out, line);
    let to = valueStart;
    for (let from = start; from < end; from += 1) out[to++] = out[from] as number; // `from` is below `end`
    out[to] = CR;
    out[to + 1] = LF;
    this.#store(line, valueStart - 2, valueStart, to, id);
    return to;
  }

  #store(lineAt: number, nameEnd: number, valueStart: number, valueEnd: number, id: number): void {
    const { head } = this;
    const index = head.count;
    if (index === this.#maxFields) {
      this.refuse(HEAD_TOO_LARGE, refusals.TOO_MANY_FIELDS);
      return;
    }
    if (valueEnd + 2 > this.#maxHeadBytes) {
      this.refuse(HEAD_TOO_LARGE, this.kind === KIND_TRAILERS ? refusals.TRAILERS_TOO_LARGE : refusals.HEAD_TOO_LARGE);
      return;
    }
    if (index === head.ids.length) head.grow();
    const { spans } = head;
    const base = index * 4;
    spans[base] = lineAt;
    spans[base + 1] = nameEnd;
    spans[base + 2] = valueStart;
    spans[base + 3] = valueEnd;
    head.ids[index] = id;
    head.count = index + 1;
    this.at = valueEnd + 2;
  }

  /** A field, written as a whole line to `out` at `at`. */
  field(nameEnd: number, valueStart: number, valueEnd: number, tag: number): void {
    const line = this.at;
    if (tag === FIELD_OTHER && this.kind !== KIND_TRAILERS) {
      this.#store(line, nameEnd, valueStart, valueEnd, FIELD_OTHER);
      return;
    }
    if (tag > NAME_COOKIE) {
      this.#refuseField(tag);
      return;
    }
    const id = this.kind === KIND_TRAILERS ? this.#trailer(nameEnd, tag) : this.#known(tag, valueStart, valueEnd);
    if (id >= 0 && this.verdict === HEAD_OK) this.#store(line, nameEnd, valueStart, valueEnd, id);
  }

  #refuseField(tag: number): void {
    if ((tag & TAG_BAD_VALUE) !== 0) this.refuse(HEAD_MALFORMED, refusals.BAD_FIELD_VALUE);
    else if (tag === NAME_UNKNOWN_PSEUDO) this.refuse(HEAD_MALFORMED, failures.UNKNOWN_PSEUDO);
    else this.refuse(HEAD_MALFORMED, refusals.BAD_FIELD_NAME);
  }

  #trailer(nameEnd: number, tag: number): number {
    if (isConnectionField(tag)) this.refuse(HEAD_MALFORMED, failures.CONNECTION_FIELD);
    else if (isFramingField(tag)) this.refuse(HEAD_MALFORMED, refusals.FORBIDDEN_TRAILER);
    else if (tag === FIELD_TE) this.refuse(HEAD_MALFORMED, failures.BAD_TE);
    if (tag === NAME_COOKIE) return FIELD_DROPPED;
    return isForbiddenTrailer(tag, this.out, this.at, nameEnd) ? FIELD_DROPPED : tag;
  }

  /** What a field with a meaning does. Returns its FIELD_*; -1 when it is not stored. */
  #known(tag: number, start: number, end: number): number {
    switch (tag) {
      case NAME_COOKIE:
        return this.kind === KIND_REQUEST ? this.#cookie(start, end) : FIELD_OTHER;
      case FIELD_HOST:
        return this.kind === KIND_REQUEST ? this.#host(start, end) : FIELD_HOST;
      case FIELD_CONTENT_LENGTH:
        if ((this.seen & SEEN_LENGTH) !== 0) this.refuse(HEAD_MALFORMED, refusals.DUPLICATE_CONTENT_LENGTH);
        this.seen |= SEEN_LENGTH;
        this.length = parseContentLength(this.out, start, end);
        if (this.length < 0) this.refuse(HEAD_MALFORMED, refusals.BAD_CONTENT_LENGTH);
        return tag;
      case FIELD_TE:
        if (this.kind !== KIND_REQUEST || !equalsIgnoreCase(this.out, start, end, TRAILERS)) {
          this.refuse(HEAD_MALFORMED, failures.BAD_TE);
        }
        return tag;
      case FIELD_EXPECT:
        if (this.kind !== KIND_REQUEST) return tag;
        if (!equalsIgnoreCase(this.out, start, end, CONTINUE)) this.refuse(HEAD_TOO_LARGE, refusals.BAD_EXPECTATION);
        this.head.expectContinue = true;
        return tag;
      case FIELD_CONNECTION:
      case FIELD_KEEP_ALIVE:
      case FIELD_PROXY_CONNECTION:
      case FIELD_TRANSFER_ENCODING:
      case FIELD_UPGRADE:
        this.refuse(HEAD_MALFORMED, failures.CONNECTION_FIELD);
        return tag;
      default:
        return tag;
    }
  }

  /** RFC 9113 section 8.2.3: crumbs become one field, as the other protocols have it. */
  #cookie(start: number, end: number): number {
    const { head } = this;
    if (this.cookieAt < 0) {
      this.cookieAt = head.count;
      return FIELD_OTHER;
    }
    if (this.cookieAt !== head.count - 1) {
      this.scattered = true;
      return FIELD_OTHER;
    }
    const next = joinCrumb(head, this.cookieAt, start, end);
    if (next > this.#maxHeadBytes) this.refuse(HEAD_TOO_LARGE, refusals.HEAD_TOO_LARGE);
    else this.at = next;
    return -1;
  }

  #host(start: number, end: number): number {
    const { head, out, seen } = this;
    this.seen = seen | SEEN_HOST;
    const checked = authorityEnd(out, start, end);
    if ((seen & SEEN_HOST) !== 0) this.refuse(HEAD_MALFORMED, refusals.DUPLICATE_HOST);
    else if (start === end) this.refuse(HEAD_MALFORMED, failures.MISSING_AUTHORITY);
    else if (checked < 0) this.refuse(HEAD_MALFORMED, refusals.BAD_HOST);
    else if ((seen & SEEN_AUTHORITY) === 0) {
      head.authorityStart = start;
      head.authorityEnd = checked;
      return FIELD_HOST;
    } else if (!sameIgnoreCase(out, start, checked, head.authorityStart, head.authorityEnd)) {
      this.refuse(HEAD_MALFORMED, failures.HOST_MISMATCH);
    }
    return -1;
  }

  /** The block is over: what must be there is there, and how the body is delimited. */
  complete(endStream: boolean, bodyless: boolean): void {
    if ((this.seen & SEEN_FIELD) === 0) this.startFields();
    const { head } = this;
    head.end = this.at;
    if (this.kind === KIND_TRAILERS) {
      if (!endStream) this.refuse(HEAD_MALFORMED, failures.UNENDED_TRAILERS);
      return;
    }
    if (this.kind === KIND_RESPONSE) {
      this.#completeResponse(endStream, bodyless);
      return;
    }
    this.#completeRequest(endStream);
    if (this.scattered && this.verdict === HEAD_OK) {
      joinScatteredCrumbs(head);
      this.out = head.bytes;
    }
  }

  #completeRequest(endStream: boolean): void {
    const { head, seen } = this;
    if ((seen & SEEN_METHOD) === 0) this.refuse(HEAD_MALFORMED, failures.MISSING_PSEUDO);
    if (head.method === METHOD_CONNECT) {
      this.#completeConnect();
      return;
    }
    const both = SEEN_PATH | SEEN_SCHEME;
    if ((seen & both) !== both) this.refuse(HEAD_MALFORMED, failures.MISSING_PSEUDO);
    if ((seen & SEEN_PROTOCOL) !== 0) this.refuse(HEAD_MALFORMED, failures.EXTRA_PSEUDO);
    // Neither :authority nor Host: what an HTTP/1.0 request without Host is translated to (RFC 9113 section 8.3.1).
    if (this.out[head.targetStart] === ASTERISK && head.method !== METHOD_OPTIONS) {
      this.refuse(HEAD_MALFORMED, refusals.BAD_TARGET);
    }
    const { method } = head;
    if (endStream) {
      if (this.length > 0) this.refuse(HEAD_MALFORMED, failures.LENGTH_WITHOUT_BODY);
      // As HTTP/1.1 clients do: a method that gives its content a meaning says that there is none.
      const sized = method === METHOD_POST || method === METHOD_PUT || method === METHOD_PATCH;
      head.bodyKind = sized || (seen & SEEN_LENGTH) !== 0 ? BODY_LENGTH : BODY_NONE;
    } else if ((seen & SEEN_LENGTH) !== 0) {
      head.bodyKind = BODY_LENGTH;
      head.contentLength = this.length;
    } else head.bodyKind = BODY_CHUNKED;
  }

  #completeConnect(): void {
    const { head, seen } = this;
    head.upgrade = true;
    if ((seen & SEEN_LENGTH) !== 0) this.refuse(HEAD_MALFORMED, failures.CONNECT_LENGTH);
    if ((seen & SEEN_AUTHORITY) === 0) this.refuse(HEAD_MALFORMED, failures.MISSING_AUTHORITY);
    if ((seen & SEEN_PROTOCOL) === 0) {
      if ((seen & (SEEN_PATH | SEEN_SCHEME)) !== 0) this.refuse(HEAD_MALFORMED, failures.EXTRA_PSEUDO);
      else if (!hasPort(this.out, head.authorityStart, head.authorityEnd)) {
        this.refuse(HEAD_MALFORMED, refusals.BAD_AUTHORITY);
      }
      head.targetStart = head.authorityStart;
      head.targetEnd = head.authorityEnd;
      head.pathEnd = head.authorityEnd;
      return;
    }
    // RFC 8441: from here on an HTTP/1.1 upgrade.
    const both = SEEN_PATH | SEEN_SCHEME;
    if ((seen & both) !== both) this.refuse(HEAD_MALFORMED, failures.MISSING_PSEUDO);
    if (this.out[head.targetStart] === ASTERISK) this.refuse(HEAD_MALFORMED, refusals.BAD_TARGET);
    head.method = METHOD_GET;
    head.methodEnd = copyAll(GET, this.out, head.methodStart); // over CONNECT
  }

  #completeResponse(endStream: boolean, bodyless: boolean): void {
    const { head, seen } = this;
    if ((seen & SEEN_STATUS) === 0) this.refuse(HEAD_MALFORMED, failures.MISSING_PSEUDO);
    const { status } = head;
    const hasLength = (seen & SEEN_LENGTH) !== 0;
    // RFC 9110 section 6.4.1: these have no body whatever their fields say.
    if (status < 200) {
      if (endStream) this.refuse(HEAD_MALFORMED, failures.ENDED_INTERIM);
    } else if (status === 204) {
      head.bodyKind = BODY_NONE;
    } else if (bodyless || status === 304 || (endStream && this.length > 0)) {
      if (hasLength) head.declaredLength = this.length;
    } else if (endStream) {
      head.bodyKind = BODY_LENGTH;
    } else if (hasLength) {
      head.bodyKind = BODY_LENGTH;
      head.contentLength = this.length;
    } else head.bodyKind = BODY_CHUNKED;
  }
}

function isConnectionField(id: number): boolean {
  return (
    id === FIELD_CONNECTION ||
    id === FIELD_KEEP_ALIVE ||
    id === FIELD_PROXY_CONNECTION ||
    id === FIELD_TRANSFER_ENCODING ||
    id === FIELD_UPGRADE
  );
}

/** For blocks of up to a few dozen bytes. */
function copyAll(block: Uint8Array, out: Uint8Array, offset: number): number {
  for (let index = 0; index < block.length; index += 1) out[offset + index] = block[index] as number;
  return offset + block.length;
}

function toBytes(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}
