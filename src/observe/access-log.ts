import type { Clock, Timer } from "../time/clock.ts";
import type { EdgeLabels } from "./edge-stats.ts";
import { formatWallTime } from "../time/wall-time.ts";

/** What the log reads of one finished exchange; `Exchange` of the proxy has this shape. */
export interface LoggedExchange {
  readonly request: LoggedHead | null;
  readonly path: string;
  readonly authority: string;
  readonly failure: number;
  readonly failureDetail: string | null;
  readonly shadowDenied: boolean;
  readonly grpc: boolean;
  /** Below 0 when none came. */
  readonly grpcStatus: number;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly attemptCount: number;
  /** Names of injected faults; "" = none. */
  readonly faults: string;
  /** "cache", "redirect"…: what answered in an instance's place; "" = nothing did. */
  readonly answeredBy: string;
  readonly origin: { readonly peerAddress: string; readonly source: string } | null;
  readonly endpoint: {
    readonly config: { readonly address: string; readonly port: number; readonly workload: string };
  } | null;
  readonly route: { readonly name: string } | null;
}

export interface LoggedHead {
  methodText(): string;
  find(id: number): number;
  valueText(index: number): string;
  readonly additionCount: number;
  readonly additions: readonly { readonly bytes: Uint8Array }[];
}

export interface AccessLogOptions {
  readonly clock: Clock;
  /** Takes whole lines; called at most every FLUSH_MS, or when the buffer is full. */
  readonly write: (lines: string) => void;
  /** Flag and name of a failure code. */
  readonly describeFailure: (code: number) => { readonly flag: string; readonly name: string };
  /** Ids of the B3 trace id and x-request-id fields in heads. */
  readonly traceField: number;
  readonly requestIdField: number;
}

const FLUSH_MS = 200;
/** Past this many characters the buffer is written at once. */
const FLUSH_CHARACTERS = 64 * 1024;

/**
 * One JSON object per line and exchange. Every string is written by JSON.stringify, so a caller cannot forge lines
 * (CVE-2024-45808). Query strings and headers other than the ids are not logged: they carry secrets.
 */
export class AccessLog {
  readonly #options: AccessLogOptions;
  #buffer: string = "";
  #timer: Timer | null = null;

  constructor(options: AccessLogOptions) {
    this.#options = options;
  }

  exchange(x: LoggedExchange, status: number, labels: EdgeLabels): void {
    const failed = x.failure === 0 ? null : this.#options.describeFailure(x.failure);
    this.#append({
      ...this.#common(labels),
      method: x.request?.methodText() ?? "",
      authority: x.authority,
      path: x.path,
      status,
      ...(x.grpc ? { grpcStatus: x.grpcStatus < 0 ? null : x.grpcStatus } : {}),
      flag: failed?.flag ?? "-",
      failure: failed?.name ?? null,
      detail: x.failureDetail,
      durationMs: round(x.endedMs - x.startedMs),
      requestBytes: x.requestBytes,
      responseBytes: x.responseBytes,
      attempts: x.attemptCount,
      peer: x.origin?.peerAddress ?? "",
      upstream: x.endpoint === null ? null : `${x.endpoint.config.address}:${x.endpoint.config.port}`,
      upstreamWorkload: x.endpoint?.config.workload || null,
      route: x.route?.name || null,
      ...(x.faults === "" ? {} : { faults: x.faults }),
      ...(x.answeredBy === "" ? {} : { answeredBy: x.answeredBy }),
      ...(x.shadowDenied ? { strictWouldDeny: true } : {}),
      traceId: this.#readId(x, this.#options.traceField, "x-b3-traceid"),
      requestId: this.#readId(x, this.#options.requestIdField, "x-request-id"),
    });
  }

  connection(fields: Readonly<Record<string, unknown>>, labels: EdgeLabels): void {
    this.#append({ ...this.#common(labels), ...fields });
  }

  flush(): void {
    this.#timer?.clear();
    this.#timer = null;
    if (this.#buffer === "") return;
    const lines = this.#buffer;
    this.#buffer = "";
    this.#options.write(lines);
  }

  #common(labels: EdgeLabels): Record<string, unknown> {
    return {
      time: formatWallTime(this.#options.clock.wallMs()),
      direction: labels.direction,
      protocol: labels.protocol,
      source: labels.source,
      destination: labels.destination,
      version: labels.version,
    };
  }

  #append(entry: Record<string, unknown>): void {
    this.#buffer += `${JSON.stringify(entry)}\n`;
    if (this.#buffer.length >= FLUSH_CHARACTERS) this.flush();
    else this.#timer ??= this.#options.clock.after(FLUSH_MS, flushLog, this as AccessLog);
  }

  /** An id that came with the request, or the one that the proxy added to it. */
  #readId(x: LoggedExchange, field: number, name: string): string | null {
    const head = x.request;
    if (head === null) return null;
    const index = head.find(field);
    if (index >= 0) return head.valueText(index);
    for (let i = 0; i < head.additionCount; i += 1) {
      const block = head.additions[i]?.bytes;
      const text = block === undefined ? "" : Buffer.prototype.latin1Slice.call(block, 0, block.length);
      const at = text.indexOf(`${name}: `);
      if (at >= 0) return text.slice(at + name.length + 2, text.indexOf("\r\n", at));
    }
    return null;
  }
}

function flushLog(log: AccessLog): void {
  log.flush();
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
