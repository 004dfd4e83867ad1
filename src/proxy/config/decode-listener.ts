import { envoy } from "#gen/protos.js";
import type { google } from "#gen/protos.js";
import type {
  AccessPolicy,
  FilterChainConfig,
  HttpHandlerConfig,
  ListenerConfig,
  TcpHandlerConfig,
} from "../snapshot.ts";
import { IDENTITY_SECRET, OWN_CERTIFICATE_SECRET } from "../../xds/names.ts";
import { decodeAccess } from "./decode-access.ts";
import { requireMeshSecrets } from "./decode-cluster.ts";
import { decodeRouteTable, decodeWeights } from "./decode-routes.ts";
import { PolicyPool } from "./policy-pool.ts";
import { ConfigRefusal, refuseUnknownFields } from "./refuse.ts";

const PREFIX = "type.googleapis.com/";
const HTTP_MANAGER = `${PREFIX}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`;
const TCP_PROXY = `${PREFIX}envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`;
const NETWORK_RBAC = `${PREFIX}envoy.extensions.filters.network.rbac.v3.RBAC`;
const HTTP_RBAC = `${PREFIX}envoy.extensions.filters.http.rbac.v3.RBAC`;
const HTTP_ROUTER = `${PREFIX}envoy.extensions.filters.http.router.v3.Router`;
const DYNAMIC_FORWARD_PROXY = `${PREFIX}envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig`;
const LISTENER_FILTERS: readonly string[] = [
  `${PREFIX}envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol`,
  `${PREFIX}envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector`,
  `${PREFIX}envoy.extensions.filters.listener.http_inspector.v3.HttpInspector`,
];
/** What a gateway speaks inside TLS, in order of preference. */
export const EDGE_ALPN: readonly string[] = ["h2", "http/1.1"];
/** Where the control plane says nothing. Long enough for a first packet, too short for a person to notice. */
const DEFAULT_DETECT_MS = 300;
const DOWNSTREAM_TLS = `${PREFIX}envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext`;

/** What the chains of one listener are decoded with. */
interface ChainContext {
  readonly self: string;
  readonly pool: PolicyPool;
}

/**
 * `self` is "<namespace>/<service account>" of this proxy, for explanations of access rules. Policies that an earlier version
 * of the listener had, and `pool` knows, keep their objects.
 */
export function decodeListener(
  wire: envoy.config.listener.v3.Listener,
  self: string,
  pool: PolicyPool = new PolicyPool(),
): ListenerConfig {
  const context: ChainContext = { self, pool };
  refuseUnknownFields(
    wire,
    [
      "name",
      "address",
      "filterChains",
      "defaultFilterChain",
      "trafficDirection",
      "statPrefix",
      "metadata",
      "enableReusePort",
      "listenerFilters",
      "listenerFiltersTimeout",
      "continueOnListenerFiltersTimeout",
    ],
    "",
  );
  for (const [index, filter] of (wire.listenerFilters ?? []).entries()) {
    decodeListenerFilter(filter, `listener_filters[${index}]`);
  }
  const name = wire.name ?? "";
  const socket = wire.address?.socketAddress;
  if (socket == null || !socket.address || !socket.portValue) {
    throw new ConfigRefusal("address", "no socket address", "an IP address and a port");
  }
  const chains = (wire.filterChains ?? []).map((chain, index) =>
    decodeChain(chain, context, `filter_chains[${index}]`),
  );
  const named = chains.filter(isSelective);
  const unnamed = chains.filter((chain) => !isSelective(chain));
  if (wire.defaultFilterChain != null)
    unnamed.push(decodeChain(wire.defaultFilterChain, context, "default_filter_chain"));
  if (unnamed.length > 1) throw new ConfigRefusal("filter_chains", "several chains that match everything", "one");
  const defaultChain = unnamed[0] ?? null;
  if (!name.startsWith("ingress/") && [...chains, ...unnamed].some((chain) => chain.serverSecret != null)) {
    throw new ConfigRefusal("filter_chains", "TLS without client certificates", "that only at an ingress");
  }
  for (const [index, { handler }] of chains.entries()) {
    if (handler.kind === "http" && handler !== defaultChain?.handler) {
      requireSameRoutes(handler, defaultChain, `filter_chains[${index}]`);
    }
  }
  const timeout = wire.listenerFiltersTimeout;
  return {
    name,
    detectMs: timeout == null ? DEFAULT_DETECT_MS : (timeout.seconds ?? 0) * 1000 + (timeout.nanos ?? 0) / 1_000_000,
    address: socket.address,
    port: socket.portValue,
    direction: name.startsWith("inbound/") ? "inbound" : name.startsWith("ingress/") ? "ingress" : "outbound",
    chains: named,
    defaultChain,
  };
}

