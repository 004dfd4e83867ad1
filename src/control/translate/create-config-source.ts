import {
  CLUSTER_TYPE,
  ENDPOINT_TYPE,
  GATEWAY_IDENTITY,
  LISTENER_TYPE,
  ROUTE_TYPE,
  SECRET_TYPE,
} from "../../xds/names.ts";
import {
  type ChangeScope,
  CONCERNS_ALL,
  type ConfigSource,
  type ProxyNode,
  type ProxyView,
  type ResourcesByName,
} from "../config-source.ts";
import { LayerCache, NO_RESOURCES } from "../layered-resources.ts";
import type { MeshModel, ServiceModel } from "../model/mesh-model.ts";
import { listLocalClusters, listMeshClusters } from "./clusters.ts";
import { listIngressRoutes } from "./ingress-routes.ts";
import { listOwnListeners } from "./listeners.ts";
import { OutboundResources, type SharedListener } from "./outbound-resources.ts";
import { ResourceSet } from "./resource-set.ts";
import { listSecrets, listServerCertificates } from "./secrets.ts";
import { type ChangedCallers, ServiceViews } from "./service-views.ts";

/** A config source that is told of each new model. Before the first, every view is empty. */
export interface MeshConfigSource extends ConfigSource {
  /** Listeners are called only when a view may be another one than before. */
  update(model: MeshModel, trustBundlePem: string): void;
}

export interface ConfigSourceOptions {
  readonly trustDomain: string;
}

/**
 * Translates mesh models to xDS. Only what the model does not share with the one before is looked at and encoded again; what
 * one proxy alone sees is made when its view is asked for and kept as long as its `ProxyNode` object lives.
 */
export function createConfigSource(options: ConfigSourceOptions): MeshConfigSource {
  return new MeshTranslator(options.trustDomain);
}

class MeshTranslator implements MeshConfigSource {
  readonly #trustDomain: string;
  #services: ServiceViews;
  readonly #meshClusters: ResourceSet = new ResourceSet(CLUSTER_TYPE);
  readonly #secrets: ResourceSet = new ResourceSet(SECRET_TYPE);
  readonly #outbound: OutboundResources = new OutboundResources();
  readonly #nodes: WeakMap<ProxyNode, NodeState> = new WeakMap();
  readonly #listeners: Set<(concerns: ChangeScope) => void> = new Set();
  #model: MeshModel | null = null;
  #trustBundlePem: string = "";
  /** Grows with every update. */
  #generation: number = 0;
  /** Another object whenever anything that routes and outbound listeners are made of is another. */
  #routing: object = {};

  constructor(trustDomain: string) {
    this.#trustDomain = trustDomain;
    this.#services = new ServiceViews(trustDomain);
  }

