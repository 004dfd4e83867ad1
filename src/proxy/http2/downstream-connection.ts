import type { Connection, ConnectionHandler, TransportFailure } from "../../transport/transport.ts";
import type { Deadline, DeadlineOwner } from "../../time/timer-wheel.ts";
import type { HttpOrigin } from "../exchange.ts";
import type { Head } from "../head.ts";
import type { Drainable, ProxyRuntime } from "../runtime.ts";
import type { Stack } from "../stack.ts";
import type { Http2Limits, Http2Owner, SessionEnd } from "./session-contract.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";
import { type DownstreamStreamOwner, Http2DownstreamStream } from "./downstream-stream.ts";
import { CANCEL, ENHANCE_YOUR_CALM } from "./frame.ts";
import type { Http2Stream } from "./http2-stream.ts";
import { Http2Session } from "./session.ts";
import { REPORT_MS } from "../load/load-report.ts";
import { APP_LIMITS, EDGE_LIMITS, LINK_LIMITS } from "./session-contract.ts";

/**
 * How often a connection is looked at. A head or frame that is the same one as at the last look is stuck, however many bytes
 * dribbled in. Silence while streams are open is asked about by PING, and is the end when the next look finds no answer.
 */
const TICK_MS = 15_000;
/** Ticks without a stream after which it is closed, whatever else comes. nginx keeps 75 s at the edge. */
const IDLE_TICKS = 5;
/** A link stays open longer than its user keeps it. */
const LINK_IDLE_TICKS = 240;
/** From the announcement of the end to the end: time for requests that are on their way. */
const GOAWAY_MS = 1_000;
/** After our FIN the peer has this long to read the rest. */
const LINGER_MS = 2_000;
/** Of what the peer still reads, something must be read within this time. */
const STALL_MS = 60_000;
/** Streams kept for further requests; beyond it they are left to the collector. */
const MAX_KEPT_STREAMS = 256;