function isSelective(chain: FilterChainConfig): boolean {
  return chain.serverNames.length > 0 || chain.transportProtocol !== "" || chain.applicationProtocols.length > 0;
}

/** What these filters find out, this proxy always looks for: a listener without them means no less. */
function decodeListenerFilter(filter: envoy.config.listener.v3.ListenerFilter, path: string): void {
  const { typeUrl } = requireAny(filter.typedConfig ?? null, path);
  if (!LISTENER_FILTERS.includes(typeUrl)) {
    throw new ConfigRefusal(path, `filter "${typeUrl}"`, "ProxyProtocol, TlsInspector or HttpInspector");
  }
}

/** Requests are judged by the listener's default chain, whatever chain brought them: two kinds of it would be one too many. */
function requireSameRoutes(handler: HttpHandlerConfig, fallback: FilterChainConfig | null, path: string): void {
  const same =
    fallback?.handler.kind === "http" &&
    handler.routeName !== null &&
    handler.routeName === fallback.handler.routeName &&
    handler.access === null &&
    fallback.handler.access === null;
  if (!same) throw new ConfigRefusal(path, "HTTP of its own", "the same RDS routes as the default filter chain");
}

/** RDS names that a listener waits for. */
export function namedRoutes(listener: ListenerConfig): readonly string[] {
  const names: string[] = [];
  for (const chain of [...listener.chains, listener.defaultChain]) {
    if (chain !== null && chain.handler.kind === "http" && chain.handler.routeName !== null)
      names.push(chain.handler.routeName);
  }
  return names;
}

function decodeChain(
  wire: envoy.config.listener.v3.FilterChain,
  context: ChainContext,
  path: string,
): FilterChainConfig {
  refuseUnknownFields(wire, ["filterChainMatch", "filters", "transportSocket", "name", "metadata"], path);
  const match = wire.filterChainMatch;
  if (match != null) {
    const known = ["destinationPort", "serverNames", "transportProtocol", "applicationProtocols"];
    refuseUnknownFields(match, known, `${path}.filter_chain_match`);
  }
  const transportProtocol = match?.transportProtocol ?? "";
  if (transportProtocol !== "" && transportProtocol !== "tls") {
    throw new ConfigRefusal(`${path}.filter_chain_match.transport_protocol`, `"${transportProtocol}"`, '"tls" or none');
  }
  return {
    serverNames: (match?.serverNames ?? []).map((name) => name.toLowerCase()),
    destinationPort: match?.destinationPort?.value ?? 0,
    transportProtocol,
    applicationProtocols: match?.applicationProtocols ?? [],
    ...decodeDownstreamTls(wire.transportSocket ?? null, `${path}.transport_socket`),
    handler: decodeFilters(wire.filters ?? [], context, `${path}.filters`),
  };
}

function decodeDownstreamTls(
  socket: envoy.config.core.v3.TransportSocket | null,
  path: string,
): Pick<FilterChainConfig, "mutualTls" | "serverSecret"> {
  const any = socket?.typedConfig;
  if (any == null) return { mutualTls: false, serverSecret: null };
  if (any.typeUrl !== DOWNSTREAM_TLS) throw new ConfigRefusal(path, `"${any.typeUrl}"`, `"${DOWNSTREAM_TLS}"`);
  const context = envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext.decode(any.value ?? new Uint8Array());
  refuseUnknownFields(
    context,
    ["commonTlsContext", "requireClientCertificate", "disableStatelessSessionResumption", "sessionTicketKeysType"],
    path,
  );
  const common = context.commonTlsContext ?? {};
  const secret = common.tlsCertificateSdsSecretConfigs?.[0]?.name ?? "";
  if (context.requireClientCertificate?.value !== true && secret !== IDENTITY_SECRET) {
    return { mutualTls: false, serverSecret: decodeServerSecret(common, path) };
  }
  if (context.requireClientCertificate?.value !== true) {
    throw new ConfigRefusal(`${path}.require_client_certificate`, "false", "true");
  }
  requireMeshSecrets(common, path);
  return { mutualTls: true, serverSecret: null };
}

/** One certificate, TLS 1.2 or later, HTTP inside. */
function decodeServerSecret(common: envoy.extensions.transport_sockets.tls.v3.CommonTlsContext, path: string): string {
  refuseUnknownFields(common, ["tlsParams", "tlsCertificateSdsSecretConfigs", "alpnProtocols"], path);
  const { TLSv1_2 } = envoy.extensions.transport_sockets.tls.v3.TlsParameters.TlsProtocol;
  if (common.tlsParams?.tlsMinimumProtocolVersion !== TLSv1_2) {
    throw new ConfigRefusal(`${path}.tls_params`, "another minimum than TLS 1.2", "TLSv1_2");
  }
  if ((common.alpnProtocols ?? []).join() !== EDGE_ALPN.join()) {
    throw new ConfigRefusal(`${path}.alpn_protocols`, (common.alpnProtocols ?? []).join(), EDGE_ALPN.join());
  }
  const names = (common.tlsCertificateSdsSecretConfigs ?? []).map((config) => config.name ?? "");
  const [name = ""] = names;
  if (names.length !== 1 || name === "") {
    throw new ConfigRefusal(`${path}.tls_certificate_sds_secret_configs`, `${names.length} names`, "one");
  }
  return name;
}

