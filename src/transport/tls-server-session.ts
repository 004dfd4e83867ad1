import { Duplex } from "node:stream";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import type { Clock, Timer } from "../time/clock.ts";
import { createHandshakeFailure, createTimeoutFailure, DESTROYED, formatRemote } from "./failure.ts";
import { identityError } from "./tls-settings.ts";
import type { Connection, ConnectionHandler, KeyPair, Peer, TransportFailure } from "./transport.ts";
import { HANDSHAKE_TIMEOUT_MS, HIGH_MARK_BYTES, LOW_MARK_BYTES } from "./watermarks.ts";

/** What a TLS server shows: chain and key, ready for any number of handshakes. */
export interface ServerCertificate {
  readonly context: SecureContext;
}

/** Throws WeftError `WEFT_TRANSPORT_IDENTITY` when the platform cannot use them together. */
export function createServerCertificate({ keyPem, certificateChainPem }: KeyPair): ServerCertificate {
  try {
    return { context: createSecureContext({ key: keyPem, cert: certificateChainPem, minVersion: "TLSv1.2" }) };
  } catch (error) {
    throw identityError(error);
  }
}

export interface TlsServerSessionOptions {
  readonly certificate: ServerCertificate;
  /** In order of preference. */
  readonly alpn: readonly string[];
  readonly clock: Clock;
  /** The handshake is over: who serves what is inside. */
  readonly start: (inner: Connection) => ConnectionHandler;
  /** No handshake came about; the connection is closed already. */
  readonly onRefused: (failure: TransportFailure) => void;
}

/** As `Connection.write` promises: what is smaller may be changed by its owner afterwards. */
const COPIED_BYTES = 12 * 1024;

/**
 * Ends TLS of clients that prove nothing (TLS 1.2 and 1.3), inside a plain connection of any transport. The listener stays
 * a plain one, so the certificate can be chosen by what the client's first bytes say and be another one for each
 * connection: a change of certificates touches neither the listener nor what is open. It is the handler of the plain
 * connection and gives its own handler a `Connection` for what is inside.
 */
export class TlsServerSession implements ConnectionHandler {
  readonly #options: TlsServerSessionOptions;
  #outer: Connection | null = null;
  #pipe: Duplex | null = null;
  #socket: TLSSocket | null = null;
  #inner: InnerConnection | null = null;
  #handler: ConnectionHandler | null = null;
  #timer: Timer | null = null;
  /** Of a write that waits for the plain connection. */
  #written: (() => void) | null = null;
  #isOver: boolean = false;

  constructor(options: TlsServerSessionOptions) {
    this.#options = options;
  }

  onOpen(outer: Connection): void {
    this.#outer = outer;
    const pipe = new Duplex({
      read: () => outer.resumeReads(),
      write: (bytes: Uint8Array, _encoding, done) => {
        if (outer.write(bytes)) done();
        else this.#written = done;
      },
      final: (done) => {
        outer.end();
        done();
      },
      destroy: (_error, done) => {
        outer.destroy();
        done(null);
      },
    });
    pipe.on("error", ignore);
    const { certificate, alpn, clock } = this.#options;
    const socket = new TLSSocket(pipe, {
      isServer: true,
      secureContext: certificate.context,
      requestCert: false,
      ALPNProtocols: [...alpn],
    });
    this.#pipe = pipe;
    this.#socket = socket;
    this.#timer = clock.after(HANDSHAKE_TIMEOUT_MS, expire, this);
    socket.on("secure", () => this.#open());
    socket.on("data", (bytes: Uint8Array) => this.#handler?.onData(bytes));
    socket.on("end", () => this.#handler?.onEnd());
    socket.on("error", (error: Error) => this.#fail(error));
    socket.on("close", () => this.#close(null));
  }

  onData(bytes: Uint8Array): void {
    const pipe = this.#pipe;
    if (pipe === null || pipe.destroyed) return;
    if (!pipe.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))) this.#outer?.pauseReads();
  }

  onDrain(): void {
    const done = this.#written;
    this.#written = null;
    done?.();
  }

  onEnd(): void {
    const pipe = this.#pipe;
    if (pipe !== null && !pipe.destroyed) pipe.push(null);
  }

  onClose(failure: TransportFailure | null): void {
    this.#outer = null;
    this.#close(failure);
    this.#socket?.destroy();
    this.#pipe?.destroy();
  }

  expire(): void {
    this.#finish(createTimeoutFailure(this.#remote(), "handshaking", HANDSHAKE_TIMEOUT_MS));
  }

  #open(): void {
    const [outer, socket] = [this.#outer, this.#socket];
    if (outer === null || socket === null || this.#isOver || this.#inner !== null) return;
    this.#timer?.clear();
    const alpn = typeof socket.alpnProtocol === "string" ? socket.alpnProtocol : null;
    const peer: Peer = { ...outer.peer, tls: { spiffeId: null, alpn, protocol: socket.getProtocol() ?? "" } };
    const inner = new InnerConnection(socket, peer, {
      onDrain: () => this.#handler?.onDrain(),
      onDestroy: () => this.#finish(DESTROYED),
    });
    this.#inner = inner;
    this.#handler = this.#options.start(inner);
    this.#handler.onOpen(inner);
  }

  #fail(error: Error): void {
    const code = "code" in error ? `${String(error.code)} ` : "";
    this.#finish(createHandshakeFailure(this.#remote(), `${code}${error.message}`));
  }

  /** At once, and the plain connection with it. */
  #finish(failure: TransportFailure): void {
    const outer = this.#outer;
    this.#outer = null;
    this.#close(failure);
    this.#socket?.destroy();
    outer?.destroy();
  }

  #close(failure: TransportFailure | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.clear();
    this.#inner?.closed();
    const handler = this.#handler;
    this.#handler = null;
    if (handler !== null) queueMicrotask(() => handler.onClose(failure));
    else if (failure !== null) this.#options.onRefused(failure);
  }

  #remote(): string {
    const peer = this.#outer?.peer;
    return peer === undefined ? "the client" : formatRemote(peer.remoteAddress, peer.remotePort);
  }
}

