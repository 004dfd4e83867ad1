// hot. One state machine; the table of its states is in the class comment.
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_TUNNEL, type Head } from "../head.ts";
import { BYTE_CLASS, BYTE_VALUE, HEX_VALUE } from "./byte-class.ts";
import * as failures from "./decode-failure.ts";
import type { DecodeFailure, DecoderLimits, Http1Sink } from "./decoder-contract.ts";
import { HeadParser, NEED_MORE, REFUSED, ROLE_REQUEST, ROLE_RESPONSE, ROLE_TRAILERS } from "./head-parser.ts";

const WAITING = 0;
const HEAD = 1;
const DATA_LENGTH = 2;
const CHUNK_SIZE = 3;
const CHUNK_EXTENSION = 4;
const CHUNK_SIZE_LF = 5;
const CHUNK_DATA = 6;
const CHUNK_DATA_CR = 7;
const CHUNK_DATA_LF = 8;
const TRAILERS = 9;
const DATA_UNTIL_CLOSE = 10;
const ENDING = 11;
const STOPPED = 12;

const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;
const MAX_CHUNK_SIZE_DIGITS = 16;
const MAX_INTERIM = 16;
const EMPTY: Uint8Array = new Uint8Array(0);

/**
 * Turns the bytes of one side of an HTTP/1.1 connection into events, strictly: whatever two parsers could read in two ways
 * is refused (RFC 9112 section 11.2).
 *
 * ```
 * WAITING ──next / expect──▶ HEAD ──▶ ENDING                             no body
 *    ▲                        │  ├──▶ DATA_LENGTH ──▶ ENDING
 *    │                        │  ├──▶ CHUNK_SIZE ⇄ CHUNK_DATA …, CHUNK_SIZE(0) ──▶ TRAILERS ──▶ ENDING
 *    │                        │  └──▶ DATA_UNTIL_CLOSE ──finish──▶ ENDING
 *    └────────onEnd───────────┼────────────────────────────────────┘
 *                          STOPPED  (failure or stop; final)
 * ```
 *
 * A tunnel (RFC 9110 sections 7.8 and 9.3.6) is DATA_UNTIL_CLOSE too: `tunnel()` takes a request decoder there from
 * WAITING, a 101 that was expected takes a response decoder there. Bytes that had come before are handed out first.
 *
 * Requests: the first message may come at once; after each `onEnd` the decoder waits for `next()`, and bytes that come
 * meanwhile (pipelining) are kept. Responses: each message must be announced with `expect()`; bytes without one fail as
 * "unsolicited". When bytes follow the end of a response in the same chunk, `head.keepAlive` is false by the time `onEnd`
 * is called and `onFailure` comes right after, so such a connection must not be used again.
 *
 * The bytes given to `decode` are never changed, and views of them are handed out. The decoder never throws.
 */
export class Http1Decoder {
  /** The head of the present message; valid from `onHead` until `next()` or `expect()`. */
  readonly head: Head;

  readonly #sink: Http1Sink;
  readonly #limits: DecoderLimits;
  readonly #isRequest: boolean;
  readonly #parser: HeadParser;
  /** Made when the first trailer section comes. */
  #trailerParser: HeadParser | null = null;
  #hasTrailers: boolean = false;
  #state: number;
  #paused: boolean = false;
  #running: boolean = false;
  /** The peer's FIN came. */
  #finished: boolean = false;
  #bodyless: boolean = false;
  /** Responses: 101 may come. */
  #upgradeAsked: boolean = false;
  #interimCount: number = 0;
  #chunk: Uint8Array = EMPTY;
  #at: number = 0;
  /** Chunks behind `#chunk`. */
  readonly #queue: Uint8Array[] = [];
  #queuedBytes: number = 0;
  /** Body or chunk bytes still to come; while a chunk size is read, the size so far. */
  #remaining: number = 0;
  #sizeDigits: number = 0;
  #extensionBytes: number = 0;

