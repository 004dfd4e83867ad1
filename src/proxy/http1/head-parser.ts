// hot. Longer than most files: the line grammar of RFC 9112 sections 2 to 5 as one state machine.
import {
  BODY_CHUNKED,
  BODY_LENGTH,
  BODY_NONE,
  BODY_UNTIL_CLOSE,
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_DROPPED,
  FIELD_EXPECT,
  FIELD_HOST,
  FIELD_OTHER,
  FIELD_TE,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
  Head,
  MAX_FIELDS,
  METHOD_CONNECT,
  METHOD_OPTIONS,
} from "../head.ts";
import { completePath, lacksPath } from "./absolute-target.ts";
import { authorityEnd, hasPort, hostLength } from "./authority.ts";
import { BYTE_CLASS, BYTE_PATH, BYTE_QUERY, BYTE_TOKEN, BYTE_VALUE } from "./byte-class.ts";
import {
  connectionOptions,
  dropNominated,
  OPTION_BAD,
  OPTION_CLOSE,
  OPTION_KEEP_ALIVE,
  OPTION_NOMINATES,
  OPTION_UPGRADE,
} from "./connection-option.ts";
import * as failures from "./decode-failure.ts";
import type { DecodeFailure, DecoderLimits } from "./decoder-contract.ts";
import { FieldMemory, JUDGED_FIELDS } from "./field-memory.ts";
import { equalsIgnoreCase, fieldId, startsWithIgnoreCase } from "./field-name.ts";
import { checkTransferEncoding, parseContentLength } from "./framing-field.ts";
import { lineEndFault, methodFault, nameFault, requestLineFault, versionFault } from "./line-fault.ts";
import { methodId } from "./method.ts";
import { isForbiddenTrailer, isFramingField } from "./trailer-field.ts";
import { isCarriedUpgrade } from "./upgrade-field.ts";
import { versionAt } from "./version.ts";

export const ROLE_REQUEST = 0;
export const ROLE_RESPONSE = 1;
/** Field lines only. */
export const ROLE_TRAILERS = 2;

/** `feed` took every byte and needs more. */
export const NEED_MORE = -1;
/** `failure` says why. */
export const REFUSED = -2;

const STAGE_START = 0;
const STAGE_FIELDS = 1;

const UPGRADE_NONE = 0;
const UPGRADE_CARRIED = 1;
/** One Upgrade field that is not carried takes the others with it: what was offered together is not taken apart. */
const UPGRADE_PASSED_OVER = 2;

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const DELETE = 0x7f;
const COLON = 0x3a;
const SLASH = 0x2f;
const QUESTION = 0x3f;
const ASTERISK = 0x2a;

const MAX_METHOD_BYTES = 32;
/** Longest version, spaces and CRLF around a target, with room for one blank line. */
const START_LINE_MARGIN = 64;
const FIRST_GATHER_BYTES = 2_048;
/** A gather buffer larger than this is not kept for the next head. */
const MAX_KEPT_GATHER_BYTES = 16_384;

const HTTP_SCHEME: Uint8Array = Buffer.from("http://", "latin1");
const CONTINUE: Uint8Array = Buffer.from("100-continue", "latin1");
const TRAILERS: Uint8Array = Buffer.from("trailers", "latin1");
const EMPTY: Uint8Array = new Uint8Array(0);

/**
 * Parses one head (or trailer section) into a `Head`. A head that lies in one chunk is parsed where it is; one that does
 * not is gathered in the parser's own buffer, and whole lines are parsed as they come. A line is only judged once its LF
 * is there, so the verdict does not depend on how the bytes were cut.
 */
export class HeadParser {
  readonly head: Head = new Head();
  failure: DecodeFailure | null = null;

