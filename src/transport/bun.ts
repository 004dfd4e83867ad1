import { constants, X509Certificate } from "node:crypto";
import type { PeerSide } from "../identity/peer-judge.ts";
import type { Clock } from "../time/clock.ts";
import { nextTurn } from "../time/next-turn.ts";
import { admitPeer, MAX_CHAIN } from "./admit-peer.ts";
import type {
  BunApi,
  BunCertificate,
  BunConnectOptions,
  BunListener,
  BunListenOptions,
  BunSocket,
  BunSocketHandlers,
  BunTls,
} from "./bun-api.ts";
import { BunConnection, readPeer } from "./bun-connection.ts";
import { formatRemote } from "./failure.ts";
import { Flusher } from "./flusher.ts";
import { plainAddress } from "./plain-address.ts";
import { assertSameAlpn, identityError, listenError, TLS_SECURE_OPTIONS } from "./tls-settings.ts";
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
import { HANDSHAKE_TIMEOUT_MS } from "./watermarks.ts";
import { MERGED_BYTES, WriteArena } from "./write-queue.ts";

type Accept = (connection: Connection) => ConnectionHandler;

/** Bun has no `minVersion`; these options of OpenSSL leave TLS 1.3 only. */
const TLS_13_ONLY = constants.SSL_OP_NO_TLSv1 | constants.SSL_OP_NO_TLSv1_1 | constants.SSL_OP_NO_TLSv1_2;

/**
 * What Bun says of a chain that it has verified when the host name does not match. SPIFFE certificates name no host, so
 * this is the answer we expect; any fault of the chain itself is reported instead of it.
 */
const ONLY_THE_NAME_DIFFERS = "ERR_TLS_CERT_ALTNAME_INVALID";

/** A replaced listener stops after so many turns of the event loop in a row in which it accepted nobody ... */
const QUIET_TURNS = 3;
/** ... or after so many in all. */
const LONGEST_DRAIN_TURNS = 200;

/** Sockets of Bun: `Bun.listen` and `Bun.connect`. */
export class BunTransport implements Transport {
  readonly name = "bun";
  readonly #bun: BunApi;
  readonly #clock: Clock;
  readonly #flusher: Flusher = new Flusher();
  readonly #arena: WriteArena = new WriteArena(MERGED_BYTES);

  constructor(bun: BunApi, clock: Clock) {
    this.#bun = bun;
    this.#clock = clock;
  }

