import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { TLSSocket } from "node:tls";
import type { ApiTls } from "./api-listener.ts";
import { StatusError } from "./status.ts";

/**
 * Refuses requests that a web page could make the user's browser send: with DNS rebinding a page's own name leads to
 * this address, but the Host header still carries that name. `localhost` and IP literals cannot be rebound; over TLS
 * the names of this server's certificate are its own, too.
 */
export function assertOwnHost(request: IncomingMessage, tls: ApiTls | null): void {
  const host = request.headers.host ?? "";
  const name = (host.startsWith("[") ? host.slice(1, host.indexOf("]")) : host.replace(/:\d*$/, "")).toLowerCase();
  if (name === "localhost" || isIP(name) !== 0) return;
  if (request.socket instanceof TLSSocket && tls?.isOwnName(name) === true) return;
  throw new StatusError(
    "MisdirectedRequest",
    `Cannot answer for the host "${name}"; expected localhost or an IP address in the Host header, or over TLS a name of this server's certificate`,
  );
}
