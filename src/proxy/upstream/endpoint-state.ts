import type { EdgeStats } from "../../observe/edge-stats.ts";
import type { Exchange } from "../exchange.ts";
import type { Credentials, ProxyRuntime } from "../runtime.ts";
import type { EndpointConfig } from "../snapshot.ts";
import type { Host } from "../balance/host.ts";
import type { ClusterState } from "./cluster-state.ts";
import { HostStats } from "../balance/host-stats.ts";
import { HostHealth } from "../health/host-health.ts";
import { EndpointLoad } from "../load/endpoint-load.ts";
import { Http1Pool } from "./http1-pool.ts";
import { Http2Links } from "./http2-pool.ts";

/**
 * What is remembered of one endpoint: its connections, its load and its health. It outlives snapshots that keep the
 * endpoint; `retire` lets open exchanges finish and closes the rest.
 */
export class EndpointState implements Host {
  readonly runtime: ProxyRuntime;
  readonly cluster: ClusterState;
  /** The same address, version and workload for life; weight, zone and priority may change. */
  config: EndpointConfig;
  /** Requests of this proxy that it works on, and TCP sessions. */
  inFlight: number = 0;
  readonly load: EndpointLoad;
  readonly stats: HostStats = new HostStats();
  readonly health: HostHealth = new HostHealth();
  readonly addedMs: number;
  readonly #http1: Http1Pool;
  readonly #http2: Http2Links;
  #retired: boolean = false;
  edge: EdgeStats | null = null;

  constructor(runtime: ProxyRuntime, cluster: ClusterState, config: EndpointConfig) {
    this.runtime = runtime;
    this.cluster = cluster;
    this.config = config;
    this.load = new EndpointLoad(runtime.clock, this);
    this.addedMs = runtime.clock.nowMs();
    this.#http1 = new Http1Pool(this);
    this.#http2 = new Http2Links(this);
  }

  /** Sends `x` over a connection now or when one is there; a failure arrives as `x.onAttemptFailed`, maybe at once. */
  checkout(x: Exchange): void {
    if (this.#speaksHttp2(x)) this.#http2.checkout(x);
    else this.#http1.checkout(x);
  }

  /** An attempt, or a session, begins. `attemptEnded` follows once, and before it `attemptAnswered` at most once. */
  attemptBegan(): void {
    this.inFlight += 1;
  }

  /**
   * A response head came, or the attempt failed. `outcome`: see `attempt-outcome.ts`; `latencyMs` since it began, -1 = it
   * says nothing.
   */
  attemptAnswered(outcome: number, latencyMs: number): void {
    this.cluster.observe(this, outcome, latencyMs);
  }

  /** The response has ended, or will never come. */
  attemptEnded(): void {
    this.inFlight -= 1;
  }

  /** Opens the link ahead of need. */
  warm(): void {
    if (!this.#retired && this.cluster.config.peerIdentities !== null) this.#http2.warm();
  }

  /** The endpoint left the configuration. */
  retire(): void {
    this.#retired = true;
    this.#http1.retire();
    this.#http2.retire();
  }

  connectionCount(): number {
    return this.#http1.connectionCount() + this.#http2.connectionCount();
  }

  /** No connection is kept for later. */
  isClosing(): boolean {
    return this.#retired || this.runtime.draining;
  }

  /** What to dial with: null = in the clear, undefined = a certificate is needed and there is none yet. */
  dialCredentials(): Credentials | null | undefined {
    if (this.cluster.config.peerIdentities === null) return null;
    return this.runtime.credentials ?? undefined;
  }

  name(): string {
    return `${this.config.address}:${this.config.port}`;
  }

  /** Between proxies always; with apps as declared, and for gRPC unless HTTP/1.1 is declared. */
  #speaksHttp2(x: Exchange): boolean {
    const { peerIdentities, appProtocol } = this.cluster.config;
    if (peerIdentities !== null || appProtocol === "http2") return true;
    return appProtocol === "auto" && x.grpc;
  }
}
