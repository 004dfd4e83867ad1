import type { Metric, TrafficEnds, TrafficFigures } from "../../control/views.ts";
import type { Measured, MeasuredObjects, MeasuredPart } from "./find-measured.ts";
import { METRICS_API_VERSION, METRICS_ROOT, type MetricsKind } from "./metrics-kinds.ts";
import { formatGoDuration } from "./metrics-window.ts";

/** What all items of one answer have in common. */
export interface MetricsFrame {
  readonly definition: MetricsKind;
  readonly figures: TrafficFigures;
  readonly windowMs: number;
  /** When it was measured, ISO 8601. */
  readonly timestamp: string;
}

export interface ListHead {
  readonly path: string;
  readonly resource: object;
  readonly selector: object | null;
}

interface Edge {
  readonly direction: "to" | "from";
  readonly side: "client" | "server";
  /** Null: all others. */
  readonly resource: object | null;
}

/** `TrafficMetricsList`. */
export function createList(items: readonly object[], { path, resource, selector }: ListHead): object {
  return {
    kind: "TrafficMetricsList",
    apiVersion: METRICS_API_VERSION,
    metadata: { selfLink: path },
    resource,
    ...(selector === null ? {} : { selector }),
    items,
  };
}

/** All that the object received: one item, and of a TrafficSplit one for each backend. */
export function measure(frame: MetricsFrame, object: Measured): readonly object[] {
  return object.parts.map((part) => {
    const edge: Edge = { direction: "from", side: sideOf(part.ends), resource: null };
    return createItem(frame, object, { part, edge, metrics: frame.figures.received(part.ends), path: "" });
  });
}

/** One item for each that the object exchanged traffic with, and direction. A TrafficSplit only receives. */
export function measureEdges(
  frame: MetricsFrame,
  object: Measured,
  serviceOf: MeasuredObjects["serviceOf"],
): readonly object[] {
  return object.parts.flatMap((part) =>
    frame.figures
      .flows(part.ends)
      .filter(({ direction }) => part.backend === undefined || direction === "from")
      .map(({ direction, side, other, metrics }) => {
        const edge: Edge = { direction, side, resource: nameOther(part.ends, direction, other, serviceOf) };
        return createItem(frame, object, { part, edge, metrics, path: "/edges" });
      }),
  );
}

export function refer({ kind }: MetricsKind, { namespace, name }: Pick<Measured, "namespace" | "name">): object {
  return { kind, ...(namespace === "" ? {} : { namespace }), name };
}

function createItem(
  { definition, windowMs, timestamp }: MetricsFrame,
  object: Measured,
  item: {
    readonly part: MeasuredPart;
    readonly edge: Edge;
    readonly metrics: readonly Metric[];
    readonly path: string;
  },
): object {
  const { namespace, name, labels } = object;
  const place = namespace === "" ? {} : { namespace };
  const root = namespace === "" ? METRICS_ROOT : `${METRICS_ROOT}/namespaces/${namespace}`;
  return {
    kind: "TrafficMetrics",
    apiVersion: METRICS_API_VERSION,
    metadata: {
      name,
      ...place,
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      selfLink: `${root}/${definition.plural}/${name}${item.path}`,
      creationTimestamp: timestamp,
    },
    timestamp,
    window: formatGoDuration(windowMs),
    resource: refer(definition, object),
    edge: item.edge,
    ...(item.part.backend === undefined ? {} : { backend: item.part.backend }),
    metrics: item.metrics,
  };
}

function sideOf({ by }: TrafficEnds): Edge["side"] {
  return by === "service" ? "client" : "server";
}

/** Of a caller only its service account is proved: the Service that stands for it, or it itself. */
function nameOther(
  { by }: TrafficEnds,
  direction: Edge["direction"],
  other: string,
  serviceOf: MeasuredObjects["serviceOf"],
): object {
  if (by === "namespace") return { kind: "Namespace", name: other };
  const service = direction === "to" ? other : serviceOf(other);
  const qualified = service ?? other;
  const slash = qualified.indexOf("/");
  return {
    kind: service === null ? "ServiceAccount" : "Service",
    namespace: qualified.slice(0, slash),
    name: qualified.slice(slash + 1),
  };
}
