import { envoy } from "#gen/protos.js";
import type {
  AppProtocol,
  BoundAddress,
  InboundPort,
  IngressPort,
  PassthroughRule,
  UdpPort,
} from "../../proxy-node.ts";
import {
  EMPTY_CLUSTER,
  formatInboundListener,
  formatIngressListener,
  formatIngressRoutes,
  formatLocalCluster,
  formatServerCertificate,
  formatOutboundRoutes,
  formatServiceCluster,
  OUTBOUND_LISTENER,
  OWN_CERTIFICATE_SECRET,
  TCP_ALPN,
  UDP_ALPN,
  formatUdpListener,
} from "../../xds/names.ts";
import type { ProxyNode } from "../config-source.ts";
import type { HostCertificate } from "../model/ingress-model.ts";
import type { MeshModel, ServiceModel, ServicePortModel, WorkloadModel } from "../model/mesh-model.ts";
import { listHostnames } from "./hostnames.ts";
import { type AccessRules, createHttpManager } from "./http-manager.ts";
import { listLedPorts, listLocalPolicies, type LocalPolicy } from "./inbound-policies.ts";
import { createRules } from "./rbac.ts";
import type { ResourceRecipe } from "./resource-set.ts";
import { createLocalRoutes } from "./routes.ts";
import { type ClusterShare, listShares } from "./split-shares.ts";
import { createTcpAccessFilter, createTcpProxy } from "./tcp-filters.ts";
import { createDownstreamTls, createServerTls } from "./tls-sockets.ts";
import { toDuration } from "./to-duration.ts";

type Filter = envoy.config.listener.v3.Filter;
type FilterChain = envoy.config.listener.v3.FilterChain;
type Listener = envoy.config.listener.v3.Listener;

const { Listener } = envoy.config.listener.v3;
const { UDP } = envoy.config.core.v3.SocketAddress.Protocol;
const { INBOUND, OUTBOUND } = envoy.config.core.v3.TrafficDirection;

/**
 * How long a client's first bytes are awaited on a port that detects; then the connection is opaque. A client that speaks
 * first has its bytes there within a round trip, so this is for servers that do: they lose it once per connection. Linkerd
 * waits for 10 s, Istio did for 5 s and then gave it up, both to many complaints of databases that hang.
 */
const DETECT_MS = 300;
/** What Envoy's http_inspector calls the HTTP that it finds. */
const DETECTED_HTTP: readonly string[] = ["http/1.0", "http/1.1", "h2c"];

/** A listener for each socket that the proxy says it has bound, but for the outbound one. */
export function listOwnListeners(model: MeshModel, node: ProxyNode, trustDomain: string): ResourceRecipe[] {
  const { inbound, ingress, udp = [] } = node.metadata;
  const recipes: ResourceRecipe[] = [];
  for (const entry of udp) recipes.push(udpRecipe(model, entry));
  for (const port of inbound) recipes.push(inboundRecipe(model, node, port, trustDomain));
  for (const entry of ingress) recipes.push(ingressRecipe(model, entry));
  return recipes;
}

/**
 * For what the apps of a namespace send: HTTP by RDS; connections that name an opaque TCP port of a Service go to that,
 * untouched.
 */
export function outboundRecipe(model: MeshModel, namespace: string, bound: BoundAddress): ResourceRecipe {
  const opaque = listOpaquePorts(model, namespace);
  const inputs: unknown[] = [bound.address, bound.port, namespace];
  for (const { name, port, detect, shares } of opaque) {
    inputs.push(name, port, detect);
    for (const { cluster, weight } of shares) inputs.push(cluster, weight);
  }
  const create = (): Listener => {
    const manager = createHttpManager({
      statPrefix: OUTBOUND_LISTENER,
      routes: formatOutboundRoutes(namespace),
      access: null,
    });
    return {
      name: OUTBOUND_LISTENER,
      address: toAddress(bound),
      trafficDirection: OUTBOUND,
      listenerFilters: [PROXY_PROTOCOL, TLS_INSPECTOR, HTTP_INSPECTOR],
      listenerFiltersTimeout: toDuration(DETECT_MS),
      continueOnListenerFiltersTimeout: true,
      filterChains: [...opaque.map(createTcpChain), ...createDetectChains(opaque, manager)],
      defaultFilterChain: { filters: [manager] },
    };
  };
  return recipe(OUTBOUND_LISTENER, inputs, create);
}

