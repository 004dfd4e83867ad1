import type { HttpOrigin } from "../exchange.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { ConnectionStarter } from "./outbound-connection.ts";
import type { Refusal } from "./find-destination.ts";
import { BAD_REQUEST, NO_ROUTE } from "../failures.ts";
import { detectPreface } from "./detect-protocol.ts";
import { findPassthrough } from "./find-destination.ts";
import { describeUnnamedTls } from "./outbound-connection.ts";
import { PendingConnection, type Verdict } from "./pending-connection.ts";
import { readServerName } from "./sni.ts";

/** As long as a connection of HTTP/1.1 may be idle. */
const FIRST_BYTE_MS = 75_000;

/** A connection from outside: requests, or TLS that goes on unopened to the service that its SNI stands for. */
export class IngressConnection extends PendingConnection {
  readonly #starter: ConnectionStarter;
  readonly #origin: HttpOrigin;

  constructor(runtime: ProxyRuntime, starter: ConnectionStarter, origin: HttpOrigin) {
    super(runtime, FIRST_BYTE_MS);
    this.#starter = starter;
    this.#origin = origin;
  }

  protected judge(bytes: Uint8Array, isFinal: boolean): Verdict | null {
    if (bytes.length === 0) return null;
    switch (detectPreface(bytes)) {
      case "partial":
        return isFinal ? { next: this.#starter.startHttp(this.#origin), rest: bytes } : null;
      case "http2":
        return { next: this.#starter.startHttp2(this.#origin), rest: bytes };
      case "tls":
        return this.#judgeTls(bytes, isFinal);
      case "other":
        return { next: this.#starter.startHttp(this.#origin), rest: bytes };
    }
  }

  #judgeTls(bytes: Uint8Array, isFinal: boolean): Verdict | null {
    const listener = this.runtime.snapshot?.listeners.get(this.#origin.listener);
    const found = readServerName(bytes);
    if (found === "partial" && !isFinal) return null;
    const name = typeof found === "object" ? found.name : null;
    const tcp = listener === undefined || (name === null && found !== "none") ? null : findPassthrough(listener, name);
    if (tcp !== null) {
      const origin = name === null ? this.#origin : { ...this.#origin, authority: name };
      return { next: this.#starter.startTcp(origin, tcp), rest: bytes };
    }
    const passes = listener?.chains.some((chain) => chain.transportProtocol === "tls") === true;
    const refusal = !passes
      ? PLAIN_ONLY
      : name === null && typeof found === "string"
        ? describeUnnamedTls(found)
        : describeUnknownName(name ?? "");
    return { next: this.#starter.refuse(this.#origin, refusal, true), rest: bytes };
  }
}

const PLAIN_ONLY: Refusal = {
  code: BAD_REQUEST,
  detail:
    "the client began TLS, and this port takes plain HTTP; TLS goes on unopened where the port has passthrough rules",
};

function describeUnknownName(name: string): Refusal {
  return { code: NO_ROUTE, detail: `no passthrough rule of this port has the TLS server name "${name}"` };
}
