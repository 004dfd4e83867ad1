import type { Connection, ConnectionHandler, TransportFailure } from "../../transport/transport.ts";
import type { Deadline, DeadlineOwner } from "../../time/timer-wheel.ts";
import type { HttpOrigin } from "../exchange.ts";
import type { Head } from "../head.ts";
import type { Drainable, ProxyRuntime } from "../runtime.ts";
import type { Stack } from "../stack.ts";
import type { Http2Limits, Http2Owner, SessionEnd } from "./session-contract.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";
import { type DownstreamStreamOwner, Http2DownstreamStream } from "./downstream-stream.ts";
import { CANCEL } from "./frame.ts";
import type { Http2Stream } from "./http2-stream.ts";
import { Http2Session } from "./session.ts";
import { REPORT_MS } from "../load/load-report.ts";
import { APP_LIMITS, EDGE_LIMITS, LINK_LIMITS } from "./session-contract.ts";

/** How often a connection is looked at: half-sent heads, silence, vanished peers. */
const TICK_MS = 15_000;
/** Ticks without any frame and without streams after which it is closed. nginx keeps 75 s at the edge. */
const IDLE_TICKS = 5;
/** A link stays open longer than its user keeps it. */
const LINK_IDLE_TICKS = 240;
/** From the announcement of the end to the end: time for requests that are on their way. */
const GOAWAY_MS = 1_000;
/** After our FIN the peer has this long to read the rest. */
const LINGER_MS = 2_000;
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
  #quietTicks: number = 0;
  /** A head had begun at the last tick, and nothing else has come since. */
  #suspectBytes: number = -1;
  #receivedBytes: number = 0;
  #reportedMs: number = Number.NEGATIVE_INFINITY;
  #drainStage: 0 | 1 | 2 = 0;
  #closing: boolean = false;

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
      this.#connection?.destroy();
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
    const quiet = this.#suspectBytes === this.#receivedBytes;
    // A head or frame that has begun must come on; all others were complete when they came.
    if (quiet && this.session.isMidFrame()) {
      this.#close();
      return;
    }
    this.#suspectBytes = this.#receivedBytes;
    const idleTicks = this.origin.direction === "inbound" ? LINK_IDLE_TICKS : IDLE_TICKS;
    this.#quietTicks = quiet && this.session.activeStreams() === 0 ? this.#quietTicks + 1 : 0;
    if (this.#quietTicks >= idleTicks) {
      this.session.sendGoaway(true);
      this.#close();
      return;
    }
    this.runtime.wheel.arm(this.#deadline, TICK_MS);
  }

  #close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#connection?.end();
    this.runtime.wheel.arm(this.#deadline, LINGER_MS);
  }
}