/** For what the app sends to one UDP port of a Service; without the port nothing goes anywhere. */
function udpRecipe(model: MeshModel, entry: UdpPort): ResourceRecipe {
  const name = formatUdpListener(entry.service, entry.servicePort);
  const slash = entry.service.indexOf("/");
  const service = model.services.get(entry.service);
  const isKnown = service?.udpPorts.some(({ port }) => port === entry.servicePort) === true;
  const cluster = isKnown
    ? formatServiceCluster(entry.service.slice(0, slash), entry.service.slice(slash + 1), entry.servicePort, true)
    : EMPTY_CLUSTER;
  const create = (): Listener => ({
    name,
    address: { socketAddress: { protocol: UDP, address: entry.address, portValue: entry.port } },
    trafficDirection: OUTBOUND,
    // A flow is carried as a connection of its own; Envoy's udp_proxy has no word for that.
    defaultFilterChain: { filters: [createTcpProxy(name, [{ cluster, weight: 1 }])] },
  });
  return recipe(name, [entry.address, entry.port, cluster], create);
}

interface OpaquePort {
  readonly name: string;
  readonly serverNames: readonly string[];
  readonly port: number;
  readonly detect: boolean;
  readonly shares: readonly ClusterShare[];
}

/** Every port that takes opaque bytes, with the names under which a client of the namespace calls it. */
function listOpaquePorts(model: MeshModel, clientNamespace: string): OpaquePort[] {
  const ports: OpaquePort[] = [];
  for (const service of model.services.values()) {
    const serverNames = listHostnames(service, clientNamespace);
    if (serverNames.length === 0) continue;
    for (const port of service.ports) {
      if (port.protocol === "http") continue;
      const name = formatServiceCluster(service.namespace, service.name, port.port);
      const shares = listOpaqueShares(model, service, port);
      ports.push({ name, serverNames, port: port.port, detect: port.protocol === "detect", shares });
    }
  }
  return ports;
}

/** Where a port's opaque connections go: only an unconditional split can say, and only to what takes them. */
function listOpaqueShares(model: MeshModel, service: ServiceModel, { port, splits }: ServicePortModel): ClusterShare[] {
  const { namespace } = service;
  const split = splits.find((candidate) => candidate.matches === null);
  if (split === undefined) return [{ cluster: formatServiceCluster(namespace, service.name, port), weight: 1 }];
  const backends = split.backends.filter(({ service: name }) => {
    const backend = model.services.get(`${namespace}/${name}`)?.ports.find((candidate) => candidate.port === port);
    return backend !== undefined && backend.protocol !== "http";
  });
  return listShares({ ...split, backends }, namespace, port);
}

function createTcpChain({ name, serverNames, port, shares }: OpaquePort): FilterChain {
  return {
    name,
    filterChainMatch: { serverNames: [...serverNames], destinationPort: { value: port } },
    filters: [createTcpProxy(name, shares)],
  };
}

/** What is found to be HTTP on a port that detects is served like all HTTP; one chain for each port number. */
function createDetectChains(opaque: readonly OpaquePort[], manager: Filter): FilterChain[] {
  const namesByPort = new Map<number, string[]>();
  for (const { port, detect, serverNames } of opaque) {
    if (!detect) continue;
    const names = namesByPort.get(port);
    if (names === undefined) namesByPort.set(port, [...serverNames]);
    else names.push(...serverNames);
  }
  return [...namesByPort].map(([port, serverNames]) => ({
    name: `detect:${port}`,
    filterChainMatch: { serverNames, destinationPort: { value: port }, applicationProtocols: [...DETECTED_HTTP] },
    filters: [manager],
  }));
}

