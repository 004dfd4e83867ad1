import { SERVICE_NAME_LABEL, type EndpointSlice } from "../../resources/endpoint-slice.ts";
import type { HttpRouteGroup } from "../../resources/http-route-group.ts";
import type { IdentityBinding } from "../../resources/identity-binding.ts";
import type { IngressClass } from "../../resources/ingress-class.ts";
import type { Ingress } from "../../resources/ingress.ts";
import type { Mesh } from "../../resources/mesh.ts";
import { kindOf } from "../../resources/registry.ts";
import type { Resource } from "../../resources/resource.ts";
import type { Secret } from "../../resources/secret.ts";
import type { Service } from "../../resources/service.ts";
import type { TcpRoute } from "../../resources/tcp-route.ts";
import type { TrafficPolicy } from "../../resources/traffic-policy.ts";
import type { TrafficSplit } from "../../resources/traffic-split.ts";
import type { TrafficTarget } from "../../resources/traffic-target.ts";
import type { UdpRoute } from "../../resources/udp-route.ts";

/** The resources that the model is made of, by kind. Keys are "<namespace>/<name>"; no order is promised. */
export interface ResourceIndex {
  readonly mesh: Mesh | null;
  readonly services: ReadonlyMap<string, Service>;
  /** By the key of the Service they belong to. */
  readonly slices: ReadonlyMap<string, readonly EndpointSlice[]>;
  readonly serviceAccounts: ReadonlySet<string>;
  readonly groups: ReadonlyMap<string, HttpRouteGroup>;
  readonly tcpRoutes: ReadonlyMap<string, TcpRoute>;
  readonly udpRoutes: ReadonlyMap<string, UdpRoute>;
  readonly bindings: ReadonlyMap<string, IdentityBinding>;
  readonly splits: readonly TrafficSplit[];
  readonly targets: readonly TrafficTarget[];
  readonly policies: readonly TrafficPolicy[];
  readonly ingresses: readonly Ingress[];
  readonly ingressClasses: readonly IngressClass[];
  readonly secrets: ReadonlyMap<string, Secret>;
}

/** What is of no kind that weft knows, or an EndpointSlice of no Service, is left out. */
export function indexResources(resources: readonly Resource[]): ResourceIndex {
  let mesh: Mesh | null = null;
  const services = new Map<string, Service>();
  const slices = new Map<string, EndpointSlice[]>();
  const serviceAccounts = new Set<string>();
  const groups = new Map<string, HttpRouteGroup>();
  const tcpRoutes = new Map<string, TcpRoute>();
  const udpRoutes = new Map<string, UdpRoute>();
  const bindings = new Map<string, IdentityBinding>();
  const splits: TrafficSplit[] = [];
  const targets: TrafficTarget[] = [];
  const policies: TrafficPolicy[] = [];
  const ingresses: Ingress[] = [];
  const ingressClasses: IngressClass[] = [];
  const secrets = new Map<string, Secret>();
  for (const resource of resources) {
    // A resource that has a known kind was validated against that kind's schema when it was stored.
    switch (kindOf(resource)?.kind) {
      case "Mesh":
        mesh = resource as Mesh;
        break;
      case "Service":
        services.set(keyOf(resource), resource as Service);
        break;
      case "EndpointSlice":
        addSlice(slices, resource as EndpointSlice);
        break;
      case "HTTPRouteGroup":
        groups.set(keyOf(resource), resource as HttpRouteGroup);
        break;
      case "TCPRoute":
        tcpRoutes.set(keyOf(resource), resource as TcpRoute);
        break;
      case "UDPRoute":
        udpRoutes.set(keyOf(resource), resource as UdpRoute);
        break;
      case "IdentityBinding":
        bindings.set(keyOf(resource), resource as IdentityBinding);
        break;
      case "TrafficSplit":
        splits.push(resource as TrafficSplit);
        break;
      case "TrafficTarget":
        targets.push(resource as TrafficTarget);
        break;
      case "TrafficPolicy":
        policies.push(resource as TrafficPolicy);
        break;
      case "Ingress":
        ingresses.push(resource as Ingress);
        break;
      case "IngressClass":
        ingressClasses.push(resource as IngressClass);
        break;
      case "Secret":
        secrets.set(keyOf(resource), resource as Secret);
        break;
      case "ServiceAccount":
        serviceAccounts.add(keyOf(resource));
        break;
      // Of the API alone.
      case "Namespace":
      case "Revocation":
      case "TrustBundle":
      case "User":
      case undefined:
        break;
    }
  }
  return {
    mesh,
    services,
    slices,
    serviceAccounts,
    groups,
    tcpRoutes,
    udpRoutes,
    bindings,
    splits,
    targets,
    policies,
    ingresses,
    ingressClasses,
    secrets,
  };
}

export function keyOf(resource: Resource): string {
  return `${resource.metadata.namespace}/${resource.metadata.name}`;
}

function addSlice(slices: Map<string, EndpointSlice[]>, slice: EndpointSlice): void {
  const service = slice.metadata.labels?.[SERVICE_NAME_LABEL];
  if (service === undefined) return;
  const key = `${slice.metadata.namespace}/${service}`;
  const list = slices.get(key);
  if (list === undefined) slices.set(key, [slice]);
  else list.push(slice);
}
