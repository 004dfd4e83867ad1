import { envoy } from "#gen/protos.js";
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE } from "../../xds/names.ts";
import type { EncodedResource, ResourcesByName } from "../config-source.ts";
import { LayeredResources } from "../layered-resources.ts";
import type { NameSet } from "./name-set.ts";

/** What a resource names of other types, as far as the order of delivery depends on it. */
export interface References {
  /** Clusters that a route or a listener sends to. */
  readonly clusters: readonly string[];
  /** Route configurations that a listener waits for. */
  readonly routes: readonly string[];
  /** The ClusterLoadAssignment that a cluster waits for; null for a cluster that needs none. */
  readonly endpoints: string | null;
}

const NONE: References = { clusters: [], routes: [], endpoints: null };

const HTTP_CONNECTION_MANAGER =
  "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const TCP_PROXY = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const EDS_DISCOVERY = 3;

/**
 * Reads references once per resource, not once per proxy: they are kept as long as the resource itself. A resource that
 * cannot be decoded has none, so it is delivered without waiting and the proxy says what is wrong with it.
 */
export class ResourceReferences {
  readonly #known = new WeakMap<EncodedResource, References>();
  /** By what refers, who asked, and where it is looked up: what many proxies share is found once. */
  readonly #covered = new WeakMap<EncodedResource, WeakMap<NameSet, WeakMap<ResourcesByName, boolean>>>();

  of(resource: EncodedResource): References {
    const known = this.#known.get(resource);
    if (known !== undefined) return known;
    const found = readReferences(resource);
    this.#known.set(resource, found);
    return found;
  }

  /** Whether `names` has the endpoints of every cluster of `clusters` that `resource` sends to. */
  areCovered(resource: EncodedResource, clusters: ResourcesByName, names: NameSet): boolean {
    // What is laid over is of one proxy alone, the app beside it, and no route of many leads there.
    const shared = clusters instanceof LayeredResources ? clusters.shared : clusters;
    const byNames = this.#covered.get(resource) ?? new WeakMap<NameSet, WeakMap<ResourcesByName, boolean>>();
    const byClusters = byNames.get(names) ?? new WeakMap<ResourcesByName, boolean>();
    let found = byClusters.get(shared);
    if (found === undefined) {
      found = this.of(resource).clusters.every((name) => {
        const cluster = clusters.get(name);
        const endpoints = cluster === undefined ? null : this.of(cluster).endpoints;
        return endpoints === null || names.has(endpoints);
      });
      byClusters.set(shared, found);
      byNames.set(names, byClusters);
      this.#covered.set(resource, byNames);
    }
    return found;
  }
}

function readReferences(resource: EncodedResource): References {
  try {
    const bytes = envoy.service.discovery.v3.Resource.decode(resource.bytes).resource?.value ?? new Uint8Array(0);
    if (resource.typeUrl === CLUSTER_TYPE) return readCluster(bytes);
    if (resource.typeUrl === ROUTE_TYPE) return readRoutes(envoy.config.route.v3.RouteConfiguration.decode(bytes));
    if (resource.typeUrl === LISTENER_TYPE) return readListener(bytes);
    return NONE;
  } catch {
    return NONE;
  }
}

function readCluster(bytes: Uint8Array): References {
  const cluster = envoy.config.cluster.v3.Cluster.decode(bytes);
  if (cluster.type !== EDS_DISCOVERY) return NONE;
  const serviceName = cluster.edsClusterConfig?.serviceName ?? "";
  return { ...NONE, endpoints: serviceName === "" ? (cluster.name ?? "") : serviceName };
}

function readRoutes(routes: envoy.config.route.v3.RouteConfiguration): References {
  const clusters = new Set<string>();
  for (const host of routes.virtualHosts ?? []) {
    for (const { route } of host.routes ?? []) if (route) addTargets(clusters, route);
  }
  return { ...NONE, clusters: [...clusters] };
}

function readListener(bytes: Uint8Array): References {
  const listener = envoy.config.listener.v3.Listener.decode(bytes);
  const clusters = new Set<string>();
  const routes = new Set<string>();
  const chains = [
    ...(listener.filterChains ?? []),
    ...(listener.defaultFilterChain ? [listener.defaultFilterChain] : []),
  ];
  for (const filter of chains.flatMap((chain) => chain.filters ?? [])) {
    const content = filter.typedConfig?.value ?? new Uint8Array(0);
    if (filter.typedConfig?.typeUrl === TCP_PROXY) {
      addTargets(clusters, envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.decode(content));
    } else if (filter.typedConfig?.typeUrl === HTTP_CONNECTION_MANAGER) {
      const http = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.decode(content);
      if (http.rds?.routeConfigName) routes.add(http.rds.routeConfigName);
      if (http.routeConfig) for (const name of readRoutes(http.routeConfig).clusters) clusters.add(name);
    }
  }
  return { clusters: [...clusters], routes: [...routes], endpoints: null };
}

interface Targets {
  readonly cluster?: string | null;
  readonly weightedClusters?: { readonly clusters?: readonly { readonly name?: string | null }[] | null } | null;
}

function addTargets(clusters: Set<string>, targets: Targets): void {
  if (targets.cluster) clusters.add(targets.cluster);
  for (const { name } of targets.weightedClusters?.clusters ?? []) if (name) clusters.add(name);
}
