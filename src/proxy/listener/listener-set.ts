import type { TrafficListeners } from "./traffic-listeners.ts";
import type {
  Connection,
  ConnectionHandler,
  Listener,
  TlsServerOptions,
  TransportFailure,
} from "../../transport/transport.ts";
import type { BoundAddress, InboundPort, IngressPort, UdpPort } from "../../proxy-node.ts";
import type { HttpOrigin } from "../exchange.ts";
import {
  createServerCertificate,
  type ServerCertificate,
  TlsServerSession,
} from "../../transport/tls-server-session.ts";
import { EDGE_ALPN } from "../config/decode-listener.ts";
import { LINK_ALPN, type Credentials, type ProxyRuntime } from "../runtime.ts";
import type { TcpHandlerConfig } from "../snapshot.ts";
import type { Stack } from "../stack.ts";
import type { UpstreamRegistry } from "../upstream/upstream-registry.ts";
import type { ConnectionStarter } from "./outbound-connection.ts";
import {
  OUTBOUND_LISTENER,
  TCP_ALPN,
  UDP_ALPN,
  formatInboundListener,
  formatIngressListener,
  formatUdpListener,
  isUdpListener,
} from "../../xds/names.ts";
import { createOwnCertificate } from "../../identity/own-certificate.ts";
import { parseWorkloadId } from "../../identity/spiffe-id.ts";
import { Http2DownstreamConnection } from "../http2/downstream-connection.ts";
import { Http1DownstreamConnection } from "../http1/downstream-connection.ts";
import { DEFAULT_OPAQUE_PORTS } from "../../net/opaque-ports.ts";
import { BAD_REQUEST, NOT_READY, parseFailureName } from "../failures.ts";
import { normaliseAuthority } from "../route/find-route.ts";
import { recordConnection } from "../tcp/record-connection.ts";
import { TCP_CARRIER, UDP_CARRIER } from "../tcp/carrier.ts";
import { TcpSession } from "../tcp/tcp-session.ts";
import { UdpFlows } from "../udp/udp-flows.ts";
import { findDestination, type Destination, type Refusal } from "./find-destination.ts";
import { findInboundHandler } from "./find-inbound-handler.ts";
import { IngressConnection } from "./ingress-connection.ts";
import { NamedConnection } from "./named-connection.ts";
import { OutboundConnection, formatAuthority } from "./outbound-connection.ts";
import { RefusedConnection } from "./refused-connection.ts";

/** The sockets that a proxy serves traffic on. What arrives is judged by the listener's configuration of that moment. */
export class ListenerSet implements ConnectionStarter, TrafficListeners {
  readonly #runtime: ProxyRuntime;
  readonly #stack: Stack;
  readonly #upstreams: UpstreamRegistry;
  readonly #plain: Listener[] = [];
  readonly #mutual: { readonly listener: Listener; readonly alpn: readonly string[] }[] = [];
  readonly #flows: UdpFlows[] = [];
  /** Null until a client asks for a name that no other certificate is for. */
  #ownCertificate: ServerCertificate | null = null;

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

