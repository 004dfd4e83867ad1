import type { Connection, ConnectionHandler, TransportFailure } from "../../transport/transport.ts";
import type { Deadline, DeadlineOwner } from "../../time/timer-wheel.ts";
import type { HttpOrigin } from "../exchange.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { ListenerConfig, TcpHandlerConfig } from "../snapshot.ts";
import { decodeProxyHeader } from "../../net/proxy-protocol.ts";
import { Deadline as WheelDeadline } from "../../time/timer-wheel.ts";
import { normaliseAuthority } from "../route/find-route.ts";

/** Makes the handler that takes over once it is known what a connection carries. */
export interface ConnectionStarter {
  startHttp(origin: HttpOrigin): ConnectionHandler;
  startTcp(origin: HttpOrigin, config: TcpHandlerConfig): ConnectionHandler;
}

/** A client that opens a connection and sends nothing is not ours to keep. */
const FIRST_BYTE_MS = 75_000;
const PROXY_FIRST_BYTE = 0x0d;

/**
 * A connection from the app beside us, before it is known what it carries. One that begins with a PROXY header (version 2)
 * says which name and port the app dialled, and so may be any protocol; one without is a client that knows it speaks to
 * an HTTP proxy, or names its host in the request.
 */
export class OutboundConnection implements ConnectionHandler, DeadlineOwner {
  readonly #runtime: ProxyRuntime;
  readonly #starter: ConnectionStarter;
  readonly #origin: HttpOrigin;
  readonly #deadline: Deadline;
  #connection: Connection | null = null;
  #next: ConnectionHandler | null = null;
  #held: Uint8Array | null = null;
  #ended: boolean = false;

  constructor(runtime: ProxyRuntime, starter: ConnectionStarter, origin: HttpOrigin) {
    this.#runtime = runtime;
    this.#starter = starter;
    this.#origin = origin;
    this.#deadline = new WheelDeadline(this, 0);
  }

  onOpen(connection: Connection): void {
    this.#connection = connection;
    this.#runtime.wheel.arm(this.#deadline, FIRST_BYTE_MS);
  }

  onData(bytes: Uint8Array): void {
    if (this.#next !== null) this.#next.onData(bytes);
    else this.#detect(this.#held === null ? bytes : Buffer.concat([this.#held, bytes]));
  }

  onDrain(): void {
    this.#next?.onDrain();
  }

  onEnd(): void {
    this.#ended = true;
    if (this.#next !== null) this.#next.onEnd();
    else this.#connection?.end();
  }

  onClose(failure: TransportFailure | null): void {
    this.#runtime.wheel.clear(this.#deadline);
    this.#next?.onClose(failure);
    this.#connection = null;
  }

  onDeadline(): void {
    this.#connection?.destroy();
  }

  #detect(bytes: Uint8Array): void {
    if (bytes[0] !== PROXY_FIRST_BYTE) {
      this.#start(this.#starter.startHttp(this.#origin), bytes);
      return;
    }
    const header = decodeProxyHeader(bytes);
    if (header === "partial") {
      this.#held = bytes;
      return;
    }
    // Not a PROXY header after all: the HTTP decoder judges it (one empty line before a request is tolerated).
    if (header === "invalid") {
      this.#start(this.#starter.startHttp(this.#origin), bytes);
      return;
    }
    const rest = bytes.subarray(header.length);
    if (header.authority === null) {
      this.#start(this.#starter.startHttp(this.#origin), rest);
      return;
    }
    const name = normaliseAuthority(header.authority);
    const listener = this.#runtime.snapshot?.listeners.get(this.#origin.listener);
    const tcp = listener === undefined ? null : findNamedChain(listener, name, header.destinationPort);
    if (tcp !== null) {
      this.#start(this.#starter.startTcp(this.#origin, tcp), rest);
      return;
    }
    const authority = header.destinationPort === 80 ? name : `${name}:${header.destinationPort}`;
    this.#start(this.#starter.startHttp({ ...this.#origin, authority }), rest);
  }

  #start(next: ConnectionHandler, bytes: Uint8Array): void {
    this.#runtime.wheel.clear(this.#deadline);
    this.#held = null;
    this.#next = next;
    if (this.#connection !== null) next.onOpen(this.#connection);
    if (bytes.length > 0) next.onData(bytes);
    if (this.#ended) next.onEnd();
  }
}

function findNamedChain(listener: ListenerConfig, name: string, port: number): TcpHandlerConfig | null {
  for (const chain of listener.chains) {
    if (chain.handler.kind !== "tcp") continue;
    if (chain.destinationPort !== 0 && chain.destinationPort !== port) continue;
    if (chain.serverNames.includes(name)) return chain.handler;
  }
  return null;
}
