import assert from "node:assert/strict";
import { FakeClock } from "../../testing/fake-clock.ts";
import { TimerWheel } from "../../time/timer-wheel.ts";
import { ProxyCounters } from "../counters.ts";
import { type DownstreamStream, Exchange, type HttpOrigin, type UpstreamStream } from "../exchange.ts";
import { ANSWERED, CONTINUE, HELD } from "../filters/filter.ts";
import type { Head } from "../head.ts";
import { DEFAULT_DECODER_LIMITS } from "../http1/decoder-contract.ts";
import { copyEncoded, encodeRequestHead, encodeResponseHead } from "../http1/encoder.ts";
import { HeadParser, ROLE_REQUEST, ROLE_RESPONSE } from "../http1/head-parser.ts";
import { type CachePolicy, DEFAULT_ROUTE_POLICY } from "../policy/route-policy.ts";
import type { Route, RouteTable, Snapshot } from "../snapshot.ts";
import type { Stack } from "../stack.ts";
import { ResponseCache } from "./response-cache.ts";

export const TEST_POLICY: CachePolicy = {
  maxBytes: 1_048_576,
  maxBodyBytes: 65_536,
  defaultTtlMs: 0,
  staleWhileRevalidateMs: 0,
};

const ORIGIN: HttpOrigin = {
  listener: "outbound",
  direction: "outbound",
  source: "default/web",
  peerId: null,
  peerAddress: "127.0.0.1",
  authority: null,
  edge: null,
};

/** A cache with callers and instances made of text: the exchange and the cache are the real ones, the stack around them is not. */
export class ScriptedCache {
  readonly clock: FakeClock = new FakeClock();
  readonly wheel: TimerWheel = new TimerWheel(this.clock);
  readonly counters: ProxyCounters = new ProxyCounters();
  readonly cache: ResponseCache;
  /** Requests that went on to an instance and have no answer yet, oldest first. */
  readonly sent: SentRequest[] = [];
  route: Route;
  readonly #stack: Stack;

  constructor(policy: Partial<CachePolicy> = {}) {
    this.cache = new ResponseCache({ clock: this.clock, wheel: this.wheel, counters: this.counters });
    this.route = createRoute({ ...TEST_POLICY, ...policy });
    this.cache.reconcile(toSnapshot([this.route]));
    // What the exchange and the cache call of a stack, in the order of the real one.
    const stack: Partial<Stack> = {
      dispatch: (x) => this.#dispatch(x),
      resume: (x) => this.#send(x),
      acceptResponse: (x, head) => this.cache.onResponse(x, head) === CONTINUE,
      acceptTrailers: () => undefined,
      decorateAnswer: () => undefined,
      retry: () => false,
      answerStale: (x, code) => this.cache.onFailure(x, code),
      ended: () => undefined,
    };
    this.#stack = stack as Stack;
  }

  /** A request as a caller sends it: `GET /a`, and field lines. */
  ask(startLine: string, fields: readonly string[] = [], host: string = "app"): Caller {
    const caller = new Caller();
    const request = parseHead(ROLE_REQUEST, [`${startLine} HTTP/1.1`, `host: ${host}`, ...fields]);
    caller.x.begin(this.#stack, ORIGIN, request);
    this.#dispatch(caller.x);
    if (caller.x.active) caller.x.onRequestEnd(null);
    return caller;
  }

  /** The oldest request that waits for its instance is answered whole. */
  respond(status: number | string, fields: readonly string[] = [], body: string = ""): SentRequest {
    const sent = this.takeSent();
    sent.respond(status, fields, body);
    return sent;
  }

  /** The oldest request that waits for its instance, taken out. */
  takeSent(): SentRequest {
    const sent = this.sent.shift();
    assert.ok(sent !== undefined, "a request went to an instance");
    return sent;
  }

  /** The exchange of `sent` fails as it would in the stack. */
  fail(sent: SentRequest, code: number): void {
    sent.x.onAttemptFailed(code, null);
  }

  #dispatch(x: Exchange): void {
    x.startedMs = this.clock.nowMs();
    x.route = this.route;
    x.authority = x.request?.authorityText().toLowerCase() ?? "";
    const verdict = this.cache.lookup(x);
    assert.equal(verdict === HELD, x.holder !== null, "a holder exactly while it is held");
    if (verdict === ANSWERED) assert.equal(x.active, false, "what is answered is over");
    if (verdict === CONTINUE) this.#send(x);
  }

  #send(x: Exchange): void {
    const sent = new SentRequest(x);
    this.sent.push(sent);
    x.onConnected(sent);
  }
}

