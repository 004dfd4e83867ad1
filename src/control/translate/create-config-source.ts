import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE } from "../../xds/names.ts";
import type { ConfigSource, ProxyNode, ProxyView, ResourcesByName } from "../config-source.ts";
import type { MeshModel } from "../model/mesh-model.ts";
import { listClusters, listLocalClusters } from "./clusters.ts";
import { listEndpoints } from "./endpoints.ts";
import { listListeners } from "./listeners.ts";
import { EMPTY_RESOURCES, ResourceSet } from "./resource-set.ts";
import { listIngressRoutes, listOutboundRoutes } from "./routes.ts";
import { listSecrets } from "./secrets.ts";

/** A config source that is told of each new model. Before the first, every view is empty. */
export interface MeshConfigSource extends ConfigSource {
  /** Listeners are called only when a view may be another one than before. */
  update(model: MeshModel, trustBundlePem: string): void;
}

export interface ConfigSourceOptions {
  readonly trustDomain: string;
}

/**
 * Translates mesh models to xDS. What the model shares with the one before is not encoded again; what one proxy alone sees
 * is made when its view is asked for and kept as long as its `ProxyNode` object lives.
 */
export function createConfigSource(options: ConfigSourceOptions): MeshConfigSource {
  return new MeshTranslator(options.trustDomain);
}

class MeshTranslator implements MeshConfigSource {
  readonly #trustDomain: string;
  readonly #clusters: ResourceSet = new ResourceSet(CLUSTER_TYPE);
  readonly #endpoints: ResourceSet = new ResourceSet(ENDPOINT_TYPE);
  readonly #secrets: ResourceSet = new ResourceSet(SECRET_TYPE);
  /** Outbound routes by namespace, for namespaces whose proxies have asked. */
  readonly #outbound: Map<string, NamespaceRoutes> = new Map();
  readonly #nodes: WeakMap<ProxyNode, NodeState> = new WeakMap();
  readonly #listeners: Set<() => void> = new Set();
  #model: MeshModel | null = null;
  #trustBundlePem: string = "";

  constructor(trustDomain: string) {
    this.#trustDomain = trustDomain;
  }

  update(model: MeshModel, trustBundlePem: string): void {
    const previous = this.#model;
    if (previous !== null && trustBundlePem === this.#trustBundlePem && isSameConfig(previous, model)) return;
    this.#model = model;
    this.#trustBundlePem = trustBundlePem;
    this.#clusters.update(listClusters(model, this.#trustDomain));
    this.#endpoints.update(listEndpoints(model));
    this.#secrets.update(listSecrets(trustBundlePem));
    for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): () => void {
    // Wrapped, so that the same function given twice is two listeners.
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  }

  viewFor(node: ProxyNode): ProxyView {
    const model = this.#model;
    if (model === null) return EMPTY_VIEW;
    const state = this.#stateOf(node);
    if (state.model === model && state.trustBundlePem === this.#trustBundlePem) return state.view;
    const workload = model.workloads.get(`${node.namespace}/${node.workload}`) ?? null;
    const localClusters = state.localClusters.update(listLocalClusters(node.metadata.inbound, workload, model));
    const view = new Map<string, ResourcesByName>([
      [CLUSTER_TYPE, state.clusters.join(this.#clusters.resources, localClusters)],
      [ENDPOINT_TYPE, this.#endpoints.resources],
      [SECRET_TYPE, this.#secrets.resources],
      [LISTENER_TYPE, state.listeners.update(listListeners(model, node, this.#trustDomain))],
      [ROUTE_TYPE, this.#routesFor(model, node, state)],
    ]);
    if ([...view].some(([type, resources]) => state.view.get(type) !== resources)) state.view = view;
    state.model = model;
    state.trustBundlePem = this.#trustBundlePem;
    return state.view;
  }

  #routesFor(model: MeshModel, node: ProxyNode, state: NodeState): ResourcesByName {
    const ingress = state.ingressRoutes.update(listIngressRoutes(model, node.metadata.ingress));
    if (node.metadata.outbound === null) return ingress;
    return state.routes.join(this.#outboundRoutes(model, node.namespace), ingress);
  }

  #outboundRoutes(model: MeshModel, namespace: string): ResourcesByName {
    let routes = this.#outbound.get(namespace);
    if (routes === undefined) {
      routes = { set: new ResourceSet(ROUTE_TYPE), model: null };
      this.#outbound.set(namespace, routes);
    }
    if (routes.model !== model) {
      routes.set.update(listOutboundRoutes(model, namespace));
      routes.model = model;
    }
    return routes.set.resources;
  }

  #stateOf(node: ProxyNode): NodeState {
    const known = this.#nodes.get(node);
    if (known !== undefined) return known;
    const state = new NodeState();
    this.#nodes.set(node, state);
    return state;
  }
}

/** The outbound routes of one namespace and the model they were last made from. */
interface NamespaceRoutes {
  readonly set: ResourceSet;
  model: MeshModel | null;
}

/** What was last made for one proxy. */
class NodeState {
  readonly localClusters: ResourceSet = new ResourceSet(CLUSTER_TYPE);
  readonly clusters: JoinedMap = new JoinedMap();
  readonly listeners: ResourceSet = new ResourceSet(LISTENER_TYPE);
  readonly ingressRoutes: ResourceSet = new ResourceSet(ROUTE_TYPE);
  readonly routes: JoinedMap = new JoinedMap();
  view: ProxyView = EMPTY_VIEW;
  model: MeshModel | null = null;
  trustBundlePem: string = "";
}

/** Joins what all share with what one proxy has; the same maps give the same map. */
class JoinedMap {
  #shared: ResourcesByName = EMPTY_RESOURCES;
  #own: ResourcesByName = EMPTY_RESOURCES;
  #joined: ResourcesByName = EMPTY_RESOURCES;

  join(shared: ResourcesByName, own: ResourcesByName): ResourcesByName {
    if (own.size === 0) return shared;
    if (shared !== this.#shared || own !== this.#own) {
      this.#shared = shared;
      this.#own = own;
      this.#joined = new Map([...shared, ...own]);
    }
    return this.#joined;
  }
}

const EMPTY_VIEW: ProxyView = new Map(
  [CLUSTER_TYPE, ENDPOINT_TYPE, SECRET_TYPE, LISTENER_TYPE, ROUTE_TYPE].map((type) => [type, EMPTY_RESOURCES]),
);

/** Conditions and the lifetime of certificates are in no xDS resource. */
function isSameConfig(one: MeshModel, other: MeshModel): boolean {
  return (
    one.services === other.services &&
    one.access === other.access &&
    one.workloads === other.workloads &&
    one.settings.access === other.settings.access &&
    one.settings.egress === other.settings.egress
  );
}