/** Mutual TLS, then access control, then the app. */
function inboundRecipe(model: MeshModel, node: ProxyNode, port: InboundPort, trustDomain: string): ResourceRecipe {
  const name = formatInboundListener(port.appPort, port.protocol === "udp");
  const access = model.access.get(`${node.namespace}/${node.serviceAccount}`) ?? null;
  const workload = model.workloads.get(`${node.namespace}/${node.workload}`) ?? null;
  const enforced = model.settings.access === "strict";
  const led = listLedPorts(model, port, workload);
  const create = (): Listener => {
    const ports = listKnownPorts(port, workload);
    const rulesFor = (kind: AppProtocol): AccessRules => {
      return { rules: createRules(access, { ports, protocol: kind }, trustDomain), enforced };
    };
    return {
      name,
      address: toAddress(port),
      trafficDirection: INBOUND,
      filterChains: createInboundChains(name, port, { rulesFor, policies: listLocalPolicies(led) }),
    };
  };
  const { address, appPort, protocol } = port;
  const policies = led.map((ledPort) => ledPort.routePolicies);
  return recipe(name, [address, port.port, appPort, protocol, access, workload, enforced, ...policies], create);
}

interface InboundRules {
  readonly rulesFor: (kind: AppProtocol) => AccessRules;
  readonly policies: readonly LocalPolicy[];
}

/** One for requests, one for opaque bytes, or both: the caller's proxy says by ALPN which of them a link is. */
function createInboundChains(name: string, port: InboundPort, { rulesFor, policies }: InboundRules): FilterChain[] {
  const cluster = formatLocalCluster(port.appPort, port.protocol === "udp");
  const chains: FilterChain[] = [];
  if (port.protocol === "udp") {
    const access = createTcpAccessFilter(name, rulesFor("udp"));
    const filters = [access, createTcpProxy(name, [{ cluster, weight: 1 }])];
    return [{ name, transportSocket: createDownstreamTls([UDP_ALPN]), filters }];
  }
  if (port.protocol !== "tcp") {
    const access = rulesFor("http");
    const routes = createLocalRoutes(name, cluster, policies);
    const manager = createHttpManager({ statPrefix: name, routes, access });
    chains.push({ name, transportSocket: createDownstreamTls(["h2", "http/1.1"]), filters: [manager] });
  }
  if (port.protocol === "tcp" || port.protocol === "detect") {
    const access = createTcpAccessFilter(name, rulesFor(port.protocol));
    chains.push({
      name: port.protocol === "tcp" ? name : `${name}/opaque`,
      filterChainMatch: port.protocol === "tcp" ? null : { applicationProtocols: [TCP_ALPN] },
      transportSocket: createDownstreamTls([TCP_ALPN]),
      filters: [access, createTcpProxy(name, [{ cluster, weight: 1 }])],
    });
  }
  return chains;
}

/** The app's own port, and the ports of the Services whose endpoints lead to it (directly, or to the proxy's socket). */
function listKnownPorts(port: InboundPort, workload: WorkloadModel | null): ReadonlySet<number> {
  const ports = new Set([port.appPort]);
  for (const known of workload?.ports ?? []) {
    if ((known.protocol === "udp") !== (port.protocol === "udp")) continue;
    if (known.port === port.port || known.port === port.appPort) ports.add(known.servicePort);
  }
  return ports;
}

