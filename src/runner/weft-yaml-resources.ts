import type { AppProtocol } from "../proxy-node.ts";
import { DEFAULT_NAMESPACE } from "../resources/object-meta-schema.ts";
import type { Resource } from "../resources/resource.ts";
import { toPortProtocol } from "./to-port-protocol.ts";
import { formatVersionService, INGRESS_ACCOUNT, type ServiceEntry, type WeftYaml } from "./weft-yaml.ts";

/** On everything `weft up` or `weft run` wrote, so that the next `weft up` can remove what is no longer wanted. */
export const MANAGED_BY_LABEL = "weft.dev/managed-by";

/** The HTTPRouteGroup, the TCPRoute and the UDPRoute that stand for "every request", which `allow` lists refer to. */
const ANY_ROUTE = "weft-any";

/**
 * The resources that weft.yaml stands for, all in the namespace `default`: the Mesh, one Service for each service and
 * one for each of its versions, their ServiceAccounts, and a TrafficTarget for each service that has an `allow` list or
 * stands behind an ingress. A service without either gets none, so resources of the user's own decide who may call it.
 */
export function weftYamlToResources(config: WeftYaml): readonly Resource[] {
  const targets = config.services.flatMap((service) => toTarget(service, config));
  const kinds = new Set(targets.map((target) => target.rule));
  return [
    toMesh(config),
    ...config.services.flatMap(toServices),
    ...[INGRESS_ACCOUNT, ...config.services.map((service) => service.name)].map((name) => toServiceAccount(name)),
    ...(kinds.has("HTTPRouteGroup") ? [ANY_HTTP] : []),
    ...(kinds.has("TCPRoute") ? [ANY_TCP] : []),
    ...(kinds.has("UDPRoute") ? [ANY_UDP] : []),
    ...targets.map((target) => target.resource),
  ];
}

export interface ServiceOptions {
  readonly port: number;
  readonly protocol: AppProtocol;
  /** Left out: "default". */
  readonly namespace?: string;
}

/** The Service of a name and one TCP port; its endpoints are in EndpointSlices. */
export function createService(
  name: string,
  { port, protocol, namespace = DEFAULT_NAMESPACE }: ServiceOptions,
): Resource {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: createMeta(name, {}, namespace),
    spec: { ports: [{ name: "", port, targetPort: port, ...toPortProtocol(protocol) }] },
  };
}

export function toServiceAccount(name: string, namespace: string = DEFAULT_NAMESPACE): Resource {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: createMeta(name, {}, namespace) };
}

/** Metadata with the label that says weft wrote it. */
export function createMeta(
  name: string,
  labels: Readonly<Record<string, string>> = {},
  namespace: string = DEFAULT_NAMESPACE,
): Resource["metadata"] {
  return { name, namespace, labels: { ...labels, [MANAGED_BY_LABEL]: "weft" } };
}

const ANY_HTTP: Resource = {
  apiVersion: "specs.smi-spec.io/v1alpha4",
  kind: "HTTPRouteGroup",
  metadata: createMeta(ANY_ROUTE),
  spec: { matches: [{ name: "any", pathRegex: ".*", methods: ["*"] }] },
};

const ANY_TCP: Resource = {
  apiVersion: "specs.smi-spec.io/v1alpha4",
  kind: "TCPRoute",
  metadata: createMeta(ANY_ROUTE),
  spec: { matches: { ports: [] } },
};

const ANY_UDP: Resource = { ...ANY_TCP, kind: "UDPRoute" };

/** The kind of rule that allows all that a service of the protocol takes. */
const ANY_RULES: Readonly<Record<AppProtocol, Target["rule"]>> = {
  http: "HTTPRouteGroup",
  http2: "HTTPRouteGroup",
  grpc: "HTTPRouteGroup",
  tcp: "TCPRoute",
  udp: "UDPRoute",
  detect: "TCPRoute",
};

function toMesh(config: WeftYaml): Resource {
  const { access, egress, certificateLifetime } = config;
  return {
    apiVersion: "weft.dev/v1alpha1",
    kind: "Mesh",
    metadata: { name: "mesh", namespace: "", labels: { [MANAGED_BY_LABEL]: "weft" } },
    spec: { access, egress, certificateLifetime },
  };
}

function toServices(service: ServiceEntry): readonly Resource[] {
  const versions = service.versions.filter((version) => version.name !== "");
  const names = [service.name, ...versions.map((version) => formatVersionService(service.name, version.name))];
  return names.map((name) => createService(name, { port: service.port, protocol: service.protocol }));
}

interface Target {
  readonly rule: "HTTPRouteGroup" | "TCPRoute" | "UDPRoute";
  readonly resource: Resource;
}

function toTarget(service: ServiceEntry, config: WeftYaml): readonly Target[] {
  const isBehindIngress = config.ingress.some((entry) => {
    return entry.service === service.name || entry.passthrough.some((rule) => rule.service === service.name);
  });
  if (service.allow === null && !isBehindIngress) return [];
  const sources = new Set([...(service.allow ?? []), ...(isBehindIngress ? [INGRESS_ACCOUNT] : [])]);
  // Where opaque bytes may come, only a rule about connections can allow them; it allows every request as well.
  const rule = ANY_RULES[service.protocol];
  const resource: Resource = {
    apiVersion: "access.smi-spec.io/v1alpha4",
    kind: "TrafficTarget",
    metadata: createMeta(service.name),
    spec: {
      destination: toSubject(service.name),
      rules: [{ kind: rule, name: ANY_ROUTE }],
      sources: [...sources].map(toSubject),
    },
  };
  return [{ rule, resource }];
}

function toSubject(name: string): { readonly kind: string; readonly name: string; readonly namespace: string } {
  return { kind: "ServiceAccount", name, namespace: DEFAULT_NAMESPACE };
}
