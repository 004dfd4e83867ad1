import type { X509Certificate } from "node:crypto";
import { connect, createServer, type Server, type Socket, type TcpNetConnectOpts } from "node:net";
import {
  connect as connectTls,
  createSecureContext,
  createServer as createTlsServer,
  type SecureContext,
  type Server as TlsServer,
  type TLSSocket,
} from "node:tls";
import type { PeerSide } from "../identity/peer-judge.ts";
import type { Clock, Timer } from "../time/clock.ts";
import { admitPeer, readChain } from "./admit-peer.ts";
import { createTlsFailure, formatRemote, toTransportFailure } from "./failure.ts";
import { Flusher } from "./flusher.ts";
import { NodeConnection, readPeer, readTlsPeer } from "./node-connection.ts";
import { plainAddress } from "./plain-address.ts";
import { assertSameAlpn, identityError, listenError, TLS_CIPHERS, TLS_SECURE_OPTIONS } from "./tls-settings.ts";
import type {
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Listener,
  ListenOptions,
  PeerVerifier,
  TlsClientOptions,
  TlsServerOptions,
  Transport,
} from "./transport.ts";
import { HANDSHAKE_TIMEOUT_MS, KEEP_ALIVE_IDLE_MS } from "./watermarks.ts";
import { WriteArena } from "./write-queue.ts";

type Accept = (connection: Connection) => ConnectionHandler;

/** What a stream of Node holds before it asks to wait, either way. One read of libuv is as much. */
const STREAM_MARK_BYTES = 64 * 1024;

/** Sockets of Node, by its public API only. */
export class NodeTransport implements Transport {
  readonly name = "node";
  readonly #clock: Clock;
  readonly #flusher: Flusher = new Flusher();
  readonly #arena: WriteArena = new WriteArena();
  /** TLS takes its time, so that regions pile up; plain writes are usually over at once and need one slab for all. */
  readonly #tlsArena: WriteArena = new WriteArena();
  /** A context costs a millisecond to make, so one serves all connections that share the same options object. */
  readonly #contexts: WeakMap<TlsClientOptions, SecureContext> = new WeakMap();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async listen(options: ListenOptions, accept: Accept): Promise<Listener> {
    const create = this.#creator(options.tls !== null);
    const server =
      options.tls === null ? createPlainServer(create, accept) : createMutualServer(options.tls, create, accept);
    await bind(server, options);
    return new NodeListener(server, options);
  }

  /** A listener that binds nothing: another process accepts at `options.port` and hands its sockets over. */
  adopt(options: ListenOptions, accept: Accept): AdoptingListener {
    const create = this.#creator(options.tls !== null);
    const server =
      options.tls === null ? createPlainServer(create, accept) : createMutualServer(options.tls, create, accept);
    return new AdoptingListener(server, options);
  }

  connect(options: ConnectOptions, handler: ConnectionHandler): Connection {
    const remote = formatRemote(options.host, options.port);
    const peer = { remoteAddress: options.host, remotePort: options.port, localPort: 0, tls: null };
    const arena = options.tls === null ? this.#arena : this.#tlsArena;
    const connection = new NodeConnection(this.#flusher, arena, peer, remote);
    connection.setHandler(handler);
    const attempt = new ConnectAttempt(connection, options, this.#clock);
    try {
      const context = options.tls === null ? null : this.#context(options.tls);
      attempt.start(context);
    } catch (error) {
      // A bad key pair or port: no callback may run inside connect.
      const failure =
        options.tls === null
          ? toTransportFailure(error, "connecting", remote)
          : createTlsFailure(remote, error instanceof Error ? error.message : String(error));
      attempt.stop();
      queueMicrotask(() => connection.closeFailed(failure));
    }
    return connection;
  }

  #creator(secure: boolean): Create {
    const arena = secure ? this.#tlsArena : this.#arena;
    return (socket, remote) => new NodeConnection(this.#flusher, arena, readPeer(socket, null), remote);
  }

  #context(tls: TlsClientOptions): SecureContext {
    const known = this.#contexts.get(tls);
    if (known !== undefined) return known;
    const context = createSecureContext({
      key: tls.keyPair.keyPem,
      cert: tls.keyPair.certificateChainPem,
      ca: tls.trustBundlePem,
      minVersion: "TLSv1.3",
      ciphers: TLS_CIPHERS,
    });
    this.#contexts.set(tls, context);
    return context;
  }
}

