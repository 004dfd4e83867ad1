import type { ControlPlaneViews } from "../../control/views.ts";
import type { Resource } from "../../resources/resource.ts";
import type { Store } from "../../store/store.ts";
import type { Clock } from "../../time/clock.ts";
import { formatWallTime } from "../../time/wall-time.ts";
import type { ResourceAccess } from "../access/route-access.ts";
import { type ApiAnswer, type ApiCall, type ApiRoute, json } from "../api-route.ts";
import { parseListFilter } from "../list-filter.ts";
import { StatusError } from "../status.ts";
import { isTrue } from "../watch-stream.ts";
import { findMeasured, type Measured, type MeasuredObjects } from "./find-measured.ts";
import { METRICS_API_VERSION, METRICS_GROUP, METRICS_KINDS, METRICS_ROOT, type MetricsKind } from "./metrics-kinds.ts";
import { formatGoDuration, readMetricsWindow } from "./metrics-window.ts";
import { createList, measure, measureEdges, type MetricsFrame, refer } from "./traffic-metrics-documents.ts";

export interface MetricsRoutesOptions {
  readonly store: Store;
  readonly views: ControlPlaneViews;
  readonly clock: Clock;
}

/** Slots of a second: a window that began in the middle of one is not worth a word. */
const SLACK_MS = 2_000;

/** SMI TrafficMetrics: lists, single objects and their edges, measured when asked for. */
export function createMetricsRoutes(options: MetricsRoutesOptions): readonly ApiRoute[] {
  const route = (path: string, access: Omit<ResourceAccess, "group">, answer: typeof list): ApiRoute => ({
    method: "GET",
    takesHead: true,
    path: `${METRICS_ROOT}${path}`,
    access: { ...access, group: METRICS_GROUP },
    answer: (call) => answer(options, call),
  });
  const get = { verb: "get", resource: "path" } as const;
  const lists = { verb: "list", resource: "path" } as const;
  const namespace = { verb: "get", resource: "namespaces" } as const;
  const edges = { subresource: "edges" } as const;
  return [
    // A namespace is asked for as what is in it: who may see that may see this.
    route("/namespaces/{namespace}", namespace, getOne),
    route("/namespaces/{namespace}/edges", { ...namespace, ...edges }, listEdges),
    route("/namespaces/{namespace}/{plural}", lists, list),
    route("/namespaces/{namespace}/{plural}/{name}", get, getOne),
    route("/namespaces/{namespace}/{plural}/{name}/edges", { ...get, ...edges }, listEdges),
    route("/{plural}", lists, list),
    route("/{plural}/{name}", get, getOne),
    route("/{plural}/{name}/edges", { ...get, ...edges }, listEdges),
  ];
}

async function list(options: MetricsRoutesOptions, call: ApiCall): Promise<ApiAnswer> {
  const target = readTarget(call);
  const { definition, namespace } = target;
  const filter = parseListFilter(call.query, definition);
  const { frame, found } = await measureAll(options, call, target);
  const objects = found.objects.filter((object) => filter.accepts(toResource(object)));
  const resource = { kind: definition.kind, ...(namespace === "" ? {} : { namespace }) };
  const head = {
    path: `${METRICS_ROOT}/${definition.plural}`,
    resource,
    selector: readSelector(call.query),
  };
  return json(
    createList(
      objects.flatMap((object) => measure(frame, object)),
      head,
    ),
  );
}

/** A TrafficSplit is a list: one item for each backend. */
async function getOne(options: MetricsRoutesOptions, call: ApiCall): Promise<ApiAnswer> {
  const target = readTarget(call);
  const { frame, found } = await measureAll(options, call, target);
  const object = findNamed(found, target);
  const items = measure(frame, object);
  if (target.definition.kind !== "TrafficSplit") return json(items[0]);
  return json(createList(items, { path: call.path, resource: refer(target.definition, object), selector: null }));
}

