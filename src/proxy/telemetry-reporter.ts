import { weft } from "#gen/protos.js";
import type { Clock, Timer } from "../time/clock.ts";
import type { GrpcChannel } from "../xds/grpc-client.ts";
import type { GrpcStream } from "../xds/grpc-call.ts";
import type { EdgeStats, EdgeTable } from "../observe/edge-stats.ts";
import { subtractByKey } from "../observe/would-deny.ts";
import { FAILURES } from "./failures.ts";

const PATH = "/weft.v1.TelemetryService/Report";
/** How often what changed is reported; `weft stat` is at most this old. */
const REPORT_MS = 1_000;
/** Between attempts to open the stream. */
const RETRY_MS = 2_000;

export interface TelemetryReporterOptions {
  readonly workload: string;
  readonly channel: GrpcChannel;
  readonly edges: EdgeTable;
  readonly clock: Clock;
  readonly openConnections: () => number;
  readonly residentBytes: () => number;
}

/**
 * Sends what the proxy counted to the control plane, as differences since the last report that the stream took. While
 * there is no stream nothing is lost: the next report holds the sum. A report on a stream that then breaks may be lost;
 * the proxy's own metrics stay complete.
 */
export class TelemetryReporter {
  readonly #options: TelemetryReporterOptions;
  readonly #last: Map<EdgeStats, Sent> = new Map();
  #timer: Timer | null = null;
  #stream: GrpcStream | null = null;
  #writable: boolean = true;
  #opening: boolean = false;
  #retryAtMs: number = 0;
  #sentAtMs: number;

  constructor(options: TelemetryReporterOptions) {
    this.#options = options;
    this.#sentAtMs = options.clock.nowMs();
  }

  start(): void {
    this.#timer = this.#options.clock.every(REPORT_MS, reportNow, this);
  }

  /** Sends what is left and ends the stream. */
  close(): void {
    this.#timer?.clear();
    this.report();
    this.#stream?.end();
    this.#stream = null;
  }

  report(): void {
    const { clock } = this.#options;
    if (this.#stream === null) {
      if (!this.#opening && clock.nowMs() >= this.#retryAtMs) void this.#open();
      return;
    }
    if (!this.#writable) return;
    const edges = this.#collect();
    if (edges.length === 0) return;
    const nowMs = clock.nowMs();
    const report = {
      workload: this.#options.workload,
      intervalMs: Math.round(nowMs - this.#sentAtMs),
      edges,
      openConnections: this.#options.openConnections(),
      residentBytes: this.#options.residentBytes(),
    };
    this.#sentAtMs = nowMs;
    this.#writable = this.#stream.write(weft.v1.TelemetryReport.encode(report).finish());
  }

  async #open(): Promise<void> {
    this.#opening = true;
    try {
      this.#stream = await this.#options.channel.openStream(PATH, {
        onMessage: () => undefined,
        onEnd: () => this.#lost(),
        onDrain: () => {
          this.#writable = true;
        },
      });
      this.#writable = true;
    } catch {
      // The configuration stream says why the control plane is out of reach; saying it twice helps nobody.
      this.#lost();
    } finally {
      this.#opening = false;
    }
  }

  #lost(): void {
    this.#stream = null;
    this.#retryAtMs = this.#options.clock.nowMs() + RETRY_MS;
  }

  #collect(): weft.v1.EdgeDelta[] {
    const deltas: weft.v1.EdgeDelta[] = [];
    for (const edge of this.#options.edges.all()) {
      if (edge.changes === 0) continue;
      const last = this.#last.get(edge);
      if (last !== undefined && last.changes === edge.changes) continue;
      deltas.push(toDelta(edge, last ?? NOTHING));
      this.#last.set(edge, snapshotOf(edge));
    }
    return deltas;
  }
}

interface Sent {
  readonly changes: number;
  readonly success: number;
  readonly failure: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly classes: Float64Array;
  readonly latency: Float64Array;
  readonly failures: Float64Array;
  readonly wouldDeny: ReadonlyMap<string, number> | null;
}

const EMPTY = new Float64Array(0);
const NOTHING: Sent = {
  changes: 0,
  success: 0,
  failure: 0,
  requestBytes: 0,
  responseBytes: 0,
  classes: EMPTY,
  latency: EMPTY,
  failures: EMPTY,
  wouldDeny: null,
};

function snapshotOf(edge: EdgeStats): Sent {
  return {
    changes: edge.changes,
    success: edge.success,
    failure: edge.failure,
    requestBytes: edge.requestBytes,
    responseBytes: edge.responseBytes,
    classes: edge.classes.slice(),
    latency: edge.latency.slice(),
    failures: edge.failures.slice(),
    wouldDeny: edge.wouldDeny === null ? null : new Map(edge.wouldDeny),
  };
}

function toDelta(edge: EdgeStats, last: Sent): weft.v1.EdgeDelta {
  const failureCode: Record<string, number> = {};
  for (let code = 1; code < edge.failures.length; code += 1) {
    const count = (edge.failures[code] ?? 0) - (last.failures[code] ?? 0);
    if (count > 0) failureCode[FAILURES[code]?.name ?? ""] = count;
  }
  return {
    // What enters at the edge is outbound traffic of the ingress.
    direction: edge.labels.direction === "inbound" ? "inbound" : "outbound",
    source: edge.labels.source,
    destination: edge.labels.destination,
    version: edge.labels.version,
    protocol: edge.labels.protocol,
    success: edge.success - last.success,
    failure: edge.failure - last.failure,
    statusClass: subtract(edge.classes, last.classes).slice(1),
    latencyBuckets: subtract(edge.latency, last.latency),
    requestBytes: edge.requestBytes - last.requestBytes,
    responseBytes: edge.responseBytes - last.responseBytes,
    failureCode,
    ...(edge.wouldDeny === null
      ? {}
      : { wouldDeny: Object.fromEntries(subtractByKey(edge.wouldDeny, last.wouldDeny)) }),
  };
}

function subtract(now: Float64Array, before: Float64Array): number[] {
  return Array.from(now, (count, index) => count - (before[index] ?? 0));
}

function reportNow(reporter: TelemetryReporter): void {
  reporter.report();
}
