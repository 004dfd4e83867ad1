import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { WeftError } from "../lib/weft-error.ts";
import type { BoundSocket, ConnectedSocket, DatagramHandler, Datagrams } from "./datagrams.ts";

/** Of the kernel, for bursts: the default of Linux holds about a hundred small datagrams. What it refuses to give is not missed. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024;

/** UDP by `node:dgram`, which Bun has too. */
export class NodeDatagrams implements Datagrams {
  bind(
    options: { readonly address: string; readonly port: number },
    onDatagram: (bytes: Uint8Array, address: string, port: number) => void,
  ): Promise<BoundSocket> {
    const { address, port } = options;
    const socket = open(address);
    return new Promise((resolve, reject) => {
      socket.once("error", (cause) => {
        reject(
          new WeftError(
            "WEFT_TRANSPORT_LISTEN",
            `Cannot bind UDP ${address}:${port}: ${cause.message}; expected a free port`,
            {
              cause,
              hint: "Stop the program that has it, or choose another port",
            },
          ),
        );
      });
      socket.bind({ address, port, exclusive: true }, () => {
        socket.removeAllListeners("error");
        // A client that is gone (ICMP) is no failure of the socket that others share.
        socket.on("error", () => undefined);
        grow(socket);
        socket.on("message", (bytes, from) => onDatagram(bytes, from.address, from.port));
        resolve({
          port: socket.address().port,
          send: (bytes, host, to) => socket.send(bytes, to, host, ignore),
          close: () => socket.close(),
        });
      });
    });
  }

  connect({ host, port }: { readonly host: string; readonly port: number }, handler: DatagramHandler): ConnectedSocket {
    return new NodeConnectedSocket(open(host), { host, port }, handler);
  }
}

class NodeConnectedSocket implements ConnectedSocket {
  readonly #socket: Socket;
  readonly #handler: DatagramHandler;
  #isReady: boolean = false;
  #isOver: boolean = false;

  constructor(socket: Socket, to: { readonly host: string; readonly port: number }, handler: DatagramHandler) {
    this.#socket = socket;
    this.#handler = handler;
    socket.on("error", (error) => this.#fail(error.message));
    socket.on("message", (bytes) => {
      if (!this.#isOver) handler.onDatagram(bytes);
    });
    socket.once("connect", () => {
      if (this.#isOver) return;
      this.#isReady = true;
      grow(socket);
      handler.onReady();
    });
    socket.connect(to.port, to.host);
  }

  get localPort(): number {
    return this.#isReady && !this.#isOver ? this.#socket.address().port : 0;
  }

  send(bytes: Uint8Array): void {
    if (!this.#isReady || this.#isOver) return;
    this.#socket.send(bytes, (error) => {
      if (error !== null && error !== undefined) this.#fail(error.message);
    });
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#socket.close();
  }

  #fail(message: string): void {
    if (this.#isOver) return;
    this.close();
    this.#handler.onFailed(message);
  }
}

function open(address: string): Socket {
  return createSocket({ type: isIPv6(address) ? "udp6" : "udp4" });
}

function grow(socket: Socket): void {
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch {
    // The kernel's own size will do.
  }
}

function ignore(): void {}
