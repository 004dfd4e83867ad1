import type { Connection, ConnectionHandler, TransportFailure } from "../../transport/transport.ts";
import type { Deadline, DeadlineOwner } from "../../time/timer-wheel.ts";
import type { Exchange, UpstreamStream } from "../exchange.ts";
import type { Head } from "../head.ts";
import type { Credentials } from "../runtime.ts";
import type { EndpointState } from "../upstream/endpoint-state.ts";
import type { Http1Pool } from "../upstream/http1-pool.ts";
import type { DecodeFailure, Http1Sink } from "./decoder-contract.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";
import { PEER_IDENTITY, UPSTREAM_PROTOCOL, UPSTREAM_RESET } from "../failures.ts";
import { BODY_CHUNKED, BODY_TUNNEL, BODY_UNTIL_CLOSE, FIELD_KEEP_ALIVE, METHOD_HEAD } from "../head.ts";
import { describeDialFailure, dialEndpoint, refusePeer, toDialFailureCode } from "../upstream/dial.ts";
import { writeChunk, writeLastChunk } from "./chunk-writer.ts";
import { DEFAULT_DECODER_LIMITS } from "./decoder-contract.ts";
import { Http1Decoder } from "./decoder.ts";
import { encodeRequestHead } from "./encoder.ts";
import { keepAliveSeconds } from "./keep-alive-field.ts";
import { addWebSocketKey, refuseSwitch } from "./upgrade-handshake.ts";
import { writeEncoded } from "./write-encoded.ts";

/**
 * An idle connection to an app is closed by us after this long, or what the policy says, if that is less: below Node's own 5 s `keepAliveTimeout`, so that a
 * request does not cross the app's close. A `Keep-Alive: timeout=n` field in a response replaces it, less one second.
 */
const APP_IDLE_MS = 4_000;
/** An answer that nobody waits for any more is read to its end, for the sake of the connection, up to this long. */
const DISCARD_MS = 1_000;
/** After both ends of a tunnel the peer has this long to take its last bytes. */
const TUNNEL_LINGER_MS = 60_000;

/**
 * One HTTP/1.1 connection to an endpoint, carrying one exchange at a time.
 *
 *   connecting --open--> idle --assign--> busy --response end--> idle
 *                          \               |\--cancel before any answer--> closed
 *                           |               \--101--> tunnel (busy) --both ends--> closed
 *                           \--idle timeout, peer's close, `connection: close`--> closed
 */
export class Http1UpstreamConnection implements ConnectionHandler, UpstreamStream, DeadlineOwner {
  readonly #endpoint: EndpointState;
  readonly #pool: Http1Pool;
  readonly #decoder: Http1Decoder;
  readonly #idleDeadline: Deadline;
  #connection: Connection | null = null;
  #exchange: Exchange | null = null;
  #state: "connecting" | "idle" | "busy" | "closed" = "connecting";
  /** Exchanges carried so far; more than one means that the peer may have closed while we wrote. */
  #carried: number = 0;
  #requestChunked: boolean = false;
  #requestEnded: boolean = false;
  #responseSeen: boolean = false;
  #reusable: boolean = true;
  /** The answer was 101: both ways are open until each ends. */
  #tunnel: boolean = false;
  #responseEnded: boolean = false;
  #idleMs: number;
  #identityFailure: string | null = null;

  constructor(endpoint: EndpointState, pool: Http1Pool) {
    this.#endpoint = endpoint;
    this.#pool = pool;
    this.#decoder = new Http1Decoder("response", new ResponseSink(this), DEFAULT_DECODER_LIMITS);
    this.#idleDeadline = new WheelDeadline(this, 0);
    const { peerIdentities, policy } = endpoint.cluster.config;
    this.#idleMs = peerIdentities === null ? Math.min(APP_IDLE_MS, policy.idleMs) : policy.idleMs;
  }

  connect(credentials: Credentials | null): void {
    const { runtime, cluster, config } = this.#endpoint;
    this.#connection = dialEndpoint(runtime, cluster.config, config, { credentials, handler: this });
  }

