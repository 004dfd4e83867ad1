import type { ServerCertificate } from "../../transport/tls-server-session.ts";
import type { ConnectionHandler } from "../../transport/transport.ts";
import type { HttpOrigin } from "../exchange.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { TcpHandlerConfig } from "../snapshot.ts";
import type { Refusal } from "./find-destination.ts";
import { decodeProxyHeader } from "../../net/proxy-protocol.ts";
import { BAD_REQUEST, NO_ROUTE } from "../failures.ts";
import { normaliseAuthority } from "../route/find-route.ts";
import { detectPreface } from "./detect-protocol.ts";
import { PendingConnection, type Verdict } from "./pending-connection.ts";
import { readServerName } from "./sni.ts";

/** Makes the handler that takes over once it is known what a connection carries. */
export interface ConnectionStarter {
  /** HTTP/1.1. */
  startHttp(origin: HttpOrigin): ConnectionHandler;
  /** HTTP/2: the connection preface is the first that the handler gets. */
  startHttp2(origin: HttpOrigin): ConnectionHandler;
  /** Opaque bytes. `origin.authority` names the target where the cluster dials any host. */
  startTcp(origin: HttpOrigin, config: TcpHandlerConfig): ConnectionHandler;
  /**
   * A connection to a name and port that its client told (a PROXY header, CONNECT): what it carries is found out from the
   * declaration of the port, else from its first bytes. `name` in any case, with or without a dot at the end.
   */
  startNamed(origin: HttpOrigin, name: string, port: number): ConnectionHandler;
  /** Why `startNamed` would carry nothing but requests, before a tunnel is agreed to; null when it would. */
  refuseNamed(origin: HttpOrigin, name: string, port: number): Refusal | null;
  /** A client that began TLS, by the name that it asks for (SNI) and the port it meant. */
  startTls(origin: HttpOrigin, name: string, port: number): ConnectionHandler;
  /** Ends TLS with a server certificate, and serves what is inside: HTTP by its ALPN. */
  startServerTls(origin: HttpOrigin, certificate: ServerCertificate): ConnectionHandler;
  /** Ends the connection and records why. */
  refuse(origin: HttpOrigin, refusal: Refusal, isTls: boolean): ConnectionHandler;
}

/** A client that opens a connection and sends nothing is not ours to keep. */
const FIRST_BYTE_MS = 75_000;
const PROXY_FIRST_BYTE = 0x0d;
/** What a TLS client without a PROXY header means: the port of https. */
const TLS_PORT = 443;

/**
 * A connection from the app beside us, before it is known what it carries. One that begins with a PROXY header (version 2)
 * says which name and port the app dialled, and so may be any protocol; TLS goes where its SNI says; all else is a client
 * that knows it speaks to an HTTP proxy, or names its host in the request.
 */
export class OutboundConnection extends PendingConnection {
  readonly #starter: ConnectionStarter;
  readonly #origin: HttpOrigin;

  constructor(runtime: ProxyRuntime, starter: ConnectionStarter, origin: HttpOrigin) {
    super(runtime, FIRST_BYTE_MS);
    this.#starter = starter;
    this.#origin = origin;
  }

  protected judge(bytes: Uint8Array, isFinal: boolean): Verdict | null {
    if (bytes.length === 0) return null;
    if (bytes[0] === PROXY_FIRST_BYTE) return this.#judgeHeader(bytes, isFinal);
    switch (detectPreface(bytes)) {
      case "partial":
        return isFinal ? this.#http(bytes) : null;
      case "http2":
        return { next: this.#starter.startHttp2(this.#origin), rest: bytes };
      case "tls":
        return this.#judgeTls(bytes, isFinal);
      case "other":
        return this.#http(bytes);
    }
  }

  #judgeHeader(bytes: Uint8Array, isFinal: boolean): Verdict | null {
    const header = decodeProxyHeader(bytes);
    if (header === "partial" && !isFinal) return null;
    // Not a PROXY header after all: the HTTP decoder judges it (one empty line before a request is tolerated).
    if (header === "partial" || header === "invalid") return this.#http(bytes);
    const rest = bytes.subarray(header.length);
    if (header.authority === null) return this.#http(rest);
    return { next: this.#starter.startNamed(this.#origin, header.authority, header.destinationPort), rest };
  }

  #judgeTls(bytes: Uint8Array, isFinal: boolean): Verdict | null {
    const found = readServerName(bytes);
    if (found === "partial" && !isFinal) return null;
    const next =
      typeof found === "object"
        ? this.#starter.startTls(this.#origin, found.name, TLS_PORT)
        : this.#starter.refuse(this.#origin, describeUnnamedTls(found), true);
    return { next, rest: bytes };
  }

  #http(rest: Uint8Array): Verdict {
    return { next: this.#starter.startHttp(this.#origin), rest };
  }
}

/** Why TLS without a usable server name goes nowhere. */
export function describeUnnamedTls(found: "partial" | "none" | "invalid"): Refusal {
  if (found === "none") {
    return { code: NO_ROUTE, detail: "the TLS connection names no server (SNI), so there is nothing to route it by" };
  }
  const what = found === "partial" ? "was never complete" : "is not well-formed";
  return { code: BAD_REQUEST, detail: `the TLS ClientHello ${what}` };
}

/** `name:port` as routing compares it; the port of HTTP is left out. */
export function formatAuthority(name: string, port: number): string {
  const normal = normaliseAuthority(name);
  const host = normal.includes(":") && !normal.startsWith("[") ? `[${normal}]` : normal;
  return port === 80 ? host : `${host}:${port}`;
}
