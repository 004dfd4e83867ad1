/** An `Http2Session` under test, with a peer made of frames and streams that record their events. */
import type { DecodeFailure } from "../proxy/http1/decoder-contract.ts";
import type { Head } from "../proxy/head.ts";
import * as frames from "../proxy/http2/frame.ts";
import { Http2Stream } from "../proxy/http2/http2-stream.ts";
import {
  APP_LIMITS,
  EDGE_LIMITS,
  type Http2Limits,
  type Http2Output,
  type Http2Owner,
  type SessionEnd,
} from "../proxy/http2/session-contract.ts";
import { Http2Session } from "../proxy/http2/session.ts";
import { toLocalHead } from "../proxy/http2/local-head.ts";
import { buildClientStart, buildSettings, type Frame, FrameReader, FrameTexts } from "./http2-frames.ts";

/** One stream whose events become lines of text: `1 head GET /`, `1 data 5`, `1 end`, `1 reset CANCEL`. */
export class RecordedStream extends Http2Stream {
  readonly #peer: SessionPeer;
  /** The id while it was open, for lines that come with the end. */
  name: number = 0;
  received: number = 0;
  /** Called for every event, with its first word. */
  onEvent: (event: string) => void = () => undefined;

  constructor(peer: SessionPeer) {
    super();
    this.#peer = peer;
  }

  override onHead(endStream: boolean): void {
    this.name = this.id;
    const { head } = this;
    const start = head.status === 0 ? `${head.methodText()} ${head.pathText()}` : `${head.status}`;
    this.#record("head", ` ${start}${endStream ? " end" : ""}`);
  }

  override onHeadRefused(failure: DecodeFailure | null): void {
    this.name = this.id;
    this.#record("refused", ` ${failure?.status ?? "?"} ${failure?.detail ?? "?"}`);
  }

  override onInterim(): void {
    this.#record("interim", ` ${this.head.status}`);
  }

  override onData(bytes: Uint8Array): void {
    this.received += bytes.length;
    this.#peer.bodies.set(this.id, (this.#peer.bodies.get(this.id) ?? "") + Buffer.from(bytes).toString("latin1"));
    this.#record("data", ` ${bytes.length}`);
  }

  override onEnd(trailers: Head | null): void {
    const text = trailers === null ? "" : ` ${trailers.nameText(0)}=${trailers.valueText(0)}`;
    this.#record("end", text);
  }

  override onReset(code: number): void {
    this.#record("reset", ` ${frames.errorName(code)}`);
  }

  override onWritable(): void {
    this.#record("writable", "");
  }

  #record(event: string, text: string): void {
    this.#peer.events.push(`${this.id} ${event}${text}`);
    this.onEvent(event);
  }
}

export interface SessionPeerOptions {
  readonly role?: "server" | "client";
  readonly limits?: Partial<Http2Limits>;
  /** False: the handshake is left to the test. Default true. */
  readonly greets?: boolean;
}

/** The session's socket and its owner, and the other end. */
export class SessionPeer implements Http2Owner, Http2Output {
  readonly session: Http2Session;
  /** What the session sent as it began. */
  readonly greeting: Uint8Array;
  /** What the session's streams heard, in order. */
  readonly events: string[] = [];
  keepsBodies: boolean = true;
  /** By stream. */
  readonly bodies: Map<number, string> = new Map();
  readonly streams: Map<number, RecordedStream> = new Map();
  /** What the session sent, as `FrameTexts` writes it. */
  readonly sent: string[] = [];
  readonly frames: Frame[] = [];
  ended: SessionEnd | null = null;
  nowMs: number = 0;
  /** False: the socket is full; `drain` ends it. */
  writable: boolean = true;
  writtenBytes: number = 0;
  released: number = 0;
  goaways: number = 0;
  pongs: number = 0;
  onStream: (stream: RecordedStream) => void = () => undefined;
  /** False: what is sent is counted and not kept. */
  keepsSent: boolean = true;
  /** Gets everything that is written, as it may be kept. */
  onWrite: ((bytes: Uint8Array) => void) | null = null;
  readonly #free: RecordedStream[] = [];
  readonly #reader: FrameReader = new FrameReader();
  readonly #texts: FrameTexts = new FrameTexts();
  #prefaceLeft: number;

  constructor({ role = "server", limits = {}, greets = true }: SessionPeerOptions = {}) {
    this.#prefaceLeft = role === "client" ? frames.PREFACE.length : 0;
    this.session = new Http2Session({
      role,
      output: this,
      owner: this,
      limits: {
        ...(role === "server" ? EDGE_LIMITS : APP_LIMITS),
        // A test that sets the window means it.
        ...(limits.streamWindowBytes === undefined ? {} : { maxStreamWindowBytes: limits.streamWindowBytes }),
        ...limits,
      },
      nowMs: () => this.nowMs,
    });
    const greeting: Uint8Array[] = [];
    this.onWrite = (bytes) => greeting.push(bytes);
    this.session.start();
    this.onWrite = null;
    this.greeting = Buffer.concat(greeting);
    if (!greets) return;
    this.receive(role === "server" ? buildClientStart() : buildSettings());
    this.sent.length = 0;
    this.frames.length = 0;
  }

  receive(...parts: readonly Uint8Array[]): void {
    this.session.receive(Buffer.concat(parts));
  }

  /** Opens a stream on a client session. */
  open(head: Head, end: boolean): RecordedStream {
    const stream = this.#take();
    this.session.openStream(stream, head, end);
    stream.name = stream.id;
    this.streams.set(stream.id, stream);
    return stream;
  }

  /** A complete answer. */
  respond(stream: RecordedStream, body: string = "", status: number = 200): void {
    this.session.sendResponse(stream, toLocalHead(status, "", body.length), body === "");
    if (body !== "") this.session.sendData(stream, Buffer.from(body, "latin1"), true);
  }

  drain(): void {
    this.writable = true;
    this.session.onDrain();
  }

  /** The last GOAWAY, as text. */
  goaway(): string | undefined {
    return this.sent.findLast((text) => text.startsWith("GOAWAY"));
  }

  // Http2Output

  write(bytes: Uint8Array): boolean {
    this.writtenBytes += bytes.length;
    this.onWrite?.(Uint8Array.from(bytes));
    const skip = Math.min(this.#prefaceLeft, bytes.length);
    this.#prefaceLeft -= skip;
    if (!this.keepsSent) return this.writable;
    for (const frame of this.#reader.read(bytes.subarray(skip))) {
      this.frames.push(frame);
      this.sent.push(this.#texts.format(frame));
    }
    return this.writable;
  }

  // Http2Owner

  createStream(): Http2Stream {
    const stream = this.#take();
    stream.onEvent = (event) => {
      if (event !== "head") return;
      this.streams.set(stream.id, stream);
      stream.onEvent = () => undefined;
      this.onStream(stream);
    };
    return stream;
  }

  releaseStream(stream: Http2Stream): void {
    this.released += 1;
    const recorded = stream as RecordedStream; // made by `#take`
    recorded.onEvent = () => undefined;
    this.#free.push(recorded);
  }

  onSessionEnd(reason: SessionEnd): void {
    this.ended = reason;
  }

  onGoaway(): void {
    this.goaways += 1;
  }

  onSettings(): void {
    // The session keeps them.
  }

  onPong(): void {
    this.pongs += 1;
  }

  onActivity(): void {
    // Nothing depends on it here.
  }

  #take(): RecordedStream {
    return this.#free.pop() ?? new RecordedStream(this);
  }
}
