import { envoy } from "#gen/protos.js";
import { TCP_ALPN, UDP_ALPN, isUdpListener } from "../../xds/names.ts";
import { decodeListener } from "../config/decode-listener.ts";
import { findInboundHandler } from "../listener/find-inbound-handler.ts";
import type { AccessPolicy, AccessRule } from "../snapshot.ts";
import { Exchange, type DownstreamStream } from "../exchange.ts";
import type { Head } from "../head.ts";
import { DEFAULT_DECODER_LIMITS, type DecodeFailure, type Http1Sink } from "../http1/decoder-contract.ts";
import { Http1Decoder } from "../http1/decoder.ts";
import { canonicaliseTarget } from "../path.ts";
import { normaliseAuthority } from "../route/find-route.ts";
import { acceptsRequest } from "./accepts-request.ts";
import { isConnectionAllowed } from "./access-filter.ts";
import { explainDenial } from "./explain-denial.ts";

export type { AccessPolicy };

// What the access filter would say of a request that nobody has sent: for tools and tests, by the filter's own code.

/** A request as text. */
export interface WrittenRequest {
  readonly method: string;
  /** With or without a query. */
  readonly path: string;
  readonly authority: string;
  /** In order; a name may stand several times. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export interface Judgement {
  readonly allowed: boolean;
  /** "<namespace>/<name>" of the first TrafficTarget that allows it; null = none. */
  readonly rule: string | null;
  /** What the caller would be told; null when it is allowed. */
  readonly denial: string | null;
}

/** What an inbound port asks of requests, or of connections of opaque bytes; null = it does not take such. */
export function decodeInboundAccess(
  listener: Uint8Array,
  self: string,
  what: "requests" | "bytes",
): AccessPolicy | null {
  const decoded = decodeListener(envoy.config.listener.v3.Listener.decode(listener), self);
  const alpn = isUdpListener(decoded.name) ? UDP_ALPN : TCP_ALPN;
  return findInboundHandler(decoded, what === "bytes" ? alpn : "h2")?.access ?? null;
}

/** The request as an exchange has it when access is decided, or why no proxy would take it: one sentence. */
export function readRequest(written: WrittenRequest): Exchange | string {
  const { method, path, authority, headers } = written;
  const lines = [["host", authority], ...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const reader = new HeadReader();
  const decoder = new Http1Decoder("request", reader, DEFAULT_DECODER_LIMITS);
  decoder.decode(Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines}\r\n`, "latin1"));
  if (reader.failure !== null) return reader.failure;
  if (reader.head === null) return "The request has a body or is not complete";
  const refusal = canonicaliseTarget(reader.head);
  if (refusal !== null) return refusal;
  const x = new Exchange(NOBODY);
  x.request = reader.head;
  x.authority = normaliseAuthority(reader.head.authorityText());
  return x;
}

/** A request's judgement; `peerId` is the caller's SPIFFE ID. Says what strict access would, also when it is not enforced. */
export function judgeRequest(policy: AccessPolicy, peerId: string, x: Exchange): Judgement {
  const rule = policy.rules.find((candidate) => candidate.principals.has(peerId) && acceptsRequest(candidate, x));
  return rule === undefined
    ? { allowed: false, rule: null, denial: explainDenial(policy, peerId, x) }
    : { allowed: true, rule: rule.name, denial: null };
}

/** The same for a connection of opaque bytes. */
export function judgeConnection(policy: AccessPolicy, peerId: string): Judgement {
  if (!isConnectionAllowed(policy, peerId)) {
    return {
      allowed: false,
      rule: null,
      denial: `No TrafficTarget lets the caller connect to "${policy.destination}"`,
    };
  }
  const rule = policy.rules.find((candidate) => candidate.matches === null && candidate.principals.has(peerId));
  return { allowed: true, rule: rule?.name ?? null, denial: null };
}

/** Rules that allow the caller at least some requests, in order of name. */
export function listRulesOf(policy: AccessPolicy, peerId: string): readonly AccessRule[] {
  return policy.rules.filter((rule) => rule.principals.has(peerId) && rule.matches?.length !== 0);
}

class HeadReader implements Http1Sink {
  head: Head | null = null;
  failure: string | null = null;

  onHead(head: Head): void {
    this.head = head;
  }

  onFailure(failure: DecodeFailure): void {
    this.failure = failure.message;
  }

  onInterim(): void {}
  onData(): void {}
  onEnd(): void {}
}

/** Nothing is ever answered. */
const NOBODY: DownstreamStream = {
  sendInterim: () => {},
  sendHead: () => {},
  sendData: () => true,
  sendEnd: () => {},
  sendFailure: () => {},
  abort: () => {},
  breakOff: () => {},
  pauseReads: () => {},
  resumeReads: () => {},
};
