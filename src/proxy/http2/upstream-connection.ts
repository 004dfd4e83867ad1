import type { Connection, ConnectionHandler, TransportFailure } from "../../transport/transport.ts";
import type { Deadline, DeadlineOwner, TimerWheel } from "../../time/timer-wheel.ts";
import type { Exchange } from "../exchange.ts";
import type { Head } from "../head.ts";
import type { Credentials } from "../runtime.ts";
import type { EndpointState } from "../upstream/endpoint-state.ts";
import type { Http2Owner, SessionEnd } from "./session-contract.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";
import { CONNECT_FAILED, PEER_IDENTITY, UPGRADE_UNSUPPORTED, UPSTREAM_PROTOCOL } from "../failures.ts";
import { describeDialFailure, dialEndpoint, refusePeer, toDialFailureCode } from "../upstream/dial.ts";
import { CANCEL } from "./frame.ts";
import type { Http2Stream } from "./http2-stream.ts";
import { Http2Session } from "./session.ts";
import { APP_LIMITS, LINK_LIMITS } from "./session-contract.ts";
import { Http2UpstreamStream, type UpstreamStreamOwner } from "./upstream-stream.ts";

/**
 * A connection from which nothing came for one tick is asked by PING, and given up when the next tick finds no answer:
 * a peer that vanished without a word is noticed after at most 30 s. gRPC's default is 20 s, Envoy's none.
 */
const TICK_MS = 15_000;
/** A connection to an app is closed when it had no stream for so long, or for what the policy says, if that is less. */
const APP_IDLE_MS = 300_000;
/** From a new connection to the peer's SETTINGS. */
const SETTINGS_MS = 10_000;
const MAX_KEPT_STREAMS = 1_024;

/** Where a connection's news go. */
export interface Http2Pool {
  /** Usable, or usable again: the settings came, or a stream ended at the limit. */
  onUsable(connection: Http2UpstreamConnection): void;
  /** It was never usable. */
  onOpenFailed(connection: Http2UpstreamConnection, code: number, detail: string): void;
  /** Requests wait for a stream. */
  hasWaiting(): boolean;
  /** It takes no new streams. May come more than once; open streams go on. */
  onSpent(connection: Http2UpstreamConnection): void;
}

/**
 * One HTTP/2 connection to an endpoint: the link between two proxies, or one to an app in the clear.
 *
 *   connecting --open--> greeting --SETTINGS--> usable --GOAWAY, failure, idle--> spent --last stream--> closed
 */
export class Http2UpstreamConnection implements ConnectionHandler, Http2Owner, UpstreamStreamOwner, DeadlineOwner {
  /** Set by `onOpen`; nothing asks for it before. */
  session!: Http2Session;
  closeDetail: string | null = null;
  readonly #endpoint: EndpointState;
  readonly #pool: Http2Pool;
  readonly #isLink: boolean;
  readonly #deadline: Deadline;
  readonly wheel: TimerWheel;
  readonly #free: Http2UpstreamStream[] = [];
  #connection: Connection | null = null;
  #state: "connecting" | "greeting" | "usable" | "spent" | "closed" = "connecting";
  #refusal: string | null = null;
  #receivedBytes: number = 0;
  #lastTickBytes: number = 0;
  #pinged: boolean = false;
  /** When a tick first found no stream; -1 = there are some. */
  #idleSinceMs: number = -1;
  /** It answered, and not in HTTP/2. */
  #garbled: boolean = false;
  /** A stream ended since the pool was told. */
  #freed: boolean = false;
  readonly #freedDeadline: Deadline;

  constructor(endpoint: EndpointState, pool: Http2Pool) {
    this.#endpoint = endpoint;
    this.#pool = pool;
    this.#isLink = endpoint.cluster.config.peerIdentities !== null;
    this.#deadline = new WheelDeadline(this, 0);
    this.#freedDeadline = new WheelDeadline(this, 1);
    this.wheel = endpoint.runtime.wheel;
  }

