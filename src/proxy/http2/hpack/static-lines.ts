import { Buffer } from "node:buffer";
import { nameKind } from "./name-kind.ts";

/** RFC 7541 appendix A, in order; index 0 of the list is index 1 of the table. */
export const STATIC_FIELDS: readonly (readonly [name: string, value: string])[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  [":status", "200"],
  [":status", "204"],
  [":status", "206"],
  [":status", "304"],
  [":status", "400"],
  [":status", "404"],
  [":status", "500"],
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ["accept-language", ""],
  ["accept-ranges", ""],
  ["accept", ""],
  ["access-control-allow-origin", ""],
  ["age", ""],
  ["allow", ""],
  ["authorization", ""],
  ["cache-control", ""],
  ["content-disposition", ""],
  ["content-encoding", ""],
  ["content-language", ""],
  ["content-length", ""],
  ["content-location", ""],
  ["content-range", ""],
  ["content-type", ""],
  ["cookie", ""],
  ["date", ""],
  ["etag", ""],
  ["expect", ""],
  ["expires", ""],
  ["from", ""],
  ["host", ""],
  ["if-match", ""],
  ["if-modified-since", ""],
  ["if-none-match", ""],
  ["if-range", ""],
  ["if-unmodified-since", ""],
  ["last-modified", ""],
  ["link", ""],
  ["location", ""],
  ["max-forwards", ""],
  ["proxy-authenticate", ""],
  ["proxy-authorization", ""],
  ["range", ""],
  ["referer", ""],
  ["refresh", ""],
  ["retry-after", ""],
  ["server", ""],
  ["set-cookie", ""],
  ["strict-transport-security", ""],
  ["transfer-encoding", ""],
  ["user-agent", ""],
  ["vary", ""],
  ["via", ""],
  ["www-authenticate", ""],
];

/** Entries of the static table; indexes above it are the dynamic table's. */
export const STATIC_COUNT = 61;

/** Every entry as a line, `name: value\r\n`, one behind the other. */
export const STATIC_BYTES: Uint8Array = Buffer.from(
  STATIC_FIELDS.map(([name, value]) => `${name}: ${value}\r\n`).join(""),
  "latin1",
);
// Per index (0 is unused): where its line starts, how long its name and value are, and what its name is.
export const STATIC_LINE_AT: Int32Array = new Int32Array(STATIC_COUNT + 1);
export const STATIC_NAME_BYTES: Uint8Array = new Uint8Array(STATIC_COUNT + 1);
export const STATIC_VALUE_BYTES: Uint8Array = new Uint8Array(STATIC_COUNT + 1);
/** FIELD_* or NAME_*. */
export const STATIC_KIND: Uint8Array = new Uint8Array(STATIC_COUNT + 1);

let lineAt = 0;
for (let index = 1; index <= STATIC_COUNT; index += 1) {
  const [name, value] = STATIC_FIELDS[index - 1] as readonly [string, string]; // index is at most STATIC_COUNT
  STATIC_LINE_AT[index] = lineAt;
  STATIC_NAME_BYTES[index] = name.length;
  STATIC_VALUE_BYTES[index] = value.length;
  STATIC_KIND[index] = nameKind(STATIC_BYTES, lineAt, lineAt + name.length);
  lineAt += name.length + value.length + 4;
}
