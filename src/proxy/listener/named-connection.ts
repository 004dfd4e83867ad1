import type { ConnectionHandler } from "../../transport/transport.ts";
import type { HttpOrigin } from "../exchange.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { TcpHandlerConfig } from "../snapshot.ts";
import type { ConnectionStarter } from "./outbound-connection.ts";
import type { Destination, Refusal } from "./find-destination.ts";
import { BAD_REQUEST } from "../failures.ts";
import { detectPreface, detectProtocol } from "./detect-protocol.ts";
import { PendingConnection, type Verdict } from "./pending-connection.ts";

/** A client that opens a connection to an HTTP service and sends nothing is kept for as long as an idle one. */
const IDLE_MS = 75_000;

/** A connection of which the dialled name and port are known, but not what it carries. */
export class NamedConnection extends PendingConnection {
  readonly #starter: ConnectionStarter;
  readonly #origin: HttpOrigin;
  readonly #tcp: TcpHandlerConfig | null;
  /** Of what is neither HTTP nor wanted; null when requests are all that can come. */
  readonly #refusal: Refusal | null;

  /** `detectMs`: after that long the bytes so far decide. Not for destinations of kind "tcp": there is nothing to find out. */
  constructor(
    runtime: ProxyRuntime,
    starter: ConnectionStarter,
    origin: HttpOrigin,
    options: { readonly destination: Destination; readonly detectMs: number },
  ) {
    const { destination, detectMs } = options;
    super(runtime, destination.kind === "http" ? IDLE_MS : detectMs);
    this.#starter = starter;
    this.#origin = origin;
    this.#tcp = destination.kind === "detect" || destination.kind === "tcp" ? destination.tcp : null;
    this.#refusal = destination.kind === "refused" ? destination.refusal : null;
  }

  protected judge(bytes: Uint8Array, isFinal: boolean): Verdict | null {
    const onlyHttp = this.#tcp === null && this.#refusal === null;
    const found = onlyHttp ? detectPreface(bytes) : detectProtocol(bytes, isFinal);
    switch (found) {
      case "partial":
        // Half a preface is for the HTTP decoder to complain about; nothing at all is nobody's.
        return isFinal && bytes.length > 0 ? { next: this.#starter.startHttp(this.#origin), rest: bytes } : null;
      case "http2":
        return { next: this.#starter.startHttp2(this.#origin), rest: bytes };
      case "http1":
      case "other":
        return { next: this.#starter.startHttp(this.#origin), rest: bytes };
      case "tls":
        return { next: this.#carry(true), rest: bytes };
      case "opaque":
        return { next: this.#carry(false), rest: bytes };
    }
  }

  #carry(isTls: boolean): ConnectionHandler {
    if (this.#tcp !== null) return this.#starter.startTcp(this.#origin, this.#tcp);
    return this.#starter.refuse(this.#origin, this.#refusal ?? describeTlsToHttp(this.#origin.authority ?? ""), isTls);
  }
}

function describeTlsToHttp(authority: string): Refusal {
  return {
    code: BAD_REQUEST,
    detail: `"${authority}" takes plain HTTP, which the mesh encrypts, and the caller began TLS: call it by http://, or declare the port as detect or tcp`,
  };
}
