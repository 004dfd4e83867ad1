/** Small xDS resources for tests of the proxy: what a control plane would send, without one. */
import { envoy } from "#gen/protos.js";
import type { google } from "#gen/protos.js";
import { EGRESS_CLUSTER, IDENTITY_SECRET, TCP_ALPN, TRUST_BUNDLE_SECRET } from "../xds/names.ts";

const PREFIX = "type.googleapis.com/";
const tls = envoy.extensions.transport_sockets.tls.v3;
const manager = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;

export interface EndpointFixture {
  readonly port: number;
  readonly version?: string;
  readonly workload?: string;
}

/** An EDS cluster of a mesh service: mutual TLS, and one of these SPIFFE IDs at the other end. */
export function createMeshCluster(name: string, identities: readonly string[]): Uint8Array {
  const context = {
    commonTlsContext: {
      ...commonTls(),
      combinedValidationContext: {
        defaultValidationContext: {
          matchTypedSubjectAltNames: identities.map((exact) => ({
            sanType: tls.SubjectAltNameMatcher.SanType.URI,
            matcher: { exact },
          })),
        },
        validationContextSdsSecretConfig: { name: TRUST_BUNDLE_SECRET },
      },
    },
  };
  return envoy.config.cluster.v3.Cluster.encode({
    name,
    type: envoy.config.cluster.v3.Cluster.DiscoveryType.EDS,
    metadata: { filterMetadata: { "weft.dev": { fields: { service: { stringValue: name.replace(/:\d+$/, "") } } } } },
    transportSocket: socket("UpstreamTlsContext", tls.UpstreamTlsContext.encode(context).finish()),
  }).finish();
}

/** The app beside an inbound listener. */
export function createLocalCluster(name: string, port: number): Uint8Array {
  return envoy.config.cluster.v3.Cluster.encode({
    name,
    type: envoy.config.cluster.v3.Cluster.DiscoveryType.STATIC,
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [toEndpoint({ port })] }] },
  }).finish();
}

export function createEgressCluster(): Uint8Array {
  return envoy.config.cluster.v3.Cluster.encode({
    name: EGRESS_CLUSTER,
    clusterType: { name: "envoy.clusters.dynamic_forward_proxy" },
  }).finish();
}

export function createEndpoints(name: string, endpoints: readonly EndpointFixture[]): Uint8Array {
  return envoy.config.endpoint.v3.ClusterLoadAssignment.encode({
    clusterName: name,
    endpoints: [{ lbEndpoints: endpoints.map(toEndpoint) }],
  }).finish();
}

/** A cluster that is kept from a proxy, with the rules of `destinationId` that do not let it call it. */
export function createWithheldCluster(
  name: string,
  destinationId: string,
  policies: Readonly<Record<string, envoy.config.rbac.v3.Policy>>,
): Uint8Array {
  const rules = {
    typeUrl: `${PREFIX}envoy.config.rbac.v3.RBAC`,
    value: envoy.config.rbac.v3.RBAC.encode({ policies }).finish(),
  };
  const metadata = {
    filterMetadata: { "weft.dev": { fields: { withheld: { stringValue: destinationId } } } },
    typedFilterMetadata: { "weft.dev": rules },
  };
  return envoy.config.cluster.v3.Cluster.encode({ name, metadata }).finish();
}

/** Routes by domain; a value is a cluster, or weights by cluster. */
export function createRoutes(
  name: string,
  hosts: Readonly<Record<string, string | Readonly<Record<string, number>>>>,
  timeoutMs: number = 15_000,
): Uint8Array {
  return envoy.config.route.v3.RouteConfiguration.encode(routeConfig(name, hosts, timeoutMs)).finish();
}

export interface ListenerFixture {
  readonly name: string;
  readonly port: number;
  /** RDS name. */
  readonly routes: string;
  /** Clusters of opaque connections by name. */
  readonly tcp?: Readonly<Record<string, string>>;
  /** Names of `tcp` of which the connections may be HTTP too. */
  readonly detect?: readonly string[];
  /** Clusters by TLS server name. */
  readonly passthrough?: Readonly<Record<string, string>>;
}

