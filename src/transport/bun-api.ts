/** The part of Bun's socket API that weft uses, as Bun 1.4 has it. Bun ships no types that a Node build could import. */
export interface BunApi {
  readonly version: string;
  listen(options: BunListenOptions): BunListener;
  connect(options: BunConnectOptions): Promise<BunSocket>;
}

export interface BunSocket {
  data: unknown;
  readonly authorized: boolean;
  readonly alpnProtocol: string | false | null;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number;
  readonly localPort: number;
  /** Bytes taken (maybe not all), or -1 when closed. Each call is a system call of its own. */
  write(bytes: Uint8Array, offset: number, length: number): number;
  /** Sends FIN and keeps reading. (`end` closes instead.) */
  shutdown(): void;
  /** Resets, and calls `close` before it returns. */
  terminate(): void;
  pause(): void;
  resume(): void;
  setNoDelay(on: boolean): boolean;
  setKeepAlive(on: boolean, idleMs: number): boolean;
  getTLSVersion(): string;
  getPeerX509Certificate(): { readonly subjectAltName: string | undefined } | undefined;
  /** With false: each certificate that the peer sent, its issuer behind it, and at the end the root. */
  getPeerCertificate(abbreviated: false): BunCertificate | undefined;
  getAuthorizationError(): Error | null;
  isSessionReused(): boolean;
}

export interface BunCertificate {
  /** DER. */
  readonly raw?: Uint8Array;
  readonly issuerCertificate?: BunCertificate;
}

export interface BunSocketHandlers {
  readonly binaryType: "uint8array" | "buffer";
  open(socket: BunSocket): void;
  /** `verified` = the handshake ended and the chain was accepted; `error` says what was wrong. */
  handshake(socket: BunSocket, verified: boolean, error: Error | null): void;
  data(socket: BunSocket, bytes: Uint8Array): void;
  drain(socket: BunSocket): void;
  end(socket: BunSocket): void;
  close(socket: BunSocket, error: Error | undefined): void;
  error(socket: BunSocket, error: Error): void;
  connectError?(socket: BunSocket, error: Error): void;
}

export interface BunTls {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
  readonly requestCert?: boolean;
  readonly rejectUnauthorized: boolean;
  readonly serverName?: string;
  /** In wire format: each name behind its length. Other forms are ignored without a word. */
  readonly ALPNProtocols?: Uint8Array;
  readonly secureOptions: number;
}

export interface BunListenOptions {
  readonly hostname: string;
  readonly port: number;
  readonly allowHalfOpen: boolean;
  /** Several listeners on one port; the kernel spreads connections over them. */
  readonly reusePort: boolean;
  readonly exclusive: boolean;
  readonly socket: BunSocketHandlers;
  readonly tls?: BunTls;
}

export interface BunConnectOptions {
  readonly hostname: string;
  readonly port: number;
  readonly allowHalfOpen: boolean;
  readonly data: unknown;
  readonly socket: BunSocketHandlers;
  readonly tls?: BunTls;
}

export interface BunListener {
  readonly port: number;
  /** Stops accepting; with true it also closes what is open. */
  stop(closeActiveConnections: boolean): void;
}

/** Bun's API, or null on another runtime. */
export function findBun(): BunApi | null {
  const found: unknown = Reflect.get(globalThis, "Bun");
  return typeof found === "object" && found !== null ? (found as BunApi) : null;
}
