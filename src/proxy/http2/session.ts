// hot. Longer than most files: one state machine, the rules of RFC 9113 sections 3 to 6.
import { BODY_LENGTH, type Head } from "../head.ts";
import { type DataOwner, DataReceiver } from "./data-receiver.ts";
import { FloodGuard } from "./flood-guard.ts";
import * as frames from "./frame.ts";
import { FLAG_ACK, MAX_STREAM_ID, MAX_WINDOW_BYTES, readUint32 } from "./frame.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import {
  HEAD_COMPRESSION,
  HEAD_OK,
  HEAD_TOO_LARGE,
  HeadDecoder,
  KIND_REQUEST,
  KIND_RESPONSE,
  KIND_TRAILERS,
} from "./hpack/head-decoder.ts";
import type { Http2Stream } from "./http2-stream.ts";
import { ignoredHead } from "./ignored-head.ts";
import { IgnoredStreams } from "./ignored-streams.ts";
import { PeerSettings } from "./peer-settings.ts";
import { type SendOwner, SendQueue } from "./send-queue.ts";
import type { Http2Limits, Http2Owner, Http2SessionOptions } from "./session-contract.ts";

/** Settings in one frame; there are eight. nghttp2 allows 32 (CVE-2020-11080). */
const MAX_SETTINGS = 32;

/**
 * One HTTP/2 connection as a codec: bytes in, events of streams out; heads and data in, frames out. Either role. It knows
 * no sockets and no timers; its owner closes what it says is over.
 *
 * What comes is taken apart by `FrameReader`, its DATA held or passed on by `DataReceiver`; what goes out waits in
 * `SendQueue` and is put together by `FrameWriter`. Here are the streams, their heads, control frames and the end.
 *
 * Bytes given to `receive` are never changed, and views of them are handed out as data. Frames that cost work and carry
 * nothing are budgeted; whatever breaks the protocol ends the stream or, where the RFC says so, the session with GOAWAY.
 */
export class Http2Session implements FrameSink, DataOwner, SendOwner {
  readonly #isServer: boolean;
  readonly #owner: Http2Owner;
  readonly #limits: Http2Limits;
  readonly #decoder: HeadDecoder;
  readonly #streams: Map<number, Http2Stream> = new Map();
  readonly #ignored: IgnoredStreams;
  readonly #resets: FloodGuard;
  readonly #controls: FloodGuard;
  readonly #peer: PeerSettings;
  readonly #writer: FrameWriter;
  readonly #sender: SendQueue;
  readonly #receiver: DataReceiver;
  readonly #reader: FrameReader;
  #over: boolean = false;
  /** Highest stream that the peer opened. */
  #lastPeerStream: number = 0;
  #nextStream: number = 1;
  /** Streams above it get no answer: we have said so by GOAWAY. */
  #acceptUpTo: number = MAX_STREAM_ID;
  #peerGoaway: boolean = false;

