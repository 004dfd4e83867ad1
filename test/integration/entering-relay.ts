import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";

/**
 * A TCP relay on loopback for clients that cannot enter a listener of a proxy by themselves: `enter` opens the connection
 * that each of theirs becomes, with what must come before their own bytes (a PROXY header, a TLS handshake).
 */
export class EnteringRelay {
  readonly #enter: () => Duplex;
  readonly #server: Server;
  readonly #open: Set<Duplex> = new Set();

  constructor(enter: () => Duplex) {
    this.#enter = enter;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#relay(client));
  }

  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, "127.0.0.1", () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  close(): Promise<void> {
    for (const stream of this.#open) stream.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #relay(client: Socket): void {
    const proxy = this.#enter();
    this.#join(client, proxy);
    this.#join(proxy, client);
  }

  /** An end, a break and a close of one side are the other's too, so that a client learns of them as if it were alone. */
  #join(from: Duplex, to: Duplex): void {
    this.#open.add(from);
    from.on("data", (bytes: Buffer) => {
      if (!to.destroyed && !to.write(bytes)) from.pause();
    });
    to.on("drain", () => from.resume());
    from.on("end", () => to.end());
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#open.delete(from);
      if (from.errored === null) to.end();
      else to.destroy();
    });
  }
}

/** A connection to a listener on 127.0.0.1 that begins with `first`. */
export function connectWith(port: number, first: Uint8Array): Socket {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  socket.write(first);
  return socket;
}
