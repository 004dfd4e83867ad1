import type { ControlPlaneViews, TrafficEnds } from "../../control/views.ts";
import { type EndpointSlice, SERVICE_NAME_LABEL } from "../../resources/endpoint-slice.ts";
import type { Resource } from "../../resources/resource.ts";
import type { TrafficSplit } from "../../resources/traffic-split.ts";
import type { Store } from "../../store/store.ts";
import type { MetricsKind } from "./metrics-kinds.ts";

/** One object whose traffic can be told. */
export interface Measured {
  /** "" for what is in none. */
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** One; of a TrafficSplit, one for each backend. */
  readonly parts: readonly MeasuredPart[];
}

export interface MeasuredPart {
  readonly ends: TrafficEnds;
  readonly backend?: { readonly apex: string; readonly name: string; readonly weight: number };
}

export interface MeasuredObjects {
  /** In order of namespace and name. */
  readonly objects: readonly Measured[];
  /** Which Service stands for a service account, "<namespace>/<name>"; null when none does. */
  readonly serviceOf: (account: string) => string | null;
}

export interface MeasuredSources {
  readonly store: Store;
  readonly views: Pick<ControlPlaneViews, "proxies">;
}

const ACCOUNT_LABEL = "weft.dev/service-account";
const WORKLOAD_LABEL = "weft.dev/workload";
const VERSION_LABEL = "weft.dev/version";

/**
 * What there is of a kind. Without Kubernetes, a pod is an instance: of an EndpointSlice, or with a proxy. A deployment is
 * the instances of a Service, or of one version of it (`<service>-<version>`). A node is where EndpointSlices say that
 * instances run (`nodeName`). Nothing stands for the other owners of pods.
 */
export async function findMeasured(
  { kind }: MetricsKind,
  namespace: string,
  { store, views }: MeasuredSources,
): Promise<MeasuredObjects> {
  const slices = (await store.list({ group: "discovery.k8s.io", kind: "EndpointSlice" }))
    .items as readonly EndpointSlice[];
  const services = mapAccounts(slices);
  const find = async (): Promise<readonly Measured[]> => {
    switch (kind) {
      case "Namespace":
        return (await list(store, "", "Namespace")).map((object) => measureNamespace(object));
      case "Service":
        return (await list(store, "", "Service")).map((object) => measureService(object, services));
      case "TrafficSplit":
        return (await list(store, "split.smi-spec.io", "TrafficSplit")).map((object) =>
          measureSplit(object as TrafficSplit, services),
        );
      case "Pod":
        return [...findInstances(slices, nameInstance), ...(await findProxies(views, slices))];
      case "Deployment":
        return findInstances(slices, nameDeployment);
      case "Node":
        return findNodes(slices);
      default:
        return [];
    }
  };
  const found = await find();
  const objects = found
    .filter((object) => namespace === "" || object.namespace === namespace)
    .toSorted((a, b) => compare(a.namespace, b.namespace) || compare(a.name, b.name));
  return { objects, serviceOf: (account) => services.get(account) ?? null };
}

async function list(store: Store, group: string, kind: string): Promise<readonly Resource[]> {
  return (await store.list({ group, kind })).items;
}

function measureNamespace({ metadata: { name, labels = {} } }: Resource): Measured {
  return { namespace: "", name, labels, parts: [{ ends: { by: "namespace", names: [name] } }] };
}

function measureService({ metadata }: Resource, services: ReadonlyMap<string, string>): Measured {
  const { namespace, name, labels = {} } = metadata;
  return { namespace, name, labels, parts: [{ ends: toServiceEnds(`${namespace}/${name}`, services) }] };
}

/** What is sent to a backend by its own name counts as well: proxies know where they sent a request, not by which name. */
function measureSplit({ metadata, spec }: TrafficSplit, services: ReadonlyMap<string, string>): Measured {
  const { namespace, name, labels = {} } = metadata;
  const parts = spec.backends.map(({ service, weight }) => ({
    ends: toServiceEnds(`${namespace}/${service}`, services),
    backend: { apex: spec.service, name: service, weight },
  }));
  return { namespace, name, labels, parts };
}

