import type { Connection, ConnectionHandler, TransportFailure } from "../../transport/transport.ts";
import type { HttpOrigin } from "../exchange.ts";
import type { Drainable, ProxyRuntime } from "../runtime.ts";
import type { TcpHandlerConfig } from "../snapshot.ts";
import type { ClusterState } from "../upstream/cluster-state.ts";
import type { EndpointState } from "../upstream/endpoint-state.ts";
import type { UpstreamRegistry } from "../upstream/upstream-registry.ts";
import { isConnectionAllowed } from "../filters/access-filter.ts";
import {
  ACCESS_DENIED,
  DOWNSTREAM_CLOSED,
  NO_CLUSTER,
  NO_ENDPOINT,
  NO_FAILURE,
  NO_IDENTITY,
  PEER_IDENTITY,
  UPSTREAM_RESET,
  getFailure,
} from "../failures.ts";
import { pickWeighted } from "../layers/pick-layer.ts";
import { dialEndpoint, refusePeer, toDialFailureCode } from "../upstream/dial.ts";

/** Endpoints tried before a connection is given up: nothing has been sent to any of them. */
const MAX_ATTEMPTS = 3;
/** What a client may send before its upstream is connected; its reads are paused meanwhile. */
const DRAIN_MS = 10_000;

/**
 * One opaque TCP connection carried to an endpoint: bytes pass as they come, both ways, with half-close kept and each side
 * paused while the other cannot take more. The endpoint is chosen per connection.
 */
export class TcpSession implements ConnectionHandler, Drainable {
  readonly #runtime: ProxyRuntime;
  readonly #upstreams: UpstreamRegistry;
  readonly #origin: HttpOrigin;
  readonly #config: TcpHandlerConfig;
  readonly #upstream: UpstreamSide = new UpstreamSide(this);
  readonly #early: Uint8Array[] = [];
  #downstream: Connection | null = null;
  #connection: Connection | null = null;
  #cluster: ClusterState | null = null;
  #endpoint: EndpointState | null = null;
  #attempts: number = 0;
  #downstreamEnded: boolean = false;
  #ended: boolean = false;
  #startedMs: number = 0;
  #sentBytes: number = 0;
  #receivedBytes: number = 0;

  constructor(runtime: ProxyRuntime, upstreams: UpstreamRegistry, origin: HttpOrigin, config: TcpHandlerConfig) {
    this.#runtime = runtime;
    this.#upstreams = upstreams;
    this.#origin = origin;
    this.#config = config;
  }

  // Downstream

