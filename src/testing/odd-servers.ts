import { createSecureServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { KeyPair } from "../transport/transport.ts";

/** Servers on loopback that behave as no good server does, for tests of clients. */
export interface OddServer {
  readonly port: number;
  /** Cuts every connection. */
  close(): void;
}

/** Accepts and never says a word. */
export async function listenMutely(): Promise<OddServer & { readonly accepted: Promise<void> }> {
  const sockets = new Set<Socket>();
  let onAccepted: () => void;
  const accepted = new Promise<void>((resolve) => {
    onAccepted = resolve;
  });
  const server = createServer((socket) => {
    sockets.add(socket.on("error", ignore));
    onAccepted();
  });
  return { port: await listen(server), accepted, close: () => closeAll(server, sockets) };
}

/** Passes bytes both ways to `port` until it is frozen: then its peers look as if they had vanished. */
export async function listenFreezing(port: number): Promise<OddServer & { freeze(): void }> {
  let isFrozen = false;
  const sockets = new Set<Socket>();
  const server = createServer((downstream) => {
    const upstream = connect(port, "127.0.0.1");
    sockets.add(downstream.on("error", ignore)).add(upstream.on("error", ignore));
    downstream.on("data", (bytes) => isFrozen || upstream.write(bytes));
    upstream.on("data", (bytes) => isFrozen || downstream.write(bytes));
  });
  return {
    port: await listen(server),
    freeze: () => {
      isFrozen = true;
    },
    close: () => closeAll(server, sockets),
  };
}

/** HTTP/2 over mutual TLS whose every stream is answered by `onStream`. */
export async function listenHttp2(
  tls: { readonly keyPair: KeyPair; readonly trustBundlePem: string },
  onStream: (stream: ServerHttp2Stream) => void,
): Promise<OddServer> {
  const sessions = new Set<ServerHttp2Session>();
  const server = createSecureServer({
    key: tls.keyPair.keyPem,
    cert: tls.keyPair.certificateChainPem,
    ca: tls.trustBundlePem,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
  });
  server.on("session", (session: ServerHttp2Session) => sessions.add(session.on("error", ignore)));
  server.on("stream", (stream: ServerHttp2Stream) => onStream(stream.on("error", ignore)));
  return { port: await listen(server), close: () => closeAll(server, sessions) };
}

/** A port on which nobody listens: it was free a moment ago. */
export async function findFreePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

function listen(server: Pick<Server, "listen" | "address">): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

function closeAll(server: Pick<Server, "close">, connections: Iterable<{ destroy(): void }>): void {
  for (const connection of connections) connection.destroy();
  server.close();
}

function ignore(): void {}
