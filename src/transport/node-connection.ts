import type { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { PeerRefusal } from "../identity/peer-refusal.ts";
import type { CertificateSubject } from "../identity/revocation-list.ts";
import { parseSpiffeSan } from "../identity/spiffe-san.ts";
import {
  type ConnectionPhase,
  createRefusal,
  createTimeoutFailure,
  createVanishedFailure,
  DESTROYED,
  toTransportFailure,
} from "./failure.ts";
import type { Flushable, Flusher } from "./flusher.ts";
import { freeBytes } from "./free-bytes.ts";
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
import { BATCH_BYTES, HIGH_MARK_BYTES, LOW_MARK_BYTES } from "./watermarks.ts";
import { COPIED_BYTES, type WriteArena, WriteQueue } from "./write-queue.ts";

/**
 * One socket of Node, with or without TLS on it. Bytes wait in our own queue and go to the stream when the callback that
 * wrote them returns; a stream that is full gets nothing more until it drains, so that small writes merge meanwhile.
 */
export class NodeConnection implements Connection, Flushable, RefusableConnection {
  peer: Peer;
  readonly #flusher: Flusher;
  readonly #queue: WriteQueue;
  readonly #remote: string;
  #handler: ConnectionHandler | null = null;
  /** What is read and written: the TCP socket, or TLS on it. */
  #socket: Socket | null = null;
  /** The TCP socket, which alone can be reset; null when it is not known. */
  #tcp: Socket | null = null;
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
  /** The stream holds more than it wants; its "drain" will come. */
  #blocked: boolean = false;
  #wantsDrain: boolean = false;
  #failure: TransportFailure | null = null;
  /** Told when this closes. */
  #watcher: PeerVerifier | null = null;
  /** Set by `ownWrites`: the stream's callback of a write. */
  #written: ((error?: Error | null) => void) | null = null;
  /** Written, to be freed when the stream is done with all of it. */
  readonly #writing: Uint8Array[] = [];

  constructor(flusher: Flusher, arena: WriteArena, peer: Peer, remote: string) {
    this.#flusher = flusher;
    this.#queue = new WriteQueue(arena);
    this.peer = peer;
    this.#remote = remote;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed || this.#destroyed || this.#ended) return true;
    if (this.#batching) this.#queue.gather();
    this.#queue.append(bytes);
    // Node shows a read of TLS record by record, each in a callback of its own. What a full record brought waits for the
    // others of its read: one system call for all of them.
    const waits = this.#batching || bytes.length > COPIED_BYTES;
    if (waits && this.#queue.bytes < BATCH_BYTES) this.#markTurn();
    else this.#mark();
    // A stream that is not blocked holds less than its own mark, so most writes need not ask it.
    if (!this.#blocked && this.#queue.bytes <= LOW_MARK_BYTES) return true;
    if (this.bufferedBytes() <= HIGH_MARK_BYTES) return true;
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
    if (this.#phase === "open") this.#socket?.pause();
  }

  resumeReads(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#phase === "open" && !this.#destroyed) this.#socket?.resume();
  }

  batchWrites(on: boolean): void {
    this.#batching = on;
    // What waits for the turn leaves with what comes now.
    if (!on && this.#inTurn) this.#mark();
  }

  ownWrites(): void {
    this.#queue.freesSent = true;
    this.#written ??= (error) => this.#freeWritten(error);
  }

  bufferedBytes(): number {
    return this.#socket === null ? this.#queue.bytes : this.#queue.bytes + this.#socket.writableLength;
  }

  /** Called by the transport only, once, before any other of the methods below. */
  setHandler(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  isOver(): boolean {
    return this.#closed || this.#destroyed;
  }

  /** The TCP socket of an outbound connection, which starts to connect. */
  watchConnect(tcp: Socket): void {
    this.#tcp = tcp;
    tcp.on("error", (error) => this.fail(error));
    tcp.on("close", () => this.#close());
  }

  /** TCP is there, and TLS comes next. */
  watchHandshake(tcp: Socket | null, socket: TLSSocket): void {
    this.#tcp = tcp;
    this.#socket = socket;
    this.#phase = "handshaking";
    socket.on("error", (error) => this.fail(error));
    socket.on("close", () => this.#close());
  }

  /** Connected, and the peer verified where there is TLS. `watched` = error and close already reach this object. */
  open(socket: Socket, peer: Peer, watched: boolean): void {
    if (this.#closed) return;
    this.#socket = socket;
    this.peer = peer;
    this.#phase = "open";
    if (!watched) {
      this.#tcp = socket;
      socket.on("error", (error) => this.fail(error));
      socket.on("close", () => this.#close());
    }
    socket.on("drain", () => this.#drain());
    socket.on("end", () => this.#end());
    this.#flusher.enter();
    try {
      if (!this.#destroyed) this.#handler?.onOpen(this);
    } finally {
      this.#flusher.leave();
    }
    socket.on("data", (bytes: Uint8Array) => this.#data(bytes));
    if (this.#paused) socket.pause();
    if (this.#queue.bytes > 0 || this.#ended) this.#mark();
  }

  /** Remembers the first cause; the platform's "close" follows. */
  fail(error: unknown): void {
    this.#failure ??= toTransportFailure(error, this.#phase, this.#remote);
  }

  /** The peer's certificate was accepted; comes right before `open`. */
  watch(peers: PeerVerifier, subject: CertificateSubject): void {
    this.#watcher = peers;
    peers.opened(this, subject);
  }

  refuse(reason: string, refusal: PeerRefusal | null): void {
    this.#failure ??= createRefusal(this.#remote, this.#phase, { reason, refusal });
    this.#reset();
  }

  expire(timeoutMs: number): void {
    this.#failure ??= createTimeoutFailure(this.#remote, this.#phase, timeoutMs);
    this.#reset();
  }

  /** For a handshake that failed before there was a socket to watch. */
  closeFailed(failure: TransportFailure): void {
    this.#failure ??= failure;
    this.#close();
  }

  endTurn(): void {
    this.#inTurn = false;
    if (this.#queue.bytes > 0) this.#mark();
  }

  flush(): void {
    this.#dirty = false;
    if (this.#closed) return;
    if (this.#destroyed) {
      this.#reset();
      return;
    }
    const socket = this.#socket;
    if (socket === null || this.#phase !== "open" || this.#blocked) return;
    this.#send(socket);
    if (this.#ended && !this.#finished && this.#queue.bytes === 0) {
      this.#finished = true;
      socket.end();
    }
    if (this.#wantsDrain && this.bufferedBytes() <= LOW_MARK_BYTES) {
      this.#wantsDrain = false;
      this.#flusher.enter();
      try {
        this.#handler?.onDrain();
      } finally {
        this.#flusher.leave();
      }
    }
  }

  #send(socket: Socket): void {
    const queue = this.#queue;
    if (queue.bytes === 0) return;
    const only = queue.onlyBuffer();
    if (only !== null) {
      if (this.#written === null) socket.write(only);
      else socket.write(only, this.#written);
      // The kernel took it all at once, as it usually does: nobody holds on to it, and its memory is used again.
      if (socket.writableLength === 0) {
        queue.consume(only.length);
        return;
      }
      queue.detach();
      if (this.#written !== null) this.#writing.push(only);
    } else {
      // One writev, and under TLS one run of full records.
      socket.cork();
      while (queue.bytes > 0) {
        const bytes = queue.take();
        if (this.#written !== null) this.#writing.push(bytes);
        if (this.#written === null || queue.bytes > 0) socket.write(bytes);
        else socket.write(bytes, this.#written);
      }
      socket.uncork();
    }
    // A write that the kernel took at once leaves nothing behind, and the stream may go on although it says "drain later".
    this.#blocked = socket.writableNeedDrain && socket.writableLength > 0;
  }

  #freeWritten(error: Error | null | undefined): void {
    // A stream that failed may leave the platform with what it had begun to send.
    const isDone = (error ?? null) === null && !this.#closed && this.#socket?.writableLength === 0;
    if (isDone) for (const bytes of this.#writing) freeBytes(bytes);
    if (isDone || this.#closed) this.#writing.length = 0;
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

  #data(bytes: Uint8Array): void {
    if (this.#destroyed) return;
    this.#flusher.enter();
    try {
      this.#handler?.onData(bytes);
    } finally {
      this.#flusher.leave();
    }
  }

  #end(): void {
    if (this.#destroyed || this.#peerEnded) return;
    this.#peerEnded = true;
    this.#flusher.enter();
    try {
      this.#handler?.onEnd();
    } finally {
      this.#flusher.leave();
    }
  }

  #drain(): void {
    this.#blocked = false;
    if (this.#queue.bytes > 0 || this.#wantsDrain || this.#ended) this.flush();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watcher?.closed(this);
    this.#queue.clear();
    this.#writing.length = 0;
    const bothEnded = this.#peerEnded && this.#ended;
    const failure = this.#failure ?? (bothEnded ? null : createVanishedFailure(this.#remote, this.#phase));
    this.#flusher.enter();
    try {
      this.#handler?.onClose(this.#destroyed ? DESTROYED : failure);
    } finally {
      this.#flusher.leave();
    }
  }

  #reset(): void {
    const tcp = this.#tcp;
    if (tcp === null || tcp.destroyed) {
      if (this.#socket === null || this.#socket.destroyed) this.#close();
      else this.#socket.destroy();
      return;
    }
    // `resetAndDestroy` alone waits until everything is sent; `destroy` behind it makes the reset happen now. libuv
    // refuses a reset while a FIN waits for its turn, and none is possible before the connection is there.
    if (!this.#finished && !tcp.connecting) tcp.resetAndDestroy();
    tcp.destroy();
  }
}

/** `null` alpn = the peers agreed on none. `leaf`: the peer's certificate, as Node tells a caller of it once only. */
export function readTlsPeer(socket: TLSSocket, leaf: X509Certificate | undefined): TlsPeer {
  return {
    spiffeId: parseSpiffeSan(leaf?.subjectAltName),
    alpn: typeof socket.alpnProtocol === "string" && socket.alpnProtocol !== "" ? socket.alpnProtocol : null,
    protocol: socket.getProtocol() ?? "",
  };
}

/** The peer as Node shows it. */
export function readPeer(socket: Socket, tls: TlsPeer | null): Peer {
  return {
    remoteAddress: plainAddress(socket.remoteAddress ?? ""),
    remotePort: socket.remotePort ?? 0,
    localPort: socket.localPort ?? 0,
    tls,
  };
}