  constructor(options: Http2SessionOptions) {
    const { role, limits, nowMs } = options;
    this.#isServer = role === "server";
    this.#owner = options.owner;
    this.#limits = limits;
    this.#decoder = new HeadDecoder({
      maxHeadBytes: limits.maxHeadBytes,
      maxTargetBytes: limits.maxTargetBytes,
      maxFields: limits.maxFields,
      maxTableBytes: limits.headerTableBytes,
    });
    this.#resets = new FloodGuard(limits.resetBurst, limits.resetsPerSecond, nowMs);
    this.#controls = new FloodGuard(limits.controlBurst, limits.controlsPerSecond, nowMs);
    this.#ignored = new IgnoredStreams(Math.max(1_024, limits.maxStreams));
    this.#peer = new PeerSettings(this.#isServer);
    this.#writer = new FrameWriter(options.output, this.#peer, limits.headerTableBytes);
    this.#sender = new SendQueue(this, this.#writer, this.#peer, this.#controls);
    this.#receiver = new DataReceiver({
      owner: this,
      streams: this.#streams,
      limits,
      writer: this.#writer,
      controls: this.#controls,
    });
    this.#reader = new FrameReader(this, this.#receiver, this.#peer, { isServer: this.#isServer, limits });
  }

  /** Sends the preface and our SETTINGS. */
  start(): void {
    const limits = this.#limits;
    if (!this.#isServer) this.#writer.preface();
    this.#writer.settings(this.#isServer, limits);
    const extra = limits.connectionWindowBytes - frames.DEFAULT_WINDOW_BYTES;
    if (extra > 0) this.#writer.windowUpdate(0, extra);
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
      this.#peer.seen &&
      this.#streams.size < this.#peer.maxStreams &&
      this.#nextStream < MAX_STREAM_ID
    );
  }

  /** The peer will take no more requests, ever. */
  isSpent(): boolean {
    return this.#over || this.#peerGoaway || this.#nextStream >= MAX_STREAM_ID;
  }

  /** The peer carries extended CONNECT (RFC 8441). */
  carriesTunnels(): boolean {
    return this.#peer.connectProtocol;
  }

  /** A frame or header block has begun and is not complete. */
  isMidFrame(): boolean {
    return this.#reader.isMidFrame();
  }

  /** Grows with every frame and header block: while it does not, one that `isMidFrame` tells of is stuck. */
  completedFrames(): number {
    return this.#reader.completedFrames();
  }

  /** Grows with every stream that the peer opens. */
  lastPeerStream(): number {
    return this.#lastPeerStream;
  }

  // Bytes in.

  receive(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length && !this.#over) {
      at = this.#reader.read(bytes, at);
      // DATA waits when the output is blocked, and everything else is small: only who never reads lets it grow so far.
      if (this.#writer.blockedBytes > this.#limits.maxBlockedBytes) {
        this.fail(frames.ENHANCE_YOUR_CALM, "The peer makes requests and does not read the answers");
      }
    }
  }

  /** The connection can take more. */
  onDrain(): void {
    this.#writer.unblock();
    this.#sender.pump();
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
    this.#sender.sendHead(stream, KIND_REQUEST, head, end);
  }

  /** A final or interim response head. */
  sendResponse(stream: Http2Stream, head: Head, end: boolean): void {
    if (!this.#maySend(stream)) return;
    this.#sender.sendHead(stream, KIND_RESPONSE, head, end);
  }

  /** False: stop until `stream.onWritable`. What is given is taken in any case. */
  sendData(stream: Http2Stream, bytes: Uint8Array, end: boolean): boolean {
    if (!this.#maySend(stream) || stream.endPending) return true;
    return this.#sender.sendData(stream, bytes, end);
  }

  /** Ends our side, with trailers or without. */
  sendEnd(stream: Http2Stream, trailers: Head | null): void {
    if (!this.#maySend(stream) || stream.endPending) return;
    this.#sender.sendEnd(stream, trailers);
  }

  /** Ends the stream on both sides at once. */
  sendReset(stream: Http2Stream, code: number): void {
    if (stream.id === 0) return;
    if (!this.#over) {
      this.#ignored.add(stream.id);
      this.#writer.reset(stream.id, code);
    }
    this.#leave(stream);
  }

  pauseStream(stream: Http2Stream): void {
    stream.paused = true;
  }

  /** Delivers what was held, for as long as the stream is not paused again. */
  resumeStream(stream: Http2Stream): void {
    this.#receiver.resume(stream);
  }

  ping(): void {
    if (!this.#over) this.#writer.ping();
  }

  /** Servers: no streams above the last one opened so far (`final`), or a warning that this will come. */
  sendGoaway(final: boolean): void {
    if (this.#over) return;
    if (final) this.#acceptUpTo = this.#lastPeerStream;
    this.#writer.goaway(final ? this.#lastPeerStream : MAX_STREAM_ID, frames.NO_ERROR, "");
  }

  /** Ends the session: GOAWAY with the reason, every stream is told, the owner closes. */
  fail(code: number, message: string): void {
    if (this.#over) return;
    this.#writer.goaway(this.#lastPeerStream, code, message);
    this.#over = true;
    this.#resetAll(code, 0);
    this.#owner.onSessionEnd({ code, local: true, message });
  }

  // What its parts ask of it, and tell it: nobody else calls these, nor what begins with `on` below.

  onHeaderBlock(id: number, block: Uint8Array, start: number, end: number, ends: boolean): void {
    const stream = this.#streams.get(id);
    if (stream !== undefined) {
      if (stream.remoteClosed || stream.heldEnd) {
        if (this.#decodeIgnored(block, start, end)) this.streamError(stream, frames.STREAM_CLOSED);
      } else if (stream.headSeen) this.#trailers(stream, block, start, end, ends);
      else this.#responseHead(stream, block, start, end, ends);
    } else if (this.#isServer && id > this.#lastPeerStream && (id & 1) === 1) {
      this.#requestHead(id, block, start, end, ends);
    } else if (this.unknownStream(id, "HEADERS")) {
      this.#decodeIgnored(block, start, end);
    }
  }

  /** A frame for a stream that is not open. True: it is ignored; false: the session failed. */
  unknownStream(id: number, name: string): boolean {
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
    if (late || this.#ignored.has(id)) return this.spendControl();
    this.fail(frames.STREAM_CLOSED, `${name} came on stream ${id}, which is closed`);
    return false;
  }

  spendControl(): boolean {
    if (this.#controls.spend()) return true;
    this.fail(frames.ENHANCE_YOUR_CALM, "Too many frames that carry nothing");
    return false;
  }

  streamError(stream: Http2Stream, code: number): void {
    this.giveUp(stream, code, code);
    if (this.#isServer && !this.#resets.spend()) this.fail(frames.ENHANCE_YOUR_CALM, "Too many streams were malformed");
  }

  /** Ends a stream: the peer is told `sent`, the stream `told`. */
  giveUp(stream: Http2Stream, sent: number, told: number): void {
    const id = stream.id;
    this.#ignored.add(id);
    this.#writer.reset(id, sent);
    this.#leaveWith(stream, told);
  }

  endRemote(stream: Http2Stream): void {
    if (stream.expectedBytes > 0) {
      this.streamError(stream, frames.PROTOCOL_ERROR);
      return;
    }
    stream.remoteClosed = true;
    this.#finishRemote(stream);
  }

  closeLocal(stream: Http2Stream): void {
    stream.localClosed = true;
    if (stream.remoteClosed) this.#leave(stream);
  }

  // Heads

  #requestHead(id: number, block: Uint8Array, start: number, end: number, ends: boolean): void {
    this.#lastPeerStream = id;
    if (id > this.#acceptUpTo || this.#streams.size >= this.#limits.maxStreams) {
      if (!this.#decodeIgnored(block, start, end)) return;
      this.#ignored.add(id);
      this.#writer.reset(id, frames.REFUSED_STREAM);
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
      this.streamError(stream, frames.PROTOCOL_ERROR);
    }
  }

  #responseHead(stream: Http2Stream, block: Uint8Array, start: number, end: number, ends: boolean): void {
    if (this.#isServer) return;
    const verdict = this.#decoder.decode(KIND_RESPONSE, block, start, end, ends, stream.head, stream.bodyless);
    if (verdict === HEAD_COMPRESSION) {
      this.#compressionError();
    } else if (verdict !== HEAD_OK || (stream.head.status < 200 && ends)) {
      this.streamError(stream, frames.PROTOCOL_ERROR);
    } else if (stream.head.status < 200) {
      if (this.spendControl()) stream.onInterim();
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
      this.streamError(stream, frames.PROTOCOL_ERROR);
      return;
    }
    stream.hasTrailers = true;
    if (stream.held.bytes > 0) stream.heldEnd = true;
    else this.endRemote(stream);
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

  onWindowUpdate(id: number, bytes: Uint8Array, at: number, length: number): void {
    if (length !== 4) {
      this.fail(frames.FRAME_SIZE_ERROR, "WINDOW_UPDATE does not have 4 bytes");
      return;
    }
    const increment = readUint32(bytes, at) & 0x7fffffff;
    if (!this.spendControl()) return;
    if (id === 0) {
      if (increment === 0) this.fail(frames.PROTOCOL_ERROR, "WINDOW_UPDATE adds nothing");
      else if (!this.#sender.widen(increment)) this.fail(frames.FLOW_CONTROL_ERROR, "A window exceeds 2^31-1");
      else this.#sender.pump();
      return;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      this.unknownStream(id, "WINDOW_UPDATE");
      return;
    }
    stream.sendWindow += increment;
    if (increment === 0) this.streamError(stream, frames.PROTOCOL_ERROR);
    else if (stream.sendWindow > MAX_WINDOW_BYTES) this.streamError(stream, frames.FLOW_CONTROL_ERROR);
    else if (stream.waiting && !this.#writer.blocked) this.#sender.serve(stream);
  }

  onReset(id: number, bytes: Uint8Array, at: number, length: number): void {
    if (length !== 4) {
      this.fail(frames.FRAME_SIZE_ERROR, "RST_STREAM does not have 4 bytes");
      return;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      if (this.unknownStream(id, "RST_STREAM")) this.spendControl();
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

  onSettings(flags: number, id: number, bytes: Uint8Array, at: number, length: number): void {
    if (id !== 0) {
      this.fail(frames.PROTOCOL_ERROR, "SETTINGS came on a stream");
      return;
    }
    if ((flags & FLAG_ACK) !== 0) {
      if (length !== 0) this.fail(frames.FRAME_SIZE_ERROR, "SETTINGS with ACK has a payload");
      else if (!this.#peer.seen) this.fail(frames.PROTOCOL_ERROR, "The first frame is not SETTINGS");
      else this.spendControl();
      return;
    }
    if (length % 6 !== 0) {
      this.fail(frames.FRAME_SIZE_ERROR, "SETTINGS is not a multiple of 6 bytes");
      return;
    }
    if (this.#peer.seen && !this.spendControl()) return;
    if (length > MAX_SETTINGS * 6) {
      this.fail(frames.ENHANCE_YOUR_CALM, `SETTINGS has ${length / 6} entries; expected at most ${MAX_SETTINGS}`);
      return;
    }
    for (let from = at; from < at + length; from += 6) {
      const setting = ((bytes[from] as number) << 8) | (bytes[from + 1] as number);
      if (!this.#setting(setting, readUint32(bytes, from + 2))) return;
    }
    this.#peer.seen = true;
    this.#writer.settingsAck();
    this.#owner.onSettings();
    if (!this.#over) this.#sender.pump();
  }

  #setting(id: number, value: number): boolean {
    const windowBytes = this.#peer.initialWindowBytes;
    const fault = this.#peer.set(id, value);
    if (fault !== null) {
      this.fail(fault.code, fault.message);
      return false;
    }
    if (id === frames.SETTINGS_HEADER_TABLE_SIZE) this.#writer.setPeerTableBytes(value);
    return id !== frames.SETTINGS_INITIAL_WINDOW_SIZE || this.#moveWindows(value - windowBytes);
  }

  /** Streams that are open already follow the peer's initial window (RFC 9113 section 6.9.2). */
  #moveWindows(change: number): boolean {
    for (const stream of this.#streams.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > MAX_WINDOW_BYTES) {
        this.fail(frames.FLOW_CONTROL_ERROR, "A window exceeds 2^31-1");
        return false;
      }
    }
    return true;
  }

  onPing(flags: number, id: number, bytes: Uint8Array, at: number, length: number): void {
    if (id !== 0 || length !== 8) {
      this.fail(length === 8 ? frames.PROTOCOL_ERROR : frames.FRAME_SIZE_ERROR, "PING is not 8 bytes on stream 0");
      return;
    }
    if (!this.spendControl()) return;
    if ((flags & FLAG_ACK) !== 0) {
      this.#owner.onPong();
      return;
    }
    this.#writer.pong(bytes, at);
  }

  onGoaway(id: number, bytes: Uint8Array, at: number, length: number): void {
    if (id !== 0 || length < 8) {
      this.fail(id === 0 ? frames.FRAME_SIZE_ERROR : frames.PROTOCOL_ERROR, "GOAWAY is not 8 bytes on stream 0");
      return;
    }
    if (!this.spendControl()) return;
    this.#peerGoaway = true;
    // Ours above it were not processed; the peer's own streams go on.
    if (!this.#isServer) this.#resetAll(frames.REFUSED_STREAM, readUint32(bytes, at) & 0x7fffffff);
    if (!this.#over) this.#owner.onGoaway();
  }

  onPriority(id: number, bytes: Uint8Array, at: number, length: number): void {
    if (id === 0) this.fail(frames.PROTOCOL_ERROR, "PRIORITY came on stream 0");
    else if (length !== 5) {
      const stream = this.#streams.get(id);
      if (stream === undefined) this.fail(frames.FRAME_SIZE_ERROR, "PRIORITY does not have 5 bytes");
      else this.streamError(stream, frames.FRAME_SIZE_ERROR);
    } else if ((readUint32(bytes, at) & 0x7fffffff) === id) {
      const stream = this.#streams.get(id);
      if (stream === undefined) this.fail(frames.PROTOCOL_ERROR, "A stream depends on itself");
      else this.streamError(stream, frames.PROTOCOL_ERROR);
    } else this.spendControl();
  }

  // Streams

  #enter(stream: Http2Stream, id: number): void {
    stream.id = id;
    stream.sendWindow = this.#peer.initialWindowBytes;
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
    this.#sender.forget(stream);
    stream.reset();
    if (heldBytes > 0) this.#receiver.release(heldBytes);
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

  #resetAll(code: number, above: number): void {
    if (this.#over) this.#sender.clear();
    for (const stream of [...this.#streams.values()]) {
      if (stream.id > above) this.#leaveWith(stream, code);
    }
  }

  #finishRemote(stream: Http2Stream): void {
    const id = stream.id;
    stream.onEnd(stream.hasTrailers ? stream.trailersHead() : null);
    if (stream.id === id && stream.localClosed) this.#leave(stream);
  }

  #maySend(stream: Http2Stream): boolean {
    return stream.id !== 0 && !stream.localClosed && !this.#over;
  }
}

function expectedBytes(head: Head): number {
  return head.bodyKind === BODY_LENGTH ? head.contentLength : -1;
}