/** An outbound or an ingress listener. `tcp`: clusters of opaque connections by name. */
export function createOutboundListener(
  name: string,
  port: number,
  routes: string,
  tcp: Readonly<Record<string, string>> = {},
): Uint8Array {
  return createPlainListener({ name, port, routes, tcp });
}

/** An outbound or an ingress listener with everything it can have. */
export function createPlainListener(fixture: ListenerFixture): Uint8Array {
  const { name, port, routes, tcp = {}, detect = [], passthrough = {} } = fixture;
  const http = httpManager({ rds: { routeConfigName: routes, configSource: { ads: {} } } }, null);
  const detected = { serverNames: [...detect], applicationProtocols: ["http/1.0", "http/1.1", "h2c"] };
  return envoy.config.listener.v3.Listener.encode({
    name,
    address: address(port),
    filterChains: [
      ...Object.entries(tcp).map(([serverName, cluster]) => ({
        filterChainMatch: { serverNames: [serverName] },
        filters: [tcpProxy(cluster)],
      })),
      ...Object.entries(passthrough).map(([serverName, cluster]) => ({
        filterChainMatch: { serverNames: [serverName], transportProtocol: "tls" },
        filters: [tcpProxy(cluster)],
      })),
      ...(detect.length === 0 ? [] : [{ filterChainMatch: detected, filters: [http] }]),
    ],
    defaultFilterChain: { filters: [http] },
  }).finish();
}

/** The loopback socket for one UDP port of a Service. */
export function createUdpListener(name: string, port: number, cluster: string): Uint8Array {
  return envoy.config.listener.v3.Listener.encode({
    name,
    address: address(port),
    defaultFilterChain: { filters: [tcpProxy(cluster)] },
  }).finish();
}

function tcpProxy(cluster: string): envoy.config.listener.v3.Filter {
  return any(
    "filters.network.tcp_proxy.v3.TcpProxy",
    envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.encode({ statPrefix: "tcp", cluster }).finish(),
  );
}

export interface InboundFixture {
  readonly name: string;
  readonly port: number;
  readonly cluster: string;
  readonly protocol?: "http" | "tcp" | "detect";
  /** With "detect": policies for opaque connections; `policies` unless said. */
  readonly opaquePolicies?: Readonly<Record<string, envoy.config.rbac.v3.Policy>>;
  /** Policies of an RBAC filter by name; null = rules absent. */
  readonly policies: Readonly<Record<string, envoy.config.rbac.v3.Policy>> | null;
  readonly permissive?: boolean;
}

export function createInboundListener(fixture: InboundFixture): Uint8Array {
  const toRbac = (policies: InboundFixture["policies"]): envoy.extensions.filters.http.rbac.v3.RBAC => {
    const rules = { action: 0, policies: { ...policies } };
    return policies === null ? {} : fixture.permissive === true ? { shadowRules: rules } : { rules };
  };
  const context = {
    requireClientCertificate: { value: true },
    commonTlsContext: { ...commonTls(), validationContextSdsSecretConfig: { name: TRUST_BUNDLE_SECRET } },
  };
  const transportSocket = socket("DownstreamTlsContext", tls.DownstreamTlsContext.encode(context).finish());
  const { RBAC } = envoy.extensions.filters.network.rbac.v3;
  const opaqueRbac = RBAC.encode(toRbac(fixture.opaquePolicies ?? fixture.policies)).finish();
  const opaque = {
    filters: [any("filters.network.rbac.v3.RBAC", opaqueRbac), tcpProxy(fixture.cluster)],
    transportSocket,
  };
  const routes = { routeConfig: localRoutes(fixture.cluster) };
  const http = { filters: [httpManager(routes, toRbac(fixture.policies))], transportSocket };
  return envoy.config.listener.v3.Listener.encode({
    name: fixture.name,
    address: address(fixture.port),
    filterChains:
      fixture.protocol === "detect" ? [{ ...opaque, filterChainMatch: { applicationProtocols: [TCP_ALPN] } }] : [],
    defaultFilterChain: fixture.protocol === "tcp" ? opaque : http,
  }).finish();
}

