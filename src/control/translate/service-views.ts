import { parseWorkloadId } from "../../identity/spiffe-id.ts";
import { CLUSTER_TYPE, ENDPOINT_TYPE } from "../../xds/names.ts";
import type { EncodedResource, ResourcesByName } from "../config-source.ts";
import { LayerCache, NO_RESOURCES } from "../layered-resources.ts";
import type { MeshModel, ServiceModel } from "../model/mesh-model.ts";
import { type ClusterSource, clusterRecipe, listClusterSources, withheldRecipe } from "./clusters.ts";
import { endpointsRecipe } from "./endpoints.ts";
import { ResourceSet } from "./resource-set.ts";

/** What of a model is another than before. */
export interface ModelChanges {
  /** Keys of `services`. */
  readonly services: readonly string[];
  /** Keys of `access`. */
  readonly access: readonly string[];
}

/** Whose view of Services is another than before: everybody's, or that of these callers ("<namespace>/<service account>"). */
export type ChangedCallers = "all" | ReadonlySet<string>;

/**
 * What a proxy is given of each Service port: its cluster and its endpoints. Under `access: strict` it gets those that some
 * TrafficTarget lets its identity call; in place of every other a cluster that has no endpoints and says why, which is the
 * same for everybody. So a change is sent to those alone who may use what changed, and a new grant brings what it needs. The
 * instances' own proxies decide about each request as ever: a caller with endpoints is not yet allowed anything.
 *
 * A port of which no service account is known yet is nobody's secret: it has no endpoints.
 */
export class ServiceViews {
  readonly #trustDomain: string;
  /** For those who may call, and for everybody under permissive access. */
  readonly #clusters: ResourceSet = new ResourceSet(CLUSTER_TYPE);
  readonly #endpoints: ResourceSet = new ResourceSet(ENDPOINT_TYPE);
  /** For the others. */
  readonly #sharedClusters: ResourceSet = new ResourceSet(CLUSTER_TYPE);
  readonly #sharedEndpoints: ResourceSet = new ResourceSet(ENDPOINT_TYPE);
  readonly #clustersOf: CallerMaps = new CallerMaps();
  readonly #endpointsOf: CallerMaps = new CallerMaps();
  readonly #ports: Map<string, PortAccess> = new Map();
  /** Names by the service accounts of their instances: what a change of access may concern. */
  readonly #byAccount: Map<string, Set<string>> = new Map();
  #enforced: boolean = false;

  constructor(trustDomain: string) {
    this.#trustDomain = trustDomain;
  }

