// hot. Longer than most files: one state machine, the rules of RFC 9113 sections 3 to 6.
import { COPIED_BYTES } from "../../transport/write-queue.ts";
import { BODY_LENGTH, type Head } from "../head.ts";
import { FloodGuard } from "./flood-guard.ts";
import * as frames from "./frame.ts";
import {
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLAG_PRIORITY,
  FRAME_CONTINUATION,
  FRAME_DATA,
  FRAME_GOAWAY,
  FRAME_HEADER_BYTES,
  FRAME_HEADERS,
  FRAME_PING,
  FRAME_PRIORITY,
  FRAME_PUSH_PROMISE,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_WINDOW_UPDATE,
  MAX_STREAM_ID,
  MAX_WINDOW_BYTES,
  readUint32,
  writeFrameHeader,
  writeUint32,
} from "./frame.ts";
import {
  HEAD_COMPRESSION,
  HEAD_OK,
  HEAD_TOO_LARGE,
  HeadDecoder,
  KIND_REQUEST,
  KIND_RESPONSE,
  KIND_TRAILERS,
} from "./hpack/head-decoder.ts";
import { HeadEncoder } from "./hpack/head-encoder.ts";
import type { Http2Stream } from "./http2-stream.ts";
import { IgnoredStreams } from "./ignored-streams.ts";
import type { Http2Limits, Http2Output, Http2Owner, Http2SessionOptions } from "./session-contract.ts";
import { ignoredHead } from "./ignored-head.ts";

const MAX_KEPT_VIEW_BYTES = 2_048;
/** A header block longer than this many frames is an attack (CVE-2024-27316 and its like). */
const MAX_CONTINUATIONS = 64;
/** Settings in one frame; there are eight. nghttp2 allows 32 (CVE-2020-11080). */
const MAX_SETTINGS = 32;
/** What a peer may send for each DATA frame that it gets, at least its WINDOW_UPDATEs. Envoy allows 10 of those. */
const CONTROLS_PER_DATA = 10;
/** DATA that a window cut to less than this was not worth the WINDOW_UPDATE (CVE-2019-9511). */
const DRIBBLE_BYTES = 1_024;

/** Frames are put together here; no larger than what an output copies, so that it is free again at once. */
const scratch: Uint8Array = Buffer.allocUnsafeSlow(COPIED_BYTES);
const views: (Uint8Array | null)[] = Array.from({ length: MAX_KEPT_VIEW_BYTES + 1 }, () => null);
const EMPTY: Uint8Array = new Uint8Array(0);

export const SEND_REQUEST: number = KIND_REQUEST;
export const SEND_RESPONSE: number = KIND_RESPONSE;

/**
 * One HTTP/2 connection as a codec: bytes in, events of streams out; heads and data in, frames out. Either role. It knows
 * no sockets and no timers; its owner closes what it says is over.
 *
 * Bytes given to `receive` are never changed, and views of them are handed out as data. Frames that cost work and carry
 * nothing are budgeted; whatever breaks the protocol ends the stream or, where the RFC says so, the session with GOAWAY.
 */
export class Http2Session {
  readonly #isServer: boolean;
  readonly #output: Http2Output;
  readonly #owner: Http2Owner;
  readonly #limits: Http2Limits;
  readonly #decoder: HeadDecoder;
  readonly #encoder: HeadEncoder;
  readonly #streams: Map<number, Http2Stream> = new Map();
  readonly #ignored: IgnoredStreams;
  readonly #resets: FloodGuard;
  readonly #controls: FloodGuard;
  #over: boolean = false;
  /** Servers: bytes of the preface still to come. */
  #prefaceLeft: number;
  /** Frames and header blocks that came to their end; of DATA, that began. */
  #completed: number = 0;
  #settingsSeen: boolean = false;
  /** Highest stream that the peer opened. */
  #lastPeerStream: number = 0;
  #nextStream: number = 1;
  /** Streams above it get no answer: we have said so by GOAWAY. */
  #acceptUpTo: number = MAX_STREAM_ID;
  #peerGoaway: boolean = false;

  // What the peer allows us.
  #sendWindow: number = frames.DEFAULT_WINDOW_BYTES;
  #peerInitialWindow: number = frames.DEFAULT_WINDOW_BYTES;
  #peerFrameBytes: number = frames.DEFAULT_FRAME_BYTES;
  #peerMaxStreams: number = MAX_STREAM_ID;
  #peerConnectProtocol: boolean = false;
  #outputBlocked: boolean = false;
  /** Written although the output is blocked: heads, resets and answers to control frames. */
  #blockedBytes: number = 0;
  /** Streams whose senders were told to stop, in the order in which they are served. */
  readonly #waiting: Http2Stream[] = [];

  // What we allow the peer.
  #receiveWindow: number;
  #uncredited: number = 0;
  #held: number = 0;

  // A frame or header block that is not complete yet.
  #stash: Uint8Array = EMPTY;
  #stashLength: number = 0;
  #stashNeed: number = 0;
  #skipLeft: number = 0;
  #dataLeft: number = 0;
  #dataPadding: number = 0;
  #dataStream: Http2Stream | null = null;
  #dataStreamId: number = 0;
  #dataEnds: boolean = false;
  #block: Uint8Array = EMPTY;
  #blockLength: number = 0;
  #blockStream: number = 0;
  #blockEnds: boolean = false;
  #blockFrames: number = 0;

