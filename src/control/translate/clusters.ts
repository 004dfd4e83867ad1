import { envoy } from "#gen/protos.js";
import { formatWorkloadId } from "../../identity/spiffe-id.ts";
import type { AppProtocol, InboundPort } from "../../proxy-node.ts";
import {
  EGRESS_CLUSTER,
  EMPTY_CLUSTER,
  formatLocalCluster,
  formatServiceCluster,
  TCP_ALPN,
  UDP_ALPN,
  WEFT_METADATA,
  WITHHELD_METADATA,
} from "../../xds/names.ts";
import type {
  AccessModel,
  MeshModel,
  MeshSettings,
  PortProtocol,
  ServiceModel,
  ServicePortModel,
  WorkloadModel,
} from "../model/mesh-model.ts";
import type { OverloadModel } from "../model/policy-model.ts";
import { ADS_SOURCE } from "./ads-source.ts";
import { toDuration } from "./to-duration.ts";
import { createLbEndpoint } from "./endpoints.ts";
import { toClusterFields, toClusterMetadata, toOverloadFields } from "./cluster-policy.ts";
import { createMetadata } from "./create-metadata.ts";
import { createHttp2Options } from "./http2-options.ts";
import { findOverload, listLedPorts } from "./inbound-policies.ts";
import { packAny } from "./pack-any.ts";
import { createAnonymousRules } from "./rbac.ts";
import type { ResourceRecipe } from "./resource-set.ts";
import { createUpstreamTls } from "./tls-sockets.ts";

/** What a connection to another proxy carries. A port that detects is called with what is there. */
const ALPN: Readonly<Record<PortProtocol, string>> = { http: "h2", detect: "h2", tcp: TCP_ALPN, udp: UDP_ALPN };

type Cluster = envoy.config.cluster.v3.Cluster;

const { Cluster } = envoy.config.cluster.v3;
const { RBAC } = envoy.config.rbac.v3;
const { EDS, STATIC } = Cluster.DiscoveryType;
const { CLUSTER_PROVIDED } = Cluster.LbPolicy;
const { V4_PREFERRED } = Cluster.DnsLookupFamily;
const { ClusterConfig } = envoy.extensions.clusters.dynamic_forward_proxy.v3;

/** TCP and TLS together. Envoy's default; Linkerd gives 1 s and Istio 10 s. Inside one network, 5 s is a dead host. */
const CONNECT_TIMEOUT_MS = 5_000;

/** The clusters that every proxy sees beside those of Services: the empty one, and egress where the mesh allows it. */
export function listMeshClusters({ egress }: MeshSettings): ResourceRecipe[] {
  const recipes = [recipe(EMPTY_CLUSTER, [], createEmptyCluster)];
  if (egress === "allow") recipes.push(recipe(EGRESS_CLUSTER, [], createEgressCluster));
  return recipes;
}

/** One port of a Service, under its cluster's name. */
export interface ClusterSource {
  readonly name: string;
  readonly service: ServiceModel;
  readonly port: ServicePortModel;
}

export function listClusterSources(service: ServiceModel): readonly ClusterSource[] {
  const { namespace, name, ports, udpPorts } = service;
  return [...ports, ...udpPorts].map((port) => {
    return { name: formatServiceCluster(namespace, name, port.port, port.protocol === "udp"), service, port };
  });
}

/** For those who may call the port. */
export function clusterRecipe({ name, service, port }: ClusterSource, trustDomain: string): ResourceRecipe {
  const create = (): Cluster => createServiceCluster(name, service, port, trustDomain);
  return recipe(name, [port.serviceAccounts, port.protocol, port.policy], create);
}

/** Who would have refused a call, and by what rules: what its proxy would have said of it. */
export interface Denial {
  /** "<namespace>/<service account>" of the instances. */
  readonly destination: string;
  readonly access: AccessModel | null;
}

/**
 * In place of the cluster, for proxies that no TrafficTarget lets call the port. Our proxy reads from the mark how to answer
 * such a call; to another one it is a cluster without endpoints. The rules are there without those whom they allow, so that
 * allowing one more caller changes nothing for the others.
 */
export function withheldRecipe(source: ClusterSource, denial: Denial, trustDomain: string): ResourceRecipe {
  const { name, service, port } = source;
  const { destination, access } = denial;
  const targets = (access?.targets ?? []).flatMap(({ key, http, tcp, udp, onlyPort, sources }) => [
    key,
    http,
    tcp,
    udp,
    onlyPort,
    sources.length > 0,
  ]);
  const create = (): Cluster => {
    const rules = createAnonymousRules(access, {
      ports: new Set([port.port]),
      protocol: port.protocol === "udp" ? "udp" : "http",
    });
    const slash = destination.indexOf("/");
    const instance = { namespace: destination.slice(0, slash), serviceAccount: destination.slice(slash + 1) };
    const metadata = createMetadata({
      service: `${service.namespace}/${service.name}`,
      [WITHHELD_METADATA]: formatWorkloadId({ trustDomain, ...instance }),
    });
    const typedFilterMetadata = { [WEFT_METADATA]: packAny("envoy.config.rbac.v3.RBAC", RBAC, rules) };
    return { name, type: STATIC, metadata: { ...metadata, typedFilterMetadata } };
  };
  return recipe(name, [port.port, destination, ...targets], create);
}