async function listEdges(options: MetricsRoutesOptions, call: ApiCall): Promise<ApiAnswer> {
  const target = readTarget(call);
  const { frame, found } = await measureAll(options, call, target);
  const object = findNamed(found, target);
  const items = measureEdges(frame, object, found.serviceOf);
  const path = call.path.replace(/\/$/, "");
  return json(createList(items, { path, resource: refer(target.definition, object), selector: null }));
}

interface Target {
  readonly definition: MetricsKind;
  /** "" = all, or what is in none. */
  readonly namespace: string;
  /** "" in lists. */
  readonly name: string;
}

function readTarget({ parameters, query }: ApiCall): Target {
  if (isTrue(query.get("watch"))) {
    throw new StatusError(
      "MethodNotAllowed",
      "Cannot watch traffic metrics: they change all the time; expected a list",
    );
  }
  const { plural, namespace = "", name = "" } = parameters;
  // `/namespaces/{namespace}` and its edges: the namespace itself.
  if (plural === undefined) return { definition: findKind("namespaces"), namespace: "", name: namespace };
  const isInNamespace = namespace !== "";
  const definition = findKind(plural);
  if (definition.namespaced !== isInNamespace && (isInNamespace || name !== "")) throw unknownPath(plural);
  return { definition, namespace, name };
}

function findKind(plural: string): MetricsKind {
  const definition = METRICS_KINDS.find((kind) => kind.plural === plural);
  if (definition === undefined) throw unknownPath(plural);
  return definition;
}

function unknownPath(plural: string): StatusError {
  const known = METRICS_KINDS.map((kind) => kind.plural).join(", ");
  return new StatusError(
    "NotFound",
    `the server could not find the requested resource: ${METRICS_API_VERSION} has no ${JSON.stringify(plural)} here; expected one of ${known}`,
    { group: METRICS_GROUP, kind: plural },
  );
}

async function measureAll(
  { store, views, clock }: MetricsRoutesOptions,
  call: ApiCall,
  { definition, namespace }: Target,
): Promise<{ readonly frame: MetricsFrame; readonly found: MeasuredObjects }> {
  const windowMs = readMetricsWindow(call.query);
  const found = await findMeasured(definition, namespace, { store, views });
  const isByAccount = ["Namespace", "Service", "TrafficSplit"].includes(definition.kind);
  const figures = await views.trafficFigures(windowMs, isByAccount ? "account" : "instance");
  if (figures.spanMs + SLACK_MS < windowMs) {
    const span = formatGoDuration(Math.round(figures.spanMs / 1000) * 1000);
    call.warn(`traffic is known of the last ${span} only: counting began then, or older figures had to go`);
  }
  const timestamp = `${formatWallTime(clock.wallMs()).slice(0, 19)}Z`;
  return { frame: { definition, figures, windowMs, timestamp }, found };
}

function findNamed({ objects }: MeasuredObjects, { definition, name }: Target): Measured {
  const object = objects.find((candidate) => candidate.name === name);
  if (object !== undefined) return object;
  const { plural } = definition;
  throw new StatusError("NotFound", `${plural}.${METRICS_GROUP} "${name}" not found`, {
    name,
    group: METRICS_GROUP,
    kind: plural,
  });
}

function toResource({ namespace, name, labels }: Measured): Resource {
  return { apiVersion: METRICS_API_VERSION, kind: "TrafficMetrics", metadata: { namespace, name, labels } };
}

/** Null: none, or one that cannot be said as `matchLabels`. */
function readSelector(query: URLSearchParams): object | null {
  const text = query.get("labelSelector") ?? "";
  const pairs = text.split(",").map((part) => /^\s*([^\s=!()]+)\s*==?\s*([^\s=!()]*)\s*$/.exec(part));
  if (text === "" || pairs.includes(null)) return null;
  return { matchLabels: Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? "", pair?.[2] ?? ""])) };
}
