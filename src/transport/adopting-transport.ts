import type { Socket } from "node:net";
import { type AdoptingListener, NodeTransport } from "./node.ts";
import type { Clock } from "../time/clock.ts";
import type { Connection, ConnectionHandler, ConnectOptions, Listener, ListenOptions, Transport } from "./transport.ts";

/**
 * The transport of a worker: it binds nothing and serves the sockets that its main process accepted and handed over, by
 * `node:net` and `node:tls` on either runtime, as only these adopt a socket by public API. What it dials goes by the
 * transport of the runtime.
 */
export class AdoptingTransport implements Transport {
  readonly name: Transport["name"];
  readonly #dialer: Transport;
  readonly #adopter: NodeTransport;
  readonly #listeners: Map<number, AdoptingListener> = new Map();

  constructor(dialer: Transport, clock: Clock) {
    this.name = dialer.name;
    this.#dialer = dialer;
    this.#adopter = new NodeTransport(clock);
  }

  /** `options.port` is the port that the main process bound, never 0. */
  async listen(options: ListenOptions, accept: (connection: Connection) => ConnectionHandler): Promise<Listener> {
    const listener = this.#adopter.adopt(options, accept);
    this.#listeners.set(options.port, listener);
    return listener;
  }

  connect(options: ConnectOptions, handler: ConnectionHandler): Connection {
    return this.#dialer.connect(options, handler);
  }

  /** Serves a socket that was accepted on this port. One for a port that nobody listens on is closed. */
  take(port: number, socket: Socket): void {
    const listener = this.#listeners.get(port);
    if (listener === undefined) socket.destroy();
    else listener.take(socket);
  }
}
