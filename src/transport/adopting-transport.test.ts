// The table of all transports, over sockets that another process accepted and handed over.
import { type ChildProcess, fork } from "node:child_process";
import type { Socket } from "node:net";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import type { AcceptingOrder, AcceptingReport } from "../testing/accepting-process.ts";
import type { Clock } from "../time/clock.ts";
import { AdoptingTransport } from "./adopting-transport.ts";
import { findBun } from "./bun-api.ts";
import { NodeTransport } from "./node.ts";
import { listenError } from "./tls-settings.ts";
import { testTransport } from "./transport-table.ts";
import { testTransportTls } from "./transport-tls-table.ts";
import type { Connection, ConnectionHandler, ConnectOptions, Listener, ListenOptions, Transport } from "./transport.ts";

const ACCEPTING_PROCESS = fileURLToPath(new URL("../testing/accepting-process.js", import.meta.url));
const bun = findBun();
const { BunTransport } = bun === null ? { BunTransport: null } : await import("./bun.ts");

class HandedTransport implements Transport {
  readonly name: Transport["name"];
  readonly #adopting: AdoptingTransport;

  constructor(clock: Clock) {
    const dialer = bun === null || BunTransport === null ? new NodeTransport(clock) : new BunTransport(bun, clock);
    this.#adopting = new AdoptingTransport(dialer, clock);
    this.name = this.#adopting.name;
  }

  async listen(options: ListenOptions, accept: (connection: Connection) => ConnectionHandler): Promise<Listener> {
    let boundPort = 0;
    const bound = await acceptor.listen(options, (socket) => this.#adopting.take(boundPort, socket));
    boundPort = bound.port;
    try {
      const adopted = await this.#adopting.listen({ ...options, port: bound.port }, accept);
      return {
        port: bound.port,
        address: options.address,
        reloadTls: (tls) => adopted.reloadTls(tls),
        async close() {
          await bound.close();
          await adopted.close();
        },
      };
    } catch (error) {
      await bound.close();
      throw error;
    }
  }

  connect(options: ConnectOptions, handler: ConnectionHandler): Connection {
    return this.#adopting.connect(options, handler);
  }
}

interface Bound {
  readonly port: number;
  close(): Promise<void>;
}

interface Asked {
  readonly options: ListenOptions;
  readonly take: (socket: Socket) => void;
  readonly resolve: (bound: Bound) => void;
  readonly reject: (error: Error) => void;
  onClosed: () => void;
}

/** One other process for all tests of this file. */
class AcceptingProcess {
  readonly #child: ChildProcess = fork(ACCEPTING_PROCESS, { serialization: "advanced" });
  readonly #asked: Map<number, Asked> = new Map();

  constructor() {
    this.#child.on("message", (report, socket) => this.#take(report as AcceptingReport, socket as Socket));
  }

  listen(options: ListenOptions, take: (socket: Socket) => void): Promise<Bound> {
    return new Promise((resolve, reject) => {
      const key = this.#asked.size;
      this.#asked.set(key, { options, take, resolve, reject, onClosed: () => undefined });
      this.#order({ kind: "listen", key, address: options.address, port: options.port });
    });
  }

  close(): void {
    this.#child.disconnect();
  }

  #take(report: AcceptingReport, socket: Socket): void {
    const asked = this.#asked.get(report.key);
    switch (report.kind) {
      case "listening":
        asked?.resolve({ port: report.port, close: () => this.#close(report.key) });
        break;
      case "closed":
        asked?.onClosed();
        break;
      case "refused":
        asked?.reject(
          listenError(asked.options.address, asked.options.port, Object.assign(new Error(), { code: report.code })),
        );
        break;
      case "accepted":
        this.#order({ kind: "taken", id: report.id });
        asked?.take(socket);
        break;
    }
  }

  #close(key: number): Promise<void> {
    return new Promise((resolve) => {
      const asked = this.#asked.get(key);
      if (asked !== undefined) asked.onClosed = resolve;
      this.#order({ kind: "close", key });
    });
  }

  #order(order: AcceptingOrder): void {
    this.#child.send(order);
  }
}

const acceptor = new AcceptingProcess();
after(() => acceptor.close());

testTransport({ name: "adopting", create: (clock) => new HandedTransport(clock) });
testTransportTls({ name: "adopting", create: (clock) => new HandedTransport(clock) });
