import { ConnectionRecorder, type RecordedEvent } from "../testing/connection-recorder.ts";
import type {
  Connection,
  ConnectOptions,
  Listener,
  TlsClientOptions,
  TlsServerOptions,
  Transport,
} from "./transport.ts";

type React = (event: RecordedEvent, recorder: ConnectionRecorder) => void;

export interface OpenPair {
  readonly caller: ConnectionRecorder;
  readonly called: ConnectionRecorder;
  readonly listener: Listener;
}

/** A listener of a test, with everything it accepted. */
export class Listening {
  readonly accepted: ConnectionRecorder[] = [];
  listener!: Listener; // set before `TransportBench.listen` gives this out
  readonly react: React;
  #taken: number = 0;
  #waiting: ((recorder: ConnectionRecorder) => void)[] = [];

  constructor(react: React) {
    this.react = react;
  }

  accept(): ConnectionRecorder {
    const recorder = new ConnectionRecorder(`called ${this.accepted.length}`, this.react);
    this.accepted.push(recorder);
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      this.#taken += 1;
      waiting(recorder);
    }
    return recorder;
  }

  /** The next accepted connection that was not taken yet. */
  async next(): Promise<ConnectionRecorder> {
    const ready = this.accepted[this.#taken];
    if (ready !== undefined) {
      this.#taken += 1;
      return ready;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** Listeners and connections of one test on one transport, all closed at its end. */
export class TransportBench {
  readonly transport: Transport;
  /** Of the last listener. */
  port: number = 0;
  readonly #listenings: Listening[] = [];
  readonly #connections: { readonly connection: Connection; readonly recorder: ConnectionRecorder }[] = [];

  constructor(transport: Transport) {
    this.transport = transport;
  }

  async listen(react: React = () => {}, tls: TlsServerOptions | null = null): Promise<Listening> {
    const listening = new Listening(react);
    listening.listener = await this.transport.listen({ address: "127.0.0.1", port: 0, tls }, () => listening.accept());
    this.port = listening.listener.port;
    this.#listenings.push(listening);
    return listening;
  }

  connect(recorder: ConnectionRecorder, options: Partial<ConnectOptions> = {}): Connection {
    const connection = this.transport.connect(
      { host: "127.0.0.1", port: this.port, tls: null, timeoutMs: 10_000, ...options },
      recorder,
    );
    this.#connections.push({ connection, recorder });
    return connection;
  }

  /** A listener, and one connection to it that is open on both sides. */
  async openPair(server: TlsServerOptions | null = null, client: TlsClientOptions | null = null): Promise<OpenPair> {
    const listening = await this.listen(() => {}, server);
    const caller = new ConnectionRecorder("caller");
    this.connect(caller, { tls: client });
    const called = await listening.next();
    await caller.opened();
    await called.opened();
    return { caller, called, listener: listening.listener };
  }

  /** Lets the platform work: so many small round trips on a connection of their own. Events, not time. */
  async takeTurns(count: number): Promise<void> {
    const port = this.port;
    const { caller, called } = await this.openPair();
    this.port = port;
    called.react = (event, recorder) => {
      if (event === "data") recorder.connection?.write(Buffer.from("."));
    };
    for (let turn = 0; turn < count; turn += 1) {
      caller.connection?.write(Buffer.from("."));
      await caller.received(turn + 1);
    }
    caller.connection?.destroy();
    await caller.closed();
  }

  async close(): Promise<void> {
    for (const { connection, recorder } of this.#connections) {
      connection.destroy();
      await recorder.closed();
    }
    for (const listening of this.#listenings) {
      await listening.listener.close();
      for (const called of listening.accepted) {
        called.connection?.destroy();
        await called.closed();
      }
    }
  }
}
