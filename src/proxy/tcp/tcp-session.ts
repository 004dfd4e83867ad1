import type { Connection, ConnectionHandler, TransportFailure } from "../../transport/transport.ts";
import type { Timer } from "../../time/clock.ts";
import type { HttpOrigin } from "../exchange.ts";
import type { Drainable, ProxyRuntime } from "../runtime.ts";
import type { AccessPolicy, TcpHandlerConfig } from "../snapshot.ts";
import type { ClusterState } from "../upstream/cluster-state.ts";
import type { EndpointState } from "../upstream/endpoint-state.ts";
import type { UpstreamRegistry } from "../upstream/upstream-registry.ts";
import { formatDeniedCall } from "../../observe/would-deny.ts";
import { isConnectionAllowed } from "../filters/access-filter.ts";
import {
  ACCESS_DENIED,
  DOWNSTREAM_CLOSED,
  LOOP_DETECTED,
  NO_CLUSTER,
  NO_ENDPOINT,
  NO_FAILURE,
  NO_IDENTITY,
  NO_ROUTE,
  PEER_IDENTITY,
  UPSTREAM_RESET,
} from "../failures.ts";
import { pickWeighted } from "../layers/pick-layer.ts";
import { parseDialTarget } from "../route/dial-target.ts";
import type { Carrier } from "./carrier.ts";
import { findInboundHandler } from "../listener/find-inbound-handler.ts";
import { OUTCOME_ABANDONED, OUTCOME_OK, OUTCOME_RESET, OUTCOME_TIMEOUT } from "../upstream/attempt-outcome.ts";
import { describeDialFailure, refusePeer, toDialFailureCode } from "../upstream/dial.ts";
import { recordConnection } from "./record-connection.ts";

/** What carries opaque bytes of one kind, and where they go. */
export interface OpaqueService {
  readonly config: TcpHandlerConfig;
  readonly carrier: Carrier;
}

/** Endpoints tried before a connection is given up: nothing has been sent to any of them. */
const MAX_ATTEMPTS = 3;
/** Long connections get this long to end by themselves when the proxy drains. */
const DRAIN_MS = 10_000;

/**
 * One opaque TCP connection carried to an endpoint: bytes pass as they come, both ways, with half-close kept and each side
 * paused while the other cannot take more. The endpoint is chosen per connection, by open ones. There
 * is no limit to how long it may be silent; the transport's keep-alive finds peers that are gone.
 *
 *   denied or unreachable <-- connecting --connected--> open --both sides ended, reset, policy withdrawn--> ended
 */
export class TcpSession implements ConnectionHandler, Drainable {
  readonly #runtime: ProxyRuntime;
  readonly #upstreams: UpstreamRegistry;
  readonly #origin: HttpOrigin;
  readonly #config: TcpHandlerConfig;
  readonly #carrier: Carrier;
  /** What came before the upstream was connected; reads are paused meanwhile. */
  readonly #early: Uint8Array[] = [];
  #downstream: Connection | null = null;
  /** The current attempt; its connection is open once it is in `#upstream`. */
  #attempt: UpstreamAttempt | null = null;
  #upstream: Connection | null = null;
  #cluster: ClusterState | null = null;
  /** Of the last attempt. */
  #endpoint: EndpointState | null = null;
  #attempts: number = 0;
  #downstreamEnded: boolean = false;
  #ended: boolean = false;
  #drainTimer: Timer | null = null;
  #startedMs: number = 0;
  #deniedCall: string = "";
  #sentBytes: number = 0;
  #receivedBytes: number = 0;

  constructor(runtime: ProxyRuntime, upstreams: UpstreamRegistry, origin: HttpOrigin, service: OpaqueService) {
    this.#runtime = runtime;
    this.#upstreams = upstreams;
    this.#origin = origin;
    this.#config = service.config;
    this.#carrier = service.carrier;
  }

  // Downstream

