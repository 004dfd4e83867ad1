import type { PeerRefusal } from "../identity/peer-refusal.ts";
import type { CertificateSubject } from "../identity/revocation-list.ts";
import type { Timer } from "../time/clock.ts";
import {
  type ConnectionPhase,
  createRefusal,
  createTimeoutFailure,
  createVanishedFailure,
  DESTROYED,
  toTransportFailure,
} from "./failure.ts";
import type { Flushable, Flusher } from "./flusher.ts";
import type { MemoryItem, MemoryPipe, MemoryWorld } from "./memory-pipe.ts";
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
import { type WriteArena, WriteQueue } from "./write-queue.ts";

/** What a TLS client sends first; a plain listener reads it as data. */
const CLIENT_HELLO: Uint8Array = Uint8Array.of(0x16, 0x03, 0x01, 0x00, 0x05, 0x01, 0x00, 0x00, 0x01, 0x03);

/** The handshake of one side. Items that belong to it come here first. */
export interface MemoryHandshake {
  /** False when `item` is not what comes next in a handshake. */
  accept(connection: MemoryConnection, item: MemoryItem): boolean;
}

/** One end of an in-memory connection. */
export class MemoryConnection implements Connection, Flushable, RefusableConnection {
  peer: Peer;
  readonly #world: MemoryWorld;
  readonly #flusher: Flusher;
  readonly #queue: WriteQueue;
  readonly #remote: string;
  readonly #handshake: MemoryHandshake | null;
  #handler: ConnectionHandler | null = null;
  #out: MemoryPipe | null = null;
  #timer: Timer | null = null;
  #phase: ConnectionPhase = "connecting";
  #closed: boolean = false;
  #ended: boolean = false;
  #finished: boolean = false;
  #peerEnded: boolean = false;
  #destroyed: boolean = false;
  #paused: boolean = false;
  #dirty: boolean = false;
  #batching: boolean = false;
  #inTurn: boolean = false;
  #wantsDrain: boolean = false;
  #failure: TransportFailure | null = null;
  /** Told when this closes. */
  #watcher: PeerVerifier | null = null;
  /** Arrived and not read. */
  readonly #inbox: MemoryItem[] = [];
  /** Sent and not yet read by the peer. */
  #windowUsed: number = 0;
  #partner: MemoryConnection | null = null;

