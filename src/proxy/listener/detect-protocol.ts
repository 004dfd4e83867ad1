/** What a connection carries, judged by its first bytes. "partial": all bytes so far fit something; more are needed. */
export type DetectedProtocol = "partial" | "http1" | "http2" | "tls" | "opaque";

/** Longer than any method of the IANA registry (UPDATEREDIRECTREF has 17 bytes). */
const MAX_METHOD_BYTES = 24;
/** Beyond it a first line without an end is not waited for; RFC 9112 §3 asks for 8,000 bytes at least. */
const MAX_REQUEST_LINE_BYTES = 16 * 1024;
/** RFC 9113 §3.4. */
const HTTP2_PREFACE: Uint8Array = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TLS_HANDSHAKE = 22;
const TLS_CLIENT_HELLO = 1;
/** RFC 8446 §5.1: a plaintext record has at most 2^14 bytes. */
const MAX_TLS_RECORD_BYTES = 16_384;

/**
 * Looks at the first bytes of a connection, from its very start. Many protocols begin with a word and a space ("EHLO x",
 * "set k 0 0 1"), so only a whole request line that ends in HTTP/1.x is HTTP/1. With `isFinal` nothing more is awaited and
 * the answer is never "partial": an unfinished line counts as HTTP/1 only when a common method and a path were seen.
 */
export function detectProtocol(bytes: Uint8Array, isFinal: boolean = false): DetectedProtocol {
  const found = detect(bytes);
  if (found !== "partial" || !isFinal) return found;
  return REQUEST_START.test(Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 32)).toString("latin1"))
    ? "http1"
    : "opaque";
}

const REQUEST_START = /^(?:\r\n)?(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH) (?:\/|https?:\/\/)/;

/** Where everything but TLS and HTTP/2 is for the HTTP/1.1 decoder to judge: "other" is said as early as possible. */
export function detectPreface(bytes: Uint8Array): "partial" | "http2" | "tls" | "other" {
  if (bytes.length === 0) return "partial";
  const found = bytes[0] === TLS_HANDSHAKE ? detectTls(bytes) : comparePreface(bytes);
  return found === "opaque" ? "other" : found;
}

function detect(bytes: Uint8Array): DetectedProtocol {
  const preface = detectPreface(bytes);
  return preface === "other" ? detectRequestLine(bytes) : preface;
}

function detectTls(bytes: Uint8Array): "partial" | "tls" | "opaque" {
  if (bytes.length > 1 && bytes[1] !== 3) return "opaque";
  if (bytes.length > 2 && (bytes[2] ?? 255) > 4) return "opaque";
  if (bytes.length > 4) {
    const length = ((bytes[3] ?? 0) << 8) | (bytes[4] ?? 0);
    if (length === 0 || length > MAX_TLS_RECORD_BYTES) return "opaque";
  }
  if (bytes.length < 6) return "partial";
  return bytes[5] === TLS_CLIENT_HELLO ? "tls" : "opaque";
}

function comparePreface(bytes: Uint8Array): "partial" | "http2" | "opaque" {
  const count = Math.min(bytes.length, HTTP2_PREFACE.length);
  for (let i = 0; i < count; i += 1) if (bytes[i] !== HTTP2_PREFACE[i]) return "opaque";
  return count === HTTP2_PREFACE.length ? "http2" : "partial";
}

/** method SP target SP HTTP/1.x [CR] LF, after at most one empty line (RFC 9112 §2.2, §3). */
function detectRequestLine(bytes: Uint8Array): DetectedProtocol {
  let at = 0;
  if (bytes[0] === CR) {
    if (bytes.length === 1) return "partial";
    if (bytes[1] !== LF) return "opaque";
    at = 2;
  }
  const methodStart = at;
  for (;;) {
    if (at === bytes.length) return "partial";
    const byte = bytes[at] ?? 0;
    if (byte === SPACE) break;
    if (!isTokenByte(byte) || at - methodStart >= MAX_METHOD_BYTES) return "opaque";
    at += 1;
  }
  if (at === methodStart) return "opaque";
  at += 1;
  const targetStart = at;
  for (;;) {
    if (at === bytes.length) return at > MAX_REQUEST_LINE_BYTES ? "opaque" : "partial";
    const byte = bytes[at] ?? 0;
    if (byte === SPACE) break;
    if (byte < SPACE || byte === 0x7f || at > MAX_REQUEST_LINE_BYTES) return "opaque";
    at += 1;
  }
  if (at === targetStart) return "opaque";
  return compareVersion(bytes, at + 1);
}

function compareVersion(bytes: Uint8Array, start: number): DetectedProtocol {
  for (let i = 0; i < VERSION_1.length; i += 1) {
    if (start + i === bytes.length) return "partial";
    if (bytes[start + i] !== VERSION_1[i]) return "opaque";
  }
  let at = start + VERSION_1.length;
  if (at === bytes.length) return "partial";
  const minor = bytes[at] ?? 0;
  if (minor < 0x30 || minor > 0x39) return "opaque";
  at += 1;
  if (bytes[at] === CR) at += 1;
  if (at >= bytes.length) return "partial";
  return bytes[at] === LF ? "http1" : "opaque";
}

const VERSION_1: Uint8Array = Buffer.from("HTTP/1.", "latin1");

/** RFC 9110 §5.6.2. */
function isTokenByte(byte: number): boolean {
  if (byte >= 0x61 && byte <= 0x7a) return true;
  if (byte >= 0x41 && byte <= 0x5a) return true;
  if (byte >= 0x30 && byte <= 0x39) return true;
  return byte > 0x20 && byte < 0x7f && TOKEN_MARKS.includes(byte);
}

const TOKEN_MARKS: Uint8Array = Buffer.from("!#$%&'*+-.^_`|~", "latin1");
