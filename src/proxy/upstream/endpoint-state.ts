import type { EdgeStats } from "../../observe/edge-stats.ts";
import type { Exchange } from "../exchange.ts";
import type { Credentials, ProxyRuntime } from "../runtime.ts";
import type { EndpointConfig } from "../snapshot.ts";
import type { ClusterState } from "./cluster-state.ts";
import { EndpointLoad } from "../load/endpoint-load.ts";
import { Http1Pool } from "./http1-pool.ts";
import { Http2Links } from "./http2-pool.ts";

/**
 * What is remembered of one endpoint: its connections and its load. It outlives snapshots that keep the endpoint; `retire`
 * lets open exchanges finish and closes the rest.
 */
export class EndpointState {
  readonly runtime: ProxyRuntime;
  readonly cluster: ClusterState;
  readonly config: EndpointConfig;
  readonly load: EndpointLoad = new EndpointLoad();
  readonly #http1: Http1Pool;
  readonly #http2: Http2Links;
  #retired: boolean = false;
  /** TCP sessions that go to it now. */
  openSessions: number = 0;
  edge: EdgeStats | null = null;

  constructor(runtime: ProxyRuntime, cluster: ClusterState, config: EndpointConfig) {
    this.runtime = runtime;
    this.cluster = cluster;
    this.config = config;
    this.#http1 = new Http1Pool(this);
    this.#http2 = new Http2Links(this);
  }

  /** Sends `x` over a connection now or when one is there; a failure arrives as `x.onAttemptFailed`, maybe at once. */
  checkout(x: Exchange): void {
    if (this.#speaksHttp2(x)) this.#http2.checkout(x);
    else this.#http1.checkout(x);
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
