import { createRequire } from "node:module";

/**
 * A PROXY protocol v2 header that says which name and port an app dialled. `name` is ASCII, at most 255 bytes; `port`
 * is 0..65535. Read it with `decodeProxyHeader` of `net/proxy-protocol.ts`.
 */
export function encodeProxyHeader(name: string, port: number): Uint8Array {
  return encoder.encodeProxyHeader(name, port);
}

// The code is CommonJS (see proxy-header.cts) and TypeScript has no typed exports for that without syntax that cannot
// be erased, hence the cast.
const encoder = createRequire(import.meta.url)("./proxy-header.cjs") as {
  encodeProxyHeader(name: string, port: number): Uint8Array;
};