  readonly #role: number;
  readonly #limits: DecoderLimits;
  readonly #maxBytes: number;
  readonly #maxFields: number;
  #stage: number = STAGE_START;
  /** Start of the first line not yet parsed. */
  #lineAt: number = 0;
  #blankLine: boolean = false;
  /** Bytes gathered; 0 while the head is parsed where it lies. */
  #gathered: number = 0;
  #own: Uint8Array = EMPTY;
  #hostIndex: number = -1;
  #hasLength: boolean = false;
  #length: number = 0;
  #chunked: boolean = false;
  #options: number = 0;
  #upgradeField: number = UPGRADE_NONE;
  /** Responses: the request was HEAD. */
  #bodyless: boolean = false;
  /** The lines of an earlier head; null until a second one comes, so that connections of one request do not pay. */
  #memory: FieldMemory | null = null;
  /** The line of the memory that is due next. */
  #due: number = 0;
  #isFirst: boolean = true;

  constructor(role: number, limits: DecoderLimits) {
    this.#role = role;
    this.#limits = limits;
    this.#maxBytes = role === ROLE_TRAILERS ? limits.maxTrailerBytes : limits.maxHeadBytes;
    this.#maxFields = Math.min(limits.maxFields, MAX_FIELDS);
  }

  /** Ready for another head. `bodyless`: a response to HEAD. */
  reset(bodyless: boolean): void {
    this.head.reset();
    this.failure = null;
    this.#stage = this.#role === ROLE_TRAILERS ? STAGE_FIELDS : STAGE_START;
    this.#lineAt = 0;
    this.#blankLine = false;
    this.#gathered = 0;
    if (this.#own.length > MAX_KEPT_GATHER_BYTES) this.#own = EMPTY;
    this.#hostIndex = -1;
    this.#hasLength = false;
    this.#length = 0;
    this.#chunked = false;
    this.#options = 0;
    this.#upgradeField = UPGRADE_NONE;
    this.#bodyless = bodyless;
    this.#due = 0;
  }

  /** True when part of a head has come. A blank line alone is not part of one. */
  isPartial(): boolean {
    return this.#gathered > (this.#blankLine ? 2 : 0);
  }

  /** Parses from `at`; returns the position just after the head, NEED_MORE or REFUSED. */
  feed(bytes: Uint8Array, at: number): number {
    if (this.#gathered > 0) return this.#gather(bytes, at);
    const limit = Math.min(bytes.length, at + this.#maxBytes);
    this.#lineAt = at;
    const end = this.#parse(bytes, limit);
    if (end !== NEED_MORE) return end;
    if (limit - at === this.#maxBytes) return this.#refuseSize();
    this.#rebase(at);
    this.#keep(bytes, at, limit);
    return NEED_MORE;
  }

  #gather(bytes: Uint8Array, at: number): number {
    const before = this.#gathered;
    const limit = Math.min(bytes.length, at + this.#maxBytes - before);
    this.#keep(bytes, at, limit);
    const gathered = this.#gathered;
    // Without a new LF no line has become whole; not looking at the others keeps the work linear in the bytes received.
    if (this.#startLineIsLong() || contains(this.#own, before, gathered, LF)) {
      const end = this.#parse(this.#own, gathered);
      if (end >= 0) return at + end - before;
      if (end === REFUSED) return REFUSED;
    }
    return gathered === this.#maxBytes ? this.#refuseSize() : NEED_MORE;
  }

  #startLineIsLong(): boolean {
    return (
      this.#stage === STAGE_START && this.#gathered - this.#lineAt >= this.#limits.maxTargetBytes + START_LINE_MARGIN
    );
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    const needed = this.#gathered + end - start;
    if (needed > this.#own.length) {
      const grown = new Uint8Array(Math.min(this.#maxBytes, Math.max(needed * 2, FIRST_GATHER_BYTES)));
      grown.set(this.#own.subarray(0, this.#gathered));
      this.#own = grown;
      this.head.bytes = grown;
    }
    this.#own.set(bytes.subarray(start, end), this.#gathered);
    this.#gathered = needed;
  }

  /** The lines parsed so far move from `from` in a chunk to 0 in the own buffer. */
  #rebase(from: number): void {
    const head = this.head;
    this.#lineAt -= from;
    if (this.#stage === STAGE_START) return;
    if (this.#role === ROLE_REQUEST) {
      head.methodStart -= from;
      head.methodEnd -= from;
      head.targetStart -= from;
      head.targetEnd -= from;
      head.pathEnd -= from;
    } else if (this.#role === ROLE_RESPONSE) {
      head.reasonStart -= from;
      head.reasonEnd -= from;
    }
    if (head.authorityEnd > 0) {
      head.authorityStart -= from;
      head.authorityEnd -= from;
    }
    for (let index = 0; index < head.count * 4; index += 1) {
      head.spans[index] = (head.spans[index] as number) - from; // spans hold four numbers for each of head.count
    }
  }

  #refuse(failure: DecodeFailure): number {
    this.failure = failure;
    return REFUSED;
  }

  #refuseSize(): number {
    return this.#refuse(this.#role === ROLE_TRAILERS ? failures.TRAILERS_TOO_LARGE : failures.HEAD_TOO_LARGE);
  }

  /** A bad byte at `at`: refused when its line is whole, else judged when it is. */
  #refuseLine(failure: DecodeFailure, bytes: Uint8Array, at: number, limit: number): number {
    return contains(bytes, at, limit, LF) ? this.#refuse(failure) : NEED_MORE;
  }

  #parse(bytes: Uint8Array, limit: number): number {
    this.head.bytes = bytes;
    if (this.#stage === STAGE_START) {
      const next = this.#startLine(bytes, limit);
      if (next < 0) return next;
      this.#lineAt = next;
      this.#stage = STAGE_FIELDS;
    }
    const end = this.#fieldLines(bytes, this.#lineAt, limit);
    if (end < 0) return end;
    this.head.end = end;
    if (this.#role === ROLE_TRAILERS) return end;
    if (this.#memory === null || this.#memory.isStale()) this.#learn();
    const failure = this.#role === ROLE_REQUEST ? this.#completeRequest() : this.#completeResponse();
    return failure === null ? end : this.#refuse(failure);
  }

  #startLine(bytes: Uint8Array, limit: number): number {
    let at = this.#lineAt;
    if (this.#role === ROLE_REQUEST && !this.#blankLine && at + 1 < limit && bytes[at] === CR && bytes[at + 1] === LF) {
      // RFC 9112 section 2.2: one empty line before a request line is ignored (some clients end a body with CRLF).
      this.#blankLine = true;
      at += 2;
      this.#lineAt = at;
    }
    const bound = at + this.#limits.maxTargetBytes + START_LINE_MARGIN;
    const stop = Math.min(limit, bound);
    const next = this.#role === ROLE_REQUEST ? this.#requestLine(bytes, at, stop) : this.#statusLine(bytes, at, stop);
    if (next !== NEED_MORE || stop < bound) return next;
    return this.#refuse(this.#role === ROLE_REQUEST ? failures.TARGET_TOO_LONG : failures.HEAD_TOO_LARGE);
  }

  #requestLine(bytes: Uint8Array, start: number, limit: number): number {
    const head = this.head;
    let at = start;
    while (at < limit && ((BYTE_CLASS[bytes[at] as number] as number) & BYTE_TOKEN) !== 0) at += 1; // `at` < limit
    if (at === limit) return NEED_MORE;
    if (bytes[at] !== SPACE || at === start) return this.#refuseLine(methodFault(bytes, start, at), bytes, at, limit);
    if (at - start > MAX_METHOD_BYTES) return this.#refuseLine(failures.METHOD_TOO_LONG, bytes, at, limit);
    head.methodStart = start;
    head.methodEnd = at;
    at += 1;
    const targetStart = at;
    while (at < limit && ((BYTE_CLASS[bytes[at] as number] as number) & BYTE_PATH) !== 0) at += 1;
    const pathEnd = at;
    if (at < limit && bytes[at] === QUESTION) {
      while (at < limit && ((BYTE_CLASS[bytes[at] as number] as number) & BYTE_QUERY) !== 0) at += 1;
    }
    if (at === limit) return NEED_MORE;
    if (bytes[at] !== SPACE)
      return this.#refuseLine(requestLineFault(bytes, at, failures.BAD_TARGET), bytes, at, limit);
    if (at === targetStart) return this.#refuseLine(failures.BAD_REQUEST_LINE, bytes, at, limit);
    // " HTTP/1.1\r\n" is eleven bytes. What a shorter line lacks is replaced by its LF, which no check below accepts.
    const version = versionAt(bytes, at + 1);
    if (limit - at < 11 || version < 0 || bytes[at + 9] !== CR || bytes[at + 10] !== LF) {
      return this.#refuseLine(versionFault(bytes, at + 1, version), bytes, at, limit);
    }
    if (version > 1) return this.#refuse(failures.BAD_VERSION);
    if (at - targetStart > this.#limits.maxTargetBytes) return this.#refuse(failures.TARGET_TOO_LONG);
    head.minorVersion = version;
    head.method = methodId(bytes, start, head.methodEnd);
    head.targetStart = targetStart;
    head.pathEnd = pathEnd;
    head.targetEnd = at;
    if (bytes[targetStart] !== SLASH || head.method === METHOD_CONNECT) {
      const failure = this.#otherTarget(bytes);
      if (failure !== null) return this.#refuse(failure);
    }
    return at + 11;
  }

  /** Absolute form, asterisk form and authority form (RFC 9112 section 3.2). */
  #otherTarget(bytes: Uint8Array): DecodeFailure | null {
    const head = this.head;
    const start = head.targetStart;
    if (head.method === METHOD_CONNECT) {
      const end = authorityEnd(bytes, start, head.targetEnd);
      if (end !== head.targetEnd || !hasPort(bytes, start, end)) return failures.BAD_AUTHORITY;
      head.authorityStart = start;
      head.authorityEnd = end;
      head.upgrade = true;
      return null;
    }
    if (bytes[start] === ASTERISK && head.targetEnd === start + 1) {
      return head.method === METHOD_OPTIONS ? null : failures.BAD_TARGET;
    }
    if (!startsWithIgnoreCase(bytes, start, head.pathEnd, HTTP_SCHEME)) {
      return contains(bytes, start, head.pathEnd, COLON) ? failures.BAD_SCHEME : failures.BAD_TARGET;
    }
    const authorityStart = start + HTTP_SCHEME.length;
    let slash = authorityStart;
    while (slash < head.pathEnd && bytes[slash] !== SLASH) slash += 1;
    const end = authorityEnd(bytes, authorityStart, slash);
    if (end < 0) return failures.BAD_AUTHORITY;
    head.absoluteForm = true;
    head.authorityStart = authorityStart;
    head.authorityEnd = end;
    head.targetStart = slash;
    return null;
  }

  #statusLine(bytes: Uint8Array, start: number, limit: number): number {
    const head = this.head;
    // "HTTP/1.1 200" is twelve bytes; one more says what follows.
    if (limit - start < 13) return this.#refuseLine(failures.BAD_STATUS_LINE, bytes, start, limit);
    const version = versionAt(bytes, start);
    const hundreds = (bytes[start + 9] as number) - 0x30; // thirteen bytes are there
    const tens = (bytes[start + 10] as number) - 0x30;
    const ones = (bytes[start + 11] as number) - 0x30;
    const digits = hundreds >= 1 && hundreds <= 5 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9;
    if (version < 0 || version > 1 || bytes[start + 8] !== SPACE || !digits) {
      const failure =
        version > 1 && digits && bytes[start + 8] === SPACE ? failures.BAD_VERSION : failures.BAD_STATUS_LINE;
      return this.#refuseLine(failure, bytes, start, limit);
    }
    let at = start + 12;
    head.reasonStart = at;
    // Some servers leave out the space before an absent reason; nothing can be misread for it.
    if (bytes[at] === SPACE) {
      at += 1;
      head.reasonStart = at;
      while (at < limit && ((BYTE_CLASS[bytes[at] as number] as number) & BYTE_VALUE) !== 0) at += 1;
    }
    if (at + 1 >= limit) return this.#refuseLine(failures.BARE_LF, bytes, at, limit);
    if (bytes[at] !== CR || bytes[at + 1] !== LF) {
      return this.#refuseLine(lineEndFault(bytes, at, failures.BAD_STATUS_LINE), bytes, at, limit);
    }
    head.reasonEnd = at;
    head.minorVersion = version;
    head.status = hundreds * 100 + tens * 10 + ones;
    return at + 2;
  }

  #learn(): void {
    if (this.#isFirst) this.#isFirst = false;
    else if (this.head.count > 0) {
      this.#memory ??= new FieldMemory();
      this.#memory.learn(this.head);
    }
  }

  /** Parses whole field lines from `start`; returns the position after the blank line, NEED_MORE or REFUSED. */
  #fieldLines(bytes: Uint8Array, start: number, limit: number): number {
    const head = this.head;
    const memory = this.#memory;
    const classes = BYTE_CLASS; // a module's binding is loaded at each use
    let lineAt = start;
    for (;;) {
      let colon = -1;
      if (memory !== null && this.#due < memory.count) {
        lineAt = this.#takeOver(memory, bytes, lineAt, limit);
        if (lineAt < 0) return REFUSED;
        if (this.#due < memory.count) colon = memory.colonOf(this.#due, bytes, lineAt, limit);
      }
      let at = lineAt;
      if (colon > 0) at = colon;
      else while (at < limit && ((classes[bytes[at] as number] as number) & BYTE_TOKEN) !== 0) at += 1; // `at` < limit
      if (at === limit) return NEED_MORE;
      const nameEnd = at;
      if (bytes[at] !== COLON || at === lineAt) {
        if (at === lineAt && bytes[at] === CR && at + 1 < limit && bytes[at + 1] === LF) return at + 2;
        return this.#refuseLine(nameFault(bytes, lineAt, at), bytes, at, limit);
      }
      at += 1;
      while (at < limit && (bytes[at] === SPACE || bytes[at] === TAB)) at += 1;
      const valueStart = at;
      // BYTE_VALUE as comparisons: most bytes of a head are here, and this saves a load for each.
      while (at < limit) {
        const byte = bytes[at] as number;
        if (byte < SPACE ? byte !== TAB : byte === DELETE) break;
        at += 1;
      }
      if (at + 1 >= limit) return at === limit ? NEED_MORE : this.#refuseLine(failures.BARE_LF, bytes, at, limit);
      if (bytes[at] !== CR || bytes[at + 1] !== LF) {
        return this.#refuseLine(lineEndFault(bytes, at, failures.BAD_FIELD_VALUE), bytes, at, limit);
      }
      let valueEnd = at;
      while (valueEnd > valueStart && (bytes[valueEnd - 1] === SPACE || bytes[valueEnd - 1] === TAB)) valueEnd -= 1;
      const index = head.count;
      if (index === this.#maxFields) return this.#refuse(failures.TOO_MANY_FIELDS);
      if (index === head.ids.length) head.grow();
      const { spans, ids } = head;
      let id: number;
      if (memory !== null && this.#due < memory.count) {
        id = colon > 0 ? (memory.ids[this.#due] as number) : fieldId(bytes, lineAt, nameEnd);
        this.#due = colon > 0 ? memory.changed(this.#due) : memory.missed(this.#due, bytes, lineAt, limit);
      } else {
        id = fieldId(bytes, lineAt, nameEnd);
      }
      ids[index] = id;
      spans[index * 4] = lineAt;
      spans[index * 4 + 1] = nameEnd;
      spans[index * 4 + 2] = valueStart;
      spans[index * 4 + 3] = valueEnd;
      head.count = index + 1;
      if (id !== FIELD_OTHER || this.#role === ROLE_TRAILERS) {
        const failure = this.#role === ROLE_TRAILERS ? this.#trailer(index) : this.#knownField(id, index);
        if (failure !== null) return this.#refuse(failure);
      }
      lineAt = at + 2;
      this.#lineAt = lineAt;
    }
  }

  /** Takes over the lines that are the same as those that are due; returns where the next one starts, or REFUSED. */
  #takeOver(memory: FieldMemory, bytes: Uint8Array, start: number, limit: number): number {
    const head = this.head;
    let at = start;
    while (this.#due < memory.count) {
      const line = this.#due;
      const lines = memory.countSame(line, bytes, at, limit);
      const first = head.count;
      // Where there are too many, they are taken one by one: a fault in an earlier one is told first.
      if (lines === 0 || first + lines > this.#maxFields) return at;
      while (first + lines > head.ids.length) head.grow();
      at = memory.takeOver(line, lines, head, at);
      this.#due = line + lines;
      this.#lineAt = at;
      for (let index = 0; index < lines; index += 1) {
        const id = memory.ids[line + index] as number; // the memory has these lines
        if (JUDGED_FIELDS[id] === 0) continue;
        const failure = this.#judgeAgain(id, first + index, memory.verdicts[line + index] as number);
        if (failure !== null) return this.#refuse(failure);
      }
    }
    return at;
  }

  /** As `#knownField`, where the value has been read before. */
  #judgeAgain(id: number, index: number, verdict: number): DecodeFailure | null {
    if (id === FIELD_CONNECTION) {
      this.#options |= verdict;
      return null;
    }
    if (id !== FIELD_HOST) return this.#knownField(id, index);
    return this.#role === ROLE_REQUEST ? this.#host(index, this.head.spans[index * 4 + 2] as number, verdict) : null;
  }

  #knownField(id: number, index: number): DecodeFailure | null {
    const head = this.head;
    const start = head.spans[index * 4 + 2] as number; // index is below head.count
    const end = head.spans[index * 4 + 3] as number;
    switch (id) {
      case FIELD_HOST:
        return this.#role === ROLE_REQUEST ? this.#host(index, start, hostLength(head.bytes, start, end)) : null;
      case FIELD_CONTENT_LENGTH:
        if (this.#hasLength) return failures.DUPLICATE_CONTENT_LENGTH;
        this.#hasLength = true;
        this.#length = parseContentLength(head.bytes, start, end);
        return this.#length < 0 ? failures.BAD_CONTENT_LENGTH : null;
      case FIELD_TRANSFER_ENCODING:
        if (this.#chunked) return failures.BAD_TRANSFER_ENCODING;
        this.#chunked = true;
        return checkTransferEncoding(head.bytes, start, end);
      case FIELD_CONNECTION:
        this.#options |= connectionOptions(head.bytes, start, end);
        return (this.#options & OPTION_BAD) === 0 ? null : failures.BAD_CONNECTION;
      case FIELD_TE:
        if (!equalsIgnoreCase(head.bytes, start, end, TRAILERS)) head.ids[index] = FIELD_DROPPED;
        return null;
      case FIELD_UPGRADE:
        if (!isCarriedUpgrade(head.bytes, start, end)) this.#upgradeField = UPGRADE_PASSED_OVER;
        else if (this.#upgradeField === UPGRADE_NONE) this.#upgradeField = UPGRADE_CARRIED;
        return null;
      case FIELD_EXPECT:
        if (this.#role !== ROLE_REQUEST) return null;
        if (head.minorVersion === 0) {
          // RFC 9110 section 10.1.1: ignored in an HTTP/1.0 request, and not passed on as HTTP/1.1.
          head.ids[index] = FIELD_DROPPED;
          return null;
        }
        if (!equalsIgnoreCase(head.bytes, start, end, CONTINUE)) return failures.BAD_EXPECTATION;
        head.expectContinue = true;
        return null;
      default:
        return null;
    }
  }

  /** `length`: of the authority in the value; 0 = the value is empty, -1 = it is none. */
  #host(index: number, start: number, length: number): DecodeFailure | null {
    if (this.#hostIndex >= 0) return failures.DUPLICATE_HOST;
    this.#hostIndex = index;
    if (length < 0) return failures.BAD_HOST;
    // RFC 9112 section 3.2.2: with an absolute-form (or authority-form) target the Host field is ignored and replaced.
    if (length > 0 && this.head.authorityEnd === 0) {
      this.head.authorityStart = start;
      this.head.authorityEnd = start + length;
    }
    return null;
  }

  #trailer(index: number): DecodeFailure | null {
    const head = this.head;
    const id = head.ids[index] as number; // index is below head.count
    if (isFramingField(id)) return failures.FORBIDDEN_TRAILER;
    if (isForbiddenTrailer(id, head.bytes, head.spans[index * 4] as number, head.spans[index * 4 + 1] as number)) {
      head.ids[index] = FIELD_DROPPED;
    }
    return null;
  }

  #completeRequest(): DecodeFailure | null {
    const head = this.head;
    if (this.#hostIndex < 0 && head.minorVersion === 1) return failures.MISSING_HOST;
    const failure = this.#completeCommon();
    if (failure !== null) return failure;
    if (this.#chunked) {
      head.bodyKind = BODY_CHUNKED;
    } else if (this.#hasLength) {
      head.bodyKind = BODY_LENGTH;
      head.contentLength = this.#length;
    }
    // RFC 9110 section 7.8: a server ignores an upgrade that an HTTP/1.0 request asks for.
    const carried = this.#upgradeField === UPGRADE_CARRIED && head.minorVersion === 1;
    if (carried && (this.#options & OPTION_UPGRADE) !== 0) head.upgrade = true;
    if (head.absoluteForm && lacksPath(head)) completePath(head);
    return null;
  }

  #completeResponse(): DecodeFailure | null {
    const head = this.head;
    const failure = this.#completeCommon();
    if (failure !== null) return failure;
    if (this.#hasLength) head.declaredLength = this.#length;
    // RFC 9112 section 6.3: these have no body whatever their fields say.
    if (head.status < 200 || head.status === 204) {
      head.declaredLength = -1;
      head.bodyKind = BODY_NONE;
    } else if (this.#bodyless || head.status === 304) {
      head.bodyKind = BODY_NONE;
    } else if (this.#chunked) {
      head.bodyKind = BODY_CHUNKED;
    } else if (this.#hasLength) {
      head.bodyKind = BODY_LENGTH;
      head.contentLength = this.#length;
      head.declaredLength = -1;
    } else {
      head.bodyKind = BODY_UNTIL_CLOSE;
      head.keepAlive = false;
    }
    return null;
  }

  /** What requests and responses share: framing conflicts, persistence, nominated fields. */
  #completeCommon(): DecodeFailure | null {
    const head = this.head;
    if (this.#chunked && this.#hasLength) return failures.CL_TE;
    if (this.#chunked && head.minorVersion === 0) return failures.TE_IN_HTTP10;
    const options = this.#options;
    if (options === 0) {
      head.keepAlive = head.minorVersion === 1;
      return null;
    }
    if ((options & OPTION_CLOSE) !== 0) head.keepAlive = false;
    else head.keepAlive = head.minorVersion === 1 || (options & OPTION_KEEP_ALIVE) !== 0;
    return (options & OPTION_NOMINATES) === 0 ? null : dropNominated(head);
  }
}

function contains(bytes: Uint8Array, start: number, end: number, byte: number): boolean {
  for (let at = start; at < end; at += 1) if (bytes[at] === byte) return true;
  return false;
}
