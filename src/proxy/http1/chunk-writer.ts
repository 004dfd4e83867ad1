import type { Connection } from "../../transport/transport.ts";
import type { Head } from "../head.ts";
import { CHUNK_END, encodeLastChunk } from "./encoder.ts";
import { writeChunkHeader, writeEncoded } from "./write-encoded.ts";

const LAST_CHUNK: Uint8Array = Buffer.from("0\r\n\r\n", "latin1");

/** One chunk of a chunked body (RFC 9112 §7.1). Empty data writes nothing, as an empty chunk would end the body. */
export function writeChunk(connection: Connection, bytes: Uint8Array): boolean {
  if (bytes.length === 0) return true;
  writeChunkHeader(connection, bytes.length);
  connection.write(bytes);
  return connection.write(CHUNK_END);
}

/** The last chunk and the trailer fields that the decoder let through. */
export function writeLastChunk(connection: Connection, trailers: Head | null): void {
  if (trailers === null || trailers.count === 0) connection.write(LAST_CHUNK);
  else writeEncoded(connection, encodeLastChunk, trailers);
}
