import type { Exchange } from "../exchange.ts";
import type { ClusterLimits } from "../circuit/cluster-limits.ts";
import type { EndpointState } from "./endpoint-state.ts";
import { OVERFLOW } from "../failures.ts";
import { Http1UpstreamConnection } from "../http1/upstream-connection.ts";
import { WaitingLine, describeOverflow } from "./waiting-line.ts";

/** The HTTP/1.1 connections to one endpoint, one exchange each, and the exchanges that wait for one, within the cluster's limits. */
export class Http1Pool {
  readonly #endpoint: EndpointState;
  /** Idle connections, the most recently used last. */
  readonly #idle: Http1UpstreamConnection[] = [];
  readonly #limits: ClusterLimits;
  readonly #waiting: WaitingLine;
  #connections: number = 0;
  #connecting: number = 0;

  constructor(endpoint: EndpointState) {
    this.#endpoint = endpoint;
    this.#limits = endpoint.cluster.health.limits;
    this.#waiting = new WaitingLine(this.#limits);
  }

  /** Gives `x` a connection now or when one is free; a failure arrives as `x.onAttemptFailed`, maybe at once. */
  checkout(x: Exchange): void {
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      idle.assign(x);
      return;
    }
    if (!this.#waiting.add(x, true)) {
      x.onAttemptFailed(OVERFLOW, describeOverflow(this.#endpoint, this.#waiting.length()));
      return;
    }
    this.#openWanted();
  }

  /** A connection became usable: it is given to who waits longest, or kept. */
  onIdle(connection: Http1UpstreamConnection): void {
    const waiter = this.#waiting.nextToSend(this.#endpoint.runtime.clock.nowMs());
    if (waiter !== null) connection.assign(waiter);
    else if (this.#endpoint.isClosing()) connection.close();
    else this.#idle.push(connection);
  }

  onOpened(connection: Http1UpstreamConnection): void {
    this.#connecting -= 1;
    this.onIdle(connection);
  }

  /** A connection that was never usable: one waiter shares its fate, so that each learns of a dead endpoint at once. */
  onOpenFailed(code: number, detail: string): void {
    this.#connecting -= 1;
    this.#release();
    this.#waiting.next()?.onAttemptFailed(code, detail);
    if (this.#connecting === 0) this.#openWanted();
  }

  /** A connection is about to close: no exchange may get it any more. `onClosed` follows. */
  onClosing(connection: Http1UpstreamConnection): void {
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  onClosed(connection: Http1UpstreamConnection): void {
    this.#release();
    this.onClosing(connection);
    this.#openWanted();
  }

  retire(): void {
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  connectionCount(): number {
    return this.#connections;
  }

  #release(): void {
    this.#connections -= 1;
    this.#limits.releaseConnection();
  }

  #openWanted(): void {
    if (this.#connecting >= this.#waiting.length()) return;
    const credentials = this.#endpoint.dialCredentials();
    if (credentials === undefined) {
      this.#waiting.failNext();
      return;
    }
    // Beyond the limit requests wait for one of those there are.
    if (!this.#limits.tryConnection(this.#connections)) return;
    this.#connections += 1;
    this.#connecting += 1;
    new Http1UpstreamConnection(this.#endpoint, this).connect(credentials);
  }
}
