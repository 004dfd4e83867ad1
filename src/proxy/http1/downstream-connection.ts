// Longer than most files: the life of one connection as one state machine; its drawing is in the class comment.
import type { Connection, ConnectionHandler, TransportFailure } from "../../transport/transport.ts";
import type { Deadline, DeadlineOwner } from "../../time/timer-wheel.ts";
import type { DownstreamStream, HttpOrigin } from "../exchange.ts";
import type { Head } from "../head.ts";
import type { ConnectionStarter } from "../listener/outbound-connection.ts";
import type { Drainable, ProxyRuntime } from "../runtime.ts";
import type { Stack } from "../stack.ts";
import type { DecodeFailure, Http1Sink } from "./decoder-contract.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";
import { Exchange } from "../exchange.ts";
import { BAD_REQUEST, DOWNSTREAM_TIMEOUT, reportFailure, toDecodeFailureCode } from "../failures.ts";
import { BODY_CHUNKED, BODY_NONE, BODY_TUNNEL, BODY_UNTIL_CLOSE, METHOD_CONNECT } from "../head.ts";
import { writeChunk, writeLastChunk } from "./chunk-writer.ts";
import { DEFAULT_DECODER_LIMITS } from "./decoder-contract.ts";
import { Http1Decoder } from "./decoder.ts";
import {
  ENCODE_CLOSE,
  ENCODE_KEEP_ALIVE,
  ENCODE_UNTIL_CLOSE,
  encodeResponseHead,
  isChunkedResponse,
} from "./encoder.ts";
import { renderFailure } from "./render-failure.ts";
import { completeSwitch } from "./upgrade-handshake.ts";
import { writeEncoded } from "./write-encoded.ts";

/** From the first byte of a head, or from accept, to its end. Node's own default is 60 s; a proxy in front can be stricter. */
const HEAD_MS = 15_000;
/** Silence while a request body is awaited and its answer has not begun. */
const BODY_MS = 60_000;
/** Between requests. nginx keeps 75 s at the edge; a link between proxies stays open longer than its user keeps it. */
const IDLE_MS = 75_000;
const LINK_IDLE_MS = 60 * 60 * 1000;
/** What is read of a body after its answer was given, to keep the connection; beyond it the connection closes. */
const MAX_DISCARD_BYTES = 1024 * 1024;
/** After our FIN the peer has this long to read the answer and close; a reset before could take the answer with it. */
const LINGER_MS = 2_000;
/** Of an answer that the peer still reads, something must be read within this time. */
const STALL_MS = 60_000;
/** When the proxy drains: how long an idle connection waits for a request that is on its way. */
const DRAIN_IDLE_MS = 500;
/** After both ends of a tunnel the peer has this long to take its last bytes. */
const TUNNEL_LINGER_MS = 60_000;

const CONNECTED: Uint8Array = Buffer.from("HTTP/1.1 200 OK\r\n\r\n", "latin1");

const AWAITING_HEAD = 0;
const IN_EXCHANGE = 1;
/** The answer is out, the rest of the request is read and dropped. */
const DISCARDING = 2;
const CLOSING = 3;
/** The answer was 101: bytes of another protocol both ways, until each side ends. */
const TUNNEL = 4;
/** CONNECT was accepted: everything belongs to the handler of the connection inside. */
const FORWARDING = 5;

/**
 * One accepted HTTP/1.1 connection: decodes requests one at a time (pipelined ones wait their turn), hands each to the
 * stack as an exchange, and writes the answers in order.
 *
 *   AWAITING_HEAD --head--> IN_EXCHANGE --answer, request read--> AWAITING_HEAD
 *     \--CONNECT--> FORWARDING   \ \--answer before the request's end--> DISCARDING --> AWAITING_HEAD
 *                                 \--101--> TUNNEL --both ends--> CLOSING
 */
export class Http1DownstreamConnection implements ConnectionHandler, DownstreamStream, DeadlineOwner, Drainable {
  readonly #runtime: ProxyRuntime;
  readonly #stack: Stack;
  readonly #origin: HttpOrigin;
  /** For what comes through CONNECT; null where none is accepted. */
  readonly #starter: ConnectionStarter | null;
  readonly #decoder: Http1Decoder;
  readonly #exchange: Exchange;
  readonly #deadline: Deadline;
  readonly #idleMs: number;
  #connection: Connection | null = null;
  /** What the peer had not read when it was last looked at. */
  #unreadBytes: number = -1;
  #inner: ConnectionHandler | null = null;
  #state: number = AWAITING_HEAD;
  /** The present head began and has its deadline. */
  #headWatched: boolean = false;
  #requestEnded: boolean = false;
  #responseEnded: boolean = false;
  #closeAfter: boolean = false;
  #responseChunked: boolean = false;
  #discarded: number = 0;

