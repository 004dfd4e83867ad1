import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";
import { type SecureContext, TLSSocket } from "node:tls";
import type { Clock } from "../time/clock.ts";
import { StatusError } from "./status.ts";

/** The server's side of TLS as it is now; certificates may change while it serves. */
export interface ApiTls {
  /** For the server name that the client asks for, "" when it asks for none. */
  context(serverName: string): SecureContext;
  /** Whether a certificate of ours is for this host: a DNS name in lower case. */
  isOwnName(host: string): boolean;
}

export interface ApiListenerOptions {
  /** Null: plain HTTP only. */
  readonly tls: ApiTls | null;
  /** Beside TLS on the same port. */
  readonly takesPlain: boolean;
  readonly clock: Clock;
}

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than clients keep a connection, so that it is they who close it. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** From the connection to the end of the handshake. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 512;
/** First byte of a TLS record with a handshake (RFC 8446, 5.1). HTTP begins with a letter. */
const TLS_HANDSHAKE = 0x16;

/** An HTTP server that takes TLS, plain HTTP, or both on one port, told apart by the first byte of a connection. */
export function createApiListener(options: ApiListenerOptions): Server {
  const server = createServer({
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
  });
  server.maxConnections = MAX_CONNECTIONS;
  const { tls } = options;
  if (tls === null) return server;
  // Node's own listener makes a connection one of HTTP; it comes second now.
  const serveHttp = server.listeners("connection");
  server.removeAllListeners("connection");
  const toHttp = (socket: Socket): void => {
    for (const listener of serveHttp) Reflect.apply(listener, server, [socket]);
  };
  server.on("connection", (socket: Socket) => {
    const limit = options.clock.after(HANDSHAKE_TIMEOUT_MS, () => socket.destroy(), undefined);
    const endLimit = (): void => limit.clear();
    socket.on("close", endLimit);
    socket.on("error", ignore);
    socket.once("data", (first: Buffer) => {
      socket.pause();
      socket.unshift(first);
      if (first[0] === TLS_HANDSHAKE) {
        secure(socket, tls, (secured) => {
          endLimit();
          toHttp(secured);
        });
        return;
      }
      endLimit();
      socket.off("error", ignore);
      if (!options.takesPlain) {
        refusePlain(socket);
        return;
      }
      toHttp(socket);
      socket.resume();
    });
  });
  return server;
}

function secure(socket: Socket, tls: ApiTls, onSecure: (secured: TLSSocket) => void): void {
  const secured = new TLSSocket(socket, {
    isServer: true,
    secureContext: tls.context(""),
    // Who asks is found out for every request; a certificate that is wrong is no reason to hang up without a word.
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ["http/1.1"],
    SNICallback: (name, take) => take(null, tls.context(name.toLowerCase())),
  });
  secured.on("error", () => socket.destroy());
  secured.once("secure", () => onSecure(secured));
}

/** A request that was sent in the clear must not be answered, and its sender should know why. */
function refusePlain(socket: Socket): void {
  const { status } = new StatusError(
    "BadRequest",
    "Cannot serve plain HTTP here: found a request that is not encrypted; expected TLS: https://",
  );
  const body = `${JSON.stringify(status)}\n`;
  socket.on("error", ignore);
  socket.end(
    `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
  // What was still on its way is read and forgotten, so that the answer is not lost to a reset.
  socket.resume();
}

function ignore(): void {
  // The connection closes by itself.
}
