import { connect, createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";

/** A TCP relay in front of one member for one store, that can be cut, or lose what the member answers. */
export class CutRelay {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #pairs: Set<readonly [Socket, Socket]> = new Set();
  #state: "open" | "cut" | "mute" = "open";

  private constructor(host: string, port: number) {
    this.#target = { host, port };
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(url: string): Promise<CutRelay> {
    const { hostname, port } = new URL(url);
    const relay = new CutRelay(hostname, Number(port));
    relay.#server.listen(0, "127.0.0.1");
    await once(relay.#server, "listening");
    return relay;
  }

  endpoint(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("a relay listens on TCP");
    return `http://127.0.0.1:${address.port}`;
  }

  /** Ends all connections and makes no new ones. */
  cut(): void {
    this.#state = "cut";
    this.#endAll();
  }

  /** What the store says still arrives; what the member answers is lost, until the connections end. */
  mute(): void {
    this.#state = "mute";
  }

  heal(): void {
    if (this.#state === "mute") this.#endAll();
    this.#state = "open";
  }

  close(): void {
    this.#endAll();
    this.#server.close();
  }

  #accept(near: Socket): void {
    if (this.#state === "cut") {
      near.destroy();
      return;
    }
    const far = connect(this.#target.port, this.#target.host);
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    near.on("data", (bytes) => far.write(bytes));
    far.on("data", (bytes) => {
      if (this.#state === "open") near.write(bytes);
    });
    for (const socket of pair) socket.on("error", end).on("close", end);
  }

  #endAll(): void {
    for (const [near, far] of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }
}