  onOpen(connection: Connection): void {
    this.#downstream = connection;
    this.#runtime.downstreams.add(this);
    this.#startedMs = this.#runtime.clock.nowMs();
    connection.pauseReads();
    const access = this.#config.access;
    if (access !== null && !isConnectionAllowed(access, this.#origin.peerId)) {
      if (access.enforced) {
        this.#runtime.counters.accessDenied += 1;
        this.#fail(ACCESS_DENIED, `no TrafficTarget allows ${this.#origin.source || "an unknown caller"} to connect`);
        return;
      }
      this.#runtime.counters.accessShadowDenied += 1;
    }
    this.#connect(null);
  }

  onData(bytes: Uint8Array): void {
    this.#sentBytes += bytes.length;
    if (this.#connection === null || this.#early.length > 0) this.#early.push(bytes);
    else if (!this.#connection.write(bytes)) this.#downstream?.pauseReads();
  }

  onDrain(): void {
    this.#connection?.resumeReads();
  }

  onEnd(): void {
    this.#downstreamEnded = true;
    this.#connection?.end();
  }

  onClose(_failure: TransportFailure | null): void {
    this.#downstream = null;
    this.#connection?.destroy();
    this.#finish(this.#connection === null ? DOWNSTREAM_CLOSED : NO_FAILURE, null);
  }

  /** Long connections get a while to end by themselves; the process closes what is left. */
  drain(): void {
    this.#runtime.clock.after(DRAIN_MS, endSession, this as TcpSession);
  }

  /** A policy changed: what it no longer allows ends now. */
  recheck(): void {
    const listener = this.#runtime.snapshot?.listeners.get(this.#origin.listener);
    const handler = listener?.defaultChain?.handler;
    if (this.#origin.direction !== "inbound" || handler === undefined || handler.access === null) return;
    if (handler.access.enforced && !isConnectionAllowed(handler.access, this.#origin.peerId)) {
      this.#runtime.counters.accessDenied += 1;
      this.#fail(ACCESS_DENIED, "the policy that allowed this connection was withdrawn");
    }
  }

  close(): void {
    this.#downstream?.destroy();
  }

  // Upstream, by way of UpstreamSide.

  onConnected(connection: Connection): void {
    const cluster = this.#cluster;
    if (cluster === null || this.#downstream === null) {
      connection.destroy();
      return;
    }
    const refusal = refusePeer(cluster.config, connection);
    if (refusal !== null) {
      connection.destroy();
      this.#retryOrFail(PEER_IDENTITY, refusal);
      return;
    }
    this.#connection = connection;
    for (const bytes of this.#early.splice(0)) connection.write(bytes);
    if (this.#downstreamEnded) connection.end();
    this.#downstream.resumeReads();
  }

  onUpstreamData(bytes: Uint8Array): void {
    this.#receivedBytes += bytes.length;
    if (this.#downstream !== null && !this.#downstream.write(bytes)) this.#connection?.pauseReads();
  }

  onUpstreamDrain(): void {
    this.#downstream?.resumeReads();
  }

  onUpstreamEnd(): void {
    this.#downstream?.end();
  }

  onUpstreamClosed(failure: TransportFailure | null): void {
    const cluster = this.#cluster;
    if (this.#connection === null && cluster !== null && this.#downstream !== null) {
      this.#retryOrFail(toDialFailureCode(cluster.config, failure), failure?.message ?? "closed while connecting");
      return;
    }
    this.#connection = null;
    if (failure === null || this.#ended) this.#downstream?.end();
    else this.#fail(UPSTREAM_RESET, failure.message);
  }

  #connect(avoided: EndpointState | null): void {
    const runtime = this.#runtime;
    if (this.#cluster === null) {
      const name = pickWeighted(this.#config.clusters, runtime) ?? "";
      this.#cluster = this.#upstreams.get(name) ?? null;
      if (this.#cluster === null) {
        this.#fail(NO_CLUSTER, `cluster "${name}" is not in the proxy's configuration`);
        return;
      }
    }
    const cluster = this.#cluster;
    this.#attempts += 1;
    this.#endpoint = cluster.pick(avoided);
    if (this.#endpoint === null) {
      this.#fail(NO_ENDPOINT, `service "${cluster.config.service}" has no ready instance`);
      return;
    }
    const tls = cluster.config.peerIdentities !== null;
    if (tls && runtime.credentials === null) {
      this.#fail(NO_IDENTITY, null);
      return;
    }
    const credentials = tls ? runtime.credentials : null;
    dialEndpoint(runtime, cluster.config, this.#endpoint.config, { credentials, handler: this.#upstream });
  }

  #retryOrFail(code: number, detail: string): void {
    const local = this.#cluster?.config.kind === "static";
    if (!local && this.#attempts < MAX_ATTEMPTS && this.#cluster?.retryBudget.withdraw() === true) {
      this.#runtime.counters.retries += 1;
      this.#connect(this.#endpoint);
      return;
    }
    this.#fail(code, detail);
  }

  #fail(code: number, detail: string | null): void {
    this.#finish(code, detail);
    this.#connection?.destroy();
    this.#downstream?.destroy();
  }

  #finish(code: number, detail: string | null): void {
    if (this.#ended) return;
    this.#ended = true;
    const runtime = this.#runtime;
    runtime.forget(this);
    const inbound = this.#origin.direction === "inbound";
    const edge = runtime.edges.edge({
      direction: this.#origin.direction,
      source: inbound ? this.#origin.source : runtime.self,
      destination: inbound ? runtime.self : (this.#cluster?.config.service ?? ""),
      version: inbound ? "" : (this.#endpoint?.config.version ?? ""),
      protocol: "tcp",
    });
    const durationMs = runtime.clock.nowMs() - this.#startedMs;
    edge.record(0, code, durationMs);
    edge.requestBytes += this.#sentBytes;
    edge.responseBytes += this.#receivedBytes;
    const failure = getFailure(code);
    runtime.accessLog?.connection(
      {
        flag: code === NO_FAILURE ? "-" : failure.flag,
        failure: code === NO_FAILURE ? null : failure.name,
        detail,
        durationMs: Math.round(durationMs * 1000) / 1000,
        requestBytes: this.#sentBytes,
        responseBytes: this.#receivedBytes,
        peer: this.#origin.peerAddress,
      },
      edge.labels,
    );
  }
}

/** Names the upstream's events apart from the downstream's. */
class UpstreamSide implements ConnectionHandler {
  readonly #session: TcpSession;

  constructor(session: TcpSession) {
    this.#session = session;
  }

  onOpen(connection: Connection): void {
    this.#session.onConnected(connection);
  }

  onData(bytes: Uint8Array): void {
    this.#session.onUpstreamData(bytes);
  }

  onDrain(): void {
    this.#session.onUpstreamDrain();
  }

  onEnd(): void {
    this.#session.onUpstreamEnd();
  }

  onClose(failure: TransportFailure | null): void {
    this.#session.onUpstreamClosed(failure);
  }
}

function endSession(session: TcpSession): void {
  session.close();
}