  onOpen(connection: Connection): void {
    this.#downstream = connection;
    this.#runtime.downstreams.add(this);
    this.#startedMs = this.#runtime.clock.nowMs();
    connection.pauseReads();
    connection.ownWrites();
    const access = this.#config.access;
    if (access !== null && !isConnectionAllowed(access, this.#origin.peerId)) {
      if (access.enforced) {
        this.#runtime.counters.accessDenied += 1;
        this.#fail(ACCESS_DENIED, describeDenial(access, this.#origin, this.#carrier));
        return;
      }
      this.#runtime.counters.accessShadowDenied += 1;
      const port = this.#runtime.snapshot?.listeners.get(this.#origin.listener)?.port ?? 0;
      this.#deniedCall = formatDeniedCall({ port, method: "", path: "" });
    }
    this.#connect(null);
  }

  onData(bytes: Uint8Array): void {
    this.#sentBytes += bytes.length;
    if (this.#upstream === null) this.#early.push(bytes);
    else if (!this.#upstream.write(bytes)) this.#downstream?.pauseReads();
  }

  onDrain(): void {
    this.#upstream?.resumeReads();
  }

  onEnd(): void {
    this.#downstreamEnded = true;
    this.#upstream?.end();
  }

  onClose(_failure: TransportFailure | null): void {
    this.#downstream = null;
    this.#finish(this.#upstream === null ? DOWNSTREAM_CLOSED : NO_FAILURE, null);
    this.#abandon();
  }

  drain(): void {
    this.#drainTimer ??= this.#runtime.clock.after(DRAIN_MS, endSession, this as TcpSession);
  }

  /** A policy changed: what it no longer allows ends now. */
  recheck(): void {
    if (this.#origin.direction !== "inbound") return;
    const listener = this.#runtime.snapshot?.listeners.get(this.#origin.listener);
    if (listener === undefined) return;
    const handler = findInboundHandler(listener, this.#downstream?.peer.tls?.alpn ?? null);
    if (handler !== null && handler.kind === "tcp") {
      const access = handler.access;
      if (access === null || !access.enforced || isConnectionAllowed(access, this.#origin.peerId)) return;
    }
    // Else the port takes requests only from now on, and no rule of it is about connections.
    this.#runtime.counters.accessDenied += 1;
    this.#fail(ACCESS_DENIED, "the policy that allowed this connection was withdrawn");
  }

  close(): void {
    this.#downstream?.destroy();
  }

  // Upstream, by way of UpstreamAttempt.

  /** False: the endpoint is not who it should be. */
  onConnected(attempt: UpstreamAttempt, connection: Connection): boolean {
    if (attempt !== this.#attempt) return true;
    const cluster = this.#cluster;
    const refusal = cluster === null ? null : refusePeer(cluster.config, connection);
    if (refusal !== null) {
      this.#retryOrFail(PEER_IDENTITY, refusal);
      return false;
    }
    this.#upstream = connection;
    connection.ownWrites();
    for (const bytes of this.#early.splice(0)) connection.write(bytes);
    if (this.#downstreamEnded) connection.end();
    this.#downstream?.resumeReads();
    return true;
  }

  onUpstreamData(bytes: Uint8Array): void {
    this.#receivedBytes += bytes.length;
    if (this.#downstream !== null && !this.#downstream.write(bytes)) this.#upstream?.pauseReads();
  }

  onUpstreamDrain(): void {
    this.#downstream?.resumeReads();
  }

  onUpstreamEnd(): void {
    this.#downstream?.end();
  }

  onUpstreamClosed(attempt: UpstreamAttempt, failure: TransportFailure | null): void {
    if (attempt !== this.#attempt) return;
    const cluster = this.#cluster;
    const endpoint = this.#endpoint;
    if (this.#upstream === null && cluster !== null && endpoint !== null) {
      const detail = describeDialFailure(cluster.config, endpoint.config, failure);
      this.#retryOrFail(toDialFailureCode(cluster.config, failure), detail);
      return;
    }
    if (failure === null) this.#downstream?.end();
    else this.#fail(UPSTREAM_RESET, failure.message);
  }

  #connect(avoided: EndpointState | null): void {
    const runtime = this.#runtime;
    const cluster = this.#chooseCluster();
    if (cluster === null) return;
    const withheld = cluster.config.withheld ?? null;
    if (withheld !== null) {
      this.#runtime.counters.accessWithheld += 1;
      // No rule names this proxy's identity, whatever it looks at.
      this.#fail(
        ACCESS_DENIED,
        describeDenial(withheld, { ...this.#origin, source: this.#runtime.self, peerId: null }, this.#carrier),
      );
      return;
    }
    this.#attempts += 1;
    const endpoint = cluster.config.kind === "dynamic" ? this.#findHost(cluster) : cluster.pick(0, avoided);
    if (endpoint === null) {
      this.#fail(NO_ENDPOINT, `service "${cluster.config.service}" has no ready instance`);
      return;
    }
    const isPlain = cluster.config.peerIdentities === null;
    if (!isPlain && runtime.credentials === null) {
      this.#fail(NO_IDENTITY, null);
      return;
    }
    this.#endpoint = endpoint;
    const attempt = new UpstreamAttempt(this, endpoint);
    this.#attempt = attempt;
    const { address: host, port } = endpoint.config;
    const target = { host, port, timeoutMs: cluster.config.connectTimeoutMs };
    attempt.connection =
      isPlain || runtime.credentials === null
        ? this.#carrier.connectPlain(runtime, target, attempt)
        : runtime.transport.connect({ ...target, tls: this.#carrier.tls(runtime.credentials) }, attempt);
  }

  #chooseCluster(): ClusterState | null {
    if (this.#cluster !== null) return this.#cluster;
    const name = pickWeighted(this.#config.clusters, this.#runtime) ?? "";
    this.#cluster = this.#upstreams.get(name) ?? null;
    if (this.#cluster === null) this.#fail(NO_CLUSTER, `cluster "${name}" is not in the proxy's configuration`);
    return this.#cluster;
  }

  /** A host outside the mesh, by the name and port of the connection itself. Null when the session has failed. */
  #findHost(cluster: ClusterState): EndpointState | null {
    const authority = this.#origin.authority ?? "";
    const target = parseDialTarget(authority);
    if (target === null) {
      this.#fail(NO_ROUTE, `"${authority}" is not a host that can be called`);
      return null;
    }
    if (target.isLoopback && this.#runtime.ownPorts.has(target.port)) {
      this.#fail(LOOP_DETECTED, `"${authority}" is this proxy itself`);
      return null;
    }
    if (this.#attempts === 1) this.#runtime.counters.egress += 1;
    return cluster.pickDynamic(target);
  }

  #retryOrFail(code: number, detail: string): void {
    const endpoint = this.#endpoint;
    this.#abandon();
    const again = this.#cluster?.config.kind === "eds" && this.#attempts < MAX_ATTEMPTS;
    if (again && this.#cluster?.retryBudget.withdraw() === true) {
      this.#runtime.counters.retries += 1;
      this.#connect(endpoint);
      return;
    }
    this.#fail(code, detail);
  }

  /** The attempt's later events are nobody's. */
  #abandon(): void {
    const attempt = this.#attempt;
    this.#attempt = null;
    this.#upstream = null;
    attempt?.connection?.destroy();
  }

  #fail(code: number, detail: string | null): void {
    this.#finish(code, detail);
    this.#abandon();
    this.#downstream?.destroy();
  }

  #finish(code: number, detail: string | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#drainTimer?.clear();
    this.#early.length = 0;
    const runtime = this.#runtime;
    runtime.forget(this);
    recordConnection(runtime, this.#origin, {
      protocol: this.#carrier.protocol,
      code,
      detail,
      service: this.#cluster?.config.service ?? "",
      endpoint: this.#endpoint?.config ?? null,
      durationMs: runtime.clock.nowMs() - this.#startedMs,
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
      deniedCall: this.#deniedCall,
    });
  }
}

/** One connection to an endpoint. It tells its session apart from the attempts before it, whose events may come late. */
class UpstreamAttempt implements ConnectionHandler {
  readonly #session: TcpSession;
  readonly #endpoint: EndpointState;
  connection: Connection | null = null;
  #answered: boolean = false;

  constructor(session: TcpSession, endpoint: EndpointState) {
    this.#session = session;
    this.#endpoint = endpoint;
    endpoint.attemptBegan();
  }

  onOpen(connection: Connection): void {
    this.#answered = true;
    const accepted = this.#session.onConnected(this, connection);
    // How long it took to connect says nothing about how busy the app is.
    this.#endpoint.attemptAnswered(accepted ? OUTCOME_OK : OUTCOME_RESET, -1);
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
    if (!this.#answered) this.#endpoint.attemptAnswered(toOutcome(failure), -1);
    this.#endpoint.attemptEnded();
    this.#session.onUpstreamClosed(this, failure);
  }
}

/** Of a connection that was never open; without a failure it was given up here. */
function toOutcome(failure: TransportFailure | null): number {
  if (failure === null) return OUTCOME_ABANDONED;
  return failure.kind === "timeout" ? OUTCOME_TIMEOUT : OUTCOME_RESET;
}

function describeDenial(access: AccessPolicy, origin: HttpOrigin, { protocol, routeKind }: Carrier): string {
  const caller = origin.source || "an unknown caller";
  const needsRequests = access.rules.some((rule) => {
    return rule.matches !== null && origin.peerId !== null && rule.principals.has(origin.peerId);
  });
  return needsRequests
    ? `the TrafficTargets that allow ${caller} look at HTTP requests, and this connection carries opaque bytes; a ${routeKind} rule would allow it`
    : `no TrafficTarget allows ${caller} to ${protocol === "udp" ? "send datagrams" : "open opaque connections"}; a ${routeKind} rule would`;
}

function endSession(session: TcpSession): void {
  session.close();
}
