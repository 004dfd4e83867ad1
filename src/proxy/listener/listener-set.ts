import type {
  Connection,
  ConnectionHandler,
  Listener,
  TlsServerOptions,
  TransportFailure,
} from "../../transport/transport.ts";
import type { BoundAddress, InboundPort, IngressPort } from "../../proxy-node.ts";
import type { HttpOrigin } from "../exchange.ts";
import { LINK_ALPN, type Credentials, type ProxyRuntime } from "../runtime.ts";
import type { TcpHandlerConfig } from "../snapshot.ts";
import type { Stack } from "../stack.ts";
import type { UpstreamRegistry } from "../upstream/upstream-registry.ts";
import type { ConnectionStarter } from "./outbound-connection.ts";
import { OUTBOUND_LISTENER, formatInboundListener, formatIngressListener } from "../../xds/names.ts";
import { parseWorkloadId } from "../../identity/spiffe-id.ts";
import { Http1DownstreamConnection } from "../http1/downstream-connection.ts";
import { TcpSession } from "../tcp/tcp-session.ts";
import { OutboundConnection } from "./outbound-connection.ts";

/** The sockets that a proxy serves traffic on. What arrives is judged by the listener's configuration of that moment. */
export class ListenerSet implements ConnectionStarter {
  readonly #runtime: ProxyRuntime;
  readonly #stack: Stack;
  readonly #upstreams: UpstreamRegistry;
  readonly #plain: Listener[] = [];
  readonly #mutual: Listener[] = [];

  constructor(runtime: ProxyRuntime, stack: Stack, upstreams: UpstreamRegistry) {
    this.#runtime = runtime;
    this.#stack = stack;
    this.#upstreams = upstreams;
  }

  /** The loopback listener for the app beside us. */
  async bindOutbound(wanted: BoundAddress): Promise<BoundAddress> {
    const listener = await this.#bindPlain(wanted, (connection) => {
      return new OutboundConnection(this.#runtime, this, this.#origin("outbound", OUTBOUND_LISTENER, connection));
    });
    return { address: wanted.address, port: listener.port };
  }

  async bindIngress(wanted: IngressPort): Promise<IngressPort> {
    let name = formatIngressListener(wanted.port);
    const listener = await this.#bindPlain(wanted, (connection) =>
      this.startHttp(this.#origin("ingress", name, connection)),
    );
    name = formatIngressListener(listener.port);
    return { ...wanted, port: listener.port };
  }

  /** Mutual TLS with the proxy's identity: plaintext and strangers end at the handshake. */
  async bindInbound(wanted: InboundPort, credentials: Credentials): Promise<InboundPort> {
    const { transport } = this.#runtime;
    const name = formatInboundListener(wanted.appPort);
    const listener = await transport.listen(
      { address: wanted.address, port: wanted.port, tls: toServerTls(credentials) },
      () => new InboundConnection(this.#runtime, (connection) => this.#startInbound(name, connection)),
    );
    this.#mutual.push(listener);
    return { ...wanted, port: listener.port };
  }

  /** New connections use the new certificate and roots; open ones are left alone. */
  async reload(credentials: Credentials): Promise<void> {
    const tls = toServerTls(credentials);
    await Promise.all(this.#mutual.map((listener) => listener.reloadTls(tls)));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#plain, ...this.#mutual].map((listener) => listener.close()));
  }

  startHttp(origin: HttpOrigin): ConnectionHandler {
    return new Http1DownstreamConnection(this.#runtime, this.#stack, origin);
  }

  startTcp(origin: HttpOrigin, config: TcpHandlerConfig): ConnectionHandler {
    return new TcpSession(this.#runtime, this.#upstreams, origin, config);
  }

  /** Null when the listener has no configuration: what cannot be judged is not served. */
  #startInbound(name: string, connection: Connection): ConnectionHandler | null {
    const handler = this.#runtime.snapshot?.listeners.get(name)?.defaultChain?.handler;
    if (handler === undefined) return null;
    const origin = this.#origin("inbound", name, connection);
    return handler.kind === "tcp" ? this.startTcp(origin, handler) : this.startHttp(origin);
  }

  #origin(direction: HttpOrigin["direction"], listener: string, connection: Connection): HttpOrigin {
    const peerId = direction === "inbound" ? (connection.peer.tls?.spiffeId ?? null) : null;
    return {
      listener,
      direction,
      source: direction === "inbound" ? toSource(peerId) : this.#runtime.self,
      peerId,
      peerAddress: connection.peer.remoteAddress,
      authority: null,
      edge: null,
    };
  }

  async #bindPlain(wanted: BoundAddress, accept: (connection: Connection) => ConnectionHandler): Promise<Listener> {
    const { transport, counters } = this.#runtime;
    const listener = await transport.listen({ address: wanted.address, port: wanted.port, tls: null }, (connection) => {
      counters.downstreamTotal += 1;
      return accept(connection);
    });
    this.#plain.push(listener);
    this.#runtime.ownPorts.add(listener.port);
    return listener;
  }
}

/** Waits for the handshake, as only then the peer is known, and hands over to what serves it. */
class InboundConnection implements ConnectionHandler {
  readonly #runtime: ProxyRuntime;
  readonly #start: (connection: Connection) => ConnectionHandler | null;
  #next: ConnectionHandler | null = null;

  constructor(runtime: ProxyRuntime, start: (connection: Connection) => ConnectionHandler | null) {
    this.#runtime = runtime;
    this.#start = start;
  }

  onOpen(connection: Connection): void {
    const { counters } = this.#runtime;
    counters.tlsAccepted += 1;
    counters.downstreamTotal += 1;
    this.#next = this.#start(connection);
    if (this.#next === null) connection.destroy();
    else this.#next.onOpen(connection);
  }

  onData(bytes: Uint8Array): void {
    this.#next?.onData(bytes);
  }

  onDrain(): void {
    this.#next?.onDrain();
  }

  onEnd(): void {
    this.#next?.onEnd();
  }

  onClose(failure: TransportFailure | null): void {
    if (this.#next !== null) {
      this.#next.onClose(failure);
      return;
    }
    this.#runtime.counters.tlsRefused += 1;
    this.#runtime.log.debug("inbound handshake refused", { reason: failure?.message ?? "closed" });
  }
}

function toServerTls(credentials: Credentials): TlsServerOptions {
  return { keyPair: credentials.keyPair, trustBundlePem: credentials.trustBundlePem, alpn: LINK_ALPN };
}

function toSource(peerId: string | null): string {
  const id = peerId === null ? null : parseWorkloadId(peerId);
  return id === null ? "" : `${id.namespace}/${id.serviceAccount}`;
}
