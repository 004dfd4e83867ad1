import { GRPC_STATUS_COUNT, GRPC_STATUS_UNKNOWN } from "./grpc-class.ts";
import { OTHER_REQUESTS } from "./would-deny.ts";
import { LATENCY_BOUNDS_MS, LATENCY_BUCKET_COUNT } from "./latency-buckets.ts";

/** What identifies one line of traffic figures. */
export interface EdgeLabels {
  readonly direction: "outbound" | "inbound" | "ingress";
  /** "<namespace>/<service account>", or "" when unknown. */
  readonly source: string;
  /** "<namespace>/<service>", or "egress". */
  readonly destination: string;
  readonly version: string;
  /** "grpc" for gRPC calls, whose success is told by `grpc-status`. */
  readonly protocol: "http" | "grpc" | "tcp" | "udp";
}

/** Counters of one edge, grown by plain stores on the request path and read by whoever reports. */
export class EdgeStats {
  readonly labels: EdgeLabels;
  /** Index 1..5 = status class; 0 = none (TCP, or no response). */
  readonly classes: Float64Array = new Float64Array(6);
  readonly latency: Float64Array = new Float64Array(LATENCY_BUCKET_COUNT);
  /** By failure code. */
  readonly failures: Float64Array;
  /** Responses by gRPC status; null on edges of other protocols. */
  readonly grpcStatuses: Float64Array | null;
  success: number = 0;
  failure: number = 0;
  latencySumMs: number = 0;
  requestBytes: number = 0;
  responseBytes: number = 0;
  /** What strict access would have denied, by `observe/would-deny.ts` key; null = nothing. */
  wouldDeny: Map<string, number> | null = null;
  /** The edge of gRPC calls with otherwise the same labels, once it was asked for. */
  grpcTwin: EdgeStats | null = null;
  /** Grows with every record, so that reporters can skip what did not change. */
  changes: number = 0;

  constructor(labels: EdgeLabels, failureCodeCount: number) {
    this.labels = labels;
    this.failures = new Float64Array(failureCodeCount);
    this.grpcStatuses = labels.protocol === "grpc" ? new Float64Array(GRPC_STATUS_COUNT) : null;
  }

  /** `failureCode` 0 means none. A 5xx that the app made counts as a failure without a code. */
  record(status: number, failureCode: number, latencyMs: number): void {
    this.changes += 1;
    const index = status >= 100 && status < 600 ? (status / 100) | 0 : 0;
    this.classes[index] = (this.classes[index] ?? 0) + 1;
    if (failureCode === 0 && status < 500) this.success += 1;
    else this.failure += 1;
    if (failureCode !== 0) this.failures[failureCode] = (this.failures[failureCode] ?? 0) + 1;
    this.latencySumMs += latencyMs;
    const bucket = findBucket(latencyMs);
    this.latency[bucket] = (this.latency[bucket] ?? 0) + 1;
  }

  /** Beside `record`: the gRPC status that the caller got. One that gRPC does not define counts as UNKNOWN. */
  countGrpcStatus(code: number): void {
    const counts = this.grpcStatuses;
    if (counts === null) return;
    const known = code < GRPC_STATUS_COUNT ? code : GRPC_STATUS_UNKNOWN;
    counts[known] = (counts[known] ?? 0) + 1;
  }

  /** Beside `record`: permissive access let it pass. Past the limit of keys, what is new counts under OTHER_REQUESTS. */
  countWouldDeny(key: string, count: number = 1): void {
    this.wouldDeny ??= new Map();
    const known = this.wouldDeny.has(key) || this.wouldDeny.size < MAX_WOULD_DENY ? key : OTHER_REQUESTS;
    this.wouldDeny.set(known, (this.wouldDeny.get(known) ?? 0) + count);
  }
}

/** Distinct keys of one edge. */
const MAX_WOULD_DENY = 64;

/** All edges of one proxy, bounded: past the limit everything new is counted under one "other" edge per direction. */
export class EdgeTable {
  readonly #edges: Map<string, EdgeStats> = new Map();
  readonly #limit: number;
  readonly #failureCodeCount: number;

  constructor(failureCodeCount: number, limit: number = 4096) {
    this.#failureCodeCount = failureCodeCount;
    this.#limit = limit;
  }

  /** Finds or makes the edge. Callers keep the result where they can: this builds a key. */
  edge(labels: EdgeLabels): EdgeStats {
    const key = `${labels.direction}|${labels.source}|${labels.destination}|${labels.version}|${labels.protocol}`;
    const known = this.#edges.get(key);
    if (known !== undefined) return known;
    if (this.#edges.size >= this.#limit && labels.destination !== "other") {
      return this.edge({ ...labels, source: "", destination: "other", version: "" });
    }
    const edge = new EdgeStats(labels, this.#failureCodeCount);
    this.#edges.set(key, edge);
    return edge;
  }

  /** The edge for gRPC calls beside one for other requests. */
  grpcTwin(edge: EdgeStats): EdgeStats {
    edge.grpcTwin ??= this.edge({ ...edge.labels, protocol: "grpc" });
    return edge.grpcTwin;
  }

  all(): Iterable<EdgeStats> {
    return this.#edges.values();
  }

  isFull(): boolean {
    return this.#edges.size >= this.#limit;
  }
}

function findBucket(latencyMs: number): number {
  let low = 0;
  let high = LATENCY_BOUNDS_MS.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (latencyMs <= (LATENCY_BOUNDS_MS[middle] ?? 0)) high = middle;
    else low = middle + 1;
  }
  return low;
}