  constructor(options: Http2SessionOptions) {
    const { role, limits, nowMs } = options;
    this.#isServer = role === "server";
    this.#output = options.output;
    this.#owner = options.owner;
    this.#limits = limits;
    this.#decoder = new HeadDecoder({
      maxHeadBytes: limits.maxHeadBytes,
      maxTargetBytes: limits.maxTargetBytes,
      maxFields: limits.maxFields,
      maxTableBytes: limits.headerTableBytes,
    });
    this.#encoder = new HeadEncoder({ tableBytes: limits.headerTableBytes });
    this.#resets = new FloodGuard(limits.resetBurst, limits.resetsPerSecond, nowMs);
    this.#controls = new FloodGuard(limits.controlBurst, limits.controlsPerSecond, nowMs);
    this.#prefaceLeft = this.#isServer ? frames.PREFACE.length : 0;
    this.#receiveWindow = limits.connectionWindowBytes;
    this.#ignored = new IgnoredStreams(Math.max(1_024, limits.maxStreams));
  }

  /** Sends the preface and our SETTINGS. */
  start(): void {
    if (!this.#isServer) this.#output.write(frames.PREFACE);
    const limits = this.#limits;
    const settings: [number, number][] = [
      [frames.SETTINGS_HEADER_TABLE_SIZE, limits.headerTableBytes],
      [frames.SETTINGS_INITIAL_WINDOW_SIZE, limits.streamWindowBytes],
      [frames.SETTINGS_MAX_FRAME_SIZE, limits.maxFrameBytes],
      [frames.SETTINGS_MAX_HEADER_LIST_SIZE, limits.maxHeadBytes],
    ];
    if (this.#isServer) {
      settings.push([frames.SETTINGS_MAX_CONCURRENT_STREAMS, limits.maxStreams]);
      settings.push([frames.SETTINGS_ENABLE_CONNECT_PROTOCOL, 1]);
    } else {
      settings.push([frames.SETTINGS_ENABLE_PUSH, 0]);
    }
    let at = FRAME_HEADER_BYTES;
    for (const [id, value] of settings) {
      scratch[at] = id >>> 8;
      scratch[at + 1] = id;
      writeUint32(scratch, at + 2, value);
      at += 6;
    }
    writeFrameHeader(scratch, 0, at - FRAME_HEADER_BYTES, FRAME_SETTINGS << 8, 0);
    this.#write(at);
    const extra = limits.connectionWindowBytes - frames.DEFAULT_WINDOW_BYTES;
    if (extra > 0) this.#writeWindowUpdate(0, extra);
  }

  // State that owners ask for.

  activeStreams(): number {
    return this.#streams.size;
  }

  isOver(): boolean {
    return this.#over;
  }

  /** Clients: another request may be sent now. */
  canOpen(): boolean {
    return (
      !this.#over &&
      !this.#peerGoaway &&
      this.#settingsSeen &&
      this.#streams.size < this.#peerMaxStreams &&
      this.#nextStream < MAX_STREAM_ID
    );
  }

  /** The peer will take no more requests, ever. */
  isSpent(): boolean {
    return this.#over || this.#peerGoaway || this.#nextStream >= MAX_STREAM_ID;
  }

  /** The peer carries extended CONNECT (RFC 8441). */
  carriesTunnels(): boolean {
    return this.#peerConnectProtocol;
  }

  /** A frame or header block has begun and is not complete. */
  isMidFrame(): boolean {
    return this.#stashLength > 0 || this.#blockStream !== 0 || (this.#prefaceLeft > 0 && this.#isServer);
  }

  /** Grows with every frame and header block: while it does not, one that `isMidFrame` tells of is stuck. */
  completedFrames(): number {
    return this.#completed;
  }

  /** Grows with every stream that the peer opens. */
  lastPeerStream(): number {
    return this.#lastPeerStream;
  }

  // Bytes in.

  receive(bytes: Uint8Array): void {
    let at = 0;
    if (this.#prefaceLeft > 0) at = this.#takePreface(bytes);
    while (at < bytes.length && !this.#over) {
      if (this.#dataLeft > 0 || this.#dataPadding > 0) at = this.#takeData(bytes, at);
      else if (this.#skipLeft > 0) at = this.#skip(bytes, at);
      else if (this.#stashNeed > 0) at = this.#fillStash(bytes, at);
      else at = this.#takeFrame(bytes, at, bytes.length);
      // DATA waits when the output is blocked, and everything else is small: only who never reads lets it grow so far.
      if (this.#blockedBytes > this.#limits.maxBlockedBytes) {
        this.fail(frames.ENHANCE_YOUR_CALM, "The peer makes requests and does not read the answers");
      }
    }
  }

  /** The connection can take more. */
  onDrain(): void {
    this.#outputBlocked = false;
    this.#blockedBytes = 0;
    this.#pump();
  }

  /** The connection is gone: every open stream is told, nothing is written any more. */
  abandon(code: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#resetAll(code, 0);
  }

  // Frames out.

  /** Clients: opens a stream for a request. Only when `canOpen`. `end` = there is no body. */
  openStream(stream: Http2Stream, head: Head, end: boolean): void {
    const id = this.#nextStream;
    this.#nextStream += 2;
    this.#enter(stream, id);
    this.#sendHeaders(stream, KIND_REQUEST, head, end);
  }

  /** A final or interim response head. */
  sendResponse(stream: Http2Stream, head: Head, end: boolean): void {
    if (!this.#maySend(stream)) return;
    this.#sendHeaders(stream, KIND_RESPONSE, head, end);
  }

  /** False: stop until `stream.onWritable`. What is given is taken in any case. */
  sendData(stream: Http2Stream, bytes: Uint8Array, end: boolean): boolean {
    if (!this.#maySend(stream) || stream.endPending) return true;
    const length = bytes.length;
    if (length === 0 && !end) return true;
    if (
      stream.pendingBytes === 0 &&
      !this.#outputBlocked &&
      length <= stream.sendWindow &&
      length <= this.#sendWindow &&
      length <= this.#peerFrameBytes
    ) {
      this.#writeData(stream, bytes, end);
      if (!this.#outputBlocked || stream.id === 0) return true;
      this.#wait(stream);
      return false;
    }
    if (length > 0) {
      stream.pending.push(bytes);
      stream.pendingBytes += length;
    }
    if (end) stream.endPending = true;
    this.#wait(stream);
    if (!this.#outputBlocked) this.#flush(stream);
    return stream.pendingBytes === 0 && !this.#outputBlocked;
  }

  /** Ends our side, with trailers or without. */
  sendEnd(stream: Http2Stream, trailers: Head | null): void {
    if (!this.#maySend(stream) || stream.endPending) return;
    if (stream.pendingBytes > 0) {
      stream.endPending = true;
      stream.trailersPending = trailers?.clone() ?? null;
      return;
    }
    this.#writeEnd(stream, trailers);
  }

  /** Ends the stream on both sides at once. */
  sendReset(stream: Http2Stream, code: number): void {
    if (stream.id === 0) return;
    if (!this.#over) {
      this.#ignored.add(stream.id);
      this.#writeReset(stream.id, code);
    }
    this.#leave(stream);
  }

  pauseStream(stream: Http2Stream): void {
    stream.paused = true;
  }

  /** Delivers what was held, for as long as the stream is not paused again. */
  resumeStream(stream: Http2Stream): void {
    if (!stream.paused) return;
    stream.paused = false;
    const id = stream.id;
    while (!stream.paused) {
      const bytes = stream.held.shift();
      if (bytes === undefined) break;
      this.#held -= bytes.length;
      stream.onData(bytes);
      if (stream.id !== id) return;
      this.#credit(stream, bytes.length);
    }
    if (stream.heldEnd && !stream.paused) {
      stream.heldEnd = false;
      this.#endRemote(stream);
    }
    this.#creditConnection();
  }

  ping(): void {
    if (this.#over) return;
    writeFrameHeader(scratch, 0, 8, FRAME_PING << 8, 0);
    scratch.fill(0, FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + 8);
    this.#write(FRAME_HEADER_BYTES + 8);
  }

  /** Servers: no streams above the last one opened so far (`final`), or a warning that this will come. */
  sendGoaway(final: boolean): void {
    if (this.#over) return;
    if (final) this.#acceptUpTo = this.#lastPeerStream;
    this.#writeGoaway(final ? this.#lastPeerStream : MAX_STREAM_ID, frames.NO_ERROR, "");
  }

  /** Ends the session: GOAWAY with the reason, every stream is told, the owner closes. */
  fail(code: number, message: string): void {
    if (this.#over) return;
    this.#writeGoaway(this.#lastPeerStream, code, message);
    this.#over = true;
    this.#resetAll(code, 0);
    this.#owner.onSessionEnd({ code, local: true, message });
  }

  // Taking frames apart.

  #takePreface(bytes: Uint8Array): number {
    const from = frames.PREFACE.length - this.#prefaceLeft;
    const take = Math.min(this.#prefaceLeft, bytes.length);
    for (let index = 0; index < take; index += 1) {
      if (bytes[index] !== frames.PREFACE[from + index]) {
        this.fail(frames.PROTOCOL_ERROR, "The connection does not begin with the HTTP/2 preface");
        return bytes.length;
      }
    }
    this.#prefaceLeft -= take;
    return take;
  }

  /** One frame, or the beginning of one, from `at`; returns where the next begins. */
  #takeFrame(bytes: Uint8Array, at: number, end: number): number {
    if (end - at < FRAME_HEADER_BYTES) return this.#startStash(bytes, at, end, FRAME_HEADER_BYTES);
    const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    const type = bytes[at + 3] as number;
    const flags = bytes[at + 4] as number;
    const id = readUint32(bytes, at + 5) & 0x7fffffff;
    if (length > this.#limits.maxFrameBytes) {
      this.fail(frames.FRAME_SIZE_ERROR, `A frame has ${length} bytes; expected at most ${this.#limits.maxFrameBytes}`);
      return end;
    }
    if (this.#blockStream !== 0 && (type !== FRAME_CONTINUATION || id !== this.#blockStream)) {
      this.fail(frames.PROTOCOL_ERROR, "A header block is interrupted by another frame");
      return end;
    }
    if (!this.#settingsSeen && type !== FRAME_SETTINGS) {
      this.fail(frames.PROTOCOL_ERROR, "The first frame is not SETTINGS");
      return end;
    }
    const payload = at + FRAME_HEADER_BYTES;
    if (type === FRAME_DATA) {
      if ((flags & FLAG_PADDED) !== 0 && length > 0 && end === payload) {
        return this.#startStash(bytes, at, end, FRAME_HEADER_BYTES + 1);
      }
      return this.#startData(bytes, payload, length, flags, id);
    }
    if (type > FRAME_CONTINUATION) {
      // Unknown types are ignored (RFC 9113 §5.5), however long, but not for ever.
      if (!this.#spendControl()) return end;
      this.#skipLeft = length;
      return payload;
    }
    if (end - payload < length) return this.#startStash(bytes, at, end, FRAME_HEADER_BYTES + length);
    this.#frame(type, flags, id, bytes, payload, length);
    if (this.#blockStream === 0) this.#completed += 1;
    return payload + length;
  }

  #frame(type: number, flags: number, id: number, bytes: Uint8Array, at: number, length: number): void {
    switch (type) {
      case FRAME_HEADERS:
        this.#headers(flags, id, bytes, at, length);
        break;
      case FRAME_CONTINUATION:
        this.#continuation(flags, id, bytes, at, length);
        break;
      case FRAME_WINDOW_UPDATE:
        this.#windowUpdate(id, bytes, at, length);
        break;
      case FRAME_RST_STREAM:
        this.#rstStream(id, bytes, at, length);
        break;
      case FRAME_SETTINGS:
        this.#settings(flags, id, bytes, at, length);
        break;
      case FRAME_PING:
        this.#ping(flags, id, bytes, at, length);
        break;
      case FRAME_GOAWAY:
        this.#goaway(id, bytes, at, length);
        break;
      case FRAME_PRIORITY:
        this.#priority(id, bytes, at, length);
        break;
      case FRAME_PUSH_PROMISE:
      default:
        this.fail(frames.PROTOCOL_ERROR, "PUSH_PROMISE came although push is off");
        break;
    }
  }

  #startStash(bytes: Uint8Array, at: number, end: number, need: number): number {
    this.#stash = new Uint8Array(need);
    this.#stashNeed = need;
    this.#stashLength = end - at;
    this.#stash.set(bytes.subarray(at, end));
    return end;
  }

  #fillStash(bytes: Uint8Array, at: number): number {
    const take = Math.min(this.#stashNeed - this.#stashLength, bytes.length - at);
    this.#stash.set(bytes.subarray(at, at + take), this.#stashLength);
    this.#stashLength += take;
    if (this.#stashLength === this.#stashNeed) {
      const whole = this.#stash;
      this.#stash = EMPTY;
      this.#stashNeed = 0;
      this.#stashLength = 0;
      this.#takeFrame(whole, 0, whole.length);
    }
    return at + take;
  }

  #skip(bytes: Uint8Array, at: number): number {
    const take = Math.min(this.#skipLeft, bytes.length - at);
    this.#skipLeft -= take;
    return at + take;
  }

  // DATA: passed on as it comes, without waiting for the whole frame.

  #startData(bytes: Uint8Array, payload: number, length: number, flags: number, id: number): number {
    let at = payload;
    let padding = 0;
    if (id === 0) {
      this.fail(frames.PROTOCOL_ERROR, "DATA came on stream 0");
      return bytes.length;
    }
    if ((flags & FLAG_PADDED) !== 0) {
      padding = length === 0 ? 0 : (bytes[at] as number);
      if (length === 0 || padding >= length) {
        const code = length === 0 ? frames.FRAME_SIZE_ERROR : frames.PROTOCOL_ERROR;
        this.fail(code, "DATA has more padding than payload");
        return bytes.length;
      }
      at += 1;
    }
    const data = length - padding - (at - payload);
    if (!this.#chargeConnection(length)) return bytes.length;
    const ends = (flags & FLAG_END_STREAM) !== 0;
    const stream = this.#streams.get(id) ?? null;
    if (stream === null) {
      if (!this.#unknownStream(id, "DATA")) return bytes.length;
      // Not for anybody: the connection's window goes back at once.
      this.#uncredited += length;
      this.#creditConnection();
    } else if (!this.#acceptData(stream, data, length, ends)) {
      if (this.#over) return bytes.length;
      this.#uncredited += length;
      this.#creditConnection();
    }
    if (data === 0 && !ends && !this.#spendControl()) return bytes.length;
    this.#dataStream = stream !== null && stream.id === id ? stream : null;
    if (data > 0 && this.#dataStream !== null) this.#controls.earn(1);
    this.#completed += 1;
    this.#dataStreamId = id;
    this.#dataEnds = ends;
    this.#dataLeft = data;
    this.#dataPadding = padding;
    // Padding, and the byte that says how much, are never passed on: they count as taken.
    if (this.#dataStream !== null && length > data) {
      this.#uncredited += length - data;
      this.#credit(this.#dataStream, length - data);
    }
    if (data === 0) this.#endOfData();
    return at;
  }

  /** Checks a DATA frame against its stream. False: it is not for the stream (which may be gone by now). */
  #acceptData(stream: Http2Stream, data: number, length: number, ends: boolean): boolean {
    if (stream.remoteClosed || stream.heldEnd) {
      this.#streamError(stream, frames.STREAM_CLOSED);
      return false;
    }
    if (!stream.headSeen) {
      this.fail(frames.PROTOCOL_ERROR, "DATA came before the head of its stream");
      return false;
    }
    stream.receiveWindow -= length;
    if (stream.receiveWindow < 0) {
      this.#streamError(stream, frames.FLOW_CONTROL_ERROR);
      return false;
    }
    if (stream.expectedBytes >= 0) {
      stream.expectedBytes -= data;
      if (stream.expectedBytes < 0 || (ends && stream.expectedBytes > 0)) {
        this.#streamError(stream, frames.PROTOCOL_ERROR);
        return false;
      }
    }
    return true;
  }

  #takeData(bytes: Uint8Array, at: number): number {
    const available = bytes.length - at;
    if (this.#dataLeft === 0) {
      const padding = Math.min(this.#dataPadding, available);
      this.#dataPadding -= padding;
      return at + padding;
    }
    const take = this.#dataLeft < available ? this.#dataLeft : available;
    this.#dataLeft -= take;
    const stream = this.#dataStream;
    if (stream !== null && stream.id === this.#dataStreamId) {
      const whole = take === bytes.length;
      this.#deliver(stream, whole ? bytes : bytes.subarray(at, at + take));
    } else if (stream !== null) {
      // The stream ended within its frame: what is left is for nobody, and its window goes back.
      this.#dataStream = null;
      this.#uncredited += take + this.#dataLeft;
      this.#creditConnection();
    }
    if (this.#dataLeft === 0) this.#endOfData();
    return at + take;
  }

  #endOfData(): void {
    const stream = this.#dataStream;
    this.#dataStream = null;
    if (!this.#dataEnds || stream === null || stream.id !== this.#dataStreamId) return;
    this.#dataEnds = false;
    if (stream.held.bytes > 0) stream.heldEnd = true;
    else this.#endRemote(stream);
  }

  #deliver(stream: Http2Stream, bytes: Uint8Array): void {
    const length = bytes.length;
    this.#uncredited += length;
    if (stream.paused) {
      stream.held.push(bytes);
      this.#held += length;
      this.#shed();
    } else {
      const id = stream.id;
      stream.onData(bytes);
      if (stream.id === id) this.#credit(stream, length);
    }
    this.#creditConnection();
  }

  /**
   * Where many callers share a connection, the one who takes nothing must not stop the others: before what is held narrows
   * the connection's window, the stream that holds most is given up.
   */
  #shed(): void {
    const { shedsHeld, maxHeldBytes, connectionWindowBytes } = this.#limits;
    if (!shedsHeld || this.#held <= maxHeldBytes - connectionWindowBytes) return;
    let largest: Http2Stream | null = null;
    for (const stream of this.#streams.values()) {
      if (largest === null || stream.held.bytes > largest.held.bytes) largest = stream;
    }
    if (largest === null) return;
    this.#ignored.add(largest.id);
    this.#writeReset(largest.id, frames.CANCEL);
    this.#leaveWith(largest, frames.NOT_TAKEN);
  }

  #chargeConnection(length: number): boolean {
    this.#receiveWindow -= length;
    if (this.#receiveWindow >= 0) return true;
    this.fail(frames.FLOW_CONTROL_ERROR, "DATA exceeds the window of the connection");
    return false;
  }

  /**
   * The connection's window comes back on receipt, so that one slow stream stops no other, until what is held and what may
   * still come would be more than may be held.
   */
  #creditConnection(): void {
    const { connectionWindowBytes, maxHeldBytes } = this.#limits;
    if (this.#uncredited < connectionWindowBytes / 2) return;
    const bytes = Math.min(this.#uncredited, maxHeldBytes - this.#held - this.#dataLeft - this.#receiveWindow);
    // No crumbs, but for who has nothing left.
    if (bytes <= 0 || (bytes < connectionWindowBytes / 8 && this.#receiveWindow > 0)) return;
    this.#uncredited -= bytes;
    this.#receiveWindow += bytes;
    if (!this.#over) this.#writeWindowUpdate(0, bytes);
  }

  #credit(stream: Http2Stream, bytes: number): void {
    stream.uncreditedBytes += bytes;
    if (stream.remoteClosed || stream.uncreditedBytes < stream.windowBytes / 2 || this.#over) return;
    let increment = stream.uncreditedBytes;
    stream.uncreditedBytes = 0;
    // Who takes what comes may be sent more at once.
    if (!stream.paused && stream.windowBytes < this.#limits.maxStreamWindowBytes) {
      increment += stream.windowBytes;
      stream.windowBytes *= 2;
    }
    stream.receiveWindow += increment;
    this.#writeWindowUpdate(stream.id, increment);
  }

  // HEADERS and CONTINUATION

  #headers(flags: number, id: number, bytes: Uint8Array, payload: number, length: number): void {
    let at = payload;
    let end = payload + length;
    if (id === 0) {
      this.fail(frames.PROTOCOL_ERROR, "HEADERS came on stream 0");
      return;
    }
    const extra = ((flags & FLAG_PADDED) !== 0 ? 1 : 0) + ((flags & FLAG_PRIORITY) !== 0 ? 5 : 0);
    if (length < extra) {
      this.fail(frames.FRAME_SIZE_ERROR, "HEADERS is shorter than its flags need");
      return;
    }
    if ((flags & FLAG_PADDED) !== 0) {
      end -= bytes[at] as number;
      at += 1;
    }
    if ((flags & FLAG_PRIORITY) !== 0) {
      if ((readUint32(bytes, at) & 0x7fffffff) === id) {
        this.fail(frames.PROTOCOL_ERROR, "A stream depends on itself");
        return;
      }
      at += 5;
    }
    if (end < at) {
      this.fail(frames.PROTOCOL_ERROR, "HEADERS has more padding than payload");
      return;
    }
    const ends = (flags & FLAG_END_STREAM) !== 0;
    if ((flags & FLAG_END_HEADERS) !== 0) {
      this.#headerBlock(id, bytes, at, end, ends);
      return;
    }
    this.#blockStream = id;
    this.#blockEnds = ends;
    this.#blockLength = 0;
    this.#blockFrames = 0;
    this.#appendBlock(bytes, at, end);
  }

  #continuation(flags: number, id: number, bytes: Uint8Array, at: number, length: number): void {
    if (this.#blockStream === 0) {
      this.fail(frames.PROTOCOL_ERROR, "CONTINUATION came without HEADERS before it");
      return;
    }
    this.#blockFrames += 1;
    if (this.#blockFrames > MAX_CONTINUATIONS) {
      this.fail(frames.ENHANCE_YOUR_CALM, "A header block has too many CONTINUATION frames");
      return;
    }
    if (!this.#appendBlock(bytes, at, at + length) || (flags & FLAG_END_HEADERS) === 0) return;
    const block = this.#block;
    this.#blockStream = 0;
    this.#headerBlock(id, block, 0, this.#blockLength, this.#blockEnds);
    this.#block = EMPTY;
  }

  /** Compressed blocks are hardly larger than what they stand for. Up to twice the limit, the stream alone is refused. */
  #appendBlock(bytes: Uint8Array, at: number, end: number): boolean {
    const length = this.#blockLength + (end - at);
    const limit = this.#limits.maxHeadBytes * 2;
    if (length > limit) {
      this.fail(frames.ENHANCE_YOUR_CALM, `A header block has more than ${limit} bytes`);
      return false;
    }
    if (length > this.#block.length) {
      const larger = new Uint8Array(Math.max(length, this.#block.length * 2));
      larger.set(this.#block.subarray(0, this.#blockLength));
      this.#block = larger;
    }
    this.#block.set(bytes.subarray(at, end), this.#blockLength);
    this.#blockLength = length;
    return true;
  }

  #headerBlock(id: number, block: Uint8Array, start: number, end: number, ends: boolean): void {
    const stream = this.#streams.get(id);
    if (stream !== undefined) {
      if (stream.remoteClosed || stream.heldEnd) {
        if (this.#decodeIgnored(block, start, end)) this.#streamError(stream, frames.STREAM_CLOSED);
      } else if (stream.headSeen) this.#trailers(stream, block, start, end, ends);
      else this.#responseHead(stream, block, start, end, ends);
    } else if (this.#isServer && id > this.#lastPeerStream && (id & 1) === 1) {
      this.#requestHead(id, block, start, end, ends);
    } else if (this.#unknownStream(id, "HEADERS")) {
      this.#decodeIgnored(block, start, end);
    }
  }

  #requestHead(id: number, block: Uint8Array, start: number, end: number, ends: boolean): void {
    this.#lastPeerStream = id;
    if (id > this.#acceptUpTo || this.#streams.size >= this.#limits.maxStreams) {
      if (!this.#decodeIgnored(block, start, end)) return;
      this.#ignored.add(id);
      this.#writeReset(id, frames.REFUSED_STREAM);
      if (!this.#resets.spend()) this.fail(frames.ENHANCE_YOUR_CALM, "Too many streams beyond the limit");
      return;
    }
    const stream = this.#owner.createStream();
    const verdict = this.#decoder.decode(KIND_REQUEST, block, start, end, ends, stream.head);
    if (verdict === HEAD_COMPRESSION) {
      this.#owner.releaseStream(stream);
      this.#compressionError();
      return;
    }
    this.#enter(stream, id);
    stream.headSeen = true;
    stream.remoteClosed = ends;
    if (verdict === HEAD_OK) {
      stream.expectedBytes = ends ? -1 : expectedBytes(stream.head);
      stream.onHead(ends);
    } else if (verdict === HEAD_TOO_LARGE) {
      stream.onHeadRefused(this.#decoder.failure);
    } else {
      // Malformed (RFC 9113 §8.1.1): the stream ends, and so may the patience.
      this.#streamError(stream, frames.PROTOCOL_ERROR);
    }
  }

  #responseHead(stream: Http2Stream, block: Uint8Array, start: number, end: number, ends: boolean): void {
    if (this.#isServer) return;
    const verdict = this.#decoder.decode(KIND_RESPONSE, block, start, end, ends, stream.head, stream.bodyless);
    if (verdict === HEAD_COMPRESSION) {
      this.#compressionError();
    } else if (verdict !== HEAD_OK || (stream.head.status < 200 && ends)) {
      this.#streamError(stream, frames.PROTOCOL_ERROR);
    } else if (stream.head.status < 200) {
      if (this.#spendControl()) stream.onInterim();
    } else {
      this.#controls.earn(1);
      stream.headSeen = true;
      stream.expectedBytes = ends ? -1 : expectedBytes(stream.head);
      const id = stream.id;
      if (ends) stream.remoteClosed = true;
      stream.onHead(ends);
      if (ends && stream.id === id) this.#finishRemote(stream);
    }
  }

  #trailers(stream: Http2Stream, block: Uint8Array, start: number, end: number, ends: boolean): void {
    const verdict = this.#decoder.decode(KIND_TRAILERS, block, start, end, ends, stream.trailersHead());
    if (verdict === HEAD_COMPRESSION) {
      this.#compressionError();
      return;
    }
    // Trailers end the stream; and a body that is shorter than promised is malformed.
    if (verdict !== HEAD_OK || !ends || stream.expectedBytes > 0) {
      this.#streamError(stream, frames.PROTOCOL_ERROR);
      return;
    }
    stream.hasTrailers = true;
    if (stream.held.bytes > 0) stream.heldEnd = true;
    else this.#endRemote(stream);
  }

  /** Keeps the decoder's table in step with a block that is for nobody. False when the session failed. */
  #decodeIgnored(block: Uint8Array, start: number, end: number): boolean {
    const kind = this.#isServer ? KIND_REQUEST : KIND_RESPONSE;
    if (this.#decoder.decode(kind, block, start, end, false, ignoredHead) !== HEAD_COMPRESSION) return true;
    this.#compressionError();
    return false;
  }

  #compressionError(): void {
    this.fail(frames.COMPRESSION_ERROR, this.#decoder.failure?.message ?? "A header block cannot be decoded");
  }

  // Control frames

  #windowUpdate(id: number, bytes: Uint8Array, at: number, length: number): void {
    if (length !== 4) {
      this.fail(frames.FRAME_SIZE_ERROR, "WINDOW_UPDATE does not have 4 bytes");
      return;
    }
    const increment = readUint32(bytes, at) & 0x7fffffff;
    if (!this.#spendControl()) return;
    if (id === 0) {
      this.#sendWindow += increment;
      if (increment === 0) this.fail(frames.PROTOCOL_ERROR, "WINDOW_UPDATE adds nothing");
      else if (this.#sendWindow > MAX_WINDOW_BYTES) this.fail(frames.FLOW_CONTROL_ERROR, "A window exceeds 2^31-1");
      else this.#pump();
      return;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      this.#unknownStream(id, "WINDOW_UPDATE");
      return;
    }
    stream.sendWindow += increment;
    if (increment === 0) this.#streamError(stream, frames.PROTOCOL_ERROR);
    else if (stream.sendWindow > MAX_WINDOW_BYTES) this.#streamError(stream, frames.FLOW_CONTROL_ERROR);
    else if (stream.waiting && !this.#outputBlocked) this.#serve(stream);
  }

  #rstStream(id: number, bytes: Uint8Array, at: number, length: number): void {
    if (length !== 4) {
      this.fail(frames.FRAME_SIZE_ERROR, "RST_STREAM does not have 4 bytes");
      return;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      if (this.#unknownStream(id, "RST_STREAM")) this.#spendControl();
      return;
    }
    // Rapid reset (CVE-2023-44487): work that is begun and thrown away costs the client nothing and us everything.
    if (this.#isServer && !this.#resets.spend()) {
      this.fail(frames.ENHANCE_YOUR_CALM, "Too many streams were reset");
      return;
    }
    const code = readUint32(bytes, at);
    this.#leaveWith(stream, code);
  }

  #settings(flags: number, id: number, bytes: Uint8Array, at: number, length: number): void {
    if (id !== 0) {
      this.fail(frames.PROTOCOL_ERROR, "SETTINGS came on a stream");
      return;
    }
    if ((flags & FLAG_ACK) !== 0) {
      if (length !== 0) this.fail(frames.FRAME_SIZE_ERROR, "SETTINGS with ACK has a payload");
      else if (!this.#settingsSeen) this.fail(frames.PROTOCOL_ERROR, "The first frame is not SETTINGS");
      else this.#spendControl();
      return;
    }
    if (length % 6 !== 0) {
      this.fail(frames.FRAME_SIZE_ERROR, "SETTINGS is not a multiple of 6 bytes");
      return;
    }
    if (this.#settingsSeen && !this.#spendControl()) return;
    if (length > MAX_SETTINGS * 6) {
      this.fail(frames.ENHANCE_YOUR_CALM, `SETTINGS has ${length / 6} entries; expected at most ${MAX_SETTINGS}`);
      return;
    }
    for (let from = at; from < at + length; from += 6) {
      const setting = ((bytes[from] as number) << 8) | (bytes[from + 1] as number);
      if (!this.#setting(setting, readUint32(bytes, from + 2))) return;
    }
    this.#settingsSeen = true;
    writeFrameHeader(scratch, 0, 0, (FRAME_SETTINGS << 8) | FLAG_ACK, 0);
    this.#write(FRAME_HEADER_BYTES);
    this.#owner.onSettings();
    if (!this.#over) this.#pump();
  }

  #setting(id: number, value: number): boolean {
    switch (id) {
      case frames.SETTINGS_HEADER_TABLE_SIZE:
        this.#encoder.setPeerTableBytes(value);
        return true;
      case frames.SETTINGS_ENABLE_PUSH:
        if (value <= 1 && (this.#isServer || value === 0)) return true;
        this.fail(frames.PROTOCOL_ERROR, `SETTINGS_ENABLE_PUSH is ${value}`);
        return false;
      case frames.SETTINGS_MAX_CONCURRENT_STREAMS:
        this.#peerMaxStreams = value;
        return true;
      case frames.SETTINGS_INITIAL_WINDOW_SIZE:
        return this.#setInitialWindow(value);
      case frames.SETTINGS_MAX_FRAME_SIZE:
        if (value < frames.DEFAULT_FRAME_BYTES || value > frames.MAX_FRAME_BYTES) {
          this.fail(frames.PROTOCOL_ERROR, `SETTINGS_MAX_FRAME_SIZE is ${value}`);
          return false;
        }
        this.#peerFrameBytes = value;
        return true;
      case frames.SETTINGS_ENABLE_CONNECT_PROTOCOL:
        if (value > 1) {
          this.fail(frames.PROTOCOL_ERROR, `SETTINGS_ENABLE_CONNECT_PROTOCOL is ${value}`);
          return false;
        }
        this.#peerConnectProtocol = value === 1;
        return true;
      default:
        return true;
    }
  }

  #setInitialWindow(value: number): boolean {
    if (value > MAX_WINDOW_BYTES) {
      this.fail(frames.FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE exceeds 2^31-1");
      return false;
    }
    const change = value - this.#peerInitialWindow;
    this.#peerInitialWindow = value;
    for (const stream of this.#streams.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > MAX_WINDOW_BYTES) {
        this.fail(frames.FLOW_CONTROL_ERROR, "A window exceeds 2^31-1");
        return false;
      }
    }
    return true;
  }

  #ping(flags: number, id: number, bytes: Uint8Array, at: number, length: number): void {
    if (id !== 0 || length !== 8) {
      this.fail(length === 8 ? frames.PROTOCOL_ERROR : frames.FRAME_SIZE_ERROR, "PING is not 8 bytes on stream 0");
      return;
    }
    if (!this.#spendControl()) return;
    if ((flags & FLAG_ACK) !== 0) {
      this.#owner.onPong();
      return;
    }
    writeFrameHeader(scratch, 0, 8, (FRAME_PING << 8) | FLAG_ACK, 0);
    for (let index = 0; index < 8; index += 1) scratch[FRAME_HEADER_BYTES + index] = bytes[at + index] as number;
    this.#write(FRAME_HEADER_BYTES + 8);
  }

  #goaway(id: number, bytes: Uint8Array, at: number, length: number): void {
    if (id !== 0 || length < 8) {
      this.fail(id === 0 ? frames.FRAME_SIZE_ERROR : frames.PROTOCOL_ERROR, "GOAWAY is not 8 bytes on stream 0");
      return;
    }
    if (!this.#spendControl()) return;
    this.#peerGoaway = true;
    // Ours above it were not processed; the peer's own streams go on.
    if (!this.#isServer) this.#resetAll(frames.REFUSED_STREAM, readUint32(bytes, at) & 0x7fffffff);
    if (!this.#over) this.#owner.onGoaway();
  }

  #priority(id: number, bytes: Uint8Array, at: number, length: number): void {
    if (id === 0) this.fail(frames.PROTOCOL_ERROR, "PRIORITY came on stream 0");
    else if (length !== 5) {
      const stream = this.#streams.get(id);
      if (stream === undefined) this.fail(frames.FRAME_SIZE_ERROR, "PRIORITY does not have 5 bytes");
      else this.#streamError(stream, frames.FRAME_SIZE_ERROR);
    } else if ((readUint32(bytes, at) & 0x7fffffff) === id) {
      const stream = this.#streams.get(id);
      if (stream === undefined) this.fail(frames.PROTOCOL_ERROR, "A stream depends on itself");
      else this.#streamError(stream, frames.PROTOCOL_ERROR);
    } else this.#spendControl();
  }

  #spendControl(): boolean {
    if (this.#controls.spend()) return true;
    this.fail(frames.ENHANCE_YOUR_CALM, "Too many frames that carry nothing");
    return false;
  }

  /** A frame for a stream that is not open. True: it is ignored; false: the session failed. */
  #unknownStream(id: number, name: string): boolean {
    const known = this.#isServer
      ? (id & 1) === 1 && id <= this.#lastPeerStream
      : (id & 1) === 1 && id < this.#nextStream;
    if (!known) {
      this.fail(frames.PROTOCOL_ERROR, `${name} came on stream ${id}, which was never opened`);
      return false;
    }
    // What crossed our own RST_STREAM is no fault of the peer; RST_STREAM and WINDOW_UPDATE may always come late. A server
    // that answers what we gave up is not worth a link that others share.
    const late = name === "WINDOW_UPDATE" || name === "RST_STREAM" || !this.#isServer;
    if (late || this.#ignored.has(id)) return this.#spendControl();
    this.fail(frames.STREAM_CLOSED, `${name} came on stream ${id}, which is closed`);
    return false;
  }

  // Streams

  #enter(stream: Http2Stream, id: number): void {
    stream.id = id;
    stream.sendWindow = this.#peerInitialWindow;
    stream.receiveWindow = this.#limits.streamWindowBytes;
    stream.windowBytes = this.#limits.streamWindowBytes;
    this.#streams.set(id, stream);
    const active = this.#streams.size;
    if (active <= 2) this.#owner.onActivity(active);
  }

  #leave(stream: Http2Stream): void {
    const id = stream.id;
    if (id === 0) return;
    this.#streams.delete(id);
    const heldBytes = stream.held.bytes;
    if (stream.waiting) {
      const index = this.#waiting.indexOf(stream);
      if (index >= 0) this.#waiting.splice(index, 1);
    }
    stream.reset();
    if (heldBytes > 0) {
      this.#held -= heldBytes;
      this.#creditConnection();
    }
    this.#owner.releaseStream(stream);
    const active = this.#streams.size;
    if (active <= 1) this.#owner.onActivity(active);
  }

  /** Tells the stream, and forgets it. */
  #leaveWith(stream: Http2Stream, code: number): void {
    const id = stream.id;
    stream.onReset(code);
    if (stream.id === id) this.#leave(stream);
  }

  #streamError(stream: Http2Stream, code: number): void {
    const id = stream.id;
    this.#ignored.add(id);
    this.#writeReset(id, code);
    this.#leaveWith(stream, code);
    if (this.#isServer && !this.#resets.spend()) this.fail(frames.ENHANCE_YOUR_CALM, "Too many streams were malformed");
  }

  #resetAll(code: number, above: number): void {
    // All at once: one by one costs the square of how many there are.
    if (this.#over) {
      for (const stream of this.#waiting) stream.waiting = false;
      this.#waiting.length = 0;
    }
    for (const stream of [...this.#streams.values()]) {
      if (stream.id > above) this.#leaveWith(stream, code);
    }
  }

  #endRemote(stream: Http2Stream): void {
    if (stream.expectedBytes > 0) {
      this.#streamError(stream, frames.PROTOCOL_ERROR);
      return;
    }
    stream.remoteClosed = true;
    this.#finishRemote(stream);
  }

  #finishRemote(stream: Http2Stream): void {
    const id = stream.id;
    stream.onEnd(stream.hasTrailers ? stream.trailersHead() : null);
    if (stream.id === id && stream.localClosed) this.#leave(stream);
  }

  #maySend(stream: Http2Stream): boolean {
    return stream.id !== 0 && !stream.localClosed && !this.#over;
  }

  // Writing

  #sendHeaders(stream: Http2Stream, kind: number, head: Head, end: boolean): void {
    const bound = HeadEncoder.bound(head) + FRAME_HEADER_BYTES;
    const out = bound <= scratch.length ? scratch : new Uint8Array(bound);
    const encoder = this.#encoder;
    const blockEnd =
      kind === KIND_REQUEST
        ? encoder.encodeRequest(head, out, FRAME_HEADER_BYTES)
        : kind === KIND_RESPONSE
          ? encoder.encodeResponse(head, out, FRAME_HEADER_BYTES)
          : encoder.encodeTrailers(head, out, FRAME_HEADER_BYTES);
    const length = blockEnd - FRAME_HEADER_BYTES;
    const endFlag = end ? FLAG_END_STREAM : 0;
    if (length <= this.#peerFrameBytes) {
      writeFrameHeader(out, 0, length, (FRAME_HEADERS << 8) | FLAG_END_HEADERS | endFlag, stream.id);
      if (out === scratch) this.#write(blockEnd);
      else this.#writeBytes(out.subarray(0, blockEnd));
    } else {
      // A copy: `slice` of a Buffer would be a view of what the next frame's header is written to.
      this.#writeLongBlock(Uint8Array.prototype.slice.call(out, FRAME_HEADER_BYTES, blockEnd), stream.id, endFlag);
    }
    this.#controls.earn(1);
    if (end) this.#closeLocal(stream);
  }

  #writeLongBlock(block: Uint8Array, id: number, endFlag: number): void {
    let at = 0;
    let type = (FRAME_HEADERS << 8) | endFlag;
    while (at < block.length) {
      const take = Math.min(this.#peerFrameBytes, block.length - at);
      const last = at + take === block.length;
      writeFrameHeader(scratch, 0, take, type | (last ? FLAG_END_HEADERS : 0), id);
      this.#write(FRAME_HEADER_BYTES);
      this.#writeBytes(block.subarray(at, at + take));
      type = FRAME_CONTINUATION << 8;
      at += take;
    }
  }

  /** `worth`: it is no crumb that a peer asked for by opening its window a little. */
  #writeData(stream: Http2Stream, bytes: Uint8Array, end: boolean, worth: boolean = true): void {
    const length = bytes.length;
    stream.sendWindow -= length;
    this.#sendWindow -= length;
    writeFrameHeader(scratch, 0, length, (FRAME_DATA << 8) | (end ? FLAG_END_STREAM : 0), stream.id);
    this.#write(FRAME_HEADER_BYTES);
    if (length > 0) this.#writeBytes(bytes);
    if (worth) this.#controls.earn(CONTROLS_PER_DATA);
    if (end) this.#closeLocal(stream);
  }

  #writeEnd(stream: Http2Stream, trailers: Head | null): void {
    if (trailers !== null) this.#sendHeaders(stream, KIND_TRAILERS, trailers, true);
    else this.#writeData(stream, EMPTY, true);
  }

  #closeLocal(stream: Http2Stream): void {
    stream.localClosed = true;
    if (stream.remoteClosed) this.#leave(stream);
  }

  #writeReset(id: number, code: number): void {
    writeFrameHeader(scratch, 0, 4, FRAME_RST_STREAM << 8, id);
    writeUint32(scratch, FRAME_HEADER_BYTES, code);
    this.#write(FRAME_HEADER_BYTES + 4);
  }

  #writeWindowUpdate(id: number, increment: number): void {
    writeFrameHeader(scratch, 0, 4, FRAME_WINDOW_UPDATE << 8, id);
    writeUint32(scratch, FRAME_HEADER_BYTES, increment);
    this.#write(FRAME_HEADER_BYTES + 4);
  }

  #writeGoaway(lastStream: number, code: number, message: string): void {
    const text = Buffer.from(message.slice(0, 200), "latin1");
    writeFrameHeader(scratch, 0, 8 + text.length, FRAME_GOAWAY << 8, 0);
    writeUint32(scratch, FRAME_HEADER_BYTES, lastStream);
    writeUint32(scratch, FRAME_HEADER_BYTES + 4, code);
    scratch.set(text, FRAME_HEADER_BYTES + 8);
    this.#write(FRAME_HEADER_BYTES + 8 + text.length);
  }

  /** Writes the first `length` bytes of `scratch`. */
  #write(length: number): void {
    let view: Uint8Array | null = length <= MAX_KEPT_VIEW_BYTES ? (views[length] ?? null) : scratch.subarray(0, length);
    if (view === null) {
      view = scratch.subarray(0, length);
      views[length] = view;
    }
    if (this.#outputBlocked) this.#blockedBytes += length;
    if (!this.#output.write(view)) this.#outputBlocked = true;
  }

  #writeBytes(bytes: Uint8Array): void {
    if (this.#outputBlocked) this.#blockedBytes += bytes.length;
    if (!this.#output.write(bytes)) this.#outputBlocked = true;
  }

  // Senders that wait

  #wait(stream: Http2Stream): void {
    if (stream.waiting || stream.id === 0) return;
    stream.waiting = true;
    this.#waiting.push(stream);
  }

  /** Serves every waiting stream once, in order, for as long as the connection takes bytes. */
  #pump(): void {
    for (let turns = this.#waiting.length; turns > 0 && !this.#outputBlocked && !this.#over; turns -= 1) {
      const stream = this.#waiting[0];
      if (stream === undefined) return;
      this.#serve(stream);
      // Still waiting: its turn comes again behind the others.
      if (this.#waiting[0] === stream) {
        this.#waiting.shift();
        this.#waiting.push(stream);
      }
    }
  }

  #serve(stream: Http2Stream): void {
    const id = stream.id;
    this.#flush(stream);
    if (stream.id !== id || stream.pendingBytes > 0 || this.#outputBlocked) return;
    const index = this.#waiting.indexOf(stream);
    if (index >= 0) this.#waiting.splice(index, 1);
    stream.waiting = false;
    stream.onWritable();
  }

  /** Sends of a stream's pending data what the windows allow. */
  #flush(stream: Http2Stream): void {
    const { pending } = stream;
    while (pending.length > 0 && !this.#outputBlocked) {
      const bytes = pending[0] as Uint8Array; // its length was just seen to be above 0
      const room = Math.min(stream.sendWindow, this.#sendWindow, this.#peerFrameBytes);
      if (room <= 0) return;
      const take = Math.min(room, bytes.length);
      const rest = bytes.length - take;
      if (rest === 0) pending.shift();
      else pending[0] = bytes.subarray(take);
      stream.pendingBytes -= take;
      const last = stream.pendingBytes === 0 && stream.endPending && stream.trailersPending === null;
      if (last) stream.endPending = false;
      const piece = rest === 0 ? bytes : bytes.subarray(0, take);
      this.#writeData(stream, piece, last, rest === 0 || take >= DRIBBLE_BYTES);
      if (last) return;
    }
    if (stream.pendingBytes === 0 && stream.endPending && stream.id !== 0 && !this.#outputBlocked) {
      const trailers = stream.trailersPending;
      stream.endPending = false;
      this.#writeEnd(stream, trailers);
    }
  }
}

function expectedBytes(head: Head): number {
  return head.bodyKind === BODY_LENGTH ? head.contentLength : -1;
}