/** A policy that lets these SPIFFE IDs make any request. */
export function allowAny(principals: readonly string[]): envoy.config.rbac.v3.Policy {
  return { permissions: [{ any: true }], principals: principals.map(toPrincipal) };
}

export function toPrincipal(exact: string): envoy.config.rbac.v3.Principal {
  return { authenticated: { principalName: { exact } } };
}

function httpManager(
  routes: envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
  rbac: envoy.extensions.filters.http.rbac.v3.RBAC | null,
): envoy.config.listener.v3.Filter {
  const httpFilters =
    rbac === null
      ? []
      : [any("filters.http.rbac.v3.RBAC", envoy.extensions.filters.http.rbac.v3.RBAC.encode(rbac).finish())];
  const router = any("filters.http.router.v3.Router", new Uint8Array());
  return any(
    "filters.network.http_connection_manager.v3.HttpConnectionManager",
    manager.encode({ statPrefix: "http", ...routes, httpFilters: [...httpFilters, router] }).finish(),
  );
}

function routeConfig(
  name: string,
  hosts: Readonly<Record<string, string | Readonly<Record<string, number>>>>,
  timeoutMs: number,
): envoy.config.route.v3.RouteConfiguration {
  const timeout = { seconds: Math.floor(timeoutMs / 1000), nanos: (timeoutMs % 1000) * 1_000_000 };
  return {
    name,
    virtualHosts: Object.entries(hosts).map(([domain, target]) => ({
      name: domain,
      domains: [domain],
      routes: [{ match: { prefix: "/" }, route: { ...toTarget(target), timeout } }],
    })),
  };
}

/** Marked as the way to the app, which has no limits of its own. */
function localRoutes(cluster: string): envoy.config.route.v3.RouteConfiguration {
  const fields = { policy: { structValue: { fields: { local: { boolValue: true } } } } };
  const metadata = { filterMetadata: { "weft.dev": { fields } } };
  const route = { match: { prefix: "/" }, route: { cluster, timeout: { seconds: 0, nanos: 0 } }, metadata };
  return { name: "local", virtualHosts: [{ name: "*", domains: ["*"], routes: [route] }] };
}

function toTarget(target: string | Readonly<Record<string, number>>): envoy.config.route.v3.RouteAction {
  if (typeof target === "string") return { cluster: target };
  return {
    weightedClusters: { clusters: Object.entries(target).map(([name, value]) => ({ name, weight: { value } })) },
  };
}

function commonTls(): envoy.extensions.transport_sockets.tls.v3.CommonTlsContext {
  const protocol = tls.TlsParameters.TlsProtocol.TLSv1_3;
  return {
    tlsParams: { tlsMinimumProtocolVersion: protocol, tlsMaximumProtocolVersion: protocol },
    tlsCertificateSdsSecretConfigs: [{ name: IDENTITY_SECRET }],
    alpnProtocols: ["http/1.1"],
  };
}

function toEndpoint(endpoint: EndpointFixture): envoy.config.endpoint.v3.LbEndpoint {
  const fields: Record<string, google.protobuf.Value> = {
    version: { stringValue: endpoint.version ?? "" },
    workload: { stringValue: endpoint.workload ?? "" },
  };
  return { endpoint: { address: address(endpoint.port) }, metadata: { filterMetadata: { "weft.dev": { fields } } } };
}

function address(port: number): envoy.config.core.v3.Address {
  return { socketAddress: { address: "127.0.0.1", portValue: port } };
}

function socket(name: string, value: Uint8Array): envoy.config.core.v3.TransportSocket {
  return {
    name: "envoy.transport_sockets.tls",
    typedConfig: { typeUrl: `${PREFIX}envoy.extensions.transport_sockets.tls.v3.${name}`, value },
  };
}

function any(name: string, value: Uint8Array): envoy.config.listener.v3.Filter {
  return { name, typedConfig: { typeUrl: `${PREFIX}envoy.extensions.${name}`, value } };
}
