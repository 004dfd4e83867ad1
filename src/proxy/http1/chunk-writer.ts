import type { Connection } from "../../transport/transport.ts";
import type { Head } from "../head.ts";
import { CHUNK_END, copyEncoded, encodeChunkHeader, encodeLastChunk } from "./encoder.ts";

/** 16 hexadecimal digits and CRLF are more than any chunk header takes. */
const HEADER_BYTES = 18;
const LAST_CHUNK: Uint8Array = Buffer.from("0\r\n\r\n", "latin1");

/** One chunk of a chunked body (RFC 9112 §7.1). Empty data writes nothing, as an empty chunk would end the body. */
export function writeChunk(connection: Connection, bytes: Uint8Array): boolean {
  if (bytes.length === 0) return true;
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  connection.write(header.subarray(0, encodeChunkHeader(bytes.length, header, 0)));
  connection.write(bytes);
  return connection.write(CHUNK_END);
}

/** The last chunk and the trailer fields that the decoder let through. */
export function writeLastChunk(connection: Connection, trailers: Head | null): void {
  connection.write(trailers === null || trailers.count === 0 ? LAST_CHUNK : copyEncoded(encodeLastChunk, trailers));
}
