import { estimateQuantileMs, LATENCY_BUCKET_COUNT } from "../../observe/latency-buckets.ts";
import { formatMetricQuantity } from "./metric-quantity.ts";
import type { TrafficCounts, TrafficEdge, TrafficSums } from "./traffic-ring.ts";

/**
 * The figures of SMI TrafficMetrics (metrics.smi-spec.io/v1alpha1) from the mesh's own telemetry. No call is counted twice:
 * of its two sides one is taken. What a namespace receives is counted where it arrives. What a service receives is counted
 * where it was called: a proxy that is called knows its service account, not which service the caller meant.
 */

export interface MetricsResource {
  readonly kind: "Namespace" | "Service";
  /** Left out for namespaces. */
  readonly namespace?: string;
  readonly name: string;
}

export interface Metric {
  readonly name: string;
  /** Counts have none. */
  readonly unit?: "ms";
  /** A Kubernetes Quantity. */
  readonly value: string;
}

export interface EdgeMetrics {
  /** "to": the resource called the other; "from": it was called by it. */
  readonly direction: "to" | "from";
  /** Which proxies counted it. */
  readonly side: "client" | "server";
  /** The other end. */
  readonly resource: MetricsResource;
  readonly metrics: readonly Metric[];
}

/**
 * All that the resource received, in the five metrics and their order; zeros when it received nothing. Callers without a
 * proxy count for namespaces, not for services.
 */
export function measureReceived(parts: readonly TrafficSums[], resource: MetricsResource): readonly Metric[] {
  const sum = new MetricSum();
  const countedOn = resource.kind === "Namespace" ? "inbound" : "outbound";
  for (const { edges } of parts) {
    for (const { edge, counts } of edges)
      if (edge.direction === countedOn && isEnd(edge.destination, resource)) sum.add(counts);
  }
  return sum.toMetrics();
}

/**
 * One entry per direction and namespace that the namespace exchanged traffic with, "to" before "from", then by name. Calls
 * within it give both. Callers of whom nothing is known make no edge; `measureReceived` has them.
 */
export function measureNamespaceEdges(parts: readonly TrafficSums[], namespace: string): readonly EdgeMetrics[] {
  const sums = { to: new Map<string, MetricSum>(), from: new Map<string, MetricSum>() };
  for (const { edges } of parts) {
    for (const { edge, counts } of edges) {
      const isSent = edge.direction === "outbound";
      const own = namespaceOf(isSent ? edge.source : edge.destination);
      const other = namespaceOf(isSent ? edge.destination : edge.source);
      if (own === namespace && other !== "") findSum(isSent ? sums.to : sums.from, other).add(counts);
    }
  }
  return [...toEdges("to", "client", sums.to), ...toEdges("from", "server", sums.from)];
}

function toEdges(
  direction: EdgeMetrics["direction"],
  side: EdgeMetrics["side"],
  sums: ReadonlyMap<string, MetricSum>,
): readonly EdgeMetrics[] {
  const names = [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return names.map(([name, sum]) => ({
    direction,
    side,
    resource: { kind: "Namespace", name },
    metrics: sum.toMetrics(),
  }));
}

function findSum(sums: Map<string, MetricSum>, key: string): MetricSum {
  let sum = sums.get(key);
  if (sum === undefined) {
    sum = new MetricSum();
    sums.set(key, sum);
  }
  return sum;
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

/** Names are compared whole: a dot or a star in one stands for itself. */
function isEnd(qualified: string, { kind, namespace, name }: MetricsResource): boolean {
  return kind === "Namespace" ? namespaceOf(qualified) === name : qualified === `${namespace ?? ""}/${name}`;
}

/** Of "<namespace>/<name>"; "" when unknown. */
function namespaceOf(qualified: TrafficEdge["source"]): string {
  return qualified.slice(0, Math.max(0, qualified.indexOf("/")));
}
