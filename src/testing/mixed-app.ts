import type { Connection, ConnectionHandler, Listener, Transport } from "../transport/transport.ts";
import { formatAnswer } from "./text-peers.ts";

/**
 * An app that takes anything on one port: requests get an answer of their path, all else is echoed with ";bye" at its end,
 * and with `greeting` it speaks first.
 */
export class MixedApp {
  /** What it says when a connection opens; "" = nothing. */
  greeting: string = "";
  port: number = 0;
  readonly open: Set<Connection> = new Set();
  onClosed: () => void = () => undefined;
  #listener: Listener | null = null;

  async listen(transport: Transport): Promise<void> {
    const options = { address: "127.0.0.1", port: 0, tls: null };
    this.#listener = await transport.listen(options, () => new MixedConnection(this));
    this.port = this.#listener.port;
  }

  /** Resolves when one more connection has closed. */
  closed(): Promise<void> {
    return new Promise((resolve) => {
      this.onClosed = resolve;
    });
  }

  async close(): Promise<void> {
    await this.#listener?.close();
    for (const connection of this.open) connection.destroy();
  }
}

class MixedConnection implements ConnectionHandler {
  readonly #app: MixedApp;
  #connection: Connection | null = null;
  #isHttp: boolean = false;

  constructor(app: MixedApp) {
    this.#app = app;
  }

  onOpen(connection: Connection): void {
    this.#connection = connection;
    this.#app.open.add(connection);
    if (this.#app.greeting !== "") connection.write(Buffer.from(this.#app.greeting));
  }

  onData(bytes: Uint8Array): void {
    const request = /^GET (\S+) HTTP/.exec(Buffer.from(bytes).toString("latin1"));
    this.#isHttp = request !== null;
    const answer = request === null ? bytes : Buffer.from(formatAnswer(`requested ${request[1]}`));
    if (this.#connection?.write(answer) === false) this.#connection.pauseReads();
  }

  onDrain(): void {
    this.#connection?.resumeReads();
  }

  onEnd(): void {
    if (!this.#isHttp) this.#connection?.write(Buffer.from(";bye"));
    this.#connection?.end();
  }

  onClose(): void {
    if (this.#connection !== null) this.#app.open.delete(this.#connection);
    this.#connection = null;
    this.#app.onClosed();
  }
}