  constructor(runtime: ProxyRuntime, stack: Stack, origin: HttpOrigin, starter: ConnectionStarter | null = null) {
    this.#runtime = runtime;
    this.#stack = stack;
    this.#origin = origin;
    this.#starter = starter;
    this.#decoder = new Http1Decoder("request", new RequestSink(this), DEFAULT_DECODER_LIMITS);
    this.#exchange = new Exchange(this);
    this.#deadline = new WheelDeadline(this, 0);
    this.#idleMs = origin.direction === "inbound" ? LINK_IDLE_MS : IDLE_MS;
  }

  // ConnectionHandler

  onOpen(connection: Connection): void {
    this.#connection = connection;
    this.#runtime.downstreams.add(this);
    this.#runtime.wheel.arm(this.#deadline, this.#idleMs);
  }

  onData(bytes: Uint8Array): void {
    if (this.#state === CLOSING) return;
    if (this.#inner !== null) {
      this.#inner.onData(bytes);
      return;
    }
    this.#decoder.decode(bytes);
    this.#watchHead();
    this.#balanceReads();
  }

  onDrain(): void {
    if (this.#inner !== null) this.#inner.onDrain();
    else if (this.#exchange.active) this.#exchange.onDownstreamDrain();
  }

  onEnd(): void {
    if (this.#inner !== null) {
      this.#inner.onEnd();
      return;
    }
    if (this.#state === TUNNEL) {
      this.#decoder.finish();
      return;
    }
    // FIN with an answer outstanding is a caller that left: a half-close looks the same, but nginx and Envoy read it so
    // too, and working on for callers that are gone is what keeps an overload alive.
    this.#closeAfter = true;
    if (this.#exchange.active) {
      this.#exchange.onDownstreamClosed();
      this.#connection?.destroy();
      return;
    }
    this.#decoder.finish();
    if (this.#state === AWAITING_HEAD) this.#close();
  }

  onClose(failure: TransportFailure | null): void {
    if (this.#inner !== null) {
      this.#inner.onClose(failure);
      this.#connection = null;
      return;
    }
    this.#state = CLOSING;
    this.#runtime.wheel.clear(this.#deadline);
    this.#runtime.forget(this);
    this.#decoder.stop();
    this.#exchange.onDownstreamClosed();
    this.#connection = null;
  }

  onDeadline(): void {
    if (this.#state === CLOSING) {
      this.#linger();
    } else if (this.#state === IN_EXCHANGE) {
      this.#closeAfter = true;
      this.#exchange.fail(DOWNSTREAM_TIMEOUT, "The request body stopped coming");
    } else if (this.#state === AWAITING_HEAD && !this.#decoder.isIdle()) {
      this.#answer(DOWNSTREAM_TIMEOUT, "The request head stopped coming");
    } else {
      this.#close();
    }
  }

  /**
   * Draining: the next answer says that it is the last. An idle connection waits a moment for a request that may be on its
   * way, as closing at once would lose it.
   */
  drain(): void {
    this.#closeAfter = true;
    if (this.#state === AWAITING_HEAD && this.#decoder.isIdle()) this.#runtime.wheel.arm(this.#deadline, DRAIN_IDLE_MS);
  }

  close(): void {
    this.#connection?.destroy();
  }

  // Decoded events, by way of RequestSink.

  onHead(head: Head): void {
    this.#state = IN_EXCHANGE;
    this.#requestEnded = false;
    this.#responseEnded = false;
    this.#discarded = 0;
    if (!head.keepAlive || this.#runtime.draining) this.#closeAfter = true;
    if (head.method === METHOD_CONNECT && this.#connectTo(head)) return;
    // Every request moves this deadline at least twice, so it rests and is renewed, which is next to nothing.
    if (head.bodyKind === BODY_NONE) this.#runtime.wheel.rest(this.#deadline);
    else this.#runtime.wheel.renew(this.#deadline, BODY_MS);
    this.#exchange.begin(this.#stack, this.#origin, head);
    this.#stack.dispatch(this.#exchange);
  }

  onBody(bytes: Uint8Array): void {
    if (this.#state === IN_EXCHANGE && this.#exchange.active) {
      if (!this.#exchange.responseStarted) this.#runtime.wheel.renew(this.#deadline, BODY_MS);
      this.#exchange.onRequestData(bytes);
      return;
    }
    if (this.#state === TUNNEL) {
      this.#exchange.onRequestData(bytes);
      return;
    }
    if (this.#inner !== null) {
      this.#inner.onData(bytes);
      return;
    }
    this.#discarded += bytes.length;
    if (this.#discarded > MAX_DISCARD_BYTES) this.#close();
  }

  onMessageEnd(trailers: Head | null): void {
    if (this.#state === FORWARDING) {
      this.#startInner();
      return;
    }
    this.#requestEnded = true;
    this.#runtime.wheel.rest(this.#deadline);
    if (this.#state === TUNNEL) {
      this.#exchange.onRequestEnd(null);
      if (!this.#exchange.active) this.#closeTunnel();
      return;
    }
    // What follows a request for an upgrade belongs to it only if it is granted.
    const whole = this.#exchange.request?.upgrade !== true;
    if (whole && this.#state === IN_EXCHANGE && this.#exchange.active) this.#exchange.onRequestEnd(trailers);
    if (this.#responseEnded) this.#nextMessage();
  }

  onFailure(failure: DecodeFailure): void {
    this.#runtime.counters.malformed += 1;
    const code = toDecodeFailureCode(failure.status);
    this.#closeAfter = true;
    this.#requestEnded = true;
    if (this.#state === IN_EXCHANGE && this.#exchange.active) this.#exchange.fail(code, failure.message);
    else if (this.#state === AWAITING_HEAD) this.#answer(code, `${failure.message} (${failure.detail})`);
    else this.#close();
  }

  // DownstreamStream

  sendInterim(head: Head): void {
    if (this.#connection === null || this.#exchange.request?.minorVersion !== 1) return;
    writeEncoded(this.#connection, encodeResponseHead, head);
  }

  sendHead(x: Exchange, head: Head): void {
    if (head.bodyKind === BODY_TUNNEL) {
      this.#openTunnel(x, head);
      return;
    }
    // Both sides talk by turns now, and may be silent for as long as the route allows.
    if (!this.#requestEnded) this.#runtime.wheel.clear(this.#deadline);
    const old = x.request?.minorVersion === 0;
    // A body without a length is chunked for those who know chunks, else it lasts until the connection closes.
    const untilClose = old && (head.bodyKind === BODY_CHUNKED || head.bodyKind === BODY_UNTIL_CLOSE);
    if (untilClose || this.#runtime.draining) this.#closeAfter = true;
    let flags = untilClose ? ENCODE_UNTIL_CLOSE : 0;
    if (this.#closeAfter) flags |= ENCODE_CLOSE;
    else if (old) flags |= ENCODE_KEEP_ALIVE;
    this.#responseChunked = isChunkedResponse(head, flags);
    if (this.#connection !== null) writeEncoded(this.#connection, encodeResponseHead, head, flags);
  }

  sendData(bytes: Uint8Array): boolean {
    const connection = this.#connection;
    if (connection === null) return true;
    return this.#responseChunked ? writeChunk(connection, bytes) : connection.write(bytes);
  }

  sendEnd(trailers: Head | null): void {
    if (this.#state === TUNNEL) {
      this.#connection?.end();
      if (!this.#exchange.active) this.#closeTunnel();
      return;
    }
    if (this.#responseChunked && this.#connection !== null) writeLastChunk(this.#connection, trailers);
    this.#endResponse();
  }

  sendFailure(x: Exchange): void {
    // Reading on after refusing a body that was announced would invite it; the client learns at once.
    if (!this.#requestEnded && x.request?.bodyKind !== BODY_NONE) this.#closeAfter = true;
    const request = x.request;
    // A client may have sent ahead what was meant for the tunnel: it must not be read as requests.
    if (request?.method === METHOD_CONNECT) this.#closeAfter = true;
    this.#connection?.write(renderFailure({ report: x.failureReport(), request, close: this.#closeAfter }));
    this.#endResponse();
  }

  abort(): void {
    this.breakOff();
  }

  breakOff(): void {
    this.#state = CLOSING;
    this.#connection?.destroy();
  }

  pauseReads(): void {
    this.#connection?.pauseReads();
    this.#runtime.wheel.rest(this.#deadline);
  }

  resumeReads(): void {
    this.#connection?.resumeReads();
    const awaited = this.#state === IN_EXCHANGE && !this.#requestEnded && !this.#exchange.responseStarted;
    if (awaited) this.#runtime.wheel.renew(this.#deadline, BODY_MS);
  }

  #endResponse(): void {
    this.#responseChunked = false;
    this.#responseEnded = true;
    if (this.#requestEnded) {
      this.#nextMessage();
      return;
    }
    this.#state = DISCARDING;
    if (this.#closeAfter) this.#close();
    else this.#connection?.resumeReads();
  }

  /** Both sides of the exchange are done. Inside a decoder event this only marks: the decoder goes on by itself. */
  #nextMessage(): void {
    if (this.#closeAfter) {
      this.#close();
      return;
    }
    this.#state = AWAITING_HEAD;
    this.#headWatched = false;
    this.#runtime.wheel.renew(this.#deadline, this.#idleMs);
    this.#decoder.next();
    this.#watchHead();
    this.#balanceReads();
  }

  /** Everything that came behind the request's head goes through first. */
  #openTunnel(x: Exchange, head: Head): void {
    const connection = this.#connection;
    if (connection === null) return;
    if (x.request !== null) completeSwitch(x.request, head);
    this.#state = TUNNEL;
    this.#requestEnded = false;
    this.#runtime.wheel.clear(this.#deadline);
    writeEncoded(connection, encodeResponseHead, head);
    connection.resumeReads();
    this.#decoder.tunnel();
  }

  /** Both ways have ended, or are not wanted any more. */
  #closeTunnel(): void {
    this.#state = CLOSING;
    this.#decoder.stop();
    this.#connection?.end();
    this.#connection?.resumeReads();
    this.#runtime.wheel.arm(this.#deadline, this.#requestEnded ? TUNNEL_LINGER_MS : LINGER_MS);
  }

  /** Our side has ended. What a slow peer still has to read is kept for it as long as it reads. */
  #linger(): void {
    const unread = this.#connection?.bufferedBytes() ?? 0;
    if (unread === 0 || unread === this.#unreadBytes) {
      this.#connection?.destroy();
      return;
    }
    this.#unreadBytes = unread;
    this.#runtime.wheel.arm(this.#deadline, STALL_MS);
  }

  /** False where CONNECT is a request like any other, for the stack to refuse. */
  #connectTo(head: Head): boolean {
    if (this.#starter === null) return false;
    const target = parseTarget(head.authorityText());
    const refusal =
      head.bodyKind === BODY_NONE
        ? this.#starter.refuseNamed(this.#origin, target.name, target.port)
        : { code: BAD_REQUEST, detail: "A CONNECT request has a body; expected none" };
    if (refusal === null) {
      this.#state = FORWARDING;
      return true;
    }
    this.#exchange.begin(this.#stack, this.#origin, head);
    this.#stack.refuse(this.#exchange, refusal.code, refusal.detail);
    return true;
  }

  /** From here on this connection only passes events on. */
  #startInner(): void {
    const connection = this.#connection;
    if (connection === null || this.#starter === null) return;
    const { name, port } = parseTarget(this.#decoder.head.authorityText());
    const inner = this.#starter.startNamed(this.#origin, name, port);
    this.#inner = inner;
    this.#runtime.wheel.clear(this.#deadline);
    connection.write(CONNECTED);
    connection.resumeReads();
    inner.onOpen(connection);
    // After `onOpen`, where the inner one has added itself: a drain must not see a moment without either.
    this.#runtime.forget(this);
    this.#decoder.tunnel();
  }

  /** A head that came whole needs no deadline; one that began gets it once. */
  #watchHead(): void {
    if (this.#state !== AWAITING_HEAD || this.#headWatched || this.#decoder.isIdle()) return;
    this.#headWatched = true;
    this.#runtime.wheel.arm(this.#deadline, HEAD_MS);
  }

  /** Pipelined requests beyond the present one stay in the kernel once a decoder holds some. */
  #balanceReads(): void {
    // The inner handler has its own brake.
    if (this.#inner !== null) return;
    if (this.#connection === null || this.#exchange.active) {
      if (this.#decoder.pendingBytes() > 0) this.#connection?.pauseReads();
      return;
    }
    this.#connection.resumeReads();
  }

  /** An answer to what never became an exchange. */
  #answer(code: number, detail: string): void {
    this.#connection?.write(renderFailure({ report: reportFailure(code, detail), request: null, close: true }));
    this.#close();
  }

  #close(): void {
    this.#state = CLOSING;
    this.#decoder.stop();
    this.#runtime.wheel.clear(this.#deadline);
    this.#connection?.end();
    this.#runtime.wheel.arm(this.#deadline, LINGER_MS);
    this.#connection?.resumeReads();
  }
}

/** The authority of a CONNECT request, which the decoder has found to be a host and a port. */
function parseTarget(authority: string): { readonly name: string; readonly port: number } {
  const colon = authority.lastIndexOf(":");
  return { name: authority.slice(0, colon), port: Number(authority.slice(colon + 1)) };
}

/** Names a decoder's events apart from the transport's, which share words. */
class RequestSink implements Http1Sink {
  readonly #owner: Http1DownstreamConnection;

  constructor(owner: Http1DownstreamConnection) {
    this.#owner = owner;
  }

  onInterim(): void {
    // Requests have no interim heads.
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