/** One accepted HTTP/2 connection: each of its streams is a request with its answer. */
export class Http2DownstreamConnection
  implements ConnectionHandler, Http2Owner, DownstreamStreamOwner, DeadlineOwner, Drainable
{
  readonly runtime: ProxyRuntime;
  readonly stack: Stack;
  readonly origin: HttpOrigin;
  /** Set by `onOpen`; nothing asks for it before. */
  session!: Http2Session;
  readonly #limits: Http2Limits;
  readonly #deadline: Deadline;
  readonly #free: Http2DownstreamStream[] = [];
  #connection: Connection | null = null;
  #idleTicks: number = 0;
  #receivedBytes: number = 0;
  #pinged: boolean = false;
  // As of the last tick.
  #seenBytes: number = -1;
  #seenStream: number = 0;
  /** -1: no frame was in the middle. */
  #seenFrames: number = -1;
  #reportedMs: number = Number.NEGATIVE_INFINITY;
  #drainStage: 0 | 1 | 2 = 0;
  #closing: boolean = false;
  /** What the peer had not read when it was last looked at. */
  #unreadBytes: number = -1;

  constructor(runtime: ProxyRuntime, stack: Stack, origin: HttpOrigin) {
    this.runtime = runtime;
    this.stack = stack;
    this.origin = origin;
    this.#deadline = new WheelDeadline(this, 0);
    this.#limits =
      origin.direction === "ingress" ? EDGE_LIMITS : origin.direction === "inbound" ? LINK_LIMITS : APP_LIMITS;
  }

  // ConnectionHandler

  onOpen(connection: Connection): void {
    const { runtime } = this;
    this.#connection = connection;
    this.session = new Http2Session({
      role: "server",
      output: connection,
      owner: this,
      limits: this.#limits,
      nowMs: () => runtime.clock.nowMs(),
    });
    runtime.downstreams.add(this);
    this.session.start();
    runtime.wheel.arm(this.#deadline, TICK_MS);
    if (runtime.draining) this.drain();
  }

  onData(bytes: Uint8Array): void {
    this.#receivedBytes += bytes.length;
    if (!this.#closing) this.session.receive(bytes);
  }

  onDrain(): void {
    this.session.onDrain();
  }

  onEnd(): void {
    // Whoever ends its side has left: nothing can be sent on a half-closed HTTP/2 connection but answers to nobody.
    this.session.abandon(CANCEL);
    this.#close();
  }

  onClose(_failure: TransportFailure | null): void {
    this.#closing = true;
    this.session.abandon(CANCEL);
    this.runtime.wheel.clear(this.#deadline);
    this.runtime.forget(this);
    this.#connection = null;
    this.#free.length = 0;
  }

  onDeadline(): void {
    if (this.#closing) {
      this.#linger();
    } else if (this.#drainStage === 1) {
      this.#finalGoaway();
    } else {
      this.#tick();
    }
  }

  drain(): void {
    if (this.#drainStage > 0 || this.#closing) return;
    this.#drainStage = 1;
    this.session.sendGoaway(false);
    this.session.ping();
    this.runtime.wheel.arm(this.#deadline, GOAWAY_MS);
  }

  close(): void {
    this.#connection?.destroy();
  }

  // DownstreamStreamOwner

  decorate(head: Head): void {
    if (this.origin.direction !== "inbound") return;
    const nowMs = this.runtime.clock.nowMs();
    if (nowMs - this.#reportedMs < REPORT_MS) return;
    this.#reportedMs = nowMs;
    head.add(this.runtime.loadReport.lines(nowMs));
  }

  // Http2Owner

  createStream(): Http2Stream {
    return this.#free.pop() ?? new Http2DownstreamStream(this);
  }

  releaseStream(stream: Http2Stream): void {
    if (this.#free.length < MAX_KEPT_STREAMS) this.#free.push(stream as Http2DownstreamStream); // made by createStream
  }

  onSessionEnd(reason: SessionEnd): void {
    const { counters, log } = this.runtime;
    counters.malformed += 1;
    log.debug("HTTP/2 connection ended", { peer: this.origin.peerAddress, reason: reason.message });
    this.#close();
  }

  onGoaway(): void {
    if (this.session.activeStreams() === 0) this.#close();
  }

  onSettings(): void {
    // What the peer allows is kept by the session.
  }

  onPong(): void {
    // The caller has seen the announcement: what it sends from now on it sends knowingly.
    if (this.#drainStage === 1) this.#finalGoaway();
  }

  onActivity(activeStreams: number): void {
    this.#connection?.batchWrites(activeStreams > 1);
    if (activeStreams === 0 && this.#drainStage === 2) this.#close();
  }

  #finalGoaway(): void {
    this.#drainStage = 2;
    this.session.sendGoaway(true);
    if (this.session.activeStreams() === 0) this.#close();
    else this.runtime.wheel.arm(this.#deadline, TICK_MS);
  }

  #tick(): void {
    const { session, runtime } = this;
    const frames = session.isMidFrame() ? session.completedFrames() : -1;
    if (frames >= 0 && frames === this.#seenFrames) {
      session.fail(ENHANCE_YOUR_CALM, `A frame or head did not end within ${TICK_MS / 1000} s`);
      return;
    }
    this.#seenFrames = frames;
    const active = session.activeStreams();
    if (active > 0 && this.#seenBytes === this.#receivedBytes) {
      if (this.#pinged) {
        this.close();
        return;
      }
      this.#pinged = true;
      session.ping();
    } else {
      this.#pinged = false;
    }
    this.#seenBytes = this.#receivedBytes;
    const unused = active === 0 && session.lastPeerStream() === this.#seenStream;
    this.#seenStream = session.lastPeerStream();
    this.#idleTicks = unused ? this.#idleTicks + 1 : 0;
    if (this.#idleTicks >= (this.origin.direction === "inbound" ? LINK_IDLE_TICKS : IDLE_TICKS)) {
      session.sendGoaway(true);
      this.#close();
      return;
    }
    runtime.wheel.arm(this.#deadline, TICK_MS);
  }

  /** Our side has ended. What a slow peer still has to read is kept for it as long as it reads. */
  #linger(): void {
    const unread = this.#connection?.bufferedBytes() ?? 0;
    if (unread === 0 || unread === this.#unreadBytes) {
      this.#connection?.destroy();
      return;
    }
    this.#unreadBytes = unread;
    this.runtime.wheel.arm(this.#deadline, STALL_MS);
  }

  #close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#connection?.end();
    this.runtime.wheel.arm(this.#deadline, LINGER_MS);
  }
}
