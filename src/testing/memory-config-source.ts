import { createHash } from "node:crypto";
import { envoy } from "#gen/protos.js";
import {
  type ChangeScope,
  CONCERNS_ALL,
  type ConfigSource,
  type EncodedResource,
  type ProxyView,
  type ResourcesByName,
} from "../control/config-source.ts";
import { CLUSTER_TYPE, DELIVERY_ORDER, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE } from "../xds/names.ts";

/** An EncodedResource around encoded content; the version is a hash of it, as translation makes it. */
export function encodeTestResource(typeUrl: string, name: string, content: Uint8Array): EncodedResource {
  const version = createHash("sha256").update(content).digest("hex").slice(0, 16);
  const bytes = envoy.service.discovery.v3.Resource.encode({
    name,
    version,
    resource: { typeUrl, value: content },
  }).finish();
  return { typeUrl, name, version, bytes };
}

/** A cluster that gets its endpoints by EDS under its own name, or a static one. `note` makes another version of it. */
export function createTestCluster(
  name: string,
  options: { readonly eds?: boolean; readonly note?: string } = {},
): EncodedResource {
  const type = options.eds === false ? 0 : 3;
  const content = envoy.config.cluster.v3.Cluster.encode({ name, type, altStatName: options.note ?? "" }).finish();
  return encodeTestResource(CLUSTER_TYPE, name, content);
}

/** `hosts` makes versions. */
export function createTestEndpoints(clusterName: string, hosts: readonly string[] = ["127.0.0.1"]): EncodedResource {
  const lbEndpoints = hosts.map((address) => ({
    endpoint: { address: { socketAddress: { address, portValue: 80 } } },
  }));
  const content = envoy.config.endpoint.v3.ClusterLoadAssignment.encode({
    clusterName,
    endpoints: [{ lbEndpoints }],
  }).finish();
  return encodeTestResource(ENDPOINT_TYPE, clusterName, content);
}

/** Routes everything to the clusters, one route each. */
export function createTestRoutes(name: string, clusters: readonly string[]): EncodedResource {
  const routes = clusters.map((cluster) => ({ match: { prefix: "/" }, route: { cluster } }));
  const virtualHosts = [{ name: "all", domains: ["*"], routes }];
  const content = envoy.config.route.v3.RouteConfiguration.encode({ name, virtualHosts }).finish();
  return encodeTestResource(ROUTE_TYPE, name, content);
}

/** One listener that reads routes by RDS, or passes TCP to a cluster. */
export function createTestListener(
  name: string,
  target: { readonly routes: string } | { readonly cluster: string },
): EncodedResource {
  const filter = "routes" in target ? encodeHttpFilter(target.routes) : encodeTcpFilter(target.cluster);
  const content = envoy.config.listener.v3.Listener.encode({ name, filterChains: [{ filters: [filter] }] }).finish();
  return encodeTestResource(LISTENER_TYPE, name, content);
}

export function createTestSecret(name: string, pem: string): EncodedResource {
  const validationContext = { trustedCa: { inlineString: pem } };
  const content = envoy.extensions.transport_sockets.tls.v3.Secret.encode({ name, validationContext }).finish();
  return encodeTestResource(SECRET_TYPE, name, content);
}

function encodeHttpFilter(routeConfigName: string): envoy.config.listener.v3.Filter {
  const { HttpConnectionManager } = envoy.extensions.filters.network.http_connection_manager.v3;
  const typeUrl =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
  const value = HttpConnectionManager.encode({ rds: { routeConfigName } }).finish();
  return { name: "http", typedConfig: { typeUrl, value } };
}

function encodeTcpFilter(cluster: string): envoy.config.listener.v3.Filter {
  const typeUrl = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
  const value = envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.encode({ cluster }).finish();
  return { name: "tcp", typedConfig: { typeUrl, value } };
}

/** A ConfigSource that shows every proxy the same resources. Changes are announced by `publish`, several at once. */
export class MemoryConfigSource implements ConfigSource {
  #view: ProxyView = new Map(DELIVERY_ORDER.map((typeUrl) => [typeUrl, new Map()]));
  readonly #listeners = new Set<(concerns: ChangeScope) => void>();

  viewFor(): ProxyView {
    return this.#view;
  }

  onChange(listener: (concerns: ChangeScope) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  resources(typeUrl: string): ResourcesByName {
    return this.#view.get(typeUrl) ?? new Map();
  }

  put(...resources: readonly EncodedResource[]): this {
    for (const resource of resources) {
      this.#view = new Map([
        ...this.#view,
        [resource.typeUrl, new Map([...this.resources(resource.typeUrl), [resource.name, resource]])],
      ]);
    }
    return this;
  }

  delete(typeUrl: string, name: string): this {
    const left = [...this.resources(typeUrl)].filter(([key]) => key !== name);
    this.#view = new Map([...this.#view, [typeUrl, new Map(left)]]);
    return this;
  }

  publish(): void {
    for (const listener of this.#listeners) listener(CONCERNS_ALL);
  }
}