class NodeListener implements Listener {
  readonly port: number;
  readonly address: string;
  readonly #server: Server | TlsServer;
  #tls: TlsServerOptions | null;

  constructor(server: Server | TlsServer, options: ListenOptions) {
    const bound = server.address();
    this.port = typeof bound === "object" && bound !== null ? bound.port : options.port;
    this.address = options.address;
    this.#server = server;
    this.#tls = options.tls;
  }

  async reloadTls(tls: TlsServerOptions): Promise<void> {
    if (this.#tls === null || !("setSecureContext" in this.#server)) {
      throw identityError(new Error("this listener is plain TCP"));
    }
    assertSameAlpn(this.#tls, tls);
    try {
      this.#server.setSecureContext(serverContext(tls));
    } catch (error) {
      throw identityError(error);
    }
    this.#tls = tls;
  }

  async close(): Promise<void> {
    // Node's own callback waits for the open connections too; accepting stops at once.
    if (this.#server.listening) this.#server.close();
  }
}

export class AdoptingListener extends NodeListener {
  readonly #server: Server | TlsServer;
  readonly #isPlain: boolean;

  constructor(server: Server | TlsServer, options: ListenOptions) {
    super(server, options);
    this.#server = server;
    this.#isPlain = options.tls === null;
  }

  /** Takes a socket that nobody has read from. Goes on after `close`, as what was accepted is served. */
  take(socket: Socket): void {
    // Sockets from another process come with the platform's defaults.
    socket.allowHalfOpen = this.#isPlain;
    this.#server.emit("connection", socket);
  }
}

/** The stages of one outbound connection: TCP, TLS where asked for, and the clock over both. */
class ConnectAttempt {
  readonly #connection: NodeConnection;
  readonly #options: ConnectOptions;
  readonly #timer: Timer;

  constructor(connection: NodeConnection, options: ConnectOptions, clock: Clock) {
    this.#connection = connection;
    this.#options = options;
    this.#timer = clock.after(options.timeoutMs, expireAttempt, this);
  }

  start(context: SecureContext | null): void {
    const settings: TcpNetConnectOpts & { highWaterMark: number } = {
      host: this.#options.host,
      port: this.#options.port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_IDLE_MS,
      highWaterMark: STREAM_MARK_BYTES,
    };
    const socket = connect(settings);
    this.#connection.watchConnect(socket);
    socket.on("close", () => this.stop());
    socket.on("connect", () => {
      if (this.#connection.isOver()) return;
      if (context === null) {
        this.stop();
        this.#connection.open(socket, readPeer(socket, null), true);
      } else {
        this.#secure(socket, context);
      }
    });
  }

  stop(): void {
    this.#timer.clear();
  }

  expire(): void {
    this.#connection.expire(this.#options.timeoutMs);
  }

  #secure(tcp: Socket, context: SecureContext): void {
    const tls = this.#options.tls as TlsClientOptions;
    const socket = connectTls({
      socket: tcp,
      secureContext: context,
      minVersion: "TLSv1.3",
      // The platform verifies and `admit` refuses, as only then the reason can be told.
      rejectUnauthorized: false,
      // Who the peer is, is read from its SPIFFE ID by the caller; its chain is verified by the platform.
      checkServerIdentity: () => undefined,
      ...(tls.serverName === null ? {} : { servername: tls.serverName }),
      ...(tls.alpn.length === 0 ? {} : { ALPNProtocols: [...tls.alpn] }),
    });
    this.#connection.watchHandshake(tcp, socket);
    socket.on("secureConnect", () => {
      this.stop();
      if (this.#connection.isOver()) return;
      const leaf = socket.getPeerX509Certificate();
      const peer = readPeer(tcp, readTlsPeer(socket, leaf));
      if (admit(this.#connection, socket, { leaf, peers: tls.peers, side: "server" })) {
        this.#connection.open(socket, peer, true);
      }
    });
  }
}

function expireAttempt(attempt: ConnectAttempt): void {
  attempt.expire();
}

type Create = (socket: Socket, remote: string) => NodeConnection;

const SERVER_OPTIONS = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE_IDLE_MS,
  highWaterMark: STREAM_MARK_BYTES,
} as const;

function createPlainServer(create: Create, accept: Accept): Server {
  return createServer(SERVER_OPTIONS, (socket) => {
    const connection = create(socket, formatCaller(socket));
    connection.setHandler(accept(connection));
    connection.open(socket, connection.peer, false);
  });
}

function createMutualServer(tls: TlsServerOptions, create: Create, accept: Accept): TlsServer {
  const { peers } = tls;
  let server: TlsServer;
  try {
    server = createTlsServer({
      ...SERVER_OPTIONS,
      ...serverContext(tls),
      // A caller that hangs up in its handshake is noticed at once only without half-open; an open one may half-close.
      allowHalfOpen: false,
      requestCert: true,
      // The platform verifies and `admit` refuses, as only then the reason can be told.
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      ...(tls.alpn.length === 0 ? {} : { ALPNProtocols: [...tls.alpn] }),
    });
  } catch (error) {
    throw identityError(error);
  }
  // Node shows the TCP socket first and the TLS socket later, each on its own; only the addresses join them. Kept for
  // as long as the handshake lasts.
  const handshaking = new Map<string, Socket>();
  server.on("connection", (tcp: Socket) => {
    const key = formatPair(tcp);
    handshaking.set(key, tcp);
    tcp.on("close", () => handshaking.delete(key));
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    const key = formatPair(socket);
    const tcp = handshaking.get(key) ?? null;
    handshaking.delete(key);
    socket.allowHalfOpen = true;
    const connection = create(socket, formatCaller(socket));
    connection.watchHandshake(tcp, socket);
    const leaf = socket.getPeerX509Certificate();
    connection.peer = readPeer(socket, readTlsPeer(socket, leaf));
    connection.setHandler(accept(connection));
    if (admit(connection, socket, { leaf, peers, side: "client" })) connection.open(socket, connection.peer, true);
  });
  server.on("tlsClientError", (error: Error, socket: TLSSocket) => {
    const remote = formatCaller(socket);
    const connection = create(socket, remote);
    connection.setHandler(accept(connection));
    connection.closeFailed(toTransportFailure(error, "handshaking", remote));
  });
  return server;
}

interface Presented {
  readonly leaf: X509Certificate | undefined;
  readonly peers: PeerVerifier | undefined;
  readonly side: PeerSide;
}

/** False when the peer was refused. */
function admit(connection: NodeConnection, socket: TLSSocket, { leaf, peers, side }: Presented): boolean {
  const { authorizationError: code } = socket as { readonly authorizationError: unknown };
  const admission = admitPeer(peers, readChain(leaf), side, {
    authorized: socket.authorized,
    code: code instanceof Error ? readErrorCode(code) : String(code ?? ""),
    isResumed: socket.isSessionReused(),
  });
  if (!admission.admitted) connection.refuse(admission.reason, admission.refusal);
  else if (peers !== undefined && admission.subject !== null) connection.watch(peers, admission.subject);
  return admission.admitted;
}

function readErrorCode(error: Error): string {
  return "code" in error ? String(error.code) : error.message;
}

function serverContext(tls: TlsServerOptions): object {
  return {
    key: tls.keyPair.keyPem,
    cert: tls.keyPair.certificateChainPem,
    ca: tls.trustBundlePem,
    minVersion: "TLSv1.3",
    ciphers: TLS_CIPHERS,
    secureOptions: TLS_SECURE_OPTIONS,
  };
}

function bind(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const refused = (error: Error): void => reject(listenError(options.address, options.port, error));
    server.once("error", refused);
    server.listen({ host: options.address, port: options.port, exclusive: true }, () => {
      server.off("error", refused);
      // After this only a failed accept (out of file descriptors) comes here; the next accept tries again.
      server.on("error", () => {});
      resolve();
    });
  });
}

function formatCaller(socket: Socket): string {
  return formatRemote(plainAddress(socket.remoteAddress ?? "unknown"), socket.remotePort ?? 0);
}

function formatPair(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress}`;
}