  update(model: MeshModel, trustBundlePem: string): void {
    const previous = this.#model;
    const isNewBundle = trustBundlePem !== this.#trustBundlePem;
    if (previous !== null && !isNewBundle && isSameConfig(previous, model)) return;
    let concerns: ChangeScope;
    try {
      concerns = this.#apply(previous, model, trustBundlePem);
    } catch (error) {
      this.#restore(previous, this.#trustBundlePem);
      throw error;
    }
    this.#trustBundlePem = trustBundlePem;
    for (const listener of this.#listeners) listener(concerns);
  }

  onChange(listener: (concerns: ChangeScope) => void): () => void {
    // Wrapped, so that the same function given twice is two listeners.
    const entry = (concerns: ChangeScope): void => listener(concerns);
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  }

  viewFor(node: ProxyNode): ProxyView {
    const model = this.#model;
    if (model === null) return EMPTY_VIEW;
    const state = this.#stateOf(node);
    if (state.generation === this.#generation) return state.view;
    const workload = model.workloads.get(`${node.namespace}/${node.workload}`) ?? null;
    const localClusters = state.localClusters.update(listLocalClusters(node.metadata.inbound, workload, model));
    const ownClusters = state.ownClusters.join(this.#meshClusters.resources, localClusters);
    const caller = `${node.namespace}/${node.serviceAccount}`;
    const listeners = state.ownListeners.update(listOwnListeners(model, node, this.#trustDomain));
    const outbound = state.outbound?.read(model, this.#routing) ?? NO_RESOURCES;
    const view = new Map<string, ResourcesByName>([
      [CLUSTER_TYPE, state.clusters.join(this.#services.clustersFor(caller), ownClusters)],
      [ENDPOINT_TYPE, this.#services.endpointsFor(caller)],
      [SECRET_TYPE, this.#secretsFor(model, node, state)],
      [LISTENER_TYPE, state.listeners.join(outbound, listeners)],
      [ROUTE_TYPE, this.#routesFor(model, node, state)],
    ]);
    if ([...view].some(([type, resources]) => state.view.get(type) !== resources)) state.view = view;
    state.generation = this.#generation;
    return state.view;
  }

  #apply(previous: MeshModel | null, model: MeshModel, trustBundlePem: string): ChangeScope {
    const changes = {
      services: listChanged(previous?.services ?? NO_ENTRIES, model.services),
      access: listChanged(previous?.access ?? NO_ENTRIES, model.access),
    };
    this.#generation += 1;
    const isNewRouting = !isSameRouting(previous, model, changes.services);
    if (isNewRouting) this.#routing = {};
    const callers = this.#services.update(previous, model, changes);
    this.#meshClusters.update(listMeshClusters(model.settings));
    this.#secrets.update(listSecrets(trustBundlePem));
    this.#model = model;
    if (previous === null || isNewRouting || trustBundlePem !== this.#trustBundlePem) return CONCERNS_ALL;
    if (previous.ingress !== model.ingress) return CONCERNS_ALL;
    if (callers === "all" || previous.settings.access !== model.settings.access) return CONCERNS_ALL;
    return createScope(callers, changes.access, listChanged(previous.workloads, model.workloads));
  }

  /** Half of a model that cannot be translated may be in force: what was before is made anew. */
  #restore(previous: MeshModel | null, trustBundlePem: string): void {
    this.#services = new ServiceViews(this.#trustDomain);
    this.#routing = {};
    this.#model = null;
    if (previous !== null) this.#apply(null, previous, trustBundlePem);
  }

  #routesFor(model: MeshModel, node: ProxyNode, state: NodeState): ResourcesByName {
    const ingress = state.ingressRoutes.update(listIngressRoutes(model, node.metadata.ingress));
    if (node.metadata.outbound === null) return ingress;
    return state.routes.join(this.#outbound.routes(model, node.namespace, this.#routing), ingress);
  }

  /** Keys of servers are for the gateway's identity, whatever a proxy says of itself. */
  #secretsFor(model: MeshModel, node: ProxyNode, state: NodeState): ResourcesByName {
    const takesTls = node.metadata.ingress.some(({ tls }) => tls === true);
    const isGateway = `${node.namespace}/${node.serviceAccount}` === GATEWAY_IDENTITY;
    if (!takesTls || !isGateway) return this.#secrets.resources;
    const own = state.ownSecrets.update(listServerCertificates(model.ingress.secrets));
    return state.secrets.join(this.#secrets.resources, own);
  }

  #stateOf(node: ProxyNode): NodeState {
    const known = this.#nodes.get(node);
    if (known !== undefined) return known;
    const { outbound } = node.metadata;
    const state = new NodeState(outbound === null ? null : this.#outbound.listener(node.namespace, outbound));
    this.#nodes.set(node, state);
    return state;
  }
}

/** What was last made for one proxy. */
class NodeState {
  readonly localClusters: ResourceSet = new ResourceSet(CLUSTER_TYPE);
  readonly ownClusters: LayerCache = new LayerCache();
  readonly clusters: LayerCache = new LayerCache();
  readonly outbound: SharedListener | null;
  readonly ownListeners: ResourceSet = new ResourceSet(LISTENER_TYPE);
  readonly listeners: LayerCache = new LayerCache();
  readonly ingressRoutes: ResourceSet = new ResourceSet(ROUTE_TYPE);
  readonly routes: LayerCache = new LayerCache();
  readonly ownSecrets: ResourceSet = new ResourceSet(SECRET_TYPE);
  readonly secrets: LayerCache = new LayerCache();
  view: ProxyView = EMPTY_VIEW;
  generation: number = 0;

  constructor(outbound: SharedListener | null) {
    this.outbound = outbound;
  }
}

const EMPTY_VIEW: ProxyView = new Map(
  [CLUSTER_TYPE, ENDPOINT_TYPE, SECRET_TYPE, LISTENER_TYPE, ROUTE_TYPE].map((type) => [type, NO_RESOURCES]),
);
const NO_ENTRIES: ReadonlyMap<string, undefined> = new Map();

/** A proxy is concerned by what its identity may call, by the rules in front of its app, and by what leads to that. */
function createScope(
  callers: Exclude<ChangedCallers, "all">,
  access: readonly string[],
  workloads: readonly string[],
): ChangeScope {
  const [accounts, instances] = [new Set([...callers, ...access]), new Set(workloads)];
  return ({ namespace, serviceAccount, workload }) =>
    accounts.has(`${namespace}/${serviceAccount}`) || instances.has(`${namespace}/${workload}`);
}

function listChanged(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): readonly string[] {
  if (before === after) return [];
  const keys: string[] = [];
  for (const [key, value] of after) if (before.get(key) !== value) keys.push(key);
  for (const key of before.keys()) if (!after.has(key)) keys.push(key);
  return keys;
}

/** Routes and outbound listeners are of all Services, and local clusters of policies; who has which cluster is told apart. */
function isSameRouting(before: MeshModel | null, after: MeshModel, changed: readonly string[]): boolean {
  if (before?.settings.egress !== after.settings.egress) return false;
  return changed.every((key) => isSameButInstances(before.services.get(key), after.services.get(key)));
}

function isSameButInstances(one: ServiceModel | undefined, other: ServiceModel | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  if (one.exists !== other.exists || one.ports.length !== other.ports.length) return false;
  return one.ports.every((port, at) => {
    const next = other.ports[at];
    return (
      next !== undefined &&
      port.port === next.port &&
      port.protocol === next.protocol &&
      port.splits === next.splits &&
      port.policy === next.policy &&
      port.routePolicies === next.routePolicies
    );
  });
}

/** Conditions and the lifetime of certificates are in no xDS resource. */
function isSameConfig(one: MeshModel, other: MeshModel): boolean {
  return (
    one.services === other.services &&
    one.access === other.access &&
    one.workloads === other.workloads &&
    one.ingress === other.ingress &&
    one.settings.access === other.settings.access &&
    one.settings.egress === other.settings.egress
  );
}
