/**
 * gRPC's length-prefixed messages (grpc/PROTOCOL-HTTP2): one byte "compressed", four bytes of length, the message.
 * Compressed messages are refused: weft offers no encoding, so a peer must not use one.
 */
export type GrpcMessageProblem = "compressed" | "too-large";

const PREFIX_BYTES = 5;

export function encodeGrpcMessage(message: Uint8Array): Uint8Array {
  const framed = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, PREFIX_BYTES);
  return framed;
}

/** Takes bytes in any cut, gives whole messages. After a problem it takes nothing more. */
export class GrpcMessageDecoder {
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  #bufferedBytes = 0;
  /** Bytes of the next message with its prefix; -1 until its prefix was read. */
  #neededBytes = -1;
  #problem: GrpcMessageProblem | null = null;

  /** `maxBytes`: the largest message taken. No more than that (and one chunk) is ever kept. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Calls `onMessage` for each message that `bytes` completes. A message may share memory with `bytes`. */
  push(bytes: Uint8Array, onMessage: (message: Uint8Array) => void): GrpcMessageProblem | null {
    if (this.#problem !== null) return this.#problem;
    this.#chunks.push(bytes);
    this.#bufferedBytes += bytes.length;
    for (;;) {
      if (this.#neededBytes < 0) {
        if (this.#bufferedBytes < PREFIX_BYTES) return null;
        this.#problem = this.#readPrefix();
        if (this.#problem !== null) return this.#problem;
      }
      if (this.#bufferedBytes < this.#neededBytes) return null;
      const all = this.#join();
      const end = this.#neededBytes;
      this.#chunks = all.length === end ? [] : [all.subarray(end)];
      this.#bufferedBytes -= end;
      this.#neededBytes = -1;
      onMessage(all.subarray(PREFIX_BYTES, end));
    }
  }

  /** True when the bytes so far end in the middle of a message. */
  isInsideMessage(): boolean {
    return this.#bufferedBytes > 0;
  }

  #readPrefix(): GrpcMessageProblem | null {
    const all = this.#join();
    const view = new DataView(all.buffer, all.byteOffset, PREFIX_BYTES);
    if (view.getUint8(0) !== 0) return this.#fail("compressed");
    const length = view.getUint32(1);
    if (length > this.#maxBytes) return this.#fail("too-large");
    this.#neededBytes = PREFIX_BYTES + length;
    return null;
  }

  #fail(problem: GrpcMessageProblem): GrpcMessageProblem {
    this.#chunks = [];
    this.#bufferedBytes = 0;
    return problem;
  }

  #join(): Uint8Array {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks, this.#bufferedBytes)];
    return this.#chunks[0] ?? EMPTY;
  }
}

const EMPTY = new Uint8Array(0);
