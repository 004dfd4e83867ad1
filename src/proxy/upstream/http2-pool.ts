import type { Exchange } from "../exchange.ts";
import type { ClusterLimits } from "../circuit/cluster-limits.ts";
import type { EndpointState } from "./endpoint-state.ts";
import { OVERFLOW } from "../failures.ts";
import { type Http2Pool, Http2UpstreamConnection } from "../http2/upstream-connection.ts";
import { WaitingLine, describeOverflow } from "./waiting-line.ts";

/** To one endpoint, whatever the cluster's limits allow. One is enough but for servers that allow few streams on each. */
const MAX_CONNECTIONS = 128;

/** The HTTP/2 connections to one endpoint: one that all requests share, and more when the server limits its streams. */
export class Http2Links implements Http2Pool {
  readonly #endpoint: EndpointState;
  readonly #usable: Http2UpstreamConnection[] = [];
  readonly #limits: ClusterLimits;
  /** While the first connection opens, or all are at the server's limit of streams. */
  readonly #waiting: WaitingLine;
  #connections: number = 0;
  #connecting: number = 0;
  #retired: boolean = false;

  constructor(endpoint: EndpointState) {
    this.#endpoint = endpoint;
    this.#limits = endpoint.cluster.health.limits;
    this.#waiting = new WaitingLine(this.#limits);
  }

  /** Sends `x` on a connection now or when one is there; a failure arrives as `x.onAttemptFailed`, maybe at once. */
  checkout(x: Exchange): void {
    const connection = this.#choose();
    if (connection !== null) {
      connection.assign(x);
      return;
    }
    if (!this.#waiting.add(x, false)) {
      x.onAttemptFailed(OVERFLOW, describeOverflow(this.#endpoint, this.#waiting.length()));
      return;
    }
    this.#openWanted();
  }

  /** Opens a connection ahead of need, when there is none. */
  warm(): void {
    if (this.#connections === 0 && !this.#retired && this.#limits.hasConnectionRoom()) this.#open();
  }

  onUsable(connection: Http2UpstreamConnection): void {
    if (!this.#usable.includes(connection)) {
      this.#connecting -= 1;
      this.#usable.push(connection);
    }
    while (connection.canTake()) {
      const x = this.#waiting.nextToSend(this.#endpoint.runtime.clock.nowMs());
      if (x === null) break;
      connection.assign(x);
    }
    this.#openWanted();
    if (this.#retired) connection.close();
  }

  hasWaiting(): boolean {
    return this.#waiting.length() > 0;
  }

  onOpenFailed(_connection: Http2UpstreamConnection, code: number, detail: string): void {
    this.#connecting -= 1;
    this.#release();
    // All wait for the one connection, so all share its fate: they go to another instance, or learn why not. Taken out
    // before the first learns, as those that try this one again wait for another connection.
    const failed: Exchange[] = [];
    for (let x = this.#waiting.next(); x !== null; x = this.#waiting.next()) failed.push(x);
    for (const x of failed) if (x.active) x.onAttemptFailed(code, detail);
  }

  onSpent(connection: Http2UpstreamConnection): void {
    const index = this.#usable.indexOf(connection);
    if (index < 0) return;
    this.#usable.splice(index, 1);
    this.#release();
    this.#openWanted();
  }

  retire(): void {
    this.#retired = true;
    for (const connection of [...this.#usable]) connection.close();
  }

  connectionCount(): number {
    return this.#connections;
  }

  /** The one with the fewest streams of those that take more; nearly always there is only one. */
  #choose(): Http2UpstreamConnection | null {
    let best: Http2UpstreamConnection | null = null;
    let fewest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#usable.length; i += 1) {
      const connection = this.#usable[i];
      if (connection === undefined || !connection.canTake()) continue;
      const streams = connection.activeStreams();
      if (streams >= fewest) continue;
      fewest = streams;
      best = connection;
    }
    return best;
  }

  #openWanted(): void {
    if (this.#waiting.length() > 0 && this.#connecting === 0 && this.#connections < MAX_CONNECTIONS) this.#open();
  }

  #release(): void {
    this.#connections -= 1;
    this.#limits.releaseConnection();
  }

  #open(): void {
    const credentials = this.#endpoint.dialCredentials();
    if (credentials === undefined) {
      this.#waiting.failNext();
      return;
    }
    // Beyond the limit requests wait for a stream of one of those there are.
    if (!this.#limits.tryConnection(this.#connections)) return;
    this.#connections += 1;
    this.#connecting += 1;
    new Http2UpstreamConnection(this.#endpoint, this).connect(credentials);
  }
}