/** Requests by RDS; TLS goes on unopened, by the server name that the client asks for. */
function ingressRecipe(model: MeshModel, entry: IngressPort): ResourceRecipe {
  const name = formatIngressListener(entry.port);
  const passthrough = (entry.passthrough ?? []).map((rule) => ({ rule, shares: listRuleShares(model, rule) }));
  const { certificates } = model.ingress;
  const create = (): Listener => {
    const routes = formatIngressRoutes(entry.port);
    const manager = createHttpManager({ statPrefix: name, routes, access: null, isEdge: true });
    const passed = passthrough.map(({ rule, shares }) => createPassthroughChain(name, rule.host, shares));
    const ended = entry.tls === true ? createTlsChains(name, certificates, manager) : [];
    const filterChains = [...passed, ...ended];
    return {
      name,
      address: toAddress(entry),
      listenerFilters: filterChains.length === 0 ? [] : [TLS_INSPECTOR],
      filterChains,
      defaultFilterChain: {
        filters: [manager],
        transportSocket: entry.tls === true ? createServerTls(findGeneralSecret(certificates)) : null,
      },
    };
  };
  const inputs: unknown[] = [entry.address, entry.port, entry.tls, entry.tls === true ? certificates : null];
  for (const { rule, shares } of passthrough) {
    inputs.push(rule.host);
    for (const { cluster, weight } of shares) inputs.push(cluster, weight);
  }
  return recipe(name, inputs, create);
}

/** One for each certificate, with the names that it is for. */
function createTlsChains(listener: string, certificates: readonly HostCertificate[], manager: Filter): FilterChain[] {
  const hostsBySecret = new Map<string, string[]>();
  for (const { host, secret } of certificates) {
    if (host === "") continue;
    const hosts = hostsBySecret.get(secret);
    if (hosts === undefined) hostsBySecret.set(secret, [host]);
    else hosts.push(host);
  }
  return [...hostsBySecret].map(([secret, serverNames]) => ({
    name: `${listener}/${formatServerCertificate(secret)}`,
    filterChainMatch: { serverNames, transportProtocol: "tls" },
    transportSocket: createServerTls(formatServerCertificate(secret)),
    filters: [manager],
  }));
}

/** For names that no certificate is for. */
function findGeneralSecret(certificates: readonly HostCertificate[]): string {
  const general = certificates.find(({ host }) => host === "");
  return general === undefined ? OWN_CERTIFICATE_SECRET : formatServerCertificate(general.secret);
}

/** A rule whose service is missing, or takes requests only, leads to the cluster that never has an endpoint. */
function listRuleShares(model: MeshModel, { service: key, servicePort }: PassthroughRule): readonly ClusterShare[] {
  const service = model.services.get(key);
  const port = service?.ports.find((candidate) => candidate.port === servicePort);
  if (service === undefined || port === undefined || port.protocol === "http") return NOTHING;
  return listOpaqueShares(model, service, port);
}

function createPassthroughChain(listener: string, host: string, shares: readonly ClusterShare[]): FilterChain {
  return {
    name: `${listener}/${host}`,
    filterChainMatch: { serverNames: [host], transportProtocol: "tls" },
    filters: [createTcpProxy(listener, shares)],
  };
}

function toAddress(bound: BoundAddress): envoy.config.core.v3.Address {
  return { socketAddress: { address: bound.address, portValue: bound.port } };
}

function recipe(name: string, inputs: readonly unknown[], create: () => Listener): ResourceRecipe {
  return { name, inputs, encode: () => Listener.encode(create()).finish() };
}

const NOTHING: readonly ClusterShare[] = [{ cluster: EMPTY_CLUSTER, weight: 1 }];
const PROXY_PROTOCOL = createListenerFilter("proxy_protocol", "ProxyProtocol");
const TLS_INSPECTOR = createListenerFilter("tls_inspector", "TlsInspector");
const HTTP_INSPECTOR = createListenerFilter("http_inspector", "HttpInspector");

/** With all its settings at their defaults: an empty message. */
function createListenerFilter(name: string, message: string): envoy.config.listener.v3.ListenerFilter {
  const typeUrl = `type.googleapis.com/envoy.extensions.filters.listener.${name}.v3.${message}`;
  return { name: `envoy.filters.listener.${name}`, typedConfig: { typeUrl, value: new Uint8Array(0) } };
}
