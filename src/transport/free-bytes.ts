type Transfer = (this: ArrayBufferLike, newLength: number) => ArrayBuffer;

/** Node 20 has none; there the collector finds the memory later. */
const transfer: Transfer | undefined = Reflect.get(ArrayBuffer.prototype, "transfer");

/**
 * Gives the memory of a read back at once, so that the next read finds it in the processor's cache and no collection is
 * run for its sake. Whatever views it is empty from now on. Does nothing when `bytes` is a part of something larger.
 */
export function freeBytes(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (transfer !== undefined && bytes.length === buffer.byteLength) transfer.call(buffer, 0);
}
