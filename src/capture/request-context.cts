// What a request that came in says about its deadline and its trace, and what a call made on its behalf shall say.
// CommonJS like all of the preload. Nothing here throws for any input.

type FieldValue = string | readonly string[] | number | undefined;
/** Lower-case names, as `node:http` and `node:http2` give them. */
type Fields = Readonly<Record<string, FieldValue>>;
/** A field to be added to a call. */
type Field = readonly [name: string, value: string];

interface Family {
  readonly names: readonly string[];
  readonly fields: readonly Field[];
}

const REQUEST_TIMEOUT = "x-request-timeout-ms";
const GRPC_TIMEOUT = "grpc-timeout";
/** Kept only together: a call that carries one of a family already has its own ids. */
const FAMILIES: readonly (readonly string[])[] = [
  ["x-request-id"],
  ["x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags", "b3"],
  ["traceparent", "tracestate"],
];
/** A longer value is none of a trace (tracestate: 512 by W3C Trace Context §3.3.1.5). */
const MAX_VALUE_LENGTH = 512;
/** Nine digits, as in the proxy. */
const MAX_TIMEOUT_MS = 999_999_999;
/**
 * What still runs so long after the deadline is no work of the request any more, but something that it started (a timer, a
 * pool), which must not fail for ever.
 */
const FORGET_MS = 30_000;
const GRPC_UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** Of one request, for as long as anything runs on its behalf. Holds a few short texts, and never the request itself. */
class RequestContext {
  /** On the clock of `nowMs`; 0 = none. */
  readonly #deadlineMs: number;
  readonly #families: readonly Family[];
  #isAnswered = false;

  private constructor(deadlineMs: number, families: readonly Family[]) {
    this.#deadlineMs = deadlineMs;
    this.#families = families;
  }

  /** Null when the request says nothing that calls should carry. */
  static read(fields: Fields, atMs: number): RequestContext | null {
    const timeoutMs = readTimeoutMs(fields);
    const families: Family[] = [];
    for (const names of FAMILIES) {
      const found: Field[] = [];
      for (const name of names) {
        const value = fields[name];
        if (typeof value === "string" && value !== "" && value.length <= MAX_VALUE_LENGTH) found.push([name, value]);
      }
      if (found.length > 0) families.push({ names, fields: found });
    }
    if (timeoutMs === 0 && families.length === 0) return null;
    return new RequestContext(timeoutMs === 0 ? 0 : atMs + timeoutMs, families);
  }

  /** The answer is complete: what the request has started and goes on has no deadline. */
  markAnswered(): void {
    this.#isAnswered = true;
  }

  /** What to add to a call that has the fields that `has` knows. A deadline that has passed is told as 1 ms. */
  fieldsFor(has: (name: string) => boolean, isGrpc: boolean): readonly Field[] {
    const added: Field[] = [];
    for (const { names, fields } of this.#families) if (!names.some(has)) added.push(...fields);
    const leftMs = this.#leftMs(nowMs());
    const name = isGrpc ? GRPC_TIMEOUT : REQUEST_TIMEOUT;
    if (leftMs > 0 && !has(name)) added.push([name, isGrpc ? formatGrpcTimeout(leftMs) : `${leftMs}`]);
    return added;
  }

  /** At least 1; 0 = no deadline. */
  #leftMs(atMs: number): number {
    if (this.#deadlineMs === 0 || this.#isAnswered || atMs > this.#deadlineMs + FORGET_MS) return 0;
    return Math.max(1, Math.floor(this.#deadlineMs - atMs));
  }
}

/** Monotonic. */
function nowMs(): number {
  return process.uptime() * 1_000;
}

function isGrpcType(contentType: FieldValue): boolean {
  return typeof contentType === "string" && contentType.startsWith("application/grpc");
}

/** 0 = none, or not understood. */
function readTimeoutMs(fields: Fields): number {
  const isGrpc = isGrpcType(fields["content-type"]);
  const text = fields[isGrpc ? GRPC_TIMEOUT : REQUEST_TIMEOUT];
  if (typeof text !== "string") return 0;
  if (!isGrpc) return /^\d{1,9}$/.test(text) ? Math.max(1, Number(text)) : 0;
  const unitMs = /^\d{1,8}[HMSmun]$/.test(text) ? GRPC_UNITS[text.slice(-1)] : undefined;
  return unitMs === undefined ? 0 : Math.min(MAX_TIMEOUT_MS, Math.max(1, Number(text.slice(0, -1)) * unitMs));
}

/** At most eight digits and a unit (gRPC over HTTP/2, Requests). */
function formatGrpcTimeout(ms: number): string {
  return ms < 100_000_000 ? `${ms}m` : `${Math.floor(ms / 1_000)}S`;
}

module.exports.RequestContext = RequestContext;
module.exports.isGrpcType = isGrpcType;
module.exports.nowMs = nowMs;