  async bindUdp(wanted: UdpPort): Promise<UdpPort> {
    const listener = formatUdpListener(wanted.service, wanted.servicePort);
    const flows = new UdpFlows(this.#runtime, (peerAddress) => {
      const { namespace, self } = this.#runtime;
      const authority = formatAuthority(shorten(wanted.service, namespace), wanted.servicePort);
      const source = { source: self, peerId: null, peerAddress };
      return this.#startFlow({ listener, direction: "outbound", ...source, authority, edge: null });
    });
    this.#flows.push(flows);
    return { ...wanted, port: await flows.bind(wanted.address, wanted.port) };
  }

  async bindIngress(wanted: IngressPort): Promise<IngressPort> {
    let name = formatIngressListener(wanted.port);
    const listener = await this.#bindPlain(wanted, (connection) => {
      const origin = this.#origin("ingress", name, connection);
      return new IngressConnection(this.#runtime, this, origin, () => this.#findOwnCertificate());
    });
    name = formatIngressListener(listener.port);
    return { ...wanted, port: listener.port };
  }

  /** Mutual TLS with the proxy's identity: plaintext and strangers end at the handshake. */
  async bindInbound(wanted: InboundPort, credentials: Credentials): Promise<InboundPort> {
    const { transport } = this.#runtime;
    const isUdp = wanted.protocol === "udp";
    const name = formatInboundListener(wanted.appPort, isUdp);
    const alpn = isUdp ? [UDP_ALPN] : [...LINK_ALPN, TCP_ALPN];
    const listener = await transport.listen(
      { address: wanted.address, port: wanted.port, tls: toServerTls(credentials, alpn) },
      (connection) => {
        const origin = this.#origin("inbound", name, connection);
        return new InboundConnection(this.#runtime, origin, (open) => this.#startInbound(name, open));
      },
    );
    this.#mutual.push({ listener, alpn });
    return { ...wanted, port: listener.port };
  }

  /** New connections use the new certificate and roots; open ones are left alone. */
  async reload(credentials: Credentials): Promise<void> {
    await Promise.all(this.#mutual.map(({ listener, alpn }) => listener.reloadTls(toServerTls(credentials, alpn))));
  }

  async close(): Promise<void> {
    for (const flows of this.#flows) flows.close();
    await Promise.all([...this.#plain, ...this.#mutual.map(({ listener }) => listener)].map((one) => one.close()));
  }

  startHttp(origin: HttpOrigin): ConnectionHandler {
    // CONNECT opens tunnels for the app beside us, and none inside a connection that was made to some name.
    const starter = origin.direction === "outbound" && origin.authority === null ? this : null;
    return new Http1DownstreamConnection(this.#runtime, this.#stack, origin, starter);
  }

  /** HTTP/2 with prior knowledge on plain listeners, and links that chose "h2". */
  startHttp2(origin: HttpOrigin): ConnectionHandler {
    return new Http2DownstreamConnection(this.#runtime, this.#stack, origin);
  }

  startTcp(origin: HttpOrigin, config: TcpHandlerConfig): ConnectionHandler {
    return new TcpSession(this.#runtime, this.#upstreams, origin, { config, carrier: TCP_CARRIER });
  }

  startNamed(origin: HttpOrigin, name: string, port: number): ConnectionHandler {
    const destination = this.#destination(origin, name, port);
    const named = { ...origin, authority: formatAuthority(name, port) };
    if (destination.kind === "tcp") return this.startTcp(named, destination.tcp);
    // Where servers usually speak first, a wait for the client's first byte is lost time.
    if (destination.kind === "detect" && DEFAULT_OPAQUE_PORTS.has(port)) return this.startTcp(named, destination.tcp);
    const detectMs = this.#runtime.snapshot?.listeners.get(origin.listener)?.detectMs ?? 0;
    return new NamedConnection(this.#runtime, this, named, { destination, detectMs });
  }

  refuseNamed(origin: HttpOrigin, name: string, port: number): Refusal | null {
    const destination = this.#destination(origin, name, port);
    return destination.kind === "refused" ? destination.refusal : null;
  }

  startTls(origin: HttpOrigin, name: string, port: number): ConnectionHandler {
    const destination = this.#destination(origin, name, port);
    const named = { ...origin, authority: formatAuthority(name, port) };
    if (destination.kind === "tcp" || destination.kind === "detect") return this.startTcp(named, destination.tcp);
    return new NamedConnection(this.#runtime, this, named, { destination, detectMs: 0 });
  }

  startServerTls(origin: HttpOrigin, certificate: ServerCertificate): ConnectionHandler {
    const { clock, counters, log } = this.#runtime;
    return new TlsServerSession({
      certificate,
      alpn: EDGE_ALPN,
      clock,
      start: ({ peer }) => (peer.tls?.alpn === "h2" ? this.startHttp2(origin) : this.startHttp(origin)),
      onRefused: (failure) => {
        counters.tlsRefused += 1;
        log.debug("ingress handshake failed", { reason: failure.message });
      },
    });
  }

  refuse(origin: HttpOrigin, refusal: Refusal, isTls: boolean): ConnectionHandler {
    return new RefusedConnection(this.#runtime, origin, refusal, isTls);
  }

  #findOwnCertificate(): ServerCertificate {
    const { clock, random } = this.#runtime;
    this.#ownCertificate ??= createServerCertificate(createOwnCertificate(clock.wallMs(), random));
    return this.#ownCertificate;
  }

  #destination(origin: HttpOrigin, name: string, port: number): Destination {
    return findDestination(this.#runtime.snapshot, origin.listener, normaliseAuthority(name), port);
  }

  /** By what the peer's proxy said that it brings (ALPN). What cannot be judged, or does not fit the port, is not served. */
  #startInbound(name: string, connection: Connection): ConnectionHandler {
    const alpn = connection.peer.tls?.alpn ?? null;
    const origin = this.#origin("inbound", name, connection);
    const listener = this.#runtime.snapshot?.listeners.get(name);
    if (listener === undefined) {
      return this.refuse(origin, { code: NOT_READY, detail: "the port has no configuration yet" }, false);
    }
    const handler = findInboundHandler(listener, alpn);
    if (handler === null) return this.refuse(origin, describeUnfit(alpn), false);
    if (handler.kind === "tcp" && alpn === UDP_ALPN) {
      return new TcpSession(this.#runtime, this.#upstreams, origin, { config: handler, carrier: UDP_CARRIER });
    }
    if (handler.kind === "tcp") return this.startTcp(origin, handler);
    return alpn === "h2" ? this.startHttp2(origin) : this.startHttp(origin);
  }

  #startFlow(origin: HttpOrigin): ConnectionHandler {
    const handler = this.#runtime.snapshot?.listeners.get(origin.listener)?.defaultChain?.handler;
    if (handler?.kind !== "tcp") {
      return this.refuse(origin, { code: NOT_READY, detail: "the port has no configuration yet" }, false);
    }
    return new TcpSession(this.#runtime, this.#upstreams, origin, { config: handler, carrier: UDP_CARRIER });
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
  /** Before anybody is known. */
  readonly #origin: HttpOrigin;
  readonly #start: (connection: Connection) => ConnectionHandler;
  #next: ConnectionHandler | null = null;

  constructor(runtime: ProxyRuntime, origin: HttpOrigin, start: (connection: Connection) => ConnectionHandler) {
    this.#runtime = runtime;
    this.#origin = { ...origin, source: "", peerId: null };
    this.#start = start;
  }

  onOpen(connection: Connection): void {
    const { counters } = this.#runtime;
    counters.tlsAccepted += 1;
    counters.downstreamTotal += 1;
    this.#next = this.#start(connection);
    this.#next.onOpen(connection);
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
    if (failure?.refusal === undefined) return;
    recordConnection(this.#runtime, this.#origin, {
      protocol: isUdpListener(this.#origin.listener) ? "udp" : "tcp",
      code: parseFailureName(failure.refusal),
      detail: failure.message,
      service: "",
      endpoint: null,
      durationMs: 0,
      sentBytes: 0,
      receivedBytes: 0,
    });
  }
}

/** As an app of `namespace` calls it. */
function shorten(service: string, namespace: string): string {
  const slash = service.indexOf("/");
  const name = service.slice(slash + 1);
  return service.slice(0, slash) === namespace ? name : `${name}.${service.slice(0, slash)}`;
}

function toServerTls(credentials: Credentials, alpn: readonly string[]): TlsServerOptions {
  const { keyPair, peers, trustBundlePem } = credentials;
  return { keyPair, trustBundlePem, ...(peers === undefined ? {} : { peers }), alpn };
}

function describeUnfit(alpn: string | null): Refusal {
  const detail =
    alpn === TCP_ALPN
      ? "the caller's proxy brings opaque bytes, and this port takes requests: declare the port as detect or tcp, or call it by HTTP"
      : `the caller's proxy brings ${alpn ?? "requests"}, and this port takes opaque bytes`;
  return { code: BAD_REQUEST, detail };
}

function toSource(peerId: string | null): string {
  const id = peerId === null ? null : parseWorkloadId(peerId);
  return id === null ? "" : `${id.namespace}/${id.serviceAccount}`;
}
