/** Clients and apps made of text on any transport, for component tests that run the same on Node, Bun and in memory. */
import { withinAwake } from "./within.ts";
import type { Connection, ConnectionHandler, Listener, Transport, TransportFailure } from "../transport/transport.ts";
import type { Head } from "../proxy/head.ts";
import { DEFAULT_DECODER_LIMITS, type DecodeFailure, type Http1Sink } from "../proxy/http1/decoder-contract.ts";
import { Http1Decoder } from "../proxy/http1/decoder.ts";

const CONNECT_MS = 5_000;

/** Sends text and collects what comes back. */
export class TextClient implements ConnectionHandler {
  text: string = "";
  receivedBytes: number = 0;
  isClosed: boolean = false;
  onBytes: (bytes: Uint8Array) => void = () => undefined;
  readonly connection: Connection;
  readonly #watchers: Set<() => void> = new Set();

  constructor(transport: Transport, port: number, first: string | Uint8Array, paused: boolean = false) {
    this.connection = transport.connect({ host: "127.0.0.1", port, tls: null, timeoutMs: CONNECT_MS }, this);
    if (paused) this.connection.pauseReads();
    this.send(first);
  }

  send(data: string | Uint8Array): void {
    this.connection.write(typeof data === "string" ? Buffer.from(data, "latin1") : data);
  }

  onOpen(): void {
    // What was sent goes out by itself.
  }

  onData(bytes: Uint8Array): void {
    this.receivedBytes += bytes.length;
    this.text += Buffer.from(bytes).toString("latin1");
    this.onBytes(bytes);
    this.#tell();
  }

  onDrain(): void {
    // Tests send little.
  }

  onEnd(): void {
    this.connection.end();
  }

  onClose(_failure: TransportFailure | null): void {
    this.isClosed = true;
    this.#tell();
  }

  /** Resolves with all text once it fits; rejects when the connection closes before. */
  until(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#watch(() => {
        if (pattern.test(this.text)) resolve(this.text);
        else if (this.isClosed) reject(new Error(`closed after ${JSON.stringify(this.text.slice(0, 400))}`));
        else return false;
        return true;
      });
    });
  }

  closed(): Promise<string> {
    const closed = new Promise<string>((resolve) => {
      this.#watch(() => {
        if (this.isClosed) resolve(this.text);
        return this.isClosed;
      });
    });
    return withinAwake(() => `the connection's close; got ${this.text.slice(-600)}`, closed);
  }

  #watch(check: () => boolean): void {
    if (check()) return;
    const watcher = (): void => {
      if (check()) this.#watchers.delete(watcher);
    };
    this.#watchers.add(watcher);
  }

  #tell(): void {
    for (const watcher of this.#watchers) watcher();
  }
}

export interface AppRequest {
  readonly method: string;
  readonly target: string;
  /** Lower-case names; the last value counts. */
  readonly fields: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface AppExchange {
  readonly request: AppRequest;
  readonly connection: Connection;
  /** Writes raw text. */
  reply(text: string): void;
}

export type AppRespond = (x: AppExchange) => void;

/** An HTTP/1.1 app that answers with raw text. Behaviour can be replaced at any time. */
export class TextApp {
  respond: AppRespond = ({ request, reply }) =>
    reply(formatAnswer(`${request.method} ${request.target} ${request.body}`));
  /** Called with each complete request head's target. */
  onArrival: (target: string) => void = () => undefined;
  onConnectionClosed: () => void = () => undefined;
  /** Every complete request, oldest first. */
  readonly seen: AppRequest[] = [];
  readonly open: Set<Connection> = new Set();
  port: number = 0;
  #listener: Listener | null = null;

  async listen(transport: Transport): Promise<void> {
    const options = { address: "127.0.0.1", port: 0, tls: null };
    this.#listener = await transport.listen(options, () => new AppConnection(this));
    this.port = this.#listener.port;
  }

  async close(): Promise<void> {
    await this.#listener?.close();
    for (const connection of this.open) connection.destroy();
  }
}

/** A whole answer with its length. */
export function formatAnswer(body: string, status: string = "200 OK", fields: string = ""): string {
  return `HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`;
}

class AppConnection implements ConnectionHandler, Http1SinkParts {
  readonly #app: TextApp;
  readonly #decoder: Http1Decoder;
  #connection: Connection | null = null;
  #head: Omit<AppRequest, "body"> | null = null;
  #body: string = "";

  constructor(app: TextApp) {
    this.#app = app;
    this.#decoder = new Http1Decoder("request", toSink(this), DEFAULT_DECODER_LIMITS);
  }

  onOpen(connection: Connection): void {
    this.#connection = connection;
    this.#app.open.add(connection);
  }

  onData(bytes: Uint8Array): void {
    this.#decoder.decode(bytes);
  }

  onDrain(): void {
    // Answers of tests are small, or the test watches the buffer itself.
  }

  onEnd(): void {
    this.#connection?.end();
  }

  onClose(): void {
    if (this.#connection !== null) this.#app.open.delete(this.#connection);
    this.#app.onConnectionClosed();
  }

  head(head: Head): void {
    const fields = new Map<string, string>();
    for (let i = 0; i < head.count; i += 1) fields.set(head.nameText(i).toLowerCase(), head.valueText(i));
    const target = Buffer.from(head.bytes.subarray(head.targetStart, head.targetEnd)).toString("latin1");
    this.#head = { method: head.methodText(), target, fields };
    this.#body = "";
    this.#app.onArrival(target);
    if (head.expectContinue) this.#connection?.write(Buffer.from("HTTP/1.1 100 Continue\r\n\r\n", "latin1"));
  }

  body(bytes: Uint8Array): void {
    this.#body += Buffer.from(bytes).toString("latin1");
  }

  end(): void {
    const connection = this.#connection;
    if (this.#head === null || connection === null) return;
    const request = { ...this.#head, body: this.#body };
    this.#app.seen.push(request);
    this.#app.respond({ request, connection, reply: (text) => void connection.write(Buffer.from(text, "latin1")) });
    this.#decoder.next();
  }

  failed(failure: DecodeFailure): void {
    throw new Error(`The proxy sent the app a malformed request: ${failure.message}`);
  }
}

interface Http1SinkParts {
  head(head: Head): void;
  body(bytes: Uint8Array): void;
  end(): void;
  failed(failure: DecodeFailure): void;
}

function toSink(parts: Http1SinkParts): Http1Sink {
  return {
    onInterim: () => undefined,
    onHead: (head) => parts.head(head),
    onData: (bytes) => parts.body(bytes),
    onEnd: () => parts.end(),
    onFailure: (failure) => {
      // A proxy that gives up on a request cuts it short; only what is malformed is a fault.
      if (failure.detail !== "truncated") parts.failed(failure);
    },
  };
}
