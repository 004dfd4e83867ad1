// CommonJS because the preload is loaded by `NODE_OPTIONS=--require`; it must load fast and on every Node from 20.19.
// The rest of weft uses it through `encode-proxy-header.ts`.
//
// One PROXY protocol v2 header: signature, version 2 + command PROXY, TCP over IPv4 with loopback addresses, the port
// the app dialled as destination port, and the name the app wrote in a TLV of type PP2_TYPE_AUTHORITY.

const SIGNATURE: readonly number[] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const VERSION_AND_PROXY = 0x21;
const TCP_OVER_IPV4 = 0x11;
const FIXED_BYTES = 16;
const ADDRESS_BYTES = 12;
const TYPE_AUTHORITY = 0x02;

function encodeProxyHeader(name: string, port: number): Buffer {
  const nameBytes = Buffer.byteLength(name, "latin1");
  const header = Buffer.alloc(FIXED_BYTES + ADDRESS_BYTES + 3 + nameBytes);
  header.set(SIGNATURE, 0);
  header[12] = VERSION_AND_PROXY;
  header[13] = TCP_OVER_IPV4;
  header.writeUInt16BE(header.length - FIXED_BYTES, 14);
  header.set([127, 0, 0, 1, 127, 0, 0, 1], 16);
  header.writeUInt16BE(port, 26);
  header[28] = TYPE_AUTHORITY;
  header.writeUInt16BE(nameBytes, 29);
  header.write(name, 31, "latin1");
  return header;
}

module.exports.encodeProxyHeader = encodeProxyHeader;