  connect(credentials: Credentials | null): void {
    const { runtime, cluster, config } = this.#endpoint;
    this.#connection = dialEndpoint(runtime, cluster.config, config, { credentials, handler: this });
  }

  canTake(): boolean {
    return this.#state === "usable" && this.session.canOpen();
  }

  activeStreams(): number {
    return this.#state === "connecting" ? 0 : this.session.activeStreams();
  }

  /** Sends `x` as a new stream. Only when `canTake`. */
  assign(x: Exchange): void {
    if (x.request === null) return;
    if (x.request.upgrade && !this.session.carriesTunnels()) {
      const detail = "The instance's HTTP/2 connection does not take extended CONNECT (RFC 8441)";
      x.onAttemptFailed(UPGRADE_UNSUPPORTED, detail);
      return;
    }
    const stream = this.#free.pop() ?? new Http2UpstreamStream(this);
    stream.start(x, x.request);
  }

  /** Closes when its streams have ended; at once when there is none. */
  close(): void {
    if (this.#state === "closed") return;
    if (this.activeStreams() > 0) this.#state = "spent";
    else this.#connection?.destroy();
  }

  // ConnectionHandler

  onOpen(connection: Connection): void {
    const { runtime, cluster } = this.#endpoint;
    this.#connection = connection;
    this.session = new Http2Session({
      role: "client",
      output: connection,
      owner: this,
      limits: this.#isLink ? LINK_LIMITS : APP_LIMITS,
      nowMs: () => runtime.clock.nowMs(),
    });
    this.#state = "greeting";
    runtime.counters.upstreamOpen += 1;
    runtime.counters.upstreamTotal += 1;
    if (this.#isLink) runtime.counters.tlsConnected += 1;
    this.#refusal = refusePeer(cluster.config, connection);
    const alpn = connection.peer.tls?.alpn ?? null;
    if (this.#refusal === null && this.#isLink && alpn !== "h2") {
      this.#refusal = `the instance's proxy chose ${alpn ?? "no protocol"} by ALPN; expected h2`;
    }
    if (this.#refusal !== null) {
      connection.destroy();
      return;
    }
    this.session.start();
    runtime.wheel.arm(this.#deadline, SETTINGS_MS);
  }

  onData(bytes: Uint8Array): void {
    this.#receivedBytes += bytes.length;
    this.session.receive(bytes);
    if (this.#freed) this.#offer();
  }

  onDrain(): void {
    this.session.onDrain();
  }

  onEnd(): void {
    this.closeDetail ??= "The instance closed its connection";
    this.#spend();
    this.session.abandon(CANCEL);
    this.#connection?.destroy();
  }

  onClose(failure: TransportFailure | null): void {
    const { runtime, cluster, config } = this.#endpoint;
    const state = this.#state;
    this.#state = "closed";
    this.#connection = null;
    runtime.wheel.clear(this.#deadline);
    runtime.wheel.clear(this.#freedDeadline);
    if (state !== "connecting") {
      runtime.counters.upstreamOpen -= 1;
      this.closeDetail ??= failure?.message ?? "The instance closed its connection";
      this.session.abandon(CANCEL);
    }
    if (state === "usable" || state === "spent") {
      this.#pool.onSpent(this);
      return;
    }
    if (this.#isLink && state === "connecting") runtime.counters.tlsConnectFailed += 1;
    if (this.#refusal !== null) this.#pool.onOpenFailed(this, PEER_IDENTITY, this.#refusal);
    else if (state === "greeting") {
      const detail = `the connection closed before the instance spoke HTTP/2: ${this.closeDetail ?? "closed"}`;
      // Nothing was sent: unless it speaks something else, another attempt may do.
      this.#pool.onOpenFailed(this, this.#garbled ? UPSTREAM_PROTOCOL : CONNECT_FAILED, detail);
    } else {
      const detail = describeDialFailure(cluster.config, config, failure);
      this.#pool.onOpenFailed(this, toDialFailureCode(cluster.config, failure), detail);
    }
  }

  onDeadline(deadline: Deadline): void {
    if (deadline.kind === 1) {
      this.#offer();
      return;
    }
    if (this.#state === "greeting") {
      this.closeDetail ??= `no SETTINGS came within ${SETTINGS_MS / 1000} s`;
      this.#connection?.destroy();
      return;
    }
    this.#tick();
  }

  // UpstreamStreamOwner

  onResponse(head: Head): void {
    if (this.#isLink) this.#endpoint.load.takeFrom(head);
  }

  // Http2Owner

  createStream(): Http2Stream {
    // Clients are sent no streams: push is off, and the session refuses the rest.
    return new Http2UpstreamStream(this);
  }

  releaseStream(stream: Http2Stream): void {
    if (this.#free.length < MAX_KEPT_STREAMS) this.#free.push(stream as Http2UpstreamStream); // made by assign
    if (this.#freed || !this.#pool.hasWaiting()) return;
    // Not now: the session is in the middle of something. After `onData`, or a tick later when it was the caller who left.
    this.#freed = true;
    this.#endpoint.runtime.wheel.arm(this.#freedDeadline, 0);
  }

  onSessionEnd(reason: SessionEnd): void {
    this.closeDetail ??= reason.message;
    this.#garbled = this.#state === "greeting";
    this.#endpoint.runtime.log.debug("HTTP/2 connection to an endpoint ended", { reason: reason.message });
    this.#spend();
    this.#connection?.end();
    this.#endpoint.runtime.wheel.arm(this.#deadline, 1);
  }

  onGoaway(): void {
    this.#spend();
  }

  onSettings(): void {
    if (this.#state === "greeting") {
      this.#state = "usable";
      this.#endpoint.runtime.wheel.arm(this.#deadline, Math.min(TICK_MS, this.#idleMs()));
    }
    if (this.canTake()) this.#pool.onUsable(this);
  }

  onPong(): void {
    this.#pinged = false;
  }

  onActivity(activeStreams: number): void {
    this.#connection?.batchWrites(activeStreams > 1);
    if (activeStreams === 0 && this.#state === "spent") this.#connection?.destroy();
  }

  #offer(): void {
    this.#freed = false;
    this.#endpoint.runtime.wheel.clear(this.#freedDeadline);
    if (this.canTake()) this.#pool.onUsable(this);
  }

  #spend(): void {
    // One that never was usable is told of when it closes.
    if (this.#state !== "usable") return;
    this.#state = "spent";
    this.#pool.onSpent(this);
    if (this.session.activeStreams() === 0) this.#connection?.destroy();
  }

  #tick(): void {
    if (this.#state === "spent" && this.session.isOver()) {
      this.#connection?.destroy();
      return;
    }
    const quiet = this.#receivedBytes === this.#lastTickBytes;
    this.#lastTickBytes = this.#receivedBytes;
    if (quiet && this.#pinged) {
      this.closeDetail = `no answer to PING within ${TICK_MS / 1000} s`;
      this.#spend();
      this.session.abandon(CANCEL);
      this.#connection?.destroy();
      return;
    }
    const idle = this.session.activeStreams() === 0;
    // The PING's own answer is no sign of use.
    const { clock, wheel } = this.#endpoint.runtime;
    const nowMs = clock.nowMs();
    if (!idle) this.#idleSinceMs = -1;
    else if (this.#idleSinceMs < 0) this.#idleSinceMs = nowMs;
    else if (nowMs - this.#idleSinceMs >= this.#idleMs()) {
      this.#spend();
      this.#connection?.destroy();
      return;
    }
    if (quiet && !idle) {
      this.#pinged = true;
      this.session.ping();
    } else {
      this.#pinged = false;
    }
    wheel.arm(this.#deadline, idle ? Math.min(TICK_MS, this.#idleMs()) : TICK_MS);
  }

  #idleMs(): number {
    const { idleMs } = this.#endpoint.cluster.config.policy;
    return this.#isLink ? idleMs : Math.min(APP_IDLE_MS, idleMs);
  }
}
