import type { HttpHandlerConfig, ListenerConfig, TcpHandlerConfig } from "../snapshot.ts";
import { TCP_ALPN, UDP_ALPN, isUdpListener } from "../../xds/names.ts";

/**
 * What serves a link to an inbound port, by the protocol that the link chose (ALPN): the chain that names it, else the
 * default. Null: a port that only takes requests never gets opaque bytes, as nobody would look at what its access rules
 * are about; and a port of opaque bytes never gets a link's HTTP/2 frames.
 */
export function findInboundHandler(
  listener: ListenerConfig,
  alpn: string | null,
): HttpHandlerConfig | TcpHandlerConfig | null {
  for (const chain of listener.chains) {
    if (alpn !== null && chain.applicationProtocols.includes(alpn)) return chain.handler;
  }
  const handler = listener.defaultChain?.handler ?? null;
  // Datagrams and bytes never take each other's port: the access rules are about one of them.
  if ((alpn === UDP_ALPN) !== isUdpListener(listener.name)) return null;
  if (handler?.kind === "http" && alpn === TCP_ALPN) return null;
  if (handler?.kind === "tcp" && alpn === "h2") return null;
  return handler;
}
