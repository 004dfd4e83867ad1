import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import type { PeerCertificate, TLSSocket } from "node:tls";
import { parseSpiffeSan } from "../identity/spiffe-san.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { KeyPair } from "../transport/transport.ts";
import { WEFT_VERSION } from "../version.ts";
import { GrpcCall, type GrpcStream, type GrpcStreamHandlers } from "./grpc-call.ts";
import { GRPC_DEADLINE_EXCEEDED, GRPC_UNAVAILABLE, GrpcError } from "./grpc-status.ts";

/**
 * A gRPC client as small as a sidecar needs it: unary calls and streams of raw bytes over one `node:http2` connection with
 * mutual TLS 1.3. The server is known by its chain and its SPIFFE ID; host names play no part. There is no plaintext mode.
 * It runs on Node and Bun; grpc-js would cost a sidecar about 20 MB.
 */
export interface GrpcClientOptions {
  readonly host: string;
  readonly port: number;
  /** The one identity accepted, e.g. `spiffe://shop.mesh/ns/weft/sa/control-plane`. */
  readonly serverSpiffeId: string;
  /** Read for every new connection, so that a renewed certificate or root is used without a restart. */
  readonly credentials: () => GrpcCredentials;
  readonly clock: Clock;
  /** Covers TCP and TLS. Default 5,000, Envoy's connect timeout. */
  readonly connectTimeoutMs?: number;
  /** An HTTP/2 PING goes out this often. Default 20,000: a vanished peer is noticed within half a minute. */
  readonly keepaliveMs?: number;
  /** A PING not answered in this time ends the connection and its calls with UNAVAILABLE. Default 10,000. */
  readonly keepaliveTimeoutMs?: number;
  /** The largest message taken; a larger one ends its call with RESOURCE_EXHAUSTED. Default 64 MiB. */
  readonly maxMessageBytes?: number;
}

export interface GrpcCredentials {
  /** null only for the first call of a workload, which has no certificate yet. */
  readonly keyPair: KeyPair | null;
  readonly trustBundlePem: string;
}

export interface GrpcUnaryOptions {
  /** From the call to the last byte of its answer, connecting included; sent to the server as well. */
  readonly deadlineMs: number;
  /** Lower-case names, e.g. `authorization`. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface GrpcStreamOptions {
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What callers need of a GrpcClient, so that tests can stand in for one. */
export interface GrpcChannel {
  /** Resolves with the answer; rejects with GrpcError, whose code is the gRPC status. */
  unary(path: string, request: Uint8Array, options: GrpcUnaryOptions): Promise<Uint8Array>;
  /** Rejects with GrpcError UNAVAILABLE when no connection can be made; later failures arrive as `onEnd`. */
  openStream(path: string, handlers: GrpcStreamHandlers, options?: GrpcStreamOptions): Promise<GrpcStream>;
}

const CONNECT_TIMEOUT_MS = 5_000;
const KEEPALIVE_MS = 20_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const WINDOW_BYTES = 1024 * 1024;

export class GrpcClient implements GrpcChannel {
  readonly #options: GrpcClientOptions;
  readonly #authority: string;
  /** The connection for new calls; older ones live until their calls end. */
  #connection: GrpcConnection | null = null;
  readonly #connections = new Set<GrpcConnection>();
  #closed = false;

  /** Connects with the first call. */
  constructor(options: GrpcClientOptions) {
    this.#options = options;
    this.#authority = options.host.includes(":")
      ? `[${options.host}]:${options.port}`
      : `${options.host}:${options.port}`;
  }

  async unary(path: string, request: Uint8Array, options: GrpcUnaryOptions): Promise<Uint8Array> {
    const { clock } = this.#options;
    const deadlineAtMs = clock.nowMs() + options.deadlineMs;
    const connection = await this.#connect(options.deadlineMs);
    const leftMs = Math.max(1, Math.ceil(deadlineAtMs - clock.nowMs()));
    const metadata = { ...options.metadata, "grpc-timeout": formatTimeout(leftMs) };
    return GrpcCall.unary(this.#request(connection, path, metadata), request, {
      maxMessageBytes: this.#options.maxMessageBytes ?? MAX_MESSAGE_BYTES,
      lostConnection: () => connection.lostReason(),
      clock,
      deadlineMs: leftMs,
    });
  }

