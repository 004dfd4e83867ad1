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
import { keyOf, type ResourceIndex } from "./resource-index.ts";

/** What changed since somebody last asked. */
export interface IndexChanges {
  /** Kinds other than EndpointSlice. */
  readonly kinds: ReadonlySet<string>;
  /** Keys of the Services whose slices changed. */
  readonly slices: ReadonlySet<string>;
}

/** An index that follows its resources one by one and says what they changed. */
export class LiveIndex implements ResourceIndex {
  mesh: Mesh | null = null;
  readonly services: Map<string, Service> = new Map();
  /** A list is replaced, never changed. */
  readonly slices: Map<string, readonly EndpointSlice[]> = new Map();
  readonly serviceAccounts: Set<string> = new Set();
  readonly groups: Map<string, HttpRouteGroup> = new Map();
  readonly tcpRoutes: Map<string, TcpRoute> = new Map();
  readonly udpRoutes: Map<string, UdpRoute> = new Map();
  readonly bindings: Map<string, IdentityBinding> = new Map();
  splits: readonly TrafficSplit[] = [];
  targets: readonly TrafficTarget[] = [];
  policies: readonly TrafficPolicy[] = [];
  ingresses: readonly Ingress[] = [];
  ingressClasses: readonly IngressClass[] = [];
  readonly secrets: Map<string, Secret> = new Map();
  readonly #sliceByKey: Map<string, EndpointSlice> = new Map();
  readonly #splitByKey: Map<string, TrafficSplit> = new Map();
  readonly #targetByKey: Map<string, TrafficTarget> = new Map();
  readonly #policyByKey: Map<string, TrafficPolicy> = new Map();
  readonly #ingressByKey: Map<string, Ingress> = new Map();
  readonly #ingressClassByKey: Map<string, IngressClass> = new Map();
  #changedKinds: Set<string> = new Set();
  #changedSlices: Set<string> = new Set();

  put(resource: Resource): void {
    this.#change(resource, resource);
  }

  delete(resource: Resource): void {
    this.#change(resource, null);
  }

  /** What changed since the last call; lists are up to date from then on. */
  takeChanges(): IndexChanges {
    const changes = { kinds: this.#changedKinds, slices: this.#changedSlices };
    if (changes.kinds.has("TrafficSplit")) this.splits = [...this.#splitByKey.values()];
    if (changes.kinds.has("TrafficTarget")) this.targets = [...this.#targetByKey.values()];
    if (changes.kinds.has("TrafficPolicy")) this.policies = [...this.#policyByKey.values()];
    if (changes.kinds.has("Ingress")) this.ingresses = [...this.#ingressByKey.values()];
    if (changes.kinds.has("IngressClass")) this.ingressClasses = [...this.#ingressClassByKey.values()];
    this.#changedKinds = new Set();
    this.#changedSlices = new Set();
    return changes;
  }

  /** `next` null: it is gone. */
  #change(resource: Resource, next: Resource | null): void {
    const key = keyOf(resource);
    const kind = kindOf(resource)?.kind;
    // A resource that has a known kind was validated against that kind's schema when it was stored.
    switch (kind) {
      case "EndpointSlice":
        this.#changeSlice(key, next as EndpointSlice | null);
        return;
      case "Mesh":
        this.mesh = next as Mesh | null;
        break;
      case "Service":
        setOrDelete(this.services, key, next as Service | null);
        break;
      case "HTTPRouteGroup":
        setOrDelete(this.groups, key, next as HttpRouteGroup | null);
        break;
      case "TCPRoute":
        setOrDelete(this.tcpRoutes, key, next as TcpRoute | null);
        break;
      case "UDPRoute":
        setOrDelete(this.udpRoutes, key, next as UdpRoute | null);
        break;
      case "IdentityBinding":
        setOrDelete(this.bindings, key, next as IdentityBinding | null);
        break;
      case "TrafficSplit":
        setOrDelete(this.#splitByKey, key, next as TrafficSplit | null);
        break;
      case "TrafficTarget":
        setOrDelete(this.#targetByKey, key, next as TrafficTarget | null);
        break;
      case "TrafficPolicy":
        setOrDelete(this.#policyByKey, key, next as TrafficPolicy | null);
        break;
      case "Ingress":
        setOrDelete(this.#ingressByKey, key, next as Ingress | null);
        break;
      case "IngressClass":
        setOrDelete(this.#ingressClassByKey, key, next as IngressClass | null);
        break;
      case "Secret":
        setOrDelete(this.secrets, key, next as Secret | null);
        break;
      case "ServiceAccount":
        if (next === null) this.serviceAccounts.delete(key);
        else this.serviceAccounts.add(key);
        break;
      default:
        return;
    }
    this.#changedKinds.add(kind);
  }

  #changeSlice(key: string, next: EndpointSlice | null): void {
    const before = this.#sliceByKey.get(key);
    setOrDelete(this.#sliceByKey, key, next);
    const from = before === undefined ? null : serviceOf(before);
    const to = next === null ? null : serviceOf(next);
    if (from !== null) {
      const rest = (this.slices.get(from) ?? []).filter((slice) => slice !== before);
      setOrDelete(this.slices, from, rest.length === 0 ? null : rest);
      this.#changedSlices.add(from);
    }
    if (to !== null && next !== null) {
      this.slices.set(to, [...(this.slices.get(to) ?? []), next]);
      this.#changedSlices.add(to);
    }
  }
}

function serviceOf(slice: EndpointSlice): string | null {
  const service = slice.metadata.labels?.[SERVICE_NAME_LABEL];
  return service === undefined ? null : `${slice.metadata.namespace}/${service}`;
}

function setOrDelete<T>(map: Map<string, T>, key: string, value: T | null): void {
  if (value === null) map.delete(key);
  else map.set(key, value);
}
