import { envoy } from "#gen/protos.js";
import { CONTROL_PLANE_ENDPOINTS, ENDPOINT_TYPE } from "../xds/names.ts";
import {
  type ChangeScope,
  CONCERNS_ALL,
  type ConfigSource,
  type EncodedResource,
  type ProxyNode,
  type ProxyView,
  type ResourcesByName,
} from "./config-source.ts";
import { layOver, NO_RESOURCES } from "./layered-resources.ts";
import type { HostPort } from "./replicas/replica-directory.ts";
import { encodeResource } from "./translate/encode-resource.ts";

const { ClusterLoadAssignment } = envoy.config.endpoint.v3;

/** A config source with one resource more: where the mesh's control planes are, for proxies that ask for it by name. */
export interface SourceWithControlPlanes extends ConfigSource {
  /** Listeners are called when it is another list than before. */
  setControlPlanes(addresses: readonly HostPort[]): void;
}

/** The resource is an EDS assignment that no cluster refers to: delivered live, kept on the proxy's disk, shown as endpoints. */
export function addControlPlanes(source: ConfigSource): SourceWithControlPlanes {
  return new ControlPlaneSource(source);
}

class ControlPlaneSource implements SourceWithControlPlanes {
  readonly #source: ConfigSource;
  readonly #listeners: Set<(concerns: ChangeScope) => void> = new Set();
  #resource: EncodedResource | null = null;
  /** The resource alone, laid over all endpoints. */
  #own: ResourcesByName | null = null;
  /** What was made of the views and maps of the source since the list changed: the same objects give the same objects. */
  #views: WeakMap<ProxyView, ProxyView> = new WeakMap();
  #endpoints: WeakMap<ResourcesByName, ResourcesByName> = new WeakMap();

  constructor(source: ConfigSource) {
    this.#source = source;
  }

  setControlPlanes(addresses: readonly HostPort[]): void {
    const resource = encodeResource(ENDPOINT_TYPE, CONTROL_PLANE_ENDPOINTS, encodeAddresses(addresses));
    if (resource.version === this.#resource?.version) return;
    this.#resource = resource;
    this.#own = null;
    this.#views = new WeakMap();
    this.#endpoints = new WeakMap();
    for (const listener of this.#listeners) listener(CONCERNS_ALL);
  }

  viewFor(node: ProxyNode): ProxyView {
    const view = this.#source.viewFor(node);
    if (this.#resource === null) return view;
    const known = this.#views.get(view);
    if (known !== undefined) return known;
    const made = new Map([
      ...view,
      [ENDPOINT_TYPE, this.#addTo(view.get(ENDPOINT_TYPE) ?? NO_RESOURCES, this.#resource)],
    ]);
    this.#views.set(view, made);
    return made;
  }

  onChange(listener: (concerns: ChangeScope) => void): () => void {
    const entry = (concerns: ChangeScope): void => listener(concerns);
    this.#listeners.add(entry);
    const stop = this.#source.onChange(entry);
    return () => {
      this.#listeners.delete(entry);
      stop();
    };
  }

  #addTo(endpoints: ResourcesByName, resource: EncodedResource): ResourcesByName {
    const known = this.#endpoints.get(endpoints);
    if (known !== undefined) return known;
    this.#own ??= new Map([[resource.name, resource]]);
    const made = layOver(endpoints, this.#own);
    this.#endpoints.set(endpoints, made);
    return made;
  }
}

/** In an order of its own, so that every control plane encodes the same bytes. */
function encodeAddresses(addresses: readonly HostPort[]): Uint8Array {
  const sorted = addresses.toSorted((a, b) => (a.host < b.host ? -1 : a.host > b.host ? 1 : a.port - b.port));
  const lbEndpoints = sorted.map(({ host, port }) => ({
    endpoint: { address: { socketAddress: { address: host, portValue: port } } },
  }));
  return ClusterLoadAssignment.encode({ clusterName: CONTROL_PLANE_ENDPOINTS, endpoints: [{ lbEndpoints }] }).finish();
}