/** SDS names of server certificates that come from the control plane. */
export function namedSecrets(listener: ListenerConfig): readonly string[] {
  return [...listener.chains, listener.defaultChain].flatMap((chain) => {
    const name = chain?.serverSecret ?? null;
    return name === null || name === OWN_CERTIFICATE_SECRET ? [] : [name];
  });
}

/** Access filters first, then one terminal filter. */
function decodeFilters(
  filters: readonly envoy.config.listener.v3.Filter[],
  context: ChainContext,
  path: string,
): HttpHandlerConfig | TcpHandlerConfig {
  let access: AccessPolicy | null = null;
  for (const [index, filter] of filters.entries()) {
    const at = `${path}[${index}]`;
    const { typeUrl, value } = requireAny(filter.typedConfig ?? null, at);
    if (typeUrl === NETWORK_RBAC) {
      const rbac = envoy.extensions.filters.network.rbac.v3.RBAC.decode(value);
      access = decodeAccess(rbac, context.self, at);
    } else if (typeUrl === TCP_PROXY) {
      return decodeTcp(envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.decode(value), access, at);
    } else if (typeUrl === HTTP_MANAGER) {
      return decodeHttp(
        envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.decode(value),
        context,
        at,
      );
    } else {
      throw new ConfigRefusal(at, `filter "${typeUrl}"`, "RBAC, TcpProxy or HttpConnectionManager");
    }
  }
  throw new ConfigRefusal(path, "no terminal filter", "TcpProxy or HttpConnectionManager at the end");
}

function decodeTcp(
  wire: envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy,
  access: AccessPolicy | null,
  path: string,
): TcpHandlerConfig {
  refuseUnknownFields(wire, ["statPrefix", "cluster", "weightedClusters", "idleTimeout", "clusterSpecifier"], path);
  const weighted = wire.weightedClusters?.clusters;
  const clusters =
    weighted == null
      ? decodeWeights([{ name: wire.cluster ?? "", weight: 1 }], path)
      : decodeWeights(
          weighted.map((cluster) => ({ name: cluster.name ?? "", weight: cluster.weight ?? 0 })),
          path,
        );
  return { kind: "tcp", clusters, access };
}

function decodeHttp(
  wire: envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
  { self, pool }: ChainContext,
  path: string,
): HttpHandlerConfig {
  refuseUnknownFields(
    wire,
    [
      "codecType",
      "statPrefix",
      "rds",
      "routeConfig",
      "httpFilters",
      "normalizePath",
      "mergeSlashes",
      "pathWithEscapedSlashesAction",
      "useRemoteAddress",
      "generateRequestId",
      "preserveExternalRequestId",
      "stripTrailingHostDot",
      "routeSpecifier",
      "stripPortMode",
      "forwardClientCertDetails",
      "serverHeaderTransformation",
      "skipXffAppend",
      "xffNumTrustedHops",
      "httpProtocolOptions",
      "commonHttpProtocolOptions",
    ],
    path,
  );
  let access: AccessPolicy | null = null;
  for (const [index, filter] of (wire.httpFilters ?? []).entries()) {
    const at = `${path}.http_filters[${index}]`;
    const { typeUrl, value } = requireAny(filter.typedConfig ?? null, at);
    if (typeUrl === HTTP_RBAC)
      access = decodeAccess(envoy.extensions.filters.http.rbac.v3.RBAC.decode(value), self, at);
    else if (typeUrl !== HTTP_ROUTER && typeUrl !== DYNAMIC_FORWARD_PROXY) {
      throw new ConfigRefusal(at, `filter "${typeUrl}"`, "RBAC or Router");
    }
  }
  if (wire.rds == null && wire.routeConfig == null) throw new ConfigRefusal(path, "no routes", "rds or route_config");
  return {
    kind: "http",
    routeName: wire.rds?.routeConfigName ?? null,
    inlineRoutes: wire.routeConfig == null ? null : decodeRouteTable(wire.routeConfig, pool),
    access,
  };
}

function requireAny(any: google.protobuf.Any | null, path: string): { typeUrl: string; value: Uint8Array } {
  if (any === null || !any.typeUrl) throw new ConfigRefusal(path, "no typed_config", "typed_config");
  return { typeUrl: any.typeUrl, value: any.value ?? new Uint8Array() };
}