  /** Takes `x` as the one exchange and sends its head and what is there of its body. Only when idle. */
  assign(x: Exchange): void {
    const request = x.request;
    const connection = this.#connection;
    if (request === null || connection === null) return;
    this.#endpoint.runtime.wheel.rest(this.#idleDeadline);
    this.#state = "busy";
    this.#exchange = x;
    this.#carried += 1;
    // An upgrade request is whole with its head, unless it is granted.
    this.#requestEnded = request.upgrade;
    this.#responseSeen = false;
    this.#requestChunked = request.bodyKind === BODY_CHUNKED;
    if (request.upgrade) x.websocketKey ??= addWebSocketKey(request, this.#endpoint.runtime.random);
    this.#decoder.expect(request.method === METHOD_HEAD, request.upgrade);
    // A decoder that can tell at once that no answer will come has failed the attempt, and `x` goes on elsewhere.
    if (this.#exchange !== x) return;
    writeEncoded(connection, encodeRequestHead, request);
    x.onConnected(this);
  }

  /** Closes after what was written; only when idle or connecting. */
  close(): void {
    if (this.#state === "busy") {
      this.#reusable = false;
      return;
    }
    this.#connection?.destroy();
  }

  // UpstreamStream

  sendData(bytes: Uint8Array): boolean {
    const connection = this.#connection;
    if (connection === null) return true;
    return this.#requestChunked ? writeChunk(connection, bytes) : connection.write(bytes);
  }

  sendEnd(trailers: Head | null): void {
    this.#requestEnded = true;
    if (this.#requestChunked && this.#connection !== null) writeLastChunk(this.#connection, trailers);
    if (!this.#tunnel) return;
    this.#connection?.end();
    if (this.#responseEnded) this.#finishTunnel();
  }

  cancel(): void {
    this.#exchange = null;
    this.#connection?.destroy();
  }

  pauseReads(): void {
    this.#connection?.pauseReads();
  }

  resumeReads(): void {
    this.#connection?.resumeReads();
  }

  /** The answer is not wanted (the exchange goes on elsewhere) but its rest is read, so that the connection lives. */
  discard(): void {
    this.#exchange = null;
    this.#connection?.resumeReads();
    this.#endpoint.runtime.wheel.arm(this.#idleDeadline, DISCARD_MS);
  }

  // ConnectionHandler

  onOpen(connection: Connection): void {
    this.#connection = connection;
    const { runtime, cluster } = this.#endpoint;
    runtime.counters.upstreamOpen += 1;
    runtime.counters.upstreamTotal += 1;
    if (cluster.config.peerIdentities !== null) runtime.counters.tlsConnected += 1;
    this.#identityFailure = refusePeer(cluster.config, connection);
    if (this.#identityFailure !== null) {
      connection.destroy();
      return;
    }
    this.#state = "idle";
    this.#armIdle();
    this.#pool.onOpened(this);
  }

  onData(bytes: Uint8Array): void {
    if (this.#state === "busy") this.#responseSeen = true;
    this.#decoder.decode(bytes);
  }

  onDrain(): void {
    this.#exchange?.onUpstreamDrain();
  }

  onEnd(): void {
    if (this.#tunnel) {
      this.#decoder.finish();
      return;
    }
    // A server that half-closes has no more answers: a body until close is complete, anything else is broken off.
    this.#reusable = false;
    this.#pool.onClosing(this);
    this.#decoder.finish();
    this.#connection?.destroy();
  }

  onClose(failure: TransportFailure | null): void {
    const wasOpen = this.#state !== "connecting";
    const { runtime } = this.#endpoint;
    runtime.wheel.clear(this.#idleDeadline);
    this.#state = "closed";
    if (!wasOpen) {
      if (this.#identityFailure !== null) runtime.counters.upstreamOpen -= 1;
      this.#failOpen(failure);
      return;
    }
    runtime.counters.upstreamOpen -= 1;
    const x = this.#exchange;
    this.#exchange = null;
    this.#pool.onClosed(this);
    if (x !== null) x.onAttemptFailed(UPSTREAM_RESET, failure === null ? null : failure.message);
  }

  onDeadline(): void {
    this.#pool.onClosing(this);
    this.#connection?.destroy();
  }

  /** True when a failure of this attempt may be the peer's idle close crossing our request: nothing came back. */
  isStaleReuse(): boolean {
    return this.#carried > 1 && !this.#responseSeen;
  }

  // Decoded events, by way of ResponseSink.

  onInterim(head: Head): void {
    this.#exchange?.onInterim(head);
  }

  onHead(head: Head): void {
    if (!head.keepAlive || head.bodyKind === BODY_UNTIL_CLOSE) this.#reusable = false;
    if (head.bodyKind === BODY_TUNNEL && !this.#openTunnel(head)) return;
    if (this.#endpoint.cluster.config.peerIdentities === null) this.#readKeepAlive(head);
    this.#exchange?.onResponseHead(head);
  }

  onBody(bytes: Uint8Array): void {
    this.#exchange?.onResponseData(bytes);
  }

  onMessageEnd(trailers: Head | null): void {
    if (this.#tunnel) {
      this.#responseEnded = true;
      const tunnel = this.#exchange;
      if (this.#requestEnded) this.#finishTunnel();
      tunnel?.onResponseEnd(null);
      return;
    }
    const x = this.#exchange;
    this.#exchange = null;
    // A response that ends before its request leaves half a request on the wire: the connection is done.
    // So is one on which more bytes came than were due: the decoder then takes keepAlive back.
    const reusable = this.#reusable && this.#requestEnded && this.#decoder.head.keepAlive;
    if (reusable) {
      this.#state = "idle";
      // A slow caller may have stopped reads at the last bytes of its answer; the next one must not wait for it.
      this.#connection?.resumeReads();
      this.#armIdle();
      x?.onResponseEnd(trailers);
      // The exchange may have begun its next request and taken another connection; this one is free either way.
      this.#pool.onIdle(this);
    } else {
      this.#state = "idle";
      x?.onResponseEnd(trailers);
      this.#connection?.destroy();
    }
  }

  onFailure(failure: DecodeFailure): void {
    this.#fail(failure.detail === "truncated" ? UPSTREAM_RESET : UPSTREAM_PROTOCOL, failure.message);
  }

  #fail(code: number, detail: string): void {
    const x = this.#exchange;
    this.#exchange = null;
    this.#reusable = false;
    // Before the attempt is made again: it must not meet this connection.
    this.#pool.onClosing(this);
    this.#connection?.destroy();
    x?.onAttemptFailed(code, detail);
  }

  /** False when the 101 is not a good answer: the attempt has failed then. */
  #openTunnel(head: Head): boolean {
    this.#reusable = false;
    const x = this.#exchange;
    if (x === null || x.request === null) {
      this.#decoder.stop();
      this.#connection?.destroy();
      return false;
    }
    const refusal = refuseSwitch(x.request, head, x.websocketKey);
    if (refusal !== null) {
      this.#decoder.stop();
      this.#fail(UPSTREAM_PROTOCOL, refusal);
      return false;
    }
    this.#tunnel = true;
    this.#responseEnded = false;
    this.#requestEnded = false;
    return true;
  }

  /** Both ways have ended: what is buffered is sent, and the connection closes by itself when the peer has taken it. */
  #finishTunnel(): void {
    this.#exchange = null;
    this.#connection?.resumeReads();
    this.#endpoint.runtime.wheel.arm(this.#idleDeadline, TUNNEL_LINGER_MS);
  }

  #armIdle(): void {
    this.#endpoint.runtime.wheel.renew(this.#idleDeadline, this.#idleMs);
  }

  #failOpen(failure: TransportFailure | null): void {
    const { runtime, cluster, config } = this.#endpoint;
    const code = this.#identityFailure === null ? toDialFailureCode(cluster.config, failure) : PEER_IDENTITY;
    if (cluster.config.peerIdentities !== null) runtime.counters.tlsConnectFailed += 1;
    this.#pool.onOpenFailed(code, this.#identityFailure ?? describeDialFailure(cluster.config, config, failure));
  }

  /** Apps say how long they keep an idle connection; believing them avoids sending into a close. */
  #readKeepAlive(head: Head): void {
    const index = head.find(FIELD_KEEP_ALIVE);
    if (index < 0) return;
    // The index is below the count.
    const start = head.spans[index * 4 + 2] as number;
    const seconds = keepAliveSeconds(head.bytes, start, head.spans[index * 4 + 3] as number);
    if (seconds >= 0)
      this.#idleMs = Math.min(Math.max(500, seconds * 1000 - 1000), this.#endpoint.cluster.config.policy.idleMs);
  }
}

/** Names a decoder's events apart from the transport's, which share words. */
class ResponseSink implements Http1Sink {
  readonly #owner: Http1UpstreamConnection;

  constructor(owner: Http1UpstreamConnection) {
    this.#owner = owner;
  }

  onInterim(head: Head): void {
    this.#owner.onInterim(head);
  }

  onHead(head: Head): void {
    this.#owner.onHead(head);
  }

  onData(bytes: Uint8Array): void {
    this.#owner.onBody(bytes);
  }

  onEnd(trailers: Head | null): void {
    this.#owner.onMessageEnd(trailers);
  }

  onFailure(failure: DecodeFailure): void {
    this.#owner.onFailure(failure);
  }
}