function toServiceEnds(service: string, services: ReadonlyMap<string, string>): TrafficEnds {
  const accounts = [...services].flatMap(([account, owner]) => (owner === service ? [account] : []));
  return { by: "service", names: [service], accounts };
}

/** Instances prove a service account, which may be behind several Services: the one of its own name stands for it, else the first. */
function mapAccounts(slices: readonly EndpointSlice[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { metadata } of slices) {
    const { namespace, labels = {} } = metadata;
    const [name, service] = [labels[ACCOUNT_LABEL], labels[SERVICE_NAME_LABEL]];
    if (name === undefined || service === undefined) continue;
    const [account, candidate] = [`${namespace}/${name}`, `${namespace}/${service}`];
    const known = found.get(account);
    if (known === undefined || candidate === account || (known !== account && candidate < known))
      found.set(account, candidate);
  }
  return found;
}

type NameOf = (slice: EndpointSlice, instance: string) => string | null;

/** Instances under the names that `nameOf` gives them; each once under each. */
function findInstances(slices: readonly EndpointSlice[], nameOf: NameOf): readonly Measured[] {
  const found = new Map<string, { labels: Record<string, string>; readonly instances: Set<string> }>();
  for (const slice of slices) {
    const { namespace, labels = {} } = slice.metadata;
    for (const instance of listInstances(slice)) {
      const name = nameOf(slice, instance);
      if (name === null) continue;
      const key = `${namespace}/${name}`;
      const known = found.get(key) ?? { labels: {}, instances: new Set() };
      known.labels = { ...known.labels, ...labels };
      known.instances.add(`${namespace}/${instance}`);
      found.set(key, known);
    }
  }
  return [...found].map(([key, { labels, instances }]) => {
    const slash = key.indexOf("/");
    const ends: TrafficEnds = { by: "instance", names: [...instances] };
    return { namespace: key.slice(0, slash), name: key.slice(slash + 1), labels, parts: [{ ends }] };
  });
}

function nameInstance(_slice: EndpointSlice, instance: string): string {
  return instance;
}

function nameDeployment({ metadata: { labels = {} } }: EndpointSlice): string | null {
  const [service, version = ""] = [labels[SERVICE_NAME_LABEL], labels[VERSION_LABEL]];
  if (service === undefined) return null;
  return version === "" || service.endsWith(`-${version}`) ? service : `${service}-${version}`;
}

/** Instances that only call, and gateways. */
async function findProxies(
  views: Pick<ControlPlaneViews, "proxies">,
  slices: readonly EndpointSlice[],
): Promise<readonly Measured[]> {
  const known = new Set(
    slices.flatMap((slice) => listInstances(slice).map((name) => `${slice.metadata.namespace}/${name}`)),
  );
  const proxies = (await views.proxies()).filter(({ id, connected }) => connected && !known.has(id));
  return proxies.map(({ id }) => {
    const slash = id.indexOf("/");
    const ends: TrafficEnds = { by: "instance", names: [id] };
    return { namespace: id.slice(0, slash), name: id.slice(slash + 1), labels: {}, parts: [{ ends }] };
  });
}

function findNodes(slices: readonly EndpointSlice[]): readonly Measured[] {
  const nodes = new Map<string, Set<string>>();
  for (const slice of slices) {
    for (const endpoint of slice.endpoints) {
      const instance = slice.metadata.labels?.[WORKLOAD_LABEL] ?? endpoint.targetRef?.name;
      if (endpoint.nodeName === undefined || instance === undefined) continue;
      const instances = nodes.get(endpoint.nodeName) ?? new Set();
      nodes.set(endpoint.nodeName, instances.add(`${slice.metadata.namespace}/${instance}`));
    }
  }
  return [...nodes].map(([name, instances]) => {
    const ends: TrafficEnds = { by: "instance", names: [...instances] };
    return { namespace: "", name, labels: {}, parts: [{ ends }] };
  });
}

function listInstances({ metadata, endpoints }: EndpointSlice): readonly string[] {
  const workload = metadata.labels?.[WORKLOAD_LABEL];
  if (workload !== undefined) return [workload];
  return endpoints.flatMap(({ targetRef }) => (targetRef?.name === undefined ? [] : [targetRef.name]));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
