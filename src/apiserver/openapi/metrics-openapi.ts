import {
  METRICS_API_VERSION,
  METRICS_GROUP,
  METRICS_KINDS,
  METRICS_ROOT,
  METRICS_VERSION,
} from "../metrics/metrics-kinds.ts";
import { LIST_META, OBJECT_META } from "./definition-names.ts";
import type { Definitions, JsonSchema } from "./json-schema.ts";
import { API_VERSION, KIND } from "./kind-schema.ts";
import { groupVersionKinds } from "./meta-definitions.ts";
import type { Operation } from "./operations.ts";
import type { QueryParameter } from "./query-parameters.ts";

const NAME = `io.smi-spec.metrics.${METRICS_VERSION}.TrafficMetrics`;
const KIND_OF_ITEMS = { group: METRICS_GROUP, version: METRICS_VERSION, kind: "TrafficMetrics" };

const WINDOW: QueryParameter = {
  name: "t",
  type: "string",
  description: "Over how long, 1s to 10m; 30s when left out.",
};
const LABELS: QueryParameter = {
  name: "labelSelector",
  type: "string",
  description: "Only objects with these labels, e.g. app=web,tier!=db.",
};

/** Reads of every kind that is measured. */
export function listMetricsOperations(): readonly Operation[] {
  return METRICS_KINDS.flatMap(({ kind, plural, namespaced }) => {
    const collection = namespaced ? `${METRICS_ROOT}/namespaces/{namespace}/${plural}` : `${METRICS_ROOT}/${plural}`;
    // The path of one namespace has its name where those of other kinds have their namespace.
    const object = plural === "namespaces" ? `${collection}/{namespace}` : `${collection}/{name}`;
    const hasParts = kind === "TrafficSplit";
    const read = (path: string, id: string, text: string, isList: boolean): Operation => ({
      path,
      method: "get",
      action: id.startsWith("list") ? "list" : "get",
      id: `${id}MetricsSmiSpecIoV1alpha1${kind}`,
      description: text,
      kind: KIND_OF_ITEMS,
      tag: "metricsSmiSpecIo_v1alpha1",
      query: id.startsWith("list") ? [WINDOW, LABELS] : [WINDOW],
      body: null,
      answer: isList ? `${NAME}List` : NAME,
      statusCodes: [200],
    });
    return [
      ...(namespaced
        ? [read(`${METRICS_ROOT}/${plural}`, "listForAllNamespaces", `measures ${plural} everywhere`, true)]
        : []),
      read(collection, "list", `measures ${plural}`, true),
      read(object, "read", `measures one of ${plural}`, hasParts),
      read(`${object}/edges`, "readEdgesOf", `measures with whom one of ${plural} exchanged traffic`, true),
    ];
  });
}

/** What those reads answer. */
export function createMetricsDefinitions(): Definitions {
  const text = (description: string): JsonSchema => ({ type: "string", description });
  const reference: JsonSchema = {
    type: "object",
    description: "What it is about.",
    properties: { kind: KIND, namespace: text("Left out for what is in none."), name: text("Its name.") },
  };
  const metric: JsonSchema = {
    type: "object",
    required: ["name", "value"],
    properties: { name: text("What is measured."), unit: text("ms; counts have none."), value: text("A quantity.") },
  };
  return {
    [NAME]: {
      type: "object",
      description: "Traffic of one object over a window, of all or with one other.",
      properties: {
        apiVersion: API_VERSION,
        kind: KIND,
        metadata: { $ref: OBJECT_META, description: "Name and labels of the object." },
        timestamp: text("When it was measured."),
        window: text("Over how long."),
        resource: reference,
        edge: {
          type: "object",
          description: "Which way, counted on which side, and with whom.",
          properties: { direction: text("to or from."), side: text("client or server."), resource: reference },
        },
        backend: {
          type: "object",
          description: "Of a TrafficSplit: which of its backends.",
          properties: {
            apex: text("The root."),
            name: text("The backend."),
            weight: { type: "integer", description: "Its weight." },
          },
        },
        metrics: { type: "array", items: metric, description: "Three latencies and two counts, in this order." },
      },
      ...groupVersionKinds([KIND_OF_ITEMS]),
    },
    [`${NAME}List`]: {
      type: "object",
      description: `A list of TrafficMetrics of ${METRICS_API_VERSION}.`,
      required: ["items"],
      properties: {
        apiVersion: API_VERSION,
        kind: KIND,
        metadata: { $ref: LIST_META, description: "Where it was read." },
        resource: reference,
        items: { type: "array", items: { $ref: NAME }, description: "What was measured." },
      },
      ...groupVersionKinds([{ ...KIND_OF_ITEMS, kind: "TrafficMetricsList" }]),
    },
  };
}