  constructor(
    world: MemoryWorld,
    sending: { readonly flusher: Flusher; readonly arena: WriteArena },
    link: { readonly peer: Peer; readonly remote: string; readonly handshake: MemoryHandshake | null },
  ) {
    this.#world = world;
    this.#flusher = sending.flusher;
    this.#queue = new WriteQueue(sending.arena);
    this.peer = link.peer;
    this.#remote = link.remote;
    this.#handshake = link.handshake;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed || this.#destroyed || this.#ended) return true;
    if (this.#batching) this.#queue.gather();
    this.#queue.append(bytes);
    if (this.#batching && this.#queue.bytes <= BATCH_BYTES) this.#markTurn();
    else this.#mark();
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
    this.#paused = true;
  }

  resumeReads(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#mark();
  }

  batchWrites(on: boolean): void {
    this.#batching = on;
    // What waits for the turn leaves with what comes now.
    if (!on && this.#inTurn) this.#mark();
  }

  ownWrites(): void {
    // The other side gets what was written itself, not a copy.
  }

  bufferedBytes(): number {
    return this.#queue.bytes;
  }

  /** For tests of what happens when a connection breaks: both sides see a reset. */
  injectReset(): void {
    this.#out?.send({ kind: "reset" });
    this.#partner?.injectPartnerReset();
  }

  injectPartnerReset(): void {
    this.#out?.send({ kind: "reset" });
  }

  isClosed(): boolean {
    return this.#closed;
  }

  /** The rest is called by the transport and the handshake only. */
  start(handler: ConnectionHandler, timer: Timer | null): void {
    this.#handler = handler;
    this.#timer = timer;
  }

  link(out: MemoryPipe, partner: MemoryConnection): void {
    this.#out = out;
    this.#partner = partner;
  }

  send(item: MemoryItem): void {
    this.#out?.send(item);
  }

  /** TCP is there. */
  connected(): void {
    if (this.#closed) return;
    if (this.#handshake === null) this.open(null);
    else this.#phase = "handshaking";
  }

  open(tls: TlsPeer | null): void {
    this.#timer?.clear();
    this.#phase = "open";
    if (tls !== null) this.peer = { ...this.peer, tls };
    this.#mark();
    this.#call(() => this.#handler?.onOpen(this));
  }

  watch(peers: PeerVerifier, subject: CertificateSubject): void {
    this.#watcher = peers;
    peers.opened(this, subject);
  }

  refuse(reason: string, refusal: PeerRefusal | null = null): void {
    this.#failure ??= createRefusal(this.#remote, this.#phase, { reason, refusal });
    this.#reset();
  }

  expire(timeoutMs: number): void {
    this.#failure ??= createTimeoutFailure(this.#remote, this.#phase, timeoutMs);
    this.#reset();
  }

  failConnect(code: string): void {
    const error = Object.assign(new Error(`connect ${code}`), { code });
    this.#failure ??= toTransportFailure(error, "connecting", this.#remote);
    this.#close();
  }

  arrive(item: MemoryItem): void {
    if (this.#closed) return;
    if (item.kind === "reset") {
      const detail = { code: "ECONNRESET", message: "connection reset by peer" };
      this.#failure ??= toTransportFailure(detail, this.#phase, this.#remote);
      this.#close();
      return;
    }
    if (this.#phase === "handshaking") {
      if (this.#handshake?.accept(this, item) !== true) this.refuse(`unexpected ${item.kind} of the peer`);
      return;
    }
    this.#inbox.push(item.kind === "hello" ? { kind: "data", bytes: CLIENT_HELLO } : item);
    this.#read();
  }

  /** The peer read `bytes` of what was sent. */
  windowFreed(bytes: number): void {
    this.#windowUsed -= bytes;
    if (this.#queue.bytes > 0 || (this.#ended && !this.#finished)) this.#mark();
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
    if (this.#phase !== "open") return;
    this.#transmit();
    this.#read();
    if (this.#wantsDrain && this.#queue.bytes <= LOW_MARK_BYTES) {
      this.#wantsDrain = false;
      this.#call(() => this.#handler?.onDrain());
    }
    this.#closeIfOver();
  }

  #transmit(): void {
    const { chunkBytes, windowBytes } = this.#world.conditions;
    const queue = this.#queue;
    while (queue.bytes > 0 && this.#windowUsed < windowBytes) {
      const room = Math.min(windowBytes - this.#windowUsed, queue.bytes);
      const sent = Buffer.allocUnsafeSlow(room);
      let filled = 0;
      while (filled < room) {
        const start = queue.frontStart();
        const count = Math.min(queue.frontLength(), room - filled);
        sent.set(queue.frontBuffer().subarray(start, start + count), filled);
        queue.consume(count);
        filled += count;
      }
      this.#windowUsed += room;
      for (let from = 0; from < room;) {
        const to = chunkBytes === 0 ? room : Math.min(room, from + 1 + this.#world.random.below(chunkBytes));
        this.send({ kind: "data", bytes: sent.subarray(from, to) });
        from = to;
      }
    }
    if (this.#ended && !this.#finished && queue.bytes === 0) {
      this.#finished = true;
      this.send({ kind: "fin" });
    }
  }

  #read(): void {
    while (!this.#paused && !this.#destroyed && !this.#closed) {
      const item = this.#inbox.shift();
      if (item === undefined) return;
      if (item.kind === "data") {
        this.#partner?.windowFreed(item.bytes.length);
        this.#call(() => this.#handler?.onData(item.bytes));
      } else if (item.kind === "fin") {
        this.#peerEnded = true;
        this.#call(() => this.#handler?.onEnd());
        this.#closeIfOver();
      }
    }
  }

  #closeIfOver(): void {
    if (this.#finished && this.#peerEnded) this.#close();
  }

  #markTurn(): void {
    if (this.#inTurn || this.#dirty) return;
    this.#inTurn = true;
    this.#flusher.addToTurn(this);
  }

  #mark(): void {
    if (this.#dirty || this.#closed) return;
    this.#dirty = true;
    this.#flusher.add(this);
  }

  #reset(): void {
    if (this.#closed) return;
    this.send({ kind: "reset" });
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watcher?.closed(this);
    this.#timer?.clear();
    this.#queue.clear();
    this.#inbox.length = 0;
    const bothEnded = this.#peerEnded && this.#ended;
    const failure = this.#failure ?? (bothEnded ? null : createVanishedFailure(this.#remote, this.#phase));
    this.#call(() => this.#handler?.onClose(this.#destroyed ? DESTROYED : failure));
  }

  #call(run: () => void): void {
    this.#flusher.enter();
    try {
      run();
    } finally {
      this.#flusher.leave();
    }
  }
}
