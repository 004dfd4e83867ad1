import type { Http2Limits } from "../proxy/http2/session-contract.ts";
import { SessionPeer } from "./session-peer.ts";

/** A client session and a server session joined back to back; bytes move when the test says so, cut as it says. */
export class SessionLink {
  readonly client: SessionPeer;
  readonly server: SessionPeer;
  readonly #toServer: Wire;
  readonly #toClient: Wire;

  constructor(limits: Partial<Http2Limits> = {}) {
    this.client = new SessionPeer({ role: "client", greets: false, limits });
    this.server = new SessionPeer({ role: "server", greets: false, limits });
    this.#toServer = new Wire(this.client, this.server);
    this.#toClient = new Wire(this.server, this.client);
    // What the sessions said when they began, before anybody listened.
    this.#toServer.push(this.client.greeting);
    this.#toClient.push(this.server.greeting);
    for (const peer of [this.client, this.server]) peer.keepsSent = false;
  }

  /** Moves bytes both ways until there are none, in pieces of `cut()` bytes. Returns how many it moved. */
  settle(cut: () => number = () => 65_536): number {
    let moved = 0;
    for (;;) {
      const step = this.#toServer.move(cut()) + this.#toClient.move(cut());
      if (step === 0) return moved;
      moved += step;
    }
  }

  /** Moves one piece each way. */
  step(toServer: number, toClient: number): number {
    return this.#toServer.move(toServer) + this.#toClient.move(toClient);
  }
}

/** Above this many bytes on the way the writer is told to stop. */
const HIGH_MARK_BYTES = 65_536;

class Wire {
  readonly #from: SessionPeer;
  readonly #to: SessionPeer;
  #bytes: Buffer = Buffer.alloc(0);
  readonly #added: Uint8Array[] = [];
  #addedBytes: number = 0;

  constructor(from: SessionPeer, to: SessionPeer) {
    this.#from = from;
    this.#to = to;
    from.onWrite = (bytes) => this.push(bytes);
  }

  push(bytes: Uint8Array): void {
    this.#added.push(bytes);
    this.#addedBytes += bytes.length;
    if (this.#bytes.length + this.#addedBytes > HIGH_MARK_BYTES) this.#from.writable = false;
  }

  move(count: number): number {
    if (this.#addedBytes > 0) {
      this.#bytes = Buffer.concat([this.#bytes, ...this.#added.splice(0)]);
      this.#addedBytes = 0;
    }
    const piece = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(piece.length);
    // A copy, as a socket's reads are: nobody else sees these bytes.
    if (piece.length > 0) this.#to.session.receive(Uint8Array.from(piece));
    if (!this.#from.writable && this.#bytes.length + this.#addedBytes <= HIGH_MARK_BYTES / 2) this.#from.drain();
    return piece.length;
  }
}
