import type { PeerRefusal } from "../identity/peer-refusal.ts";
import type { CertificateSubject } from "../identity/revocation-list.ts";
import { parseSpiffeSan } from "../identity/spiffe-san.ts";
import type { Timer } from "../time/clock.ts";
import type { BunSocket } from "./bun-api.ts";
import {
  type ConnectionPhase,
  createHandshakeFailure,
  createRefusal,
  createTimeoutFailure,
  createVanishedFailure,
  DESTROYED,
  toTransportFailure,
} from "./failure.ts";
import type { Flushable, Flusher } from "./flusher.ts";
import { plainAddress } from "./plain-address.ts";
import type {
  Connection,
  ConnectionHandler,
  Peer,
  PeerVerifier,
  RefusableConnection,
  TlsPeer,
  TransportFailure,
} from "./transport.ts";
import { BATCH_BYTES, HIGH_MARK_BYTES, KEEP_ALIVE_IDLE_MS, LOW_MARK_BYTES } from "./watermarks.ts";
import { type WriteArena, WriteQueue } from "./write-queue.ts";

/**
 * One socket of Bun, with or without TLS; it is the socket's `data`. Bun sends at every `write` and may take a part only,
 * so bytes wait in our own queue, leave in one call when the callback returns, and the rest when `drain` says so.
 */
export class BunConnection implements Connection, Flushable, RefusableConnection {
  peer: Peer;
  readonly #flusher: Flusher;
  readonly #queue: WriteQueue;
  readonly #remote: string;
  readonly #secure: boolean;
  #handler: ConnectionHandler | null = null;
  #socket: BunSocket | null = null;
  /** Over connect and handshake. */
  #timer: Timer | null = null;
  #phase: ConnectionPhase = "connecting";
  #closed: boolean = false;
  /** `end` was called. */
  #ended: boolean = false;
  /** FIN was handed to the platform. */
  #finished: boolean = false;
  #peerEnded: boolean = false;
  #destroyed: boolean = false;
  #paused: boolean = false;
  /** In the flusher's list. */
  #dirty: boolean = false;
  #batching: boolean = false;
  /** In the flusher's list of the turn. */
  #inTurn: boolean = false;
  /** The kernel's buffer is full; `drain` will come. */
  #blocked: boolean = false;
  #wantsDrain: boolean = false;
  #failure: TransportFailure | null = null;
  /** Told when this closes. */
  #watcher: PeerVerifier | null = null;
  /** What Bun had read before it could stop; delivered by `resumeReads`. At most one read of the platform. */
  readonly #held: Uint8Array[] = [];
  #heldEnd: boolean = false;
  #heldClose: boolean = false;