  /** `before`: the model of the last update, null at the first. */
  update(before: MeshModel | null, model: MeshModel, changes: ModelChanges): ChangedCallers {
    const wasEnforced = this.#enforced;
    this.#enforced = model.settings.access === "strict";
    const shared = this.#listShared();
    this.#updatePorts(before, model, changes);
    const changed = new Set([...this.#clustersOf.takeChanged(), ...this.#endpointsOf.takeChanged()]);
    if (wasEnforced !== this.#enforced || this.#listShared().some((map, at) => map !== shared[at])) return "all";
    return this.#enforced ? changed : NOBODY;
  }

  clustersFor(caller: string): ResourcesByName {
    if (!this.#enforced) return this.#clusters.resources;
    return this.#clustersOf.over(this.#sharedClusters.resources, caller);
  }

  endpointsFor(caller: string): ResourcesByName {
    if (!this.#enforced) return this.#endpoints.resources;
    return this.#endpointsOf.over(this.#sharedEndpoints.resources, caller);
  }

  /** What everybody has. */
  #listShared(): readonly ResourcesByName[] {
    return this.#enforced
      ? [this.#sharedClusters.resources, this.#sharedEndpoints.resources]
      : [this.#clusters.resources, this.#endpoints.resources];
  }

  #updatePorts(before: MeshModel | null, model: MeshModel, changes: ModelChanges): void {
    const wanted = new Map<string, ClusterSource>();
    const removed = new Set<string>();
    for (const key of changes.services) {
      for (const { name } of listSources(before?.services.get(key))) removed.add(name);
      for (const source of listSources(model.services.get(key))) {
        removed.delete(source.name);
        wanted.set(source.name, source);
      }
    }
    for (const account of changes.access) {
      for (const name of this.#byAccount.get(account) ?? []) {
        const source = this.#ports.get(name)?.source;
        if (source !== undefined && !wanted.has(name) && !removed.has(name)) wanted.set(name, source);
      }
    }
    this.#updateResources([...wanted.values()], removed, model.access);
    for (const name of removed) this.#removePort(name);
    for (const source of wanted.values()) this.#putPort(source, model.access);
  }

  #updateResources(sources: readonly ClusterSource[], removed: ReadonlySet<string>, access: MeshModel["access"]): void {
    const clusters = sources.map((source) => clusterRecipe(source, this.#trustDomain));
    const endpoints = sources.map(({ name, port }) => endpointsRecipe(name, port));
    this.#clusters.change(clusters, removed);
    this.#endpoints.change(endpoints, removed);
    const shared = sources.map((source, at) => {
      const [destination] = listAccounts(source);
      if (destination === undefined) return clusters[at] ?? clusterRecipe(source, this.#trustDomain);
      return withheldRecipe(source, { destination, access: access.get(destination) ?? null }, this.#trustDomain);
    });
    const secret = sources.filter((source) => listAccounts(source).length > 0).map(({ name }) => name);
    this.#sharedClusters.change(shared, removed);
    this.#sharedEndpoints.change(
      endpoints.filter((_, at) => sources[at]?.port.serviceAccounts.length === 0),
      [...removed, ...secret],
    );
  }

  #removePort(name: string): void {
    const known = this.#ports.get(name);
    if (known === undefined) return;
    this.#ports.delete(name);
    this.#unlist(known.source);
    for (const caller of known.callers) this.#withdraw(caller, name);
  }

  #putPort(source: ClusterSource, access: MeshModel["access"]): void {
    const { name } = source;
    const cluster = this.#clusters.resources.get(name);
    const endpoints = this.#endpoints.resources.get(name);
    if (cluster === undefined || endpoints === undefined) return;
    const known = this.#ports.get(name);
    const callers = listCallers(source, access, this.#trustDomain);
    for (const caller of known?.callers ?? NOBODY) if (!callers.has(caller)) this.#withdraw(caller, name);
    for (const caller of callers) {
      this.#clustersOf.set(caller, cluster);
      this.#endpointsOf.set(caller, endpoints);
    }
    if (known !== undefined) this.#unlist(known.source);
    for (const account of listAccounts(source)) {
      const names = this.#byAccount.get(account);
      if (names === undefined) this.#byAccount.set(account, new Set([name]));
      else names.add(name);
    }
    this.#ports.set(name, { source, callers });
  }

  #withdraw(caller: string, name: string): void {
    this.#clustersOf.delete(caller, name);
    this.#endpointsOf.delete(caller, name);
  }

  #unlist(source: ClusterSource): void {
    for (const account of listAccounts(source)) {
      const names = this.#byAccount.get(account);
      names?.delete(source.name);
      if (names?.size === 0) this.#byAccount.delete(account);
    }
  }
}

interface PortAccess {
  readonly source: ClusterSource;
  /** "<namespace>/<service account>" of those who get its endpoints. */
  readonly callers: ReadonlySet<string>;
}

/** What each caller has of its own. Between two `takeChanged` a caller's map is copied once at most. */
class CallerMaps {
  readonly #maps: Map<string, { readonly own: ResourcesByName; readonly layers: LayerCache }> = new Map();
  readonly #changed: Map<string, Map<string, EncodedResource>> = new Map();

  over(shared: ResourcesByName, caller: string): ResourcesByName {
    const known = this.#maps.get(caller);
    return known === undefined ? shared : known.layers.join(shared, known.own);
  }

  set(caller: string, resource: EncodedResource): void {
    if (this.#read(caller).get(resource.name) !== resource) this.#write(caller).set(resource.name, resource);
  }

  delete(caller: string, name: string): void {
    if (this.#read(caller).has(name)) this.#write(caller).delete(name);
  }

  /** Puts what was written in force and says whose maps are others. */
  takeChanged(): readonly string[] {
    for (const [caller, own] of this.#changed) {
      if (own.size === 0) this.#maps.delete(caller);
      else this.#maps.set(caller, { own, layers: this.#maps.get(caller)?.layers ?? new LayerCache() });
    }
    const callers = [...this.#changed.keys()];
    this.#changed.clear();
    return callers;
  }

  #read(caller: string): ResourcesByName {
    return this.#changed.get(caller) ?? this.#maps.get(caller)?.own ?? NO_RESOURCES;
  }

  #write(caller: string): Map<string, EncodedResource> {
    let own = this.#changed.get(caller);
    if (own === undefined) {
      own = new Map(this.#maps.get(caller)?.own);
      this.#changed.set(caller, own);
    }
    return own;
  }
}

const NOBODY: ReadonlySet<string> = new Set();

function listSources(service: ServiceModel | undefined): readonly ClusterSource[] {
  return service === undefined ? [] : listClusterSources(service);
}

function listAccounts({ service, port }: ClusterSource): readonly string[] {
  return port.serviceAccounts.map((account) => `${service.namespace}/${account}`);
}

/** Everybody whom any target of any of the instances' identities names, whatever requests it allows. */
function listCallers(source: ClusterSource, access: MeshModel["access"], trustDomain: string): ReadonlySet<string> {
  const callers = new Set<string>();
  for (const account of listAccounts(source)) {
    for (const target of access.get(account)?.targets ?? []) {
      for (const caller of target.sources) callers.add(toCaller(caller, trustDomain));
    }
  }
  return callers;
}

/** A workload of this mesh is known by its account, however a target names it. */
function toCaller(source: string, trustDomain: string): string {
  const id = source.startsWith("spiffe://") ? parseWorkloadId(source) : null;
  return id?.trustDomain === trustDomain ? `${id.namespace}/${id.serviceAccount}` : source;
}
