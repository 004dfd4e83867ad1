import type { EdgeStats } from "../../observe/edge-stats.ts";
import type { Exchange } from "../exchange.ts";
import type { ProxyRuntime } from "../runtime.ts";
import type { EndpointConfig } from "../snapshot.ts";
import type { ClusterState } from "./cluster-state.ts";
import { NO_IDENTITY, OVERFLOW } from "../failures.ts";
import { Http1UpstreamConnection } from "../http1/upstream-connection.ts";

/** Per endpoint. Envoy's per-cluster default for both is 1024; a JavaScript proxy meets its own limits before. */
const MAX_CONNECTIONS = 1024;
const MAX_WAITING = 1024;

/**
 * What is remembered of one endpoint: its connections and the exchanges that wait for one. It outlives snapshots that
 * keep the endpoint; `retire` lets open exchanges finish and closes the rest.
 */
export class EndpointState {
  readonly runtime: ProxyRuntime;
  readonly cluster: ClusterState;
  readonly config: EndpointConfig;
  /** Idle connections, the most recently used last. */
  readonly #idle: Http1UpstreamConnection[] = [];
  readonly #waiting: Waiter[] = [];
  #connections: number = 0;
  #connecting: number = 0;
  /** Opaque connections open or being opened, kept by their sessions. */
  openSessions: number = 0;
  retired: boolean = false;
  edge: EdgeStats | null = null;

  constructor(runtime: ProxyRuntime, cluster: ClusterState, config: EndpointConfig) {
    this.runtime = runtime;
    this.cluster = cluster;
    this.config = config;
  }

  /** Gives `x` a connection now or when one is free; a failure arrives as `x.onAttemptFailed`, maybe at once. */
  checkout(x: Exchange): void {
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      idle.assign(x);
      return;
    }
    if (this.#waiting.length >= MAX_WAITING) {
      x.onAttemptFailed(OVERFLOW, `${MAX_WAITING} requests already wait for ${this.#name()}`);
      return;
    }
    this.#waiting.push({ x, generation: x.generation, attempt: x.attemptCount });
    if (this.#connecting < this.#waiting.length && this.#connections < MAX_CONNECTIONS) this.#open();
  }

  /** Opens a connection ahead of need, when there is none. */
  warm(): void {
    if (this.#connections === 0 && !this.retired) this.#open();
  }

  /** A connection became usable: it is given to who waits longest, or kept. */
  onIdle(connection: Http1UpstreamConnection): void {
    const waiter = this.#nextWaiter();
    if (waiter !== null) {
      connection.assign(waiter.x);
    } else if (this.retired || this.runtime.draining) {
      connection.close();
    } else {
      this.#idle.push(connection);
    }
  }

  onOpened(connection: Http1UpstreamConnection): void {
    this.#connecting -= 1;
    this.onIdle(connection);
  }

  /** A connection that was never usable: one waiter shares its fate, so that each learns of a dead endpoint at once. */
  onOpenFailed(code: number, detail: string): void {
    this.#connecting -= 1;
    this.#connections -= 1;
    const waiter = this.#nextWaiter();
    if (waiter !== null) waiter.x.onAttemptFailed(code, detail);
    if (this.#waiting.length > 0 && this.#connecting === 0) this.#open();
  }

  /** A connection is about to close: no exchange may get it any more. `onClosed` follows. */
  onClosing(connection: Http1UpstreamConnection): void {
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  onClosed(connection: Http1UpstreamConnection): void {
    this.#connections -= 1;
    this.onClosing(connection);
    if (this.#connecting < this.#waiting.length && this.#connections < MAX_CONNECTIONS) this.#open();
  }

  /** The endpoint left the configuration. */
  retire(): void {
    this.retired = true;
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  connectionCount(): number {
    return this.#connections;
  }

  #open(): void {
    const tls = this.cluster.config.peerIdentities !== null;
    const credentials = this.runtime.credentials;
    if (tls && credentials === null) {
      const waiter = this.#nextWaiter();
      if (waiter !== null) waiter.x.onAttemptFailed(NO_IDENTITY, null);
      return;
    }
    this.#connections += 1;
    this.#connecting += 1;
    const connection = new Http1UpstreamConnection(this);
    connection.connect(tls ? credentials : null);
  }

  /** Waiters whose exchange ended or was tried elsewhere are skipped here. */
  #nextWaiter(): Waiter | null {
    for (;;) {
      const waiter = this.#waiting.shift();
      if (waiter === undefined) return null;
      const x = waiter.x;
      if (x.active && x.generation === waiter.generation && x.attemptCount === waiter.attempt && !x.connected)
        return waiter;
    }
  }

  #name(): string {
    return `${this.config.address}:${this.config.port}`;
  }
}

interface Waiter {
  readonly x: Exchange;
  readonly generation: number;
  readonly attempt: number;
}
