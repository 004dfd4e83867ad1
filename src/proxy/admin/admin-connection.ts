import type { Connection, ConnectionHandler } from "../../transport/transport.ts";
import type { DecodeFailure, Http1Sink } from "../http1/decoder-contract.ts";
import type { Head } from "../head.ts";
import { DEFAULT_DECODER_LIMITS } from "../http1/decoder-contract.ts";
import { METHOD_GET, METHOD_HEAD } from "../head.ts";
import { Http1Decoder } from "../http1/decoder.ts";
import { encodeLocalResponse } from "../http1/encoder.ts";

/** An answer of the admin listener. */
export interface AdminAnswer {
  readonly status: number;
  readonly body: string;
}

/** Answers one path (without query), or null when there is nothing there. Only GET and HEAD come this far. */
export type AdminPages = (path: string) => AdminAnswer | null;

/**
 * One connection to the admin listener: read-only pages on loopback, one request per connection. It uses the proxy's own
 * codec, so that a sidecar need not carry a second HTTP server.
 */
export class AdminConnection implements ConnectionHandler {
  readonly #pages: AdminPages;
  readonly #decoder: Http1Decoder;
  #connection: Connection | null = null;

  constructor(pages: AdminPages) {
    this.#pages = pages;
    this.#decoder = new Http1Decoder("request", new AdminSink(this), DEFAULT_DECODER_LIMITS);
  }

  onOpen(connection: Connection): void {
    this.#connection = connection;
  }

  onData(bytes: Uint8Array): void {
    this.#decoder.decode(bytes);
  }

  onDrain(): void {
    // Answers are small and end the connection.
  }

  onEnd(): void {
    this.#connection?.end();
  }

  onClose(): void {
    this.#decoder.stop();
    this.#connection = null;
  }

  onHead(head: Head): void {
    // A name in Host other than loopback's is a browser that was led here by DNS rebinding.
    if (!/^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(head.authorityText())) {
      this.#answer({ status: 403, body: "weft: the admin pages answer to loopback names only\n" }, head);
    } else if (head.method !== METHOD_GET && head.method !== METHOD_HEAD) {
      this.#answer({ status: 405, body: "weft: the admin pages are read-only: use GET\n" }, head);
    } else {
      this.#answer(this.#pages(head.pathText()) ?? NOT_FOUND, head);
    }
  }

  onFailure(failure: DecodeFailure): void {
    this.#answer({ status: failure.status, body: `weft: ${failure.message}\n` }, null);
  }

  #answer(answer: AdminAnswer, head: Head | null): void {
    const toHead = head?.method === METHOD_HEAD;
    this.#connection?.write(
      encodeLocalResponse({ status: answer.status, fields: [], body: answer.body, close: true, toHead }),
    );
    this.#connection?.end();
    this.#decoder.stop();
  }
}

const NOT_FOUND: AdminAnswer = {
  status: 404,
  body: "weft: no such page; there are /metrics, /ready, /stats and /config_dump\n",
};

/** Names a decoder's events apart from the transport's, which share words. */
class AdminSink implements Http1Sink {
  readonly #owner: AdminConnection;

  constructor(owner: AdminConnection) {
    this.#owner = owner;
  }

  onInterim(): void {
    // Requests have no interim heads.
  }

  onHead(head: Head): void {
    this.#owner.onHead(head);
  }

  onData(): void {
    // Bodies are not asked for and dropped.
  }

  onEnd(): void {
    // The answer has gone out with the head.
  }

  onFailure(failure: DecodeFailure): void {
    this.#owner.onFailure(failure);
  }
}
