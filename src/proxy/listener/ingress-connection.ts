import type { HttpOrigin } from "../exchange.ts";
import type { ServerCertificate } from "../../transport/tls-server-session.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { ConnectionStarter } from "./outbound-connection.ts";
import type { Refusal } from "./find-destination.ts";
import { BAD_REQUEST, NO_ROUTE } from "../failures.ts";
import { detectPreface } from "./detect-protocol.ts";
import { findTlsChain } from "./find-destination.ts";
import { describeUnnamedTls } from "./outbound-connection.ts";
import { PendingConnection, type Verdict } from "./pending-connection.ts";
import { readServerName } from "./sni.ts";

/** As long as a connection of HTTP/1.1 may be idle. */
const FIRST_BYTE_MS = 75_000;

/**
 * A connection from outside: requests, TLS that is ended here with the certificate that its SNI stands for, or TLS that
 * goes on unopened to the service that its SNI stands for.
 */
export class IngressConnection extends PendingConnection {
  readonly #starter: ConnectionStarter;
  readonly #origin: HttpOrigin;
  readonly #own: OwnCertificateSource;

  /** `own`: what is shown for names that no other certificate is for. */
  constructor(runtime: ProxyRuntime, starter: ConnectionStarter, origin: HttpOrigin, own: OwnCertificateSource) {
    super(runtime, FIRST_BYTE_MS);
    this.#starter = starter;
    this.#origin = origin;
    this.#own = own;
  }

  protected judge(bytes: Uint8Array, isFinal: boolean): Verdict | null {
    if (bytes.length === 0) return null;
    switch (detectPreface(bytes)) {
      case "partial":
        return isFinal ? this.#judgePlain(bytes, false) : null;
      case "http2":
        return this.#judgePlain(bytes, true);
      case "tls":
        return this.#judgeTls(bytes, isFinal);
      case "other":
        return this.#judgePlain(bytes, false);
    }
  }

  #judgePlain(bytes: Uint8Array, isHttp2: boolean): Verdict {
    const listener = this.runtime.snapshot?.listeners.get(this.#origin.listener);
    if (listener?.defaultChain?.serverSecret != null) {
      return { next: this.#starter.refuse(this.#origin, TLS_ONLY, false), rest: bytes };
    }
    const next = isHttp2 ? this.#starter.startHttp2(this.#origin) : this.#starter.startHttp(this.#origin);
    return { next, rest: bytes };
  }

  #judgeTls(bytes: Uint8Array, isFinal: boolean): Verdict | null {
    const listener = this.runtime.snapshot?.listeners.get(this.#origin.listener);
    const found = readServerName(bytes);
    if (found === "partial" && !isFinal) return null;
    const name = typeof found === "object" ? found.name : null;
    const chain = listener === undefined || (name === null && found !== "none") ? null : findTlsChain(listener, name);
    if (chain?.handler.kind === "tcp") {
      const origin = name === null ? this.#origin : { ...this.#origin, authority: name };
      return { next: this.#starter.startTcp(origin, chain.handler), rest: bytes };
    }
    if (chain?.serverSecret != null) {
      const origin: HttpOrigin = { ...this.#origin, scheme: "https" };
      return { next: this.#starter.startServerTls(origin, this.#findCertificate(chain.serverSecret)), rest: bytes };
    }
    const passes = listener?.chains.some((chain) => chain.transportProtocol === "tls") === true;
    const refusal = !passes
      ? PLAIN_ONLY
      : name === null && typeof found === "string"
        ? describeUnnamedTls(found)
        : describeUnknownName(name ?? "");
    return { next: this.#starter.refuse(this.#origin, refusal, true), rest: bytes };
  }

  /** One that has not come, or is not fit, must not take the others with it. */
  #findCertificate(name: string): ServerCertificate {
    return this.runtime.snapshot?.certificates?.get(name) ?? this.#own();
  }
}

/** Makes it when it is first needed. */
export type OwnCertificateSource = () => ServerCertificate;

const TLS_ONLY: Refusal = {
  code: BAD_REQUEST,
  detail: "the client sent plain HTTP, and this port takes TLS: use https",
};

const PLAIN_ONLY: Refusal = {
  code: BAD_REQUEST,
  detail:
    "the client began TLS, and this port takes plain HTTP; TLS goes on unopened where the port has passthrough rules",
};

function describeUnknownName(name: string): Refusal {
  return { code: NO_ROUTE, detail: `no passthrough rule of this port has the TLS server name "${name}"` };
}