  async listen(options: ListenOptions, accept: Accept): Promise<Listener> {
    const handlers = this.#listenHandlers(options.tls, accept);
    if (options.tls !== null) this.#assertFree(options, handlers);
    return new BunListening(this.#bun, options, handlers);
  }

  connect(options: ConnectOptions, handler: ConnectionHandler): Connection {
    const remote = formatRemote(options.host, options.port);
    const peer = { remoteAddress: options.host, remotePort: options.port, localPort: 0, tls: null };
    const secure = options.tls !== null;
    const connection = new BunConnection(this.#flusher, this.#arena, peer, { remote, secure });
    const attempt = { connection, timeoutMs: options.timeoutMs };
    connection.start(handler, this.#clock.after(options.timeoutMs, expireAttempt, attempt));
    const settings: BunConnectOptions = {
      hostname: options.host,
      port: options.port,
      allowHalfOpen: true,
      data: connection,
      socket: options.tls?.peers === undefined ? CONNECT_HANDLERS : connectHandlers(options.tls.peers),
      ...(options.tls === null ? {} : { tls: clientTls(options.tls) }),
    };
    // A microtask later, because Bun reports some failures before `connect` returns.
    queueMicrotask(() => {
      if (connection.isOver()) return;
      try {
        this.#bun.connect(settings).catch((error: unknown) => connection.failConnect(error));
      } catch (error) {
        if (secure) connection.refuse(error instanceof Error ? error.message : String(error), null);
        else connection.failConnect(error);
      }
    });
    return connection;
  }

  #listenHandlers(tls: TlsServerOptions | null, accept: Accept): BunSocketHandlers {
    const secure = tls !== null;
    return {
      ...SHARED_HANDLERS,
      open: (socket) => {
        const peer = readPeer(socket, null);
        const remote = formatRemote(plainAddress(peer.remoteAddress), peer.remotePort);
        const connection = new BunConnection(this.#flusher, this.#arena, peer, { remote, secure });
        socket.data = connection;
        const attempt = { connection, timeoutMs: HANDSHAKE_TIMEOUT_MS };
        const timer = secure ? this.#clock.after(HANDSHAKE_TIMEOUT_MS, expireAttempt, attempt) : null;
        connection.start(accept(connection), timer);
        connection.socketOpened(socket);
      },
      handshake: (socket, verified, error) => {
        const cause = error ?? socket.getAuthorizationError();
        finishHandshake(socket, { verified, cause, side: "client", peers: tls?.peers });
      },
    };
  }

  /** A listener with `reusePort` would share its port with another process of the same user instead of failing. */
  #assertFree(options: ListenOptions, handlers: BunSocketHandlers): void {
    if (options.port === 0) return;
    listenOrThrow(this.#bun, { ...listenSettings(options, handlers, null), reusePort: false }).stop(true);
  }
}

/**
 * Bun's own reload of a listener changes nothing, so a new identity is a second listener on the same port, and the first
 * one stops at a quiet moment. What the kernel has queued on a listener that stops is reset: a caller that connects in
 * that instant finds its connection reset before anything was sent.
 */
class BunListening implements Listener {
  readonly port: number;
  readonly address: string;
  readonly #bun: BunApi;
  readonly #options: ListenOptions;
  readonly #handlers: BunSocketHandlers;
  #current: CountingListener;
  #tls: TlsServerOptions | null;
  #closed: boolean = false;

  constructor(bun: BunApi, options: ListenOptions, handlers: BunSocketHandlers) {
    this.#bun = bun;
    this.#handlers = handlers;
    this.#tls = options.tls;
    this.#current = new CountingListener(bun, options, handlers);
    this.port = this.#current.listener.port;
    this.address = options.address;
    this.#options = { ...options, port: this.port };
  }

  async reloadTls(tls: TlsServerOptions): Promise<void> {
    if (this.#tls === null) throw identityError(new Error("this listener is plain TCP"));
    assertSameAlpn(this.#tls, tls);
    if (this.#closed) return;
    const previous = this.#current;
    this.#current = new CountingListener(this.#bun, { ...this.#options, tls }, this.#handlers);
    this.#tls = tls;
    await previous.drain();
    previous.listener.stop(false);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#current.listener.stop(false);
  }
}

/** A listener of Bun that knows how many it has accepted. */
class CountingListener {
  readonly listener: BunListener;
  #accepted: number = 0;

  constructor(bun: BunApi, options: ListenOptions, handlers: BunSocketHandlers) {
    const counting: BunSocketHandlers = {
      ...handlers,
      open: (socket) => {
        this.#accepted += 1;
        handlers.open(socket);
      },
    };
    this.listener = listenOrThrow(bun, listenSettings(options, counting, options.tls));
  }

  /** From here the kernel gives another listener its share of the callers; accepts what was queued here before. */
  async drain(): Promise<void> {
    let quiet = 0;
    for (let turn = 0; turn < LONGEST_DRAIN_TURNS && quiet < QUIET_TURNS; turn += 1) {
      const before = this.#accepted;
      await nextTurn();
      quiet = this.#accepted === before ? quiet + 1 : 0;
    }
  }
}

function listenSettings(
  options: ListenOptions,
  handlers: BunSocketHandlers,
  tls: TlsServerOptions | null,
): BunListenOptions {
  return {
    hostname: options.address,
    port: options.port,
    allowHalfOpen: true,
    reusePort: tls !== null,
    exclusive: tls === null,
    socket: handlers,
    ...(tls === null ? {} : { tls: serverTls(tls) }),
  };
}

function listenOrThrow(bun: BunApi, settings: BunListenOptions): BunListener {
  try {
    return bun.listen(settings);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    // What is wrong with an identity has a code of BoringSSL; what is wrong with an address one of the system.
    const isAddress = settings.tls === undefined || /^E(ADDR|ACCES|PERM|INVAL|MFILE|NFILE)/.test(code);
    throw isAddress ? listenError(settings.hostname, settings.port, error) : identityError(error);
  }
}

function serverTls(tls: TlsServerOptions): BunTls {
  return {
    key: tls.keyPair.keyPem,
    cert: tls.keyPair.certificateChainPem,
    ca: tls.trustBundlePem,
    requestCert: true,
    // Bun verifies and `finishHandshake` refuses, as only then the reason can be told.
    rejectUnauthorized: false,
    secureOptions: TLS_13_ONLY | TLS_SECURE_OPTIONS,
    ...(tls.alpn.length === 0 ? {} : { ALPNProtocols: encodeAlpn(tls.alpn) }),
  };
}

function clientTls(tls: TlsClientOptions): BunTls {
  return {
    key: tls.keyPair.keyPem,
    cert: tls.keyPair.certificateChainPem,
    ca: tls.trustBundlePem,
    // As above; true would also refuse what only differs in its host name.
    rejectUnauthorized: false,
    secureOptions: TLS_13_ONLY,
    ...(tls.serverName === null ? {} : { serverName: tls.serverName }),
    ...(tls.alpn.length === 0 ? {} : { ALPNProtocols: encodeAlpn(tls.alpn) }),
  };
}

function encodeAlpn(protocols: readonly string[]): Uint8Array {
  return Buffer.concat(protocols.map((name) => Buffer.from([name.length, ...Buffer.from(name, "latin1")])));
}

const SHARED_HANDLERS: Omit<BunSocketHandlers, "open" | "handshake"> = {
  binaryType: "uint8array",
  data(socket, bytes) {
    (socket.data as BunConnection).socketRead(bytes);
  },
  drain(socket) {
    (socket.data as BunConnection).socketDrained();
  },
  end(socket) {
    (socket.data as BunConnection).socketEnded();
  },
  close(socket, error) {
    (socket.data as BunConnection).socketClosed(error);
  },
  error(_socket, error) {
    // Thrown by a handler: a defect. Outside Bun's own guard it ends the process like any other uncaught error.
    queueMicrotask(() => {
      throw error;
    });
  },
};

function connectHandlers(peers: PeerVerifier | undefined): BunSocketHandlers {
  return {
    ...SHARED_HANDLERS,
    open(socket) {
      (socket.data as BunConnection).socketOpened(socket);
    },
    handshake(socket, verified, error) {
      const cause = error ?? socket.getAuthorizationError();
      const onlyName = readCode(cause) === ONLY_THE_NAME_DIFFERS;
      finishHandshake(socket, { verified, cause: onlyName ? null : cause, side: "server", peers });
    },
    connectError(socket, error) {
      (socket.data as BunConnection).failConnect(error);
    },
  };
}

const CONNECT_HANDLERS: BunSocketHandlers = connectHandlers(undefined);

interface Handshake {
  /** False with a cause: no handshake came about. */
  readonly verified: boolean;
  /** Null: the platform found nothing wrong with the chain. */
  readonly cause: Error | null;
  readonly side: PeerSide;
  readonly peers: PeerVerifier | undefined;
}

function finishHandshake(socket: BunSocket, { verified, cause, side, peers }: Handshake): void {
  const connection = socket.data as BunConnection;
  const chain = readPeerChain(socket);
  // A handshake that never came to its end; a server always has a certificate to show.
  if (!verified && chain.length === 0) {
    connection.failHandshake(cause?.message || "not verified");
    return;
  }
  const version = socket.getTLSVersion();
  if (version !== "TLSv1.3") {
    connection.refuse(`the peer speaks ${version}; expected TLSv1.3`, null);
    return;
  }
  // Of a call Bun says "not authorised" also when only the name differs.
  const authorized = cause === null && (side === "server" || (verified && socket.authorized));
  const admission = admitPeer(peers, chain, side, {
    authorized,
    code: readCode(cause),
    isResumed: socket.isSessionReused(),
  });
  if (!admission.admitted) {
    connection.refuse(admission.reason, admission.refusal);
    return;
  }
  if (peers !== undefined && admission.subject !== null) connection.watch(peers, admission.subject);
  connection.socketVerified(socket);
}

function readPeerChain(socket: BunSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  const seen = new Set<BunCertificate>();
  let next = socket.getPeerX509Certificate() === undefined ? undefined : socket.getPeerCertificate(false);
  while (next?.raw !== undefined && !seen.has(next) && chain.length < MAX_CHAIN) {
    seen.add(next);
    chain.push(new X509Certificate(next.raw));
    next = next.issuerCertificate;
  }
  return chain;
}

function readCode(error: Error | null): string {
  return error !== null && error !== undefined && "code" in error ? String(error.code) : "";
}

interface Attempt {
  readonly connection: BunConnection;
  readonly timeoutMs: number;
}

function expireAttempt(attempt: Attempt): void {
  attempt.connection.expire(attempt.timeoutMs);
}