/** One request on its way to an instance. */
export class SentRequest implements UpstreamStream {
  readonly x: Exchange;
  /** As it goes out. */
  readonly text: string;
  end: "" | "cancelled" | "discarded" = "";

  constructor(x: Exchange) {
    this.x = x;
    assert.ok(x.request !== null);
    this.text = Buffer.from(copyEncoded(encodeRequestHead, x.request)).toString("latin1");
  }

  /** A whole answer. `fields` may hold a content-length of their own. */
  respond(status: number | string, fields: readonly string[], body: string): void {
    const generation = this.x.generation;
    this.respondHead(status, [`content-length: ${body.length}`, ...fields]);
    if (this.end !== "" || this.x.generation !== generation) return;
    if (body !== "" && !this.text.startsWith("HEAD ")) this.x.onResponseData(Buffer.from(body, "latin1"));
    if (this.end === "") this.x.onResponseEnd(null);
  }

  respondHead(status: number | string, fields: readonly string[]): void {
    const isHead = this.text.startsWith("HEAD ");
    const bare =
      status === 304 || status === 204 ? fields.filter((line) => !line.startsWith("content-length")) : fields;
    this.x.onResponseHead(parseHead(ROLE_RESPONSE, [`HTTP/1.1 ${status}`, ...bare], isHead));
  }

  /** Value of a field of the request, null without one. */
  field(name: string): string | null {
    return readField(this.text, name);
  }

  sendData(): boolean {
    return true;
  }

  sendEnd(): void {
    // Requests of these tests have no body.
  }

  cancel(): void {
    this.end = "cancelled";
  }

  discard(): void {
    this.end = "discarded";
  }

  pauseReads(): void {
    // The script sends when it likes.
  }

  resumeReads(): void {
    // The script sends when it likes.
  }
}

/** Who asked, and what came back. */
export class Caller implements DownstreamStream {
  readonly x: Exchange = new Exchange(this);
  /** The head as HTTP/1.1 text; "" before it came. */
  head: string = "";
  body: string = "";
  isEnded: boolean = false;
  /** Failure code; 0 = none. */
  failure: number = 0;
  isAborted: boolean = false;

  status(): number {
    return Number(this.head.slice(9, 12));
  }

  field(name: string): string | null {
    return readField(this.head, name);
  }

  sendInterim(): void {
    // None is sent.
  }

  sendHead(_x: Exchange, head: Head): void {
    assert.equal(this.head, "", "one head");
    this.head = Buffer.from(copyEncoded(encodeResponseHead, head)).toString("latin1");
  }

  sendData(bytes: Uint8Array): boolean {
    this.body += Buffer.from(bytes).toString("latin1");
    return true;
  }

  sendEnd(): void {
    this.isEnded = true;
  }

  sendFailure(x: Exchange): void {
    this.failure = x.failure;
    this.isEnded = true;
  }

  abort(): void {
    this.isAborted = true;
  }

  breakOff(): void {
    this.isAborted = true;
  }

  pauseReads(): void {
    // The script sends when it likes.
  }

  resumeReads(): void {
    // The script sends when it likes.
  }
}

export function createRoute(cache: CachePolicy | null, path: string = "/", cluster: string = "app"): Route {
  return {
    name: "",
    match: { path: { kind: "prefix", value: path }, methods: null, headers: [] },
    clusters: { names: [cluster], cumulative: [1] },
    policy: { ...DEFAULT_ROUTE_POLICY, name: "default/app", cache },
  };
}

export function toSnapshot(routes: readonly Route[], generation: number = 1): Snapshot {
  const host = { name: "app", routes };
  const table: RouteTable = { name: "outbound", exact: new Map([["app", host]]), suffixes: [], fallback: null };
  return {
    generation,
    listeners: new Map(),
    routes: new Map([[table.name, table]]),
    clusters: new Map(),
    trustBundlePem: null,
    peerRules: { bundles: new Map(), revoked: [] },
  };
}

/** A head of lines, in bytes of its own. */
export function parseHead(
  role: typeof ROLE_REQUEST | typeof ROLE_RESPONSE,
  lines: readonly string[],
  toHead: boolean = false,
): Head {
  const parser = new HeadParser(role, DEFAULT_DECODER_LIMITS);
  parser.reset(toHead);
  const end = parser.feed(Buffer.from([...lines, "", ""].join("\r\n"), "latin1"), 0);
  assert.ok(end > 0, parser.failure?.detail ?? "the head is whole");
  return parser.head;
}

function readField(text: string, name: string): string | null {
  const found = text
    .split("\r\n")
    .slice(1)
    .filter((line) => line.toLowerCase().startsWith(`${name}:`));
  return found.length === 0 ? null : found.map((line) => line.slice(name.length + 1).trim()).join(", ");
}
