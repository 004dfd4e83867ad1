import type { Connection, ConnectionHandler, Peer, TransportFailure } from "../../transport/transport.ts";
import type { ProxyCounters } from "../counters.ts";
import { DatagramReader, frameDatagram } from "./datagram-frames.ts";

/** What waits while the other side cannot take more, or is not there yet. UDP's way with the rest is to lose it. */
const MAX_QUEUED_DATAGRAMS = 64;
const MAX_QUEUED_BYTES = 256 * 1024;

/** Where datagrams go. */
export interface DatagramPort {
  send(bytes: Uint8Array): void;
  close(): void;
}

/**
 * The datagrams of one flow as a connection: what is written are frames (`datagram-frames.ts`), each sent as one datagram;
 * what is received is handed on as frames. While reads are paused a few wait, and the newest are lost and counted. It keeps
 * the promises of `Transport` about callbacks.
 */
export class DatagramConnection implements Connection {
  readonly peer: Peer;
  readonly #port: DatagramPort;
  readonly #counters: ProxyCounters;
  readonly #reader: DatagramReader;
  readonly #queue: Uint8Array[] = [];
  readonly #handler: ConnectionHandler;
  #queuedBytes: number = 0;
  #isPaused: boolean = false;
  #isFlushing: boolean = false;
  #isClosed: boolean = false;

  constructor(
    port: DatagramPort,
    handler: ConnectionHandler,
    about: { readonly peer: Peer; readonly counters: ProxyCounters },
  ) {
    const { counters, peer } = about;
    this.#port = port;
    this.#handler = handler;
    this.peer = peer;
    this.#counters = counters;
    this.#reader = new DatagramReader((bytes) => {
      counters.udpSent += 1;
      port.send(bytes);
    });
  }

  /** The peer can be reached. */
  open(): void {
    if (!this.#isClosed) this.#handler.onOpen(this);
  }

  /** A datagram has come from the peer. */
  receive(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#counters.udpReceived += 1;
    if (!this.#isPaused && this.#queue.length === 0) {
      this.#handler.onData(frameDatagram(bytes));
      return;
    }
    if (this.#queue.length >= MAX_QUEUED_DATAGRAMS || this.#queuedBytes + bytes.length > MAX_QUEUED_BYTES) {
      this.#counters.udpDropped += 1;
      return;
    }
    this.#queue.push(frameDatagram(bytes));
    this.#queuedBytes += bytes.length;
  }

  /** The peer has been silent for too long: as if it had said that nothing more comes. */
  silence(): void {
    if (!this.#isClosed) this.#handler.onEnd();
  }

  /** The peer is gone. */
  fail(failure: TransportFailure): void {
    this.#close(failure);
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#isClosed) this.#reader.push(bytes);
    return true;
  }

  end(): void {
    queueMicrotask(() => this.#close(null));
  }

  destroy(): void {
    queueMicrotask(() => this.#close({ kind: "local", message: "destroyed" }));
  }

  pauseReads(): void {
    this.#isPaused = true;
  }

  resumeReads(): void {
    this.#isPaused = false;
    if (this.#queue.length === 0 || this.#isFlushing) return;
    this.#isFlushing = true;
    queueMicrotask(() => this.#flush());
  }

  batchWrites(): void {}

  ownWrites(): void {}

  bufferedBytes(): number {
    return 0;
  }

  #flush(): void {
    this.#isFlushing = false;
    while (!this.#isClosed && !this.#isPaused) {
      const frame = this.#queue.shift();
      if (frame === undefined) return;
      this.#queuedBytes -= frame.length - 2;
      this.#handler.onData(frame);
    }
  }

  #close(failure: TransportFailure | null): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#counters.udpDropped += this.#queue.length;
    this.#queue.length = 0;
    this.#port.close();
    this.#handler.onClose(failure);
  }
}
