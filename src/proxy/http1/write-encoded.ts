// hot
import type { Connection } from "../../transport/transport.ts";
import { COPIED_BYTES } from "../../transport/write-queue.ts";
import type { Head } from "../head.ts";
import { copyEncoded, encodeChunkHeader } from "./encoder.ts";

type Encode = (head: Head, out: Uint8Array, offset: number, flags: number) => number;

/** Heads up to this long are written from views that are made once per length. */
const MAX_KEPT_VIEW_BYTES = 2_048;

/** No larger than what a transport copies before `write` returns, so that it is free again at once. */
const scratch: Uint8Array = Buffer.allocUnsafeSlow(COPIED_BYTES);
const views: (Uint8Array | null)[] = Array.from({ length: MAX_KEPT_VIEW_BYTES + 1 }, () => null);

/** Encodes a head and writes it; like `Connection.write`, false means stop until `onDrain`. No callback runs in here. */
export function writeEncoded(connection: Connection, encode: Encode, head: Head, flags: number = 0): boolean {
  const end = encode(head, scratch, 0, flags);
  return connection.write(end < 0 ? copyEncoded(encode, head, flags) : viewOfScratch(end));
}

/** Writes the line before a chunk of `size` bytes. */
export function writeChunkHeader(connection: Connection, size: number): boolean {
  return connection.write(viewOfScratch(encodeChunkHeader(size, scratch, 0)));
}

function viewOfScratch(length: number): Uint8Array {
  if (length > MAX_KEPT_VIEW_BYTES) return scratch.subarray(0, length);
  let view = views[length] ?? null;
  if (view === null) {
    view = scratch.subarray(0, length);
    views[length] = view;
  }
  return view;
}