  constructor(role: "request" | "response", sink: Http1Sink, limits: DecoderLimits) {
    this.#isRequest = role === "request";
    this.#sink = sink;
    this.#limits = limits;
    this.#parser = new HeadParser(this.#isRequest ? ROLE_REQUEST : ROLE_RESPONSE, limits);
    this.#parser.reset(false);
    this.head = this.#parser.head;
    this.#state = this.#isRequest ? HEAD : WAITING;
  }

  /** Takes the next bytes of the connection and reports what they complete, before it returns unless paused. */
  decode(bytes: Uint8Array): void {
    if (this.#state === STOPPED || bytes.length === 0) return;
    if (this.#chunk.length === 0) {
      this.#chunk = bytes;
      this.#at = 0;
    } else {
      this.#queue.push(bytes);
      this.#queuedBytes += bytes.length;
    }
    this.#run();
    // Checked after running: what counts is what has to be kept.
    if (!this.#running && this.pendingBytes() > this.#limits.maxPendingBytes) this.#fail(failures.PENDING_OVERFLOW);
  }

  /** The peer will send no more. Ends a body that lasts until close; fails a message that is cut short. */
  finish(): void {
    this.#finished = true;
    this.#run();
  }

  /** No further event until `resume()`. Bytes that come meanwhile are kept up to the limit: stop reading as well. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#run();
  }

  isPaused(): boolean {
    return this.#paused;
  }

  /** Requests: the exchange of the last message is over, its head may be reused; decode the next one. */
  next(): void {
    if (this.#state !== WAITING) return;
    this.#begin(false);
    this.#run();
  }

  /** Responses: a request was sent, and its answer is due. `toHead`: its method is HEAD; `toUpgrade`: it asks for one. */
  expect(toHead: boolean, toUpgrade: boolean = false): void {
    if (this.#state !== WAITING) return;
    this.#upgradeAsked = toUpgrade;
    this.#begin(toHead);
    this.#run();
  }

  /** Requests, after `onEnd`: all bytes from here to FIN belong to another protocol. They come as data, FIN as the end. */
  tunnel(): void {
    if (this.#state !== WAITING) return;
    this.#hasTrailers = false;
    this.#state = DATA_UNTIL_CLOSE;
    this.#run();
  }

  /** No event after this one. What is kept is dropped. */
  stop(): void {
    this.#state = STOPPED;
    this.#chunk = EMPTY;
    this.#at = 0;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
  }

  /** Bytes kept and not yet decoded: above zero while paused or waiting, reading from the connection should rest. */
  pendingBytes(): number {
    return this.#chunk.length - this.#at + this.#queuedBytes;
  }

  /** True between messages with nothing kept: the connection is clean. */
  isIdle(): boolean {
    if (this.pendingBytes() > 0) return false;
    return this.#state === WAITING || (this.#state === HEAD && this.#isRequest && !this.#parser.isPartial());
  }

  #begin(bodyless: boolean): void {
    this.#bodyless = bodyless;
    this.#interimCount = 0;
    this.#hasTrailers = false;
    this.#parser.reset(bodyless);
    this.#state = HEAD;
  }

  /** Works until bytes run out or something holds it. Calls from inside a sink only change what this loop sees next. */
  #run(): void {
    if (this.#running) return;
    this.#running = true;
    for (;;) {
      if (this.#paused || this.#state === STOPPED) break;
      if (this.#state === ENDING) {
        this.#end();
        continue;
      }
      if (this.#at === this.#chunk.length && !this.#nextChunk()) {
        if (!this.#finished || this.#state === WAITING) break;
        this.#finishMessage();
        continue;
      }
      if (this.#state === WAITING) {
        if (!this.#isRequest) this.#fail(failures.UNSOLICITED);
        break;
      }
      this.#step();
    }
    this.#running = false;
  }

  #nextChunk(): boolean {
    this.#at = 0;
    // `shift` of an empty array is not free, and this is what every message ends with.
    const next = this.#queue.length === 0 ? undefined : this.#queue.shift();
    if (next === undefined) {
      this.#chunk = EMPTY;
      return false;
    }
    this.#chunk = next;
    this.#queuedBytes -= next.length;
    return true;
  }

  /** Takes at least one byte, or fails. */
  #step(): void {
    switch (this.#state) {
      case HEAD:
        this.#takeHead();
        break;
      case DATA_LENGTH:
      case CHUNK_DATA:
        this.#takeData();
        break;
      case DATA_UNTIL_CLOSE:
        this.#emit(this.#chunk.length);
        break;
      case CHUNK_SIZE:
        this.#takeChunkSize();
        break;
      case CHUNK_EXTENSION:
        this.#takeChunkExtension();
        break;
      case CHUNK_SIZE_LF:
        if (this.#chunk[this.#at] !== LF) this.#fail(failures.BARE_CR);
        else this.#startChunk();
        break;
      case CHUNK_DATA_CR:
        this.#takeByte(CR, CHUNK_DATA_LF);
        break;
      case CHUNK_DATA_LF:
        this.#takeByte(LF, CHUNK_SIZE);
        this.#sizeDigits = 0;
        break;
      default:
        this.#takeTrailers();
        break;
    }
  }

  #takeHead(): void {
    const end = this.#parser.feed(this.#chunk, this.#at);
    if (end === NEED_MORE) {
      this.#at = this.#chunk.length;
      return;
    }
    if (end === REFUSED) {
      this.#fail(this.#parser.failure as DecodeFailure); // set whenever REFUSED is returned
      return;
    }
    this.#at = end;
    const head = this.head;
    if (!this.#isRequest && head.status < 200) {
      if (head.status !== 101 || !this.#upgradeAsked) {
        this.#interim();
        return;
      }
      head.bodyKind = BODY_TUNNEL;
    }
    switch (head.bodyKind) {
      case BODY_NONE:
        this.#state = ENDING;
        break;
      case BODY_LENGTH:
        this.#remaining = head.contentLength;
        this.#state = head.contentLength === 0 ? ENDING : DATA_LENGTH;
        break;
      case BODY_CHUNKED:
        this.#remaining = 0;
        this.#sizeDigits = 0;
        this.#extensionBytes = 0;
        this.#state = CHUNK_SIZE;
        break;
      default:
        this.#state = DATA_UNTIL_CLOSE;
        break;
    }
    this.#sink.onHead(head);
  }

  #interim(): void {
    this.#interimCount += 1;
    if (this.head.status === 101) this.#fail(failures.UNASKED_UPGRADE);
    else if (this.#interimCount > MAX_INTERIM) this.#fail(failures.TOO_MANY_INTERIM);
    else {
      this.#sink.onInterim(this.head);
      if (this.#state === HEAD) this.#parser.reset(this.#bodyless);
    }
  }

  #takeData(): void {
    const available = this.#chunk.length - this.#at;
    const take = available < this.#remaining ? available : this.#remaining;
    this.#remaining -= take;
    // The state comes first: the sink may stop the decoder inside onData.
    if (this.#remaining === 0) this.#state = this.#state === CHUNK_DATA ? CHUNK_DATA_CR : ENDING;
    this.#emit(this.#at + take);
  }

  /** Hands out the bytes up to `end`. */
  #emit(end: number): void {
    const start = this.#at;
    this.#at = end;
    const chunk = this.#chunk;
    this.#sink.onData(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end));
  }

  #takeChunkSize(): void {
    const chunk = this.#chunk;
    while (this.#at < chunk.length) {
      const byte = chunk[this.#at] as number; // `#at` is below the length
      const digit = HEX_VALUE[byte] as number;
      if (digit === 255) {
        this.#endChunkSize(byte);
        return;
      }
      this.#sizeDigits += 1;
      this.#remaining = (this.#sizeDigits === 1 ? 0 : this.#remaining * 16) + digit;
      if (this.#sizeDigits > MAX_CHUNK_SIZE_DIGITS || this.#remaining > Number.MAX_SAFE_INTEGER) {
        this.#fail(failures.BAD_CHUNK_SIZE);
        return;
      }
      this.#at += 1;
    }
  }

  #endChunkSize(byte: number): void {
    if (byte === LF) this.#fail(failures.BARE_LF);
    else if (this.#sizeDigits === 0 || (byte !== CR && byte !== SEMICOLON)) this.#fail(failures.BAD_CHUNK_SIZE);
    else {
      this.#at += 1;
      this.#state = byte === CR ? CHUNK_SIZE_LF : CHUNK_EXTENSION;
    }
  }

  /** Extensions are read over and dropped (RFC 9112 section 7.1.1). */
  #takeChunkExtension(): void {
    const chunk = this.#chunk;
    while (this.#at < chunk.length) {
      const byte = chunk[this.#at] as number; // `#at` is below the length
      if (byte === CR) {
        this.#at += 1;
        this.#state = CHUNK_SIZE_LF;
        return;
      }
      this.#extensionBytes += 1;
      if (
        ((BYTE_CLASS[byte] as number) & BYTE_VALUE) === 0 ||
        this.#extensionBytes > this.#limits.maxChunkExtensionBytes
      ) {
        this.#fail(byte === LF ? failures.BARE_LF : failures.BAD_CHUNK_EXTENSION);
        return;
      }
      this.#at += 1;
    }
  }

  #startChunk(): void {
    this.#at += 1;
    if (this.#remaining === 0) {
      this.#state = TRAILERS;
      return;
    }
    // Extensions may grow with the body, not beside it: many one-byte chunks with long extensions are an attack.
    this.#extensionBytes = Math.max(0, this.#extensionBytes - this.#remaining);
    this.#state = CHUNK_DATA;
  }

  #takeByte(expected: number, state: number): void {
    if (this.#chunk[this.#at] !== expected) {
      this.#fail(failures.BAD_CHUNK_END);
      return;
    }
    this.#at += 1;
    this.#state = state;
  }

  #takeTrailers(): void {
    const chunk = this.#chunk;
    let parser = this.#trailerParser;
    if (!this.#hasTrailers) {
      if (chunk[this.#at] === CR && chunk[this.#at + 1] === LF) {
        this.#at += 2;
        this.#state = ENDING;
        return;
      }
      parser ??= new HeadParser(ROLE_TRAILERS, this.#limits);
      parser.reset(false);
      this.#trailerParser = parser;
      this.#hasTrailers = true;
    }
    if (parser === null) return;
    const end = parser.feed(chunk, this.#at);
    if (end === REFUSED) {
      this.#fail(parser.failure as DecodeFailure); // set whenever REFUSED is returned
    } else if (end === NEED_MORE) {
      this.#at = chunk.length;
    } else {
      this.#at = end;
      this.#state = ENDING;
    }
  }

  #end(): void {
    const trailers = this.#hasTrailers ? (this.#trailerParser as HeadParser).head : null; // made with #hasTrailers
    const excess = !this.#isRequest && this.pendingBytes() > 0;
    // Before the sink can put the connection back: bytes nobody asked for must never answer the next request.
    if (excess) this.head.keepAlive = false;
    this.#state = excess ? STOPPED : WAITING;
    this.#sink.onEnd(trailers !== null && trailers.count > 0 ? trailers : null);
    if (excess) this.#fail(failures.UNSOLICITED);
  }

  /** FIN, and every byte before it is decoded. */
  #finishMessage(): void {
    if (this.#state === DATA_UNTIL_CLOSE) this.#state = ENDING;
    else if (this.#isRequest && this.#state === HEAD && !this.#parser.isPartial()) this.stop();
    else this.#fail(failures.TRUNCATED);
  }

  #fail(failure: DecodeFailure): void {
    this.stop();
    this.#sink.onFailure(failure);
  }
}
