/** Pieces smaller than this are copied together: a view of one byte costs a hundred, and keeps what it looks into alive. */
const SMALL_BYTES = 1_024;
const GATHERED_BYTES = 4_096;

/**
 * Body bytes that wait, in order. However small the pieces in which they came, and however large the buffers that these
 * look into, what is kept alive is at most about four times `bytes`.
 */
export class HeldBytes {
  readonly list: Uint8Array[] = [];
  bytes: number = 0;
  /** What the last of `list` is the beginning of, when it was gathered here; else null. */
  #tail: Uint8Array | null = null;
  #tailBytes: number = 0;

  push(piece: Uint8Array): void {
    const { length } = piece;
    const { list } = this;
    const last = list[list.length - 1];
    this.bytes += length;
    // Usually there is one piece, so the first small one is not worth a buffer for more.
    if (length >= SMALL_BYTES || last === undefined || (this.#tail === null && last.length >= SMALL_BYTES)) {
      this.#tail = null;
      list.push(length * 4 < piece.buffer.byteLength ? new Uint8Array(piece) : piece);
      return;
    }
    if (this.#tail === null) {
      this.#tail = new Uint8Array(GATHERED_BYTES);
      this.#tail.set(last);
      this.#tailBytes = last.length;
    } else if (this.#tailBytes + length > GATHERED_BYTES) {
      this.#tail = new Uint8Array(GATHERED_BYTES);
      this.#tailBytes = 0;
      list.push(this.#tail);
    }
    this.#tail.set(piece, this.#tailBytes);
    this.#tailBytes += length;
    list[list.length - 1] = this.#tail.subarray(0, this.#tailBytes);
  }

  /** The first piece, taken out; undefined when there is none. */
  shift(): Uint8Array | undefined {
    const piece = this.list.shift();
    if (piece === undefined) return undefined;
    this.bytes -= piece.length;
    if (this.list.length === 0) this.#tail = null;
    return piece;
  }

  clear(): void {
    if (this.list.length > 0) this.list.length = 0;
    this.bytes = 0;
    this.#tail = null;
  }
}
