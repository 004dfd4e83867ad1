import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** A TCP relay on loopback that keeps every byte that passes, for looking at what two proxies say to each other. */
export class RecordingRelay {
  readonly #target: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket> = new Set();
  /** One entry per connection and direction, in the order of the connections. */
  readonly streams: { readonly direction: "request" | "response"; readonly chunks: Buffer[] }[] = [];

  constructor(targetPort: number) {
    this.#target = targetPort;
    this.#server = createServer((downstream) => this.#relay(downstream));
  }

  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, "127.0.0.1", () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #relay(downstream: Socket): void {
    const upstream = connect(this.#target, "127.0.0.1");
    this.#copy(downstream, upstream, "request");
    this.#copy(upstream, downstream, "response");
  }

  #copy(from: Socket, to: Socket, direction: "request" | "response"): void {
    const chunks: Buffer[] = [];
    this.streams.push({ direction, chunks });
    this.#sockets.add(from);
    from.on("data", (bytes: Buffer) => {
      chunks.push(bytes);
      to.write(bytes);
    });
    from.on("error", () => to.destroy());
    from.on("end", () => to.end());
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}

/**
 * The number of TLS records that a stream consists of; throws when anything in it is not one. The first record may say
 * version 3.1, as RFC 8446 section 5.1 lets a first ClientHello; every other one says 3.3.
 */
export function countTlsRecords(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at < bytes.length; count += 1) {
    const type = bytes[at] ?? 0;
    const version = at + 3 <= bytes.length ? bytes.readUInt16BE(at + 1) : 0x0303;
    const isVersion = version === 0x0303 || (count === 0 && version === 0x0301);
    if (type < 0x14 || type > 0x17 || !isVersion) {
      throw new Error(`Found ${bytes.subarray(at, at + 16).toString("hex")} at byte ${at}; expected a TLS record`);
    }
    // A record whose end has not come yet ends the stream.
    at += 5 + (at + 5 <= bytes.length ? bytes.readUInt16BE(at + 3) : 0);
  }
  return count;
}
