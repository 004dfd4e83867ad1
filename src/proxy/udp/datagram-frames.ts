/**
 * Datagrams in a stream of bytes: each behind its length in two bytes, big-endian (RFC 4571 §2; DNS over TCP does the same,
 * RFC 7766 §8). A length of 0 is an empty datagram.
 */
export function frameDatagram(bytes: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(2 + bytes.length);
  frame.writeUInt16BE(bytes.length, 0);
  frame.set(bytes, 2);
  return frame;
}

const NOTHING: Uint8Array = new Uint8Array(0);

/** Finds the datagrams again, however the bytes come. Keeps less than one datagram. */
export class DatagramReader {
  readonly #onDatagram: (bytes: Uint8Array) => void;
  /** The beginning of a frame whose end has not come. */
  #rest: Uint8Array = NOTHING;

  constructor(onDatagram: (bytes: Uint8Array) => void) {
    this.#onDatagram = onDatagram;
  }

  push(bytes: Uint8Array): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    while (at + 2 <= all.length) {
      const end = at + 2 + (((all[at] ?? 0) << 8) | (all[at + 1] ?? 0));
      if (end > all.length) break;
      this.#onDatagram(all.subarray(at + 2, end));
      at = end;
    }
    this.#rest = at === all.length ? NOTHING : all.slice(at);
  }
}
