import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE } from "../../xds/names.ts";
import type { EncodedResource, ProxyView } from "../config-source.ts";
import { NO_RESOURCES } from "../layered-resources.ts";
import type { ResourceReferences } from "./resource-references.ts";
import type { Subscription } from "./subscription.ts";

/** The names that everything the proxy runs, or may be about to run, refers to. */
interface InUse {
  readonly names: ReadonlySet<string>;
  /** False when the proxy runs something whose content is not known here. */
  readonly isComplete: boolean;
}

/**
 * Make before break. A listener or route is held back until the proxy has the clusters that it sends to, with their
 * endpoints; a cluster, its endpoints or a route configuration stays until nothing that the proxy runs refers to it. What
 * the proxy refused is not "had": a route to a refused cluster stays back, and the last good route stays in force.
 *
 * Holding back can end in one of two ways: by an answer of the proxy, or by a subscription it has yet to make. The second
 * is bounded by `release`, for proxies that never make it.
 */
export class DeliveryGates {
  readonly #subscriptions: ReadonlyMap<string, Subscription>;
  readonly #references: ResourceReferences;
  #view: ProxyView = new Map();
  #released = false;
  #waits = false;
  /** By type: computed at most once per pass. */
  readonly #inUse = new Map<string, InUse>();

  constructor(subscriptions: ReadonlyMap<string, Subscription>, references: ResourceReferences) {
    this.#subscriptions = subscriptions;
    this.#references = references;
  }

  /** Begins a pass. */
  start(view: ProxyView): void {
    this.#view = view;
    this.#waits = false;
    this.#inUse.clear();
  }

  /** Whether something was held back in this pass for a subscription that the proxy has yet to make. */
  waitsForProxy(): boolean {
    return this.#waits;
  }

  release(): void {
    this.#released = true;
  }

  maySend(resource: EncodedResource): boolean {
    if (resource.typeUrl !== LISTENER_TYPE && resource.typeUrl !== ROUTE_TYPE) return true;
    if (this.#runsAll(resource)) return true;
    // No short cut: each cluster that is missing must have the chance to be noted as waited for.
    return this.#references.of(resource).clusters.filter((name) => !this.#isUsable(name)).length === 0;
  }

  mayRemove(typeUrl: string, name: string): boolean {
    switch (typeUrl) {
      case CLUSTER_TYPE:
        return !this.#isUsed(CLUSTER_TYPE, name);
      case ENDPOINT_TYPE:
        return !this.#isUsed(ENDPOINT_TYPE, name);
      case ROUTE_TYPE:
        return !this.#isUsed(ROUTE_TYPE, name);
      case SECRET_TYPE:
        return !this.#isInFlight(CLUSTER_TYPE) && !this.#isInFlight(LISTENER_TYPE);
      default:
        return true;
    }
  }

  /** The usual case, and cheap: the proxy runs all clusters and all endpoints there are, and has asked for all of these. */
  #runsAll(resource: EncodedResource): boolean {
    const clusters = this.#subscriptions.get(CLUSTER_TYPE);
    const endpoints = this.#subscriptions.get(ENDPOINT_TYPE);
    const view = this.#view.get(CLUSTER_TYPE);
    if (clusters === undefined || endpoints === undefined || view === undefined || !clusters.isWildcard()) return false;
    if (!clusters.runsAllOf(view) || !endpoints.runsAllOf(this.#view.get(ENDPOINT_TYPE) ?? NO_RESOURCES)) return false;
    return this.#references.areCovered(resource, view, endpoints.names());
  }

  /** The proxy has the cluster and its endpoints, or will never get them: it did not ask, or there is no such cluster. */
  #isUsable(cluster: string): boolean {
    const clusters = this.#subscriptions.get(CLUSTER_TYPE);
    const resource = this.#view.get(CLUSTER_TYPE)?.get(cluster);
    if (clusters === undefined || resource === undefined || !clusters.covers(cluster)) return true;
    if (!clusters.isRunning(cluster)) return false;
    const name = this.#references.of(resource).endpoints;
    if (name === null || this.#view.get(ENDPOINT_TYPE)?.has(name) !== true) return true;
    const endpoints = this.#subscriptions.get(ENDPOINT_TYPE);
    if (endpoints?.covers(name) !== true) return this.#waitForProxy();
    return endpoints.isRunning(name);
  }

  #isUsed(typeUrl: string, name: string): boolean {
    let inUse = this.#inUse.get(typeUrl);
    if (inUse === undefined) {
      inUse = typeUrl === CLUSTER_TYPE ? this.#clustersInUse() : this.#referredInUse(typeUrl);
      this.#inUse.set(typeUrl, inUse);
    }
    return !inUse.isComplete || inUse.names.has(name);
  }

  #clustersInUse(): InUse {
    const names = new Set<string>();
    const listeners = this.#subscriptions.get(LISTENER_TYPE);
    const routes = this.#subscriptions.get(ROUTE_TYPE);
    let isComplete = listeners !== undefined || this.#waitForProxy();
    for (const resource of running(listeners)) {
      if (resource === null) {
        isComplete = false;
        continue;
      }
      const references = this.#references.of(resource);
      for (const cluster of references.clusters) names.add(cluster);
      // Routes of a running listener that were not asked for yet may use any cluster.
      for (const route of references.routes) if (routes?.covers(route) !== true) isComplete &&= this.#waitForProxy();
    }
    for (const resource of running(routes)) {
      if (resource === null) isComplete = false;
      else for (const cluster of this.#references.of(resource).clusters) names.add(cluster);
    }
    return { names, isComplete };
  }

  /** Endpoints that clusters use, or routes that listeners use, where the user is on its way out or about to change. */
  #referredInUse(typeUrl: string): InUse {
    const userType = typeUrl === ENDPOINT_TYPE ? CLUSTER_TYPE : LISTENER_TYPE;
    const names = new Set<string>();
    let isComplete = true;
    for (const resource of running(this.#subscriptions.get(userType))) {
      if (resource === null) {
        isComplete = false;
        continue;
      }
      const next = this.#view.get(userType)?.get(resource.name);
      const stays = next === undefined ? [] : this.#refersTo(typeUrl, next);
      // What the latest version still refers to has been taken away on purpose; nothing will change that.
      for (const name of this.#refersTo(typeUrl, resource)) if (!stays.includes(name)) names.add(name);
    }
    return { names, isComplete };
  }

  #refersTo(typeUrl: string, resource: EncodedResource): readonly string[] {
    const { endpoints, routes } = this.#references.of(resource);
    if (typeUrl === ROUTE_TYPE) return routes;
    return endpoints === null ? [] : [endpoints];
  }

  #isInFlight(typeUrl: string): boolean {
    return this.#subscriptions.get(typeUrl)?.isInFlight() ?? false;
  }

  /** False, noting the wait, until the stream is released. */
  #waitForProxy(): boolean {
    if (!this.#released) this.#waits = true;
    return this.#released;
  }
}

/** Resources that the proxy runs or may run; null for one whose content is unknown. */
function* running(subscription: Subscription | undefined): Generator<EncodedResource | null> {
  if (subscription === undefined) return;
  for (const { resource } of subscription.inForce().values()) yield resource;
  yield* subscription.unansweredUpserts();
}
