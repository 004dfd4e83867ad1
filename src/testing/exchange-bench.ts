import assert from "node:assert/strict";
import { type DownstreamStream, Exchange, type HttpOrigin } from "../proxy/exchange.ts";
import type { FailureReport } from "../proxy/failures.ts";
import type { Head } from "../proxy/head.ts";
import { DEFAULT_DECODER_LIMITS } from "../proxy/http1/decoder-contract.ts";
import { Http1Decoder } from "../proxy/http1/decoder.ts";
import { copyEncoded, encodeRequestHead, encodeResponseHead } from "../proxy/http1/encoder.ts";
import { canonicaliseTarget } from "../proxy/path.ts";
import { DEFAULT_ROUTE_POLICY, type RoutePolicy } from "../proxy/policy/route-policy.ts";
import type { Route } from "../proxy/snapshot.ts";
import type { Stack } from "../proxy/stack.ts";

/** Keeps what an exchange sends to its caller. */
export class RecordedDownstream implements DownstreamStream {
  /** The final head as HTTP/1.1 text; "" before. */
  head: string = "";
  body: string = "";
  /** Sizes of the portions that the body came in. */
  readonly portions: number[] = [];
  /** What `sendData` says. */
  writable: boolean = true;
  ended: boolean = false;
  trailers: Head | null = null;
  failure: FailureReport | null = null;
  aborted: boolean = false;
  brokenOff: boolean = false;

  sendInterim(): void {}
  pauseReads(): void {}
  resumeReads(): void {}

  sendHead(_x: Exchange, head: Head): void {
    this.head = formatResponseHead(head);
  }

  sendData(bytes: Uint8Array): boolean {
    this.portions.push(bytes.length);
    this.body += Buffer.from(bytes).toString("latin1");
    return this.writable;
  }

  sendEnd(trailers: Head | null): void {
    this.ended = true;
    this.trailers = trailers;
  }

  sendFailure(x: Exchange): void {
    this.failure = x.failureReport();
  }

  abort(): void {
    this.aborted = true;
  }

  breakOff(): void {
    this.brokenOff = true;
  }
}

export interface ExchangeBench {
  readonly x: Exchange;
  readonly downstream: RecordedDownstream;
  /** How often the stack was told to go on with it. */
  readonly resumed: () => number;
}

export interface ExchangeBenchOptions {
  readonly origin?: Partial<HttpOrigin>;
  readonly policy?: Partial<RoutePolicy>;
  readonly grpc?: boolean;
}

/**
 * An exchange that has come as far as its route, without a proxy around it. `text` is an HTTP/1.1 request head, or its
 * target alone.
 */
export function openExchange(text: string, options: ExchangeBenchOptions = {}): ExchangeBench {
  const downstream = new RecordedDownstream();
  let resumed = 0;
  // What filters call of a stack.
  const stack = {
    resume: () => {
      resumed += 1;
    },
    acceptTrailers: () => undefined,
    ended: () => undefined,
    decorateAnswer: () => undefined,
  } as unknown as Stack;
  const x = new Exchange(downstream);
  const request = parseRequestHead(text.startsWith("/") ? `GET ${text} HTTP/1.1\r\nHost: reviews\r\n\r\n` : text);
  const origin: HttpOrigin = {
    listener: "inbound",
    direction: "inbound",
    source: "default/web",
    peerId: "spiffe://test.mesh/ns/default/sa/web",
    peerAddress: "10.0.0.7",
    authority: null,
    edge: null,
    ...options.origin,
  };
  x.begin(stack, origin, request);
  x.authority = request.authorityText().toLowerCase();
  x.grpc = options.grpc === true;
  const policy = { ...DEFAULT_ROUTE_POLICY, name: "default/limits", ...options.policy };
  x.route = { name: "", match: ANY, clusters: { names: ["app"], cumulative: [1] }, policy } satisfies Route;
  return { x, downstream, resumed: () => resumed };
}

const ANY: Route["match"] = { path: { kind: "any" }, methods: null, headers: [] };

/** With its path made canonical, as the stack does first of all. */
export function parseRequestHead(text: string): Head {
  const head = parseHead("request", text);
  assert.equal(canonicaliseTarget(head), null, text);
  return head;
}

export function parseResponseHead(text: string): Head {
  return parseHead("response", text);
}

export function formatRequestHead(head: Head): string {
  return Buffer.from(copyEncoded(encodeRequestHead, head)).toString("latin1");
}

export function formatResponseHead(head: Head): string {
  return Buffer.from(copyEncoded(encodeResponseHead, head)).toString("latin1");
}

function parseHead(role: "request" | "response", text: string): Head {
  let parsed: Head | null = null;
  const decoder = new Http1Decoder(
    role,
    {
      onInterim: () => undefined,
      onHead: (head) => {
        parsed = head;
      },
      onData: () => undefined,
      onEnd: () => undefined,
      onFailure: (failure) => assert.fail(`${failure.message}: ${JSON.stringify(text)}`),
    },
    DEFAULT_DECODER_LIMITS,
  );
  if (role === "response") decoder.expect(false);
  decoder.decode(Buffer.from(text, "latin1"));
  assert.ok(parsed !== null, `no whole head: ${JSON.stringify(text)}`);
  return parsed;
}