interface InnerEvents {
  readonly onDrain: () => void;
  readonly onDestroy: () => void;
}

/** The inside of a TLS session. What one callback writes leaves in one record where it fits. */
class InnerConnection implements Connection {
  readonly peer: Peer;
  readonly #socket: TLSSocket;
  readonly #events: InnerEvents;
  #pending: Uint8Array[] = [];
  #pendingBytes: number = 0;
  /** Given to the TLS engine and not yet taken by the plain connection. */
  #sendingBytes: number = 0;
  #isScheduled: boolean = false;
  #isFull: boolean = false;
  #isEnded: boolean = false;

  constructor(socket: TLSSocket, peer: Peer, events: InnerEvents) {
    this.#socket = socket;
    this.peer = peer;
    this.#events = events;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isEnded || bytes.length === 0) return !this.#isFull || this.#isEnded;
    this.#pending.push(bytes.length <= COPIED_BYTES ? Uint8Array.prototype.slice.call(bytes) : bytes);
    this.#pendingBytes += bytes.length;
    this.#schedule();
    this.#isFull ||= this.bufferedBytes() > HIGH_MARK_BYTES;
    return !this.#isFull;
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#schedule();
  }

  destroy(): void {
    this.#isEnded = true;
    this.#pending = [];
    this.#pendingBytes = 0;
    queueMicrotask(this.#events.onDestroy);
  }

  pauseReads(): void {
    this.#socket.pause();
  }

  resumeReads(): void {
    this.#socket.resume();
  }

  /** TLS gathers what one callback writes; more is not to be gained here. */
  batchWrites(): void {}

  ownWrites(): void {}

  bufferedBytes(): number {
    return this.#pendingBytes + this.#sendingBytes;
  }

  closed(): void {
    this.#isEnded = true;
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#isScheduled = false;
    if (this.#pendingBytes > 0) {
      const [first] = this.#pending;
      const bytes = this.#pending.length === 1 && first !== undefined ? first : Buffer.concat(this.#pending);
      this.#pending = [];
      this.#pendingBytes = 0;
      this.#sendingBytes += bytes.length;
      this.#socket.write(bytes, () => this.#sent(bytes.length));
    }
    if (this.#isEnded && !this.#socket.destroyed) this.#socket.end();
  }

  #sent(count: number): void {
    this.#sendingBytes -= count;
    if (!this.#isFull || this.bufferedBytes() > LOW_MARK_BYTES) return;
    this.#isFull = false;
    if (!this.#isEnded) this.#events.onDrain();
  }
}

function expire(session: TlsServerSession): void {
  session.expire();
}

function ignore(): void {
  // The TLS engine on top of it reports what is wrong.
}
