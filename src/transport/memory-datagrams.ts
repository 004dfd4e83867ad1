import { WeftError } from "../lib/weft-error.ts";
import type { BoundSocket, ConnectedSocket, DatagramHandler, Datagrams } from "./datagrams.ts";

const FIRST_PORT = 40_000;

/** UDP on a network of its own, for tests: nothing is lost, and whatever is sent arrives in a microtask. */
export class MemoryDatagrams implements Datagrams {
  readonly #bound: Map<number, (bytes: Uint8Array, address: string, port: number) => void> = new Map();
  #nextPort: number = FIRST_PORT;

  bind(
    { address, port }: { readonly address: string; readonly port: number },
    onDatagram: (bytes: Uint8Array, address: string, port: number) => void,
  ): Promise<BoundSocket> {
    const own = port === 0 ? this.#freePort() : port;
    if (this.#bound.has(own)) {
      return Promise.reject(
        new WeftError("WEFT_TRANSPORT_LISTEN", `Cannot bind UDP ${address}:${own}: found it in use`),
      );
    }
    this.#bound.set(own, onDatagram);
    return Promise.resolve({
      port: own,
      send: (bytes, _address, to) => void this.#deliver(bytes, own, to),
      close: () => void this.#bound.delete(own),
    });
  }

  connect({ port }: { readonly host: string; readonly port: number }, handler: DatagramHandler): ConnectedSocket {
    const own = this.#freePort();
    let isOver = false;
    const close = (): void => {
      isOver = true;
      this.#bound.delete(own);
    };
    this.#bound.set(own, (bytes, _address, from) => {
      if (from === port) handler.onDatagram(bytes);
    });
    queueMicrotask(() => {
      if (!isOver) handler.onReady();
    });
    return {
      localPort: own,
      close,
      send: (bytes) => {
        if (isOver || this.#deliver(bytes, own, port)) return;
        close();
        queueMicrotask(() => handler.onFailed("connection refused"));
      },
    };
  }

  /** False: nobody is bound there. */
  #deliver(bytes: Uint8Array, from: number, to: number): boolean {
    if (!this.#bound.has(to)) return false;
    const copy = Uint8Array.from(bytes);
    queueMicrotask(() => this.#bound.get(to)?.(copy, "127.0.0.1", from));
    return true;
  }

  #freePort(): number {
    while (this.#bound.has(this.#nextPort)) this.#nextPort += 1;
    return this.#nextPort++;
  }
}
