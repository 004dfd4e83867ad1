/** The name that a TLS client asks for. "none": a whole ClientHello without one. "invalid": nothing may be guessed from it. */
export type ServerName = { readonly name: string } | "partial" | "none" | "invalid";

/** A ClientHello with a post-quantum key share and tickets takes 2 kB; no client needs more than this. */
const MAX_HELLO_BYTES = 16 * 1024;

const RECORD_HEADER_BYTES = 5;
const HANDSHAKE_HEADER_BYTES = 4;
const MAX_RECORD_BYTES = 16_384;
const CONTENT_HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const EXTENSION_SERVER_NAME = 0;
const NAME_TYPE_HOST = 0;
const RANDOM_BYTES = 32;
const MAX_SESSION_ID_BYTES = 32;
const MAX_NAME_BYTES = 255;

/**
 * Reads the server name (RFC 6066 §3) from the first bytes of a TLS connection, whose ClientHello may come in several
 * records (RFC 8446 §5.1). Strict: every length must fit exactly, as a lenient reading could route by another name than
 * the server will see. Takes a ClientHello of at most 16 KiB and 32 KiB of
 * records, never throws. Lower-case, without a dot at the end.
 */
export function readServerName(bytes: Uint8Array): ServerName {
  const hello = joinRecords(bytes);
  return typeof hello === "string" ? hello : readHello(hello);
}

/** The ClientHello's body. */
function joinRecords(bytes: Uint8Array): Uint8Array | "partial" | "invalid" {
  const parts: Uint8Array[] = [];
  let joined = 0;
  let needed = -1;
  let at = 0;
  for (;;) {
    const length = readRecordLength(bytes, at);
    if (typeof length === "string") return length;
    const start = at + RECORD_HEADER_BYTES;
    const part = bytes.subarray(start, start + length);
    parts.push(part);
    joined += part.length;
    at = start + length;
    if (needed < 0 && joined >= HANDSHAKE_HEADER_BYTES) {
      needed = readMessageLength(concat(parts, joined));
      if (needed < 0) return "invalid";
    }
    // A ClientHello is alone in its records: what follows it in the last one would be another message.
    if (needed >= 0 && joined - part.length + length > needed) return "invalid";
    if (joined === needed) return concat(parts, joined).subarray(HANDSHAKE_HEADER_BYTES);
    if (part.length < length) return "partial";
    // Records of a few bytes each would let a small message take many bytes.
    if (at > 2 * MAX_HELLO_BYTES) return "invalid";
  }
}

function readRecordLength(bytes: Uint8Array, at: number): number | "partial" | "invalid" {
  if (bytes.length > at && bytes[at] !== CONTENT_HANDSHAKE) return "invalid";
  if (bytes.length > at + 1 && bytes[at + 1] !== 3) return "invalid";
  if (bytes.length > at + 2 && (bytes[at + 2] ?? 255) > 4) return "invalid";
  if (bytes.length < at + RECORD_HEADER_BYTES) return "partial";
  const length = readUint16(bytes, at + 3);
  // RFC 8446 §5.1: no empty handshake fragments; they would also be a way to grow the input without end.
  return length === 0 || length > MAX_RECORD_BYTES ? "invalid" : length;
}

/** With its header; -1 for another message and for one that is too long. */
function readMessageLength(header: Uint8Array): number {
  const length = HANDSHAKE_HEADER_BYTES + (((header[1] ?? 0) << 16) | readUint16(header, 2));
  return header[0] === CLIENT_HELLO && length <= MAX_HELLO_BYTES ? length : -1;
}

function concat(parts: readonly Uint8Array[], length: number): Uint8Array {
  const [first] = parts;
  return first !== undefined && parts.length === 1 ? first : Buffer.concat(parts, length);
}

/** legacy_version, random, session id, cipher suites, compression methods, extensions (RFC 8446 §4.1.2). */
function readHello(body: Uint8Array): ServerName {
  let at = 2 + RANDOM_BYTES;
  const sessionBytes = body[at] ?? -1;
  if (sessionBytes < 0 || sessionBytes > MAX_SESSION_ID_BYTES) return "invalid";
  at += 1 + sessionBytes;
  const suiteBytes = readUint16(body, at);
  if (suiteBytes < 2 || suiteBytes % 2 !== 0) return "invalid";
  at += 2 + suiteBytes;
  const compressionBytes = body[at] ?? -1;
  if (compressionBytes < 1) return "invalid";
  at += 1 + compressionBytes;
  if (at > body.length) return "invalid";
  // TLS 1.2 allows a hello without extensions.
  if (at === body.length) return "none";
  const extensionBytes = readUint16(body, at);
  if (extensionBytes < 0 || at + 2 + extensionBytes !== body.length) return "invalid";
  return findServerName(body, at + 2, body.length);
}

function findServerName(body: Uint8Array, start: number, end: number): ServerName {
  let found: ServerName = "none";
  let at = start;
  while (at < end) {
    const type = readUint16(body, at);
    const length = readUint16(body, at + 2);
    at += 4;
    if (type < 0 || length < 0 || at + length > end) return "invalid";
    if (type === EXTENSION_SERVER_NAME) {
      // Two could name two servers.
      if (found !== "none") return "invalid";
      found = readNameList(body, at, at + length);
      if (typeof found === "string") return "invalid";
    }
    at += length;
  }
  return found;
}

/** One name of type host_name: no other type was ever defined, and RFC 6066 forbids two of one type. */
function readNameList(body: Uint8Array, start: number, end: number): { readonly name: string } | "invalid" {
  const listBytes = readUint16(body, start);
  if (listBytes < 0 || start + 2 + listBytes !== end || body[start + 2] !== NAME_TYPE_HOST) return "invalid";
  const nameBytes = readUint16(body, start + 3);
  const nameStart = start + 5;
  if (nameBytes < 1 || nameBytes > MAX_NAME_BYTES || nameStart + nameBytes !== end) return "invalid";
  const name = Buffer.from(body.buffer, body.byteOffset + nameStart, nameBytes)
    .toString("latin1")
    .toLowerCase();
  return HOST_NAME.test(name) ? { name } : "invalid";
}

/** Labels of letters, digits, "-" and "_" (which some deployments have); no dot at the end, no literal address. */
const HOST_NAME = /^(?!\d{1,3}(?:\.\d{1,3}){3}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;

/** -1 past the end. */
function readUint16(bytes: Uint8Array, at: number): number {
  const high = bytes[at];
  const low = bytes[at + 1];
  return high === undefined || low === undefined ? -1 : (high << 8) | low;
}