  constructor(flusher: Flusher, arena: WriteArena, peer: Peer, target: { remote: string; secure: boolean }) {
    this.#flusher = flusher;
    this.#queue = new WriteQueue(arena);
    this.peer = peer;
    this.#remote = target.remote;
    this.#secure = target.secure;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed || this.#destroyed || this.#ended) return true;
    if (this.#batching) this.#queue.gather();
    this.#queue.append(bytes);
    if (!this.#blocked) {
      if (this.#batching && this.#queue.bytes <= BATCH_BYTES) this.#markTurn();
      else this.#mark();
    }
    if (this.#queue.bytes <= HIGH_MARK_BYTES) return true;
    this.#wantsDrain = true;
    return false;
  }

  end(): void {
    this.#ended = true;
    this.#mark();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#destroyed = true;
    this.#queue.clear();
    this.#mark();
  }

  pauseReads(): void {
    if (this.#paused) return;
    this.#paused = true;
    if (this.#phase === "open" && !this.#closed) this.#socket?.pause();
  }

  resumeReads(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#phase !== "open" || this.#closed) return;
    // Delivered by flush: no callback may run in here.
    if (this.#held.length > 0 || this.#heldEnd || this.#heldClose) this.#mark();
    else this.#socket?.resume();
  }

  batchWrites(on: boolean): void {
    this.#batching = on;
    // What waits for the turn leaves with what comes now.
    if (!on && this.#inTurn) this.#mark();
  }

  ownWrites(): void {
    this.#queue.freesSent = true;
  }

  bufferedBytes(): number {
    return this.#queue.bytes;
  }

  /** The rest is called by the transport only. */
  start(handler: ConnectionHandler, timer: Timer | null): void {
    this.#handler = handler;
    this.#timer = timer;
  }

  isOver(): boolean {
    return this.#closed || this.#destroyed;
  }

  /** TCP is there. */
  socketOpened(socket: BunSocket): void {
    this.#socket = socket;
    if (this.#closed || this.#destroyed) {
      socket.terminate();
      return;
    }
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_IDLE_MS);
    if (this.#secure) this.#phase = "handshaking";
    else this.#open(socket, null);
  }

  /** TLS is there and the chain of the peer verified. */
  socketVerified(socket: BunSocket): void {
    this.#open(socket, {
      spiffeId: parseSpiffeSan(socket.getPeerX509Certificate()?.subjectAltName),
      alpn: typeof socket.alpnProtocol === "string" && socket.alpnProtocol !== "" ? socket.alpnProtocol : null,
      protocol: socket.getTLSVersion(),
    });
  }

  /** The peer's certificate was accepted; comes right before `socketVerified`. */
  watch(peers: PeerVerifier, subject: CertificateSubject): void {
    this.#watcher = peers;
    peers.opened(this, subject);
  }

  refuse(reason: string, refusal: PeerRefusal | null): void {
    this.#failure ??= createRefusal(this.#remote, this.#phase, { reason, refusal });
    this.#terminate();
  }

  /** The platform broke the handshake off. */
  failHandshake(detail: string): void {
    this.#failure ??= createHandshakeFailure(this.#remote, detail);
    this.#terminate();
  }

  expire(timeoutMs: number): void {
    this.#failure ??= createTimeoutFailure(this.#remote, this.#phase, timeoutMs);
    this.#terminate();
  }

  /** There is no socket and will be none. */
  failConnect(error: unknown): void {
    this.#failure ??= toTransportFailure(error, this.#phase, this.#remote);
    this.#close();
  }

  socketRead(bytes: Uint8Array): void {
    // Nothing that arrives before the peer is verified reaches anybody.
    if (this.#phase !== "open" || this.#destroyed || this.#closed) return;
    if (this.#paused) {
      this.#held.push(bytes);
      return;
    }
    this.#flusher.enter();
    try {
      this.#handler?.onData(bytes);
    } finally {
      this.#flusher.leave();
    }
  }

  socketDrained(): void {
    this.#blocked = false;
    if (this.#phase === "open" && (this.#queue.bytes > 0 || this.#ended) && !this.#dirty) this.flush();
  }

  socketEnded(): void {
    if (this.#phase !== "open" || this.#peerEnded) return;
    this.#peerEnded = true;
    if (this.#paused && this.#held.length > 0) this.#heldEnd = true;
    else this.#tellEnd();
  }

  socketClosed(error: Error | undefined): void {
    if (this.#closed) return;
    if (error !== undefined && error !== null) {
      this.#failure ??= toTransportFailure(error, this.#phase, this.#remote);
      this.#close();
      return;
    }
    // Bun closes without `end` when the peer's FIN comes second.
    if (this.#finished && this.#phase === "open" && this.#failure === null && !this.#destroyed) this.socketEnded();
    if (this.#heldEnd && !this.#destroyed) this.#heldClose = true;
    else this.#close();
  }

  endTurn(): void {
    this.#inTurn = false;
    if (this.#queue.bytes > 0 && !this.#blocked) this.#mark();
  }

  flush(): void {
    this.#dirty = false;
    if (this.#closed) return;
    if (this.#destroyed) {
      this.#terminate();
      return;
    }
    const socket = this.#socket;
    if (socket === null || this.#phase !== "open") return;
    if (!this.#heldClose) this.#send(socket);
    if (!this.#paused && (this.#held.length > 0 || this.#heldEnd)) this.#release(socket);
    if (this.#wantsDrain && this.#queue.bytes <= LOW_MARK_BYTES && !this.#closed) {
      this.#wantsDrain = false;
      this.#flusher.enter();
      try {
        this.#handler?.onDrain();
      } finally {
        this.#flusher.leave();
      }
    }
  }

  #send(socket: BunSocket): void {
    const queue = this.#queue;
    while (queue.bytes > 0 && !this.#blocked) {
      const length = queue.frontLength();
      const taken = socket.write(queue.frontBuffer(), queue.frontStart(), length);
      if (taken < 0) {
        // The peer is gone; `close` tells why.
        queue.clear();
        return;
      }
      queue.consume(taken);
      this.#blocked = taken < length;
    }
    if (this.#ended && !this.#finished && queue.bytes === 0) {
      this.#finished = true;
      socket.shutdown();
    }
  }

  /** Delivers what was held while reads were paused, for as long as the handler does not pause again. */
  #release(socket: BunSocket): void {
    while (this.#held.length > 0 && !this.#paused && !this.#destroyed) {
      this.socketRead(this.#held.shift() as Uint8Array);
    }
    if (this.#paused || this.#destroyed || this.#held.length > 0) return;
    if (this.#heldEnd) {
      this.#heldEnd = false;
      this.#tellEnd();
    }
    if (this.#heldClose) this.#close();
    else if (!this.#closed) socket.resume();
  }

  #markTurn(): void {
    if (this.#inTurn || this.#dirty) return;
    this.#inTurn = true;
    this.#flusher.addToTurn(this);
  }

  #mark(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#flusher.add(this);
  }

  #open(socket: BunSocket, tls: TlsPeer | null): void {
    this.#timer?.clear();
    this.#phase = "open";
    this.peer = readPeer(socket, tls);
    this.#flusher.enter();
    try {
      this.#handler?.onOpen(this);
    } finally {
      this.#flusher.leave();
    }
    if (this.#paused && !this.#closed) socket.pause();
    if (this.#queue.bytes > 0 || this.#ended) this.#mark();
  }

  #tellEnd(): void {
    if (this.#destroyed) return;
    this.#flusher.enter();
    try {
      this.#handler?.onEnd();
    } finally {
      this.#flusher.leave();
    }
  }

  #terminate(): void {
    // Bun calls `close` in here; without a socket yet there is nobody to call it.
    this.#socket?.terminate();
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watcher?.closed(this);
    this.#timer?.clear();
    this.#queue.clear();
    this.#held.length = 0;
    const bothEnded = this.#peerEnded && this.#ended;
    const failure = this.#failure ?? (bothEnded ? null : createVanishedFailure(this.#remote, this.#phase));
    this.#flusher.enter();
    try {
      this.#handler?.onClose(this.#destroyed ? DESTROYED : failure);
    } finally {
      this.#flusher.leave();
    }
  }
}

/** The peer as Bun shows it. */
export function readPeer(socket: BunSocket, tls: TlsPeer | null): Peer {
  return {
    remoteAddress: plainAddress(socket.remoteAddress ?? ""),
    remotePort: socket.remotePort,
    localPort: socket.localPort,
    tls,
  };
}
