import { createServer, type Socket } from "node:net";
import { listenError } from "./tls-settings.ts";
import { KEEP_ALIVE_IDLE_MS } from "./watermarks.ts";

/** A connection that was accepted and never read from, on its way to the process that serves it. */
export type AcceptedSocket = Socket;

export interface SocketAcceptor {
  /** The bound port. */
  readonly port: number;
  /** Stops accepting. */
  close(): void;
}

/**
 * Accepts connections without reading a byte of them, so that another process can serve them from the beginning, TLS
 * included. Rejects with `WEFT_TRANSPORT_LISTEN` when the address cannot be bound.
 */
export function openSocketAcceptor(
  { address, port }: { readonly address: string; readonly port: number },
  take: (socket: AcceptedSocket) => void,
): Promise<SocketAcceptor> {
  const server = createServer(
    {
      pauseOnConnect: true,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_IDLE_MS,
    },
    (socket) => {
      // A caller that goes away while it waits; whoever serves it notices by itself.
      socket.on("error", () => undefined);
      take(socket);
    },
  );
  return new Promise((resolve, reject) => {
    const refused = (error: Error): void => reject(listenError(address, port, error));
    server.once("error", refused);
    server.listen({ host: address, port, exclusive: true }, () => {
      server.off("error", refused);
      // After this only a failed accept (out of file descriptors) comes here; the next accept tries again.
      server.on("error", () => undefined);
      const bound = server.address();
      resolve({
        port: typeof bound === "object" && bound !== null ? bound.port : port,
        close: () => void (server.listening && server.close()),
      });
    });
  });
}
