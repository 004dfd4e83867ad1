import type { X509Certificate } from "node:crypto";
import type { PeerSide, PeerVerdict } from "../identity/peer-judge.ts";
import type { PeerRefusal } from "../identity/peer-refusal.ts";
import type { CertificateSubject } from "../identity/revocation-list.ts";

/**
 * The one way the proxy touches sockets. Three implementations share this contract and one table of tests: Node
 * (`node.ts`, on `net`/`tls`), Bun (`bun.ts`, on `Bun.listen`/`Bun.connect`) and memory (`memory.ts`, for tests).
 *
 * Promises every implementation keeps:
 * - Callbacks of one connection come in the order `onOpen`, then `onData`/`onDrain`/`onEnd` in any order, then
 *   `onClose` exactly once and last. A connection whose connect or handshake fails gets only `onClose`.
 * - Bytes given to `onData` belong to the receiver: the transport never writes to them again, so views may be kept.
 * - Bytes given to `write` must not be changed until they are sent; the transport copies what is small.
 * - All writes to one connection in one callback leave in one system call and one TLS record where possible: the
 *   transport flushes when the callback returns. Outside a callback it flushes at the end of the microtask queue. A
 *   large write with nothing small behind it may wait until the end of the turn for more of its kind.
 * - No callback runs inside `write`, `end`, `destroy`, `pauseReads`, `resumeReads` or `connect`.
 */
export interface Transport {
  readonly name: "node" | "bun" | "memory";
  /** Rejects with WeftError `WEFT_TRANSPORT_LISTEN` when the address cannot be bound. */
  listen(options: ListenOptions, accept: (connection: Connection) => ConnectionHandler): Promise<Listener>;
  /** Never throws; a failure arrives as `onClose`. */
  connect(options: ConnectOptions, handler: ConnectionHandler): Connection;
}

export interface ConnectionHandler {
  /** Connected and, with TLS, the chain of the peer verified against the trust bundle. For accepted connections too. */
  onOpen(connection: Connection): void;
  onData(bytes: Uint8Array): void;
  /** The write buffer fell below the low mark after a `write` returned false. */
  onDrain(): void;
  /**
   * The peer sent FIN (half-close), and all its bytes were delivered. The handler decides whether to `end()` as well. May
   * come while reads are paused. A reset behind unread bytes can look like this on Node, so a length is the only proof
   * that a body is whole.
   */
  onEnd(): void;
  onClose(failure: TransportFailure | null): void;
}

export interface Connection {
  readonly peer: Peer;
  /**
   * Takes all bytes; before `onOpen` they wait for it. Up to `COPIED_BYTES` (12 KiB, `write-queue.ts`) are copied before
   * this returns; a larger buffer may be kept by reference. False means the buffer is above the high mark: stop until `onDrain`. Does nothing
   * after `end`, `destroy` or close, and then returns true.
   */
  write(bytes: Uint8Array): boolean;
  /** Sends what is buffered, then FIN. Reading goes on until the peer ends. */
  end(): void;
  /** Closes at once, dropping what is buffered; the peer sees a reset where the platform can send one. */
  destroy(): void;
  /** Stops reading; the kernel's window is the only buffer. Idempotent. */
  pauseReads(): void;
  resumeReads(): void;
  /**
   * While on, what is written leaves once per turn of the event loop, with everything that other connections' callbacks
   * wrote in that turn, instead of at the end of each callback: more throughput for a link that many share, some µs more
   * for one that a single request uses. Off at first.
   */
  batchWrites(on: boolean): void;
  /**
   * What is given to `write` from now on belongs to the transport, which may free its memory once it is sent: nobody may
   * look at it again. For bytes that pass from the `onData` of one connection straight to another. Not undone.
   */
  ownWrites(): void;
  /** Bytes accepted by `write` and not yet handed to the kernel. */
  bufferedBytes(): number;
}

export interface Listener {
  /** The bound port (useful when 0 was asked for). */
  readonly port: number;
  readonly address: string;
  /** New connections use this identity; open ones are left alone. No connection is refused meanwhile. */
  reloadTls(tls: TlsServerOptions): Promise<void>;
  /** Stops accepting; open connections go on. */
  close(): Promise<void>;
}

export interface ListenOptions {
  /** An IP address. */
  readonly address: string;
  /** 0 = any free port. */
  readonly port: number;
  /** null = plain TCP. */
  readonly tls: TlsServerOptions | null;
}

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsClientOptions | null;
  /** Covers TCP and TLS. */
  readonly timeoutMs: number;
}

/** A certificate chain and its key, PEM. The key never leaves the process except to the 0600 state folder. */
export interface KeyPair {
  readonly keyPem: string;
  readonly certificateChainPem: string;
}

/** The second look at a peer's certificate, after the platform's own, and who watches the connections that passed it. */
export interface PeerVerifier {
  /** `chain`: leaf first, each certificate once; empty when the peer sent none. Never throws. */
  judge(chain: readonly X509Certificate[], side: PeerSide): PeerVerdict;
  /** Before `onOpen`. Until `closed` it may call `connection.refuse` at any time, outside callbacks of this connection. */
  opened(connection: RefusableConnection, subject: CertificateSubject): void;
  closed(connection: RefusableConnection): void;
}

export interface RefusableConnection {
  /** Resets at once; the handler's `onClose` has a failure with `refusal`. */
  refuse(reason: string, refusal: PeerRefusal | null): void;
}

/** Mutual TLS 1.3: the client must present a chain that leads to the trust bundle. There is no weaker mode. */
export interface TlsServerOptions {
  readonly keyPair: KeyPair;
  readonly trustBundlePem: string;
  /** Left out: the platform's verdict is the only one. */
  readonly peers?: PeerVerifier;
  /** In order of preference, e.g. ["http/1.1"]. */
  readonly alpn: readonly string[];
}

/** The chain is verified against the trust bundle; names are not: the caller checks `peer.tls.spiffeId`. */
export interface TlsClientOptions {
  readonly keyPair: KeyPair;
  readonly trustBundlePem: string;
  /** Left out: the platform's verdict is the only one. */
  readonly peers?: PeerVerifier;
  readonly alpn: readonly string[];
  /** SNI, or null for none. */
  readonly serverName: string | null;
}

export interface Peer {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly tls: TlsPeer | null;
}

export interface TlsPeer {
  /** From the one URI SAN of the peer's certificate; null when there is not exactly one well-formed SPIFFE ID. */
  readonly spiffeId: string | null;
  readonly alpn: string | null;
  readonly protocol: string;
}

/** Why a connection closed otherwise than by both sides ending. */
export interface TransportFailure {
  readonly kind:
    | "refused" // nobody listens, or the host cannot be reached
    | "timeout" // connect or handshake took longer than timeoutMs
    | "reset" // the peer reset or vanished
    | "tls" // handshake failed: no certificate, wrong chain, expired, wrong version, plaintext
    | "local"; // destroyed by us
  /** For the log; never contains secrets. */
  readonly message: string;
  /** What was wrong with the peer's certificate; only with "tls", and left out where it was something else. */
  readonly refusal?: PeerRefusal;
}