  async openStream(path: string, handlers: GrpcStreamHandlers, options: GrpcStreamOptions = {}): Promise<GrpcStream> {
    const connection = await this.#connect(null);
    return new GrpcCall(this.#request(connection, path, options.metadata ?? {}), handlers, {
      maxMessageBytes: this.#options.maxMessageBytes ?? MAX_MESSAGE_BYTES,
      lostConnection: () => connection.lostReason(),
    });
  }

  /** Resolves when there is a connection for the next call. Rejects with GrpcError UNAVAILABLE. */
  async connect(): Promise<void> {
    await this.#connect(null);
  }

  /**
   * New calls take a new connection, with the credentials of that moment; calls under way go on where they are. Call it
   * after a renewal, so that the server sees the new certificate.
   */
  refresh(): void {
    this.#connection?.retire();
    this.#connection = null;
  }

  /** Ends every call with UNAVAILABLE. */
  close(): void {
    this.#closed = true;
    this.#connection = null;
    for (const connection of this.#connections) connection.destroy("the client was closed");
  }

  async #connect(deadlineMs: number | null): Promise<GrpcConnection> {
    if (this.#closed) throw unavailable("the client was closed");
    if (this.#connection === null || this.#connection.isRetired()) {
      const connection = new GrpcConnection(this.#options, this.#authority, () => this.#connections.delete(connection));
      this.#connection = connection;
      this.#connections.add(connection);
    }
    return this.#connection.whenOpen(deadlineMs);
  }

  #request(connection: GrpcConnection, path: string, metadata: Readonly<Record<string, string>>): ClientHttp2Stream {
    return connection.request({
      ...metadata,
      ":method": "POST",
      ":path": path,
      ":scheme": "https",
      ":authority": this.#authority,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": `weft/${WEFT_VERSION}`,
    });
  }
}

/** One HTTP/2 connection: connecting → open → retired (no new calls) → closed. It never goes back. */
class GrpcConnection {
  readonly #options: GrpcClientOptions;
  readonly #session: ClientHttp2Session;
  readonly #opened: Promise<void>;
  #settleOpened: (error: GrpcError | null) => void = () => undefined;
  #connectTimer: Timer | null = null;
  #keepaliveTimer: Timer | null = null;
  #pongTimer: Timer | null = null;
  #retired = false;
  #closed = false;
  #streams = 0;
  #failure = "the connection was closed";

