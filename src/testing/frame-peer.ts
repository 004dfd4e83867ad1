import type {
  Connection,
  ConnectionHandler,
  Listener,
  TlsServerOptions,
  Transport,
  TransportFailure,
} from "../transport/transport.ts";
import { PREFACE } from "../proxy/http2/frame.ts";
import { KIND_REQUEST, KIND_RESPONSE } from "../proxy/http2/hpack/head-decoder.ts";
import { buildClientStart, FrameReader, FrameTexts } from "./http2-frames.ts";
import { within } from "./within.ts";

const CONNECT_MS = 5_000;

/** One end of an HTTP/2 connection that does nothing by itself: the test writes frames and reads what the other end sent. */
export class FramePeer implements ConnectionHandler {
  /** What came, one line per frame, as `FrameTexts` writes it. */
  readonly lines: string[] = [];
  receivedBytes: number = 0;
  isClosed: boolean = false;
  /** False: frames are counted as bytes only. */
  keepsLines: boolean = true;
  onLine: (line: string) => void = () => undefined;
  readonly #texts: FrameTexts;
  readonly #reader: FrameReader = new FrameReader();
  readonly #watchers: Set<() => void> = new Set();
  #prefaceLeft: number;
  #connection: Connection | null = null;

  constructor(role: "client" | "server") {
    this.#texts = new FrameTexts(role === "client" ? KIND_RESPONSE : KIND_REQUEST);
    this.#prefaceLeft = role === "client" ? 0 : PREFACE.length;
  }

  /** A client; `first` is sent at once, the preface and empty SETTINGS unless it says otherwise. */
  static dial(transport: Transport, port: number, first: Uint8Array = buildClientStart()): FramePeer {
    const peer = new FramePeer("client");
    peer.#connection = transport.connect({ host: "127.0.0.1", port, tls: null, timeoutMs: CONNECT_MS }, peer);
    peer.send(first);
    return peer;
  }

  send(...parts: readonly Uint8Array[]): void {
    this.#connection?.write(Buffer.concat(parts));
  }

  pause(): void {
    this.#connection?.pauseReads();
  }

  resume(): void {
    this.#connection?.resumeReads();
  }

  end(): void {
    this.#connection?.end();
  }

  destroy(): void {
    this.#connection?.destroy();
  }

  text(): string {
    return this.lines.join("\n");
  }

  /** Resolves with all lines once they fit. */
  async until(pattern: RegExp): Promise<string> {
    const label = (): string => `${String(pattern)}; got ${this.text().slice(-600)}${this.isClosed ? " (closed)" : ""}`;
    await this.#when(label, () => pattern.test(this.text()));
    return this.text();
  }

  async closed(): Promise<string> {
    await this.#when(
      () => `the connection's close; got ${this.text().slice(-600)}`,
      () => this.isClosed,
    );
    return this.text();
  }

  onOpen(connection: Connection): void {
    this.#connection = connection;
    this.#tell();
  }

  onData(bytes: Uint8Array): void {
    this.receivedBytes += bytes.length;
    const skip = Math.min(this.#prefaceLeft, bytes.length);
    this.#prefaceLeft -= skip;
    if (this.keepsLines) {
      for (const frame of this.#reader.read(bytes.subarray(skip))) {
        this.#add(this.#texts.format(frame));
      }
    }
    this.#tell();
  }

  onDrain(): void {
    // Tests send little.
  }

  onEnd(): void {
    this.#connection?.end();
  }

  onClose(_failure: TransportFailure | null): void {
    this.isClosed = true;
    this.#tell();
  }

  /** Data of one stream that follows itself becomes one line: where frames are cut is nobody's business. */
  #add(line: string): void {
    const last = this.lines.at(-1) ?? "";
    const start = /^DATA \d+ /.exec(line)?.[0];
    if (start !== undefined && last.startsWith(start) && !last.endsWith("; END")) {
      this.lines[this.lines.length - 1] = last + line.slice(start.length);
    } else this.lines.push(line);
    this.onLine(line);
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

/** An HTTP/2 server whose connections the test takes one by one, and answers frame by frame. */
export class FrameServer {
  port: number = 0;
  readonly all: FramePeer[] = [];
  /** Called with each new connection before anything was read of it. */
  onConnection: (peer: FramePeer) => void = () => undefined;
  readonly #takers: ((peer: FramePeer) => void)[] = [];
  #taken: number = 0;
  #listener: Listener | null = null;

  async listen(transport: Transport, tls: TlsServerOptions | null): Promise<void> {
    this.#listener = await transport.listen({ address: "127.0.0.1", port: 0, tls }, () => {
      const peer = new FramePeer("server");
      this.all.push(peer);
      this.onConnection(peer);
      const taker = this.#takers.shift();
      if (taker !== undefined) {
        this.#taken += 1;
        taker(peer);
      }
      return peer;
    });
    this.port = this.#listener.port;
  }

  /** The next connection that nobody has taken. */
  next(): Promise<FramePeer> {
    const peer = this.all[this.#taken];
    if (peer !== undefined) {
      this.#taken += 1;
      return Promise.resolve(peer);
    }
    return within("a connection", new Promise((resolve) => this.#takers.push(resolve)));
  }

  async close(): Promise<void> {
    await this.#listener?.close();
    for (const peer of this.all) peer.destroy();
  }
}
