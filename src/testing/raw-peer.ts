import type { Connection, ConnectionHandler, Listener, Transport, TransportFailure } from "../transport/transport.ts";
import { within } from "./within.ts";

const CONNECT_MS = 5_000;

/** One end of a connection that does nothing by itself: the test writes, ends and reads, and sees what the other end did. */
export class RawPeer implements ConnectionHandler {
  text: string = "";
  receivedBytes: number = 0;
  /** The other end sent FIN. */
  isEnded: boolean = false;
  isClosed: boolean = false;
  failure: TransportFailure | null = null;
  /** False: bytes are counted and dropped. */
  keepsText: boolean = true;
  onWritable: () => void = () => undefined;
  #connection: Connection | null = null;
  readonly #watchers: Set<() => void> = new Set();

  static dial(transport: Transport, port: number, first: string, paused: boolean = false): RawPeer {
    const peer = new RawPeer();
    const options = { host: "127.0.0.1", port, tls: null, timeoutMs: CONNECT_MS };
    peer.#connection = transport.connect(options, peer);
    if (paused) peer.pause();
    peer.send(first);
    return peer;
  }

  /** False: wait for `onWritable`. */
  send(data: string | Uint8Array): boolean {
    return this.#live().write(typeof data === "string" ? Buffer.from(data, "latin1") : data);
  }

  end(): void {
    this.#live().end();
  }

  destroy(): void {
    this.#connection?.destroy();
  }

  pause(): void {
    this.#live().pauseReads();
  }

  resume(): void {
    this.#live().resumeReads();
  }

  onOpen(connection: Connection): void {
    this.#connection = connection;
  }

  onData(bytes: Uint8Array): void {
    this.receivedBytes += bytes.length;
    if (this.keepsText) this.text += Buffer.from(bytes).toString("latin1");
    this.#tell();
  }

  onDrain(): void {
    this.onWritable();
  }

  onEnd(): void {
    this.isEnded = true;
    this.#tell();
  }

  onClose(failure: TransportFailure | null): void {
    this.isClosed = true;
    this.failure = failure;
    this.#tell();
  }

  /** Resolves with all text once it fits. */
  until(pattern: RegExp): Promise<string> {
    return this.#when(
      () => `${String(pattern)}; got ${JSON.stringify(this.text.slice(-400))}`,
      () => pattern.test(this.text),
    ).then(() => this.text);
  }

  received(bytes: number): Promise<void> {
    return this.#when(
      () => `${bytes} bytes; got ${this.receivedBytes}`,
      () => this.receivedBytes >= bytes,
    );
  }

  /** Resolves at the other end's FIN. */
  ended(): Promise<void> {
    return this.#when(
      () => "the other end's FIN",
      () => this.isEnded,
    );
  }

  /** Resolves with all text when the connection is gone. */
  closed(): Promise<string> {
    return this.#when(
      () => "the connection's close",
      () => this.isClosed,
    ).then(() => this.text);
  }

  #live(): Connection {
    if (this.#connection === null) throw new Error("This peer has no connection yet: wait for what it receives first");
    return this.#connection;
  }

  #when(label: () => string, isTrue: () => boolean): Promise<void> {
    const happened = new Promise<void>((resolve) => {
      if (isTrue()) {
        resolve();
        return;
      }
      const watcher = (): void => {
        if (!isTrue()) return;
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
    });
    return within(label, happened);
  }

  #tell(): void {
    for (const watcher of this.#watchers) watcher();
  }
}

/** A server whose connections the test takes one by one, in the order in which they come. */
export class RawServer {
  port: number = 0;
  readonly #accepted: RawPeer[] = [];
  readonly #takers: ((peer: RawPeer) => void)[] = [];
  readonly #all: RawPeer[] = [];
  #listener: Listener | null = null;

  async listen(transport: Transport): Promise<void> {
    this.#listener = await transport.listen({ address: "127.0.0.1", port: 0, tls: null }, () => this.#accept());
    this.port = this.#listener.port;
  }

  /** The next connection that nobody has taken; it may not be open yet. */
  next(): Promise<RawPeer> {
    const peer = this.#accepted.shift();
    if (peer !== undefined) return Promise.resolve(peer);
    return within("a connection", new Promise((resolve) => this.#takers.push(resolve)));
  }

  async close(): Promise<void> {
    await this.#listener?.close();
    for (const peer of this.#all) peer.destroy();
  }

  #accept(): RawPeer {
    const peer = new RawPeer();
    this.#all.push(peer);
    const taker = this.#takers.shift();
    if (taker === undefined) this.#accepted.push(peer);
    else taker(peer);
    return peer;
  }
}
