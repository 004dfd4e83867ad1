import type { Connection, ConnectionHandler, TlsClientOptions } from "../../transport/transport.ts";
import type { Credentials, ProxyRuntime } from "../runtime.ts";
import { DatagramConnection } from "../udp/datagram-connection.ts";

/** What makes opaque traffic of one kind differ from another. Between proxies both are bytes in mutual TLS. */
export interface Carrier {
  readonly protocol: "tcp" | "udp";
  /** The kind of rule that is about it. */
  readonly routeKind: "TCPRoute" | "UDPRoute";
  /** For connections to other proxies. */
  tls(credentials: Credentials): TlsClientOptions;
  /** To the app beside us, or a host outside the mesh. As `Transport.connect`. */
  connectPlain(runtime: ProxyRuntime, target: PlainTarget, handler: ConnectionHandler): Connection;
}

export interface PlainTarget {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

export const TCP_CARRIER: Carrier = {
  protocol: "tcp",
  routeKind: "TCPRoute",
  tls: ({ tcpTls }) => tcpTls,
  connectPlain: ({ transport }, target, handler) => transport.connect({ ...target, tls: null }, handler),
};

/** Every flow is a connection of its own between the proxies, and a socket of its own towards the app. */
export const UDP_CARRIER: Carrier = {
  protocol: "udp",
  routeKind: "UDPRoute",
  tls: ({ udpTls }) => udpTls,
  connectPlain: ({ datagrams, counters }, { host, port }, handler) => {
    const socket = datagrams.connect(
      { host, port },
      {
        onReady: () => connection.open(),
        onDatagram: (bytes) => connection.receive(bytes),
        onFailed: (message) => connection.fail({ kind: "refused", message }),
      },
    );
    const peer = { remoteAddress: host, remotePort: port, localPort: 0, tls: null };
    const connection = new DatagramConnection(socket, handler, { peer, counters });
    return connection;
  },
};