/** The app beside one proxy, a cluster for each of its ports: plain TCP that never leaves the host. */
export function listLocalClusters(
  inbound: readonly InboundPort[],
  workload: WorkloadModel | null = null,
  model: MeshModel | null = null,
): ResourceRecipe[] {
  return inbound.map((port) => {
    const name = formatLocalCluster(port.appPort, port.protocol === "udp");
    const protocol = findProtocol(port, workload);
    const overload = model === null ? null : findOverload(listLedPorts(model, port, workload));
    const create = (): Cluster => createLocalCluster(name, port, { protocol, overload });
    return recipe(name, [port.appAddress, port.appPort, protocol, overload], create);
  });
}

/** What the app was started with; where that says no more than `http`, what a Service that leads to it says. */
function findProtocol(port: InboundPort, workload: WorkloadModel | null): AppProtocol {
  if (port.protocol !== "http" && port.protocol !== "detect") return port.protocol;
  const told = (workload?.ports ?? []).filter((known) => known.port === port.port || known.port === port.appPort);
  return told.find(({ protocol }) => protocol === "grpc" || protocol === "http2")?.protocol ?? "http";
}

function recipe(name: string, inputs: readonly unknown[], create: () => Cluster): ResourceRecipe {
  return { name, inputs, encode: () => Cluster.encode(create()).finish() };
}

function createServiceCluster(
  name: string,
  service: ServiceModel,
  port: ServicePortModel,
  trustDomain: string,
): Cluster {
  const { namespace } = service;
  const spiffeIds = port.serviceAccounts.map((serviceAccount) => {
    return formatWorkloadId({ trustDomain, namespace, serviceAccount });
  });
  // No list of names would mean "any server of the mesh". Nobody can have the ID of the trust domain itself.
  if (spiffeIds.length === 0) spiffeIds.push(`spiffe://${trustDomain}`);
  const { policy } = port;
  const isHttp = port.protocol !== "tcp" && port.protocol !== "udp";
  return {
    name,
    type: EDS,
    edsClusterConfig: { edsConfig: ADS_SOURCE },
    connectTimeout: toDuration(CONNECT_TIMEOUT_MS),
    ...(policy === null ? {} : toClusterFields(policy, isHttp)),
    // Between proxies every request goes by HTTP/2, whatever the apps speak. A port of both kinds has one cluster: our
    // proxies choose the protocol of a link by what it is to carry.
    transportSocket: createUpstreamTls(spiffeIds, [ALPN[port.protocol]]),
    ...(isHttp ? createHttp2Options(policy?.idleMs ?? null) : {}),
    metadata: createMetadata(
      { service: `${namespace}/${service.name}` },
      policy === null ? {} : toClusterMetadata(policy, isHttp),
    ),
  };
}

interface LocalApp {
  readonly protocol: AppProtocol;
  readonly overload: OverloadModel | null;
}

function createLocalCluster(name: string, port: InboundPort, { protocol, overload }: LocalApp): Cluster {
  return {
    name,
    type: STATIC,
    connectTimeout: toDuration(CONNECT_TIMEOUT_MS),
    loadAssignment: {
      clusterName: name,
      endpoints: [{ lbEndpoints: [createLbEndpoint({ address: port.appAddress, port: port.appPort })] }],
    },
    // Without a word our proxy takes HTTP/1.1, and HTTP/2 for gRPC.
    ...(protocol === "grpc" || protocol === "http2" ? createHttp2Options(null) : {}),
    metadata: overload === null ? null : createMetadata({}, { overload: toOverloadFields(overload) }),
  };
}

function createEmptyCluster(): Cluster {
  return {
    name: EMPTY_CLUSTER,
    type: STATIC,
    connectTimeout: toDuration(CONNECT_TIMEOUT_MS),
    loadAssignment: { clusterName: EMPTY_CLUSTER },
  };
}

function createEgressCluster(): Cluster {
  const typedConfig = packAny("envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig", ClusterConfig, {
    dnsCacheConfig: { name: EGRESS_CLUSTER, dnsLookupFamily: V4_PREFERRED },
  });
  return {
    name: EGRESS_CLUSTER,
    clusterType: { name: "envoy.clusters.dynamic_forward_proxy", typedConfig },
    lbPolicy: CLUSTER_PROVIDED,
    connectTimeout: toDuration(CONNECT_TIMEOUT_MS),
  };
}