  constructor(options: GrpcClientOptions, authority: string, onClosed: () => void) {
    this.#options = options;
    const { clock } = options;
    this.#opened = new Promise((resolve, reject) => {
      this.#settleOpened = (error) => (error === null ? resolve() : reject(error));
    });
    // Every caller gets the rejection through whenOpen(); without a caller it must not end the process.
    this.#opened.catch(() => undefined);
    this.#session = openSession(options, authority);
    this.#session.on("connect", () => this.#onConnect());
    this.#session.on("error", (error: Error) => {
      this.#failure = error.message;
    });
    // The peer takes no new calls; those under way may end (RFC 9113, 6.8).
    this.#session.on("goaway", () => this.retire());
    this.#session.on("close", () => {
      this.#onClose();
      onClosed();
    });
    const connectTimeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    this.#connectTimer = clock.after(
      connectTimeoutMs,
      (connection: GrpcConnection) => connection.destroy(`no connection within ${connectTimeoutMs} ms`),
      this,
    );
  }

  isRetired(): boolean {
    return this.#retired || this.#closed;
  }

  async whenOpen(deadlineMs: number | null): Promise<GrpcConnection> {
    if (deadlineMs === null) {
      await this.#opened;
      return this;
    }
    let timer: Timer | null = null;
    const expired = new Promise<never>((_, reject) => {
      timer = this.#options.clock.after(deadlineMs, reject, deadlineExceeded(deadlineMs));
    });
    try {
      await Promise.race([this.#opened, expired]);
      return this;
    } finally {
      // Assigned above: a promise's executor runs at once.
      (timer as Timer | null)?.clear();
    }
  }

  request(headers: Readonly<Record<string, string>>): ClientHttp2Stream {
    if (this.#closed || this.#session.destroyed) throw unavailable(this.#describe());
    const stream = this.#session.request(headers, { endStream: false });
    this.#streams += 1;
    stream.once("close", () => {
      this.#streams -= 1;
      this.#closeWhenIdle();
    });
    return stream;
  }

  /** Null while the connection stands. */
  lostReason(): string | null {
    return this.#closed || this.#session.destroyed ? this.#describe() : null;
  }

  retire(): void {
    this.#retired = true;
    this.#closeWhenIdle();
  }

  destroy(reason: string): void {
    if (this.#closed) return;
    this.#failure = reason;
    this.#session.destroy();
    // Bun reports no "close" for a session that never connected.
    this.#onClose();
  }

  #onConnect(): void {
    this.#connectTimer?.clear();
    if (this.#closed) return;
    const problem = verifyPeer(this.#session, this.#options.serverSpiffeId);
    if (problem !== null) {
      this.destroy(problem);
      return;
    }
    const keepaliveMs = this.#options.keepaliveMs ?? KEEPALIVE_MS;
    this.#keepaliveTimer = this.#options.clock.every(
      keepaliveMs,
      (connection: GrpcConnection) => connection.#ping(),
      this,
    );
    this.#settleOpened(null);
  }

  #ping(): void {
    if (this.#pongTimer !== null || this.#closed || this.#session.destroyed) return;
    const timeoutMs = this.#options.keepaliveTimeoutMs ?? KEEPALIVE_TIMEOUT_MS;
    this.#pongTimer = this.#options.clock.after(
      timeoutMs,
      (connection: GrpcConnection) => connection.destroy(`a keepalive PING was not answered within ${timeoutMs} ms`),
      this,
    );
    this.#session.ping((error) => {
      if (error !== null) return;
      this.#pongTimer?.clear();
      this.#pongTimer = null;
    });
  }

  #closeWhenIdle(): void {
    if (this.#retired && this.#streams === 0 && !this.#closed) this.#session.close();
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connectTimer?.clear();
    this.#keepaliveTimer?.clear();
    this.#pongTimer?.clear();
    this.#settleOpened(unavailable(this.#describe()));
  }

  #describe(): string {
    return `no connection to the control plane at ${this.#options.host} port ${this.#options.port}: ${this.#failure}`;
  }
}

function openSession(options: GrpcClientOptions, authority: string): ClientHttp2Session {
  const { keyPair, trustBundlePem } = options.credentials();
  return connectHttp2(`https://${authority}`, {
    ca: trustBundlePem,
    ...(keyPair === null ? {} : { key: keyPair.keyPem, cert: keyPair.certificateChainPem }),
    minVersion: "TLSv1.3",
    rejectUnauthorized: true,
    ALPNProtocols: ["h2"],
    // Called after the chain was verified, and before anything is sent.
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => {
      const problem = verifyIdentity(certificate, options.serverSpiffeId);
      return problem === null ? undefined : new Error(problem);
    },
    settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
  });
}

/** The second look, after the handshake: it holds also where a platform does not call checkServerIdentity. */
function verifyPeer(session: ClientHttp2Session, serverSpiffeId: string): string | null {
  // The session hides its socket behind a proxy, so the type cannot be told by instanceof.
  const socket = session.socket as TLSSocket;
  if (session.encrypted !== true) return "the connection is not encrypted; expected TLS";
  if (!socket.authorized)
    return `the server's certificate does not lead to the trust bundle: ${String(socket.authorizationError)}`;
  return verifyIdentity(socket.getPeerCertificate(), serverSpiffeId);
}

function verifyIdentity(certificate: PeerCertificate, serverSpiffeId: string): string | null {
  const found = parseSpiffeSan(certificate.subjectaltname);
  if (found === serverSpiffeId) return null;
  return `the server's identity is ${found ?? "not a SPIFFE ID"}; expected ${serverSpiffeId}`;
}

/** At most eight digits (grpc/PROTOCOL-HTTP2), so long deadlines are sent in seconds. */
function formatTimeout(ms: number): string {
  return ms < 1e8 ? `${ms}m` : `${Math.min(Math.ceil(ms / 1000), 99_999_999)}S`;
}

function unavailable(message: string): GrpcError {
  return new GrpcError({ code: GRPC_UNAVAILABLE, message });
}

function deadlineExceeded(deadlineMs: number): GrpcError {
  return new GrpcError({ code: GRPC_DEADLINE_EXCEEDED, message: `no answer within ${deadlineMs} ms` });
}
