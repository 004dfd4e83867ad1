/**
 * PROXY protocol version 2 (haproxy `proxy-protocol.txt` §2.2), as far as a sidecar's outbound listener needs it: the
 * capture preload puts one header in front of each captured connection to say which name and port the app dialled. The
 * encoder is `capture/proxy-header.cts`; `capture/proxy-header.test.ts` holds the two together.
 */

export interface ProxyHeader {
  /** Bytes the header takes; the connection's own bytes start here. */
  readonly length: number;
  /** The name as the app wrote it (TLV `PP2_TYPE_AUTHORITY`); null when the sender gave none. */
  readonly authority: string | null;
  /** The port the app dialled; 0 when the sender gave no address (command LOCAL or family UNSPEC). */
  readonly destinationPort: number;
}

/** The first twelve bytes of every version 2 header. No HTTP or TLS connection starts with them. */
export const PROXY_SIGNATURE: Uint8Array = Uint8Array.of(
  0x0d,
  0x0a,
  0x0d,
  0x0a,
  0x00,
  0x0d,
  0x0a,
  0x51,
  0x55,
  0x49,
  0x54,
  0x0a,
);

/** haproxy asks receivers to take 536 bytes; a header with the longest DNS name is 286. Ours allows room for other TLVs. */
const MAX_HEADER_BYTES = 1024;
const FIXED_BYTES = 16;
const MAX_AUTHORITY_BYTES = 255;

const VERSION_AND_LOCAL = 0x20;
const VERSION_AND_PROXY = 0x21;
const UNSPEC = 0x00;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;
const TYPE_AUTHORITY = 0x02;

/**
 * Reads a header from the start of `bytes`. "partial": all bytes so far fit, more are needed (never past 1,024 bytes).
 * "invalid": not a header, or one that cannot be understood; nothing may be guessed from it.
 */
export function decodeProxyHeader(bytes: Uint8Array): ProxyHeader | "partial" | "invalid" {
  const known = Math.min(bytes.length, PROXY_SIGNATURE.length);
  for (let i = 0; i < known; i += 1) {
    if (bytes[i] !== PROXY_SIGNATURE[i]) return "invalid";
  }
  if (bytes.length < FIXED_BYTES) return "partial";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const versionAndCommand = view.getUint8(12);
  const family = view.getUint8(13);
  const length = FIXED_BYTES + view.getUint16(14);
  if (versionAndCommand !== VERSION_AND_LOCAL && versionAndCommand !== VERSION_AND_PROXY) return "invalid";
  if (length > MAX_HEADER_BYTES) return "invalid";
  const addressBytes = addressBytesOf(versionAndCommand === VERSION_AND_LOCAL ? UNSPEC : family);
  if (addressBytes === null || FIXED_BYTES + addressBytes > length) return "invalid";
  if (bytes.length < length) return "partial";
  // LOCAL: the sender speaks for itself and the rest of the header is to be discarded.
  if (versionAndCommand === VERSION_AND_LOCAL) return { length, authority: null, destinationPort: 0 };
  const authority = readAuthority(view, FIXED_BYTES + addressBytes, length);
  if (authority === "invalid") return "invalid";
  const destinationPort = family === UNSPEC ? 0 : view.getUint16(FIXED_BYTES + addressBytes - 2);
  return { length, authority: authority.name, destinationPort };
}

function addressBytesOf(family: number): number | null {
  if (family === UNSPEC) return 0;
  if (family === TCP_OVER_IPV4) return 12;
  if (family === TCP_OVER_IPV6) return 36;
  return null;
}

/** Walks type-length-value entries; the first authority counts. */
function readAuthority(view: DataView, start: number, end: number): { readonly name: string | null } | "invalid" {
  let name: string | null = null;
  let at = start;
  while (at < end) {
    if (at + 3 > end) return "invalid";
    const type = view.getUint8(at);
    const valueBytes = view.getUint16(at + 1);
    at += 3;
    if (at + valueBytes > end) return "invalid";
    if (type === TYPE_AUTHORITY && name === null) {
      name = readName(view, at, valueBytes);
      if (name === null) return "invalid";
    }
    at += valueBytes;
  }
  return { name };
}

/** Null for an empty or overlong name and for bytes that no host name has (controls, space, non-ASCII). */
function readName(view: DataView, start: number, length: number): string | null {
  if (length === 0 || length > MAX_AUTHORITY_BYTES) return null;
  let name = "";
  for (let i = start; i < start + length; i += 1) {
    const byte = view.getUint8(i);
    if (byte <= 0x20 || byte >= 0x7f) return null;
    name += String.fromCharCode(byte);
  }
  return name;
}
