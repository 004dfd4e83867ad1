import type { EdgeLabels, EdgeStats, EdgeTable } from "../../observe/edge-stats.ts";
import { subtractByKey } from "../../observe/would-deny.ts";
import { ProxyCounters } from "../counters.ts";

/** What one worker counted since its last report. */
export interface CountsDelta {
  readonly edges: readonly EdgeCounts[];
  /** Differences by name; of gauges too, so that a sum of differences is the present value. */
  readonly counters: Readonly<Record<string, number>>;
}

export interface EdgeCounts {
  readonly labels: EdgeLabels;
  readonly changes: number;
  readonly success: number;
  readonly failure: number;
  readonly latencySumMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly classes: Float64Array;
  readonly latency: Float64Array;
  readonly failures: Float64Array;
  readonly grpcStatuses: Float64Array | null;
  /** By key; null = nothing. */
  readonly wouldDeny: ReadonlyMap<string, number> | null;
}

type CounterName = keyof ProxyCounters;

const COUNTER_NAMES = Object.keys(new ProxyCounters()) as readonly CounterName[];
/** What a worker holds and takes with it when it ends. */
const GAUGES: readonly CounterName[] = [
  ...(["downstreamOpen", "upstreamOpen", "activeExchanges"] as const),
  ...(["ejectedNow", "circuitsOpenNow", "unhealthyNow"] as const),
  ...(["cacheBytesNow", "cacheEntriesNow"] as const),
  ...(["overloadWaiting", "overloadInFlight", "overloadLimit"] as const),
];
/** Every worker takes the same configuration; the main process counts it once. */
const COUNTED_BY_MAIN: ReadonlySet<string> = new Set(["xdsAccepted", "xdsRejected", "workersReplaced"]);

/** A worker's side: takes what was counted since the last time. */
export class CountsReader {
  readonly #edges: EdgeTable;
  readonly #counters: ProxyCounters;
  readonly #lastEdges: Map<EdgeStats, EdgeCounts> = new Map();
  readonly #lastCounters: ProxyCounters = new ProxyCounters();

  constructor(edges: EdgeTable, counters: ProxyCounters) {
    this.#edges = edges;
    this.#counters = counters;
  }

  take(): CountsDelta {
    const counters: Record<string, number> = {};
    for (const name of COUNTER_NAMES) {
      const grown = this.#counters[name] - this.#lastCounters[name];
      if (grown === 0 || COUNTED_BY_MAIN.has(name)) continue;
      counters[name] = grown;
      this.#lastCounters[name] = this.#counters[name];
    }
    const edges: EdgeCounts[] = [];
    for (const edge of this.#edges.all()) {
      const last = this.#lastEdges.get(edge);
      if (last?.changes === edge.changes) continue;
      const now = copyCounts(edge);
      edges.push(last === undefined ? now : subtractCounts(now, last));
      this.#lastEdges.set(edge, now);
    }
    return { edges, counters };
  }
}

/** The main process's side: the sum over all workers there have been. One per worker. */
export class CountsWriter {
  readonly #edges: EdgeTable;
  readonly #counters: ProxyCounters;
  readonly #held: Map<CounterName, number> = new Map();

  constructor(edges: EdgeTable, counters: ProxyCounters) {
    this.#edges = edges;
    this.#counters = counters;
  }

  add(delta: CountsDelta): void {
    for (const name of COUNTER_NAMES) {
      const grown = delta.counters[name] ?? 0;
      if (grown === 0) continue;
      this.#counters[name] += grown;
      if (GAUGES.includes(name)) this.#held.set(name, (this.#held.get(name) ?? 0) + grown);
    }
    for (const counts of delta.edges) addCounts(this.#edges.edge(counts.labels), counts);
  }

  /** The worker has ended: nothing of it is open any more. */
  end(): void {
    for (const [name, value] of this.#held) this.#counters[name] -= value;
    this.#held.clear();
  }
}

function copyCounts(edge: EdgeStats): EdgeCounts {
  const { labels, changes, success, failure, latencySumMs, requestBytes, responseBytes } = edge;
  return {
    ...{ labels, changes, success, failure, latencySumMs, requestBytes, responseBytes },
    classes: edge.classes.slice(),
    latency: edge.latency.slice(),
    failures: edge.failures.slice(),
    grpcStatuses: edge.grpcStatuses?.slice() ?? null,
    wouldDeny: edge.wouldDeny === null ? null : new Map(edge.wouldDeny),
  };
}

function subtractCounts(now: EdgeCounts, last: EdgeCounts): EdgeCounts {
  return {
    labels: now.labels,
    changes: now.changes - last.changes,
    success: now.success - last.success,
    failure: now.failure - last.failure,
    latencySumMs: now.latencySumMs - last.latencySumMs,
    requestBytes: now.requestBytes - last.requestBytes,
    responseBytes: now.responseBytes - last.responseBytes,
    classes: subtract(now.classes, last.classes),
    latency: subtract(now.latency, last.latency),
    failures: subtract(now.failures, last.failures),
    grpcStatuses: now.grpcStatuses === null ? null : subtract(now.grpcStatuses, last.grpcStatuses),
    wouldDeny: now.wouldDeny === null ? null : subtractByKey(now.wouldDeny, last.wouldDeny),
  };
}

function addCounts(edge: EdgeStats, counts: EdgeCounts): void {
  edge.changes += counts.changes;
  edge.success += counts.success;
  edge.failure += counts.failure;
  edge.latencySumMs += counts.latencySumMs;
  edge.requestBytes += counts.requestBytes;
  edge.responseBytes += counts.responseBytes;
  add(edge.classes, counts.classes);
  add(edge.latency, counts.latency);
  add(edge.failures, counts.failures);
  for (const [key, count] of counts.wouldDeny ?? []) edge.countWouldDeny(key, count);
  if (edge.grpcStatuses !== null && counts.grpcStatuses !== null) add(edge.grpcStatuses, counts.grpcStatuses);
}

function subtract(now: Float64Array, last: Float64Array | null): Float64Array {
  return now.map((count, index) => count - (last?.[index] ?? 0));
}

function add(sums: Float64Array, counts: Float64Array): void {
  for (let index = 0; index < sums.length; index += 1) sums[index] = (sums[index] ?? 0) + (counts[index] ?? 0);
}
