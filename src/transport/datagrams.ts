/**
 * The one way the proxy touches UDP sockets. Node and Bun share one implementation (`node-datagrams.ts`, on `node:dgram`);
 * tests have another in memory.
 */
export interface Datagrams {
  /** Rejects with WeftError `WEFT_TRANSPORT_LISTEN` when the address cannot be bound. `onDatagram` owns the bytes. */
  bind(
    options: { readonly address: string; readonly port: number },
    onDatagram: (bytes: Uint8Array, address: string, port: number) => void,
  ): Promise<BoundSocket>;
  /** A socket of its own that talks to this address alone. Never throws; a failure arrives as `onClosed`, after it returned. */
  connect(options: { readonly host: string; readonly port: number }, handler: DatagramHandler): ConnectedSocket;
}

export interface DatagramHandler {
  onReady(): void;
  /** The bytes are the receiver's. */
  onDatagram(bytes: Uint8Array): void;
  /** Once and last, unless it was closed here: nobody listens there (ICMP), or the socket broke. */
  onFailed(message: string): void;
}

export interface BoundSocket {
  readonly port: number;
  /** What the kernel does not take is lost. */
  send(bytes: Uint8Array, address: string, port: number): void;
  close(): void;
}

export interface ConnectedSocket {
  readonly localPort: number;
  /** As `BoundSocket.send`. */
  send(bytes: Uint8Array): void;
  close(): void;
}

/** Most that UDP over IPv4 carries: 65,535 less the headers of both (RFC 768, RFC 791). */
export const MAX_DATAGRAM_BYTES = 65_507;
