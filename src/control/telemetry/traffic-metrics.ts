import { estimateQuantileMs, LATENCY_BUCKET_COUNT } from "../../observe/latency-buckets.ts";
import type { Metric, TrafficEnds, TrafficFigures, TrafficFlow } from "../views.ts";
import { formatMetricQuantity } from "./metric-quantity.ts";
import { OTHER_EDGE, type TrafficCounts, type TrafficEdge, type TrafficSums } from "./traffic-ring.ts";

/**
 * The figures of SMI TrafficMetrics (metrics.smi-spec.io/v1alpha1) from the mesh's own telemetry. No call is counted twice:
 * of its two sides one is taken. What namespaces and instances receive is counted where it arrives. What a service receives
 * is counted where it was called: a proxy that is called knows its service account, not which service the caller meant.
 * Callers without a proxy therefore count for namespaces and instances, not for services.
 *
 * `parts` are the sums of each control plane: of `TrafficRing` by service accounts, or by instances where those are asked for.
 * Names are compared whole: a dot or a star in one stands for itself.
 */
export function createTrafficFigures(parts: readonly TrafficSums[]): TrafficFigures {
  const index = new EdgeIndex(parts);
  return {
    spanMs: Math.max(0, ...parts.map((part) => part.spanMs)),
    received(ends) {
      const sum = new MetricSum();
      for (const { counts } of index.receivedBy(ends)) sum.add(counts);
      return sum.toMetrics();
    },
    flows(ends) {
      const [to, from] = [new Map<string, MetricSum>(), new Map<string, MetricSum>()];
      const name = ends.by === "namespace" ? namespaceOf : (qualified: string): string => qualified;
      for (const { edge, counts } of index.sentBy(ends)) addTo(to, name(edge.destination), counts);
      for (const { edge, counts } of index.receivedBy(ends)) addTo(from, name(edge.source), counts);
      const fromSide = ends.by === "service" ? "client" : "server";
      return [...toFlows("to", "client", to), ...toFlows("from", fromSide, from)];
    },
  };
}

type Entry = TrafficSums["edges"][number];

/** Edges by the names that are asked for, so that a list of all services reads each edge once. */
class EdgeIndex {
  readonly #inbound: Map<string, Entry[]> = new Map();
  readonly #called: Map<string, Entry[]> = new Map();
  readonly #callers: Map<string, Entry[]> = new Map();

  constructor(parts: readonly TrafficSums[]) {
    for (const { edges } of parts) {
      for (const entry of edges) {
        const { direction, source, destination } = entry.edge;
        if (direction === "inbound") {
          push(this.#inbound, destination, entry);
          push(this.#inbound, toNamespaceKey(destination), entry);
          continue;
        }
        push(this.#called, destination, entry);
        push(this.#callers, source, entry);
        push(this.#callers, toNamespaceKey(source), entry);
      }
    }
  }

  receivedBy(ends: TrafficEnds): readonly Entry[] {
    const { by, names } = ends;
    const keys = by === "namespace" ? names.map(formatNamespaceKey) : names;
    return collect(by === "service" ? this.#called : this.#inbound, keys);
  }

  sentBy(ends: TrafficEnds): readonly Entry[] {
    const { by, names } = ends;
    if (by === "namespace") return collect(this.#callers, names.map(formatNamespaceKey));
    return collect(this.#callers, by === "service" ? ends.accounts : names);
  }
}

function collect(index: ReadonlyMap<string, readonly Entry[]>, keys: readonly string[]): readonly Entry[] {
  return [...new Set(keys)].flatMap((key) => index.get(key) ?? []);
}

function push(index: Map<string, Entry[]>, key: string, entry: Entry): void {
  const entries = index.get(key);
  if (entries === undefined) index.set(key, [entry]);
  else entries.push(entry);
}

/** No qualified name ends in a slash. */
function formatNamespaceKey(namespace: string): string {
  return `${namespace}/`;
}

function toNamespaceKey(qualified: string): string {
  return formatNamespaceKey(namespaceOf(qualified));
}

function addTo(sums: Map<string, MetricSum>, other: string, counts: TrafficCounts): void {
  // Ends of whom nothing is known make no edge; `received` has them.
  if (other === "" || other === OTHER_EDGE) return;
  let sum = sums.get(other);
  if (sum === undefined) {
    sum = new MetricSum();
    sums.set(other, sum);
  }
  sum.add(counts);
}

function toFlows(
  direction: TrafficFlow["direction"],
  side: TrafficFlow["side"],
  sums: ReadonlyMap<string, MetricSum>,
): readonly TrafficFlow[] {
  const others = [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return others.map(([other, sum]) => ({ direction, side, other, metrics: sum.toMetrics() }));
}

class MetricSum {
  #success: number = 0;
  #failure: number = 0;
  readonly #latency: Float64Array = new Float64Array(LATENCY_BUCKET_COUNT);

  add(counts: TrafficCounts): void {
    this.#success += counts.success;
    this.#failure += counts.failure;
    for (let i = 0; i < LATENCY_BUCKET_COUNT; i += 1)
      this.#latency[i] = (this.#latency[i] ?? 0) + (counts.latency[i] ?? 0);
  }

  /** Clients read them by position. */
  toMetrics(): readonly Metric[] {
    return [
      this.#latencyMetric("p99_response_latency", 0.99),
      this.#latencyMetric("p90_response_latency", 0.9),
      this.#latencyMetric("p50_response_latency", 0.5),
      { name: "success_count", value: formatMetricQuantity(this.#success) },
      { name: "failure_count", value: formatMetricQuantity(this.#failure) },
    ];
  }

  #latencyMetric(name: string, quantile: number): Metric {
    return { name, unit: "ms", value: formatMetricQuantity(estimateQuantileMs(this.#latency, quantile) ?? 0) };
  }
}

/** Of "<namespace>/<name>"; "" when unknown. */
function namespaceOf(qualified: TrafficEdge["source"]): string {
  return qualified.slice(0, Math.max(0, qualified.indexOf("/")));
}
