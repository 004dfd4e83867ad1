import type { Exchange } from "../exchange.ts";
import type { EndpointState } from "./endpoint-state.ts";
import { OVERFLOW } from "../failures.ts";
import { type Http2Pool, Http2UpstreamConnection } from "../http2/upstream-connection.ts";
import { WaitingLine } from "./waiting-line.ts";

/** One is enough but for servers that allow few streams on each. */
const MAX_CONNECTIONS = 128;
/** While the first connection opens, or all are at the server's limit of streams. */
const MAX_WAITING = 16_384;

/** The HTTP/2 connections to one endpoint: one that all requests share, and more when the server limits its streams. */
export class Http2Links implements Http2Pool {
  readonly #endpoint: EndpointState;
  readonly #usable: Http2UpstreamConnection[] = [];
  readonly #waiting: WaitingLine = new WaitingLine();
  #connections: number = 0;
  #connecting: number = 0;
  #retired: boolean = false;

  constructor(endpoint: EndpointState) {
    this.#endpoint = endpoint;
  }

  /** Sends `x` on a connection now or when one is there; a failure arrives as `x.onAttemptFailed`, maybe at once. */
  checkout(x: Exchange): void {
    const connection = this.#choose();
    if (connection !== null) {
      connection.assign(x);
      return;
    }
    if (this.#waiting.length() >= MAX_WAITING) {
      x.onAttemptFailed(OVERFLOW, `${MAX_WAITING} requests already wait for ${this.#endpoint.name()}`);
      return;
    }
    this.#waiting.add(x);
    this.#openWanted();
  }

  /** Opens a connection ahead of need, when there is none. */
  warm(): void {
    if (this.#connections === 0 && !this.#retired) this.#open();
  }

  onUsable(connection: Http2UpstreamConnection): void {
    if (!this.#usable.includes(connection)) {
      this.#connecting -= 1;
      this.#usable.push(connection);
    }
    while (connection.canTake()) {
      const x = this.#waiting.next();
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
    this.#connections -= 1;
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
    this.#connections -= 1;
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

  #open(): void {
    const credentials = this.#endpoint.dialCredentials();
    if (credentials === undefined) {
      this.#waiting.failNext();
      return;
    }
    this.#connections += 1;
    this.#connecting += 1;
    new Http2UpstreamConnection(this.#endpoint, this).connect(credentials);
  }
}
