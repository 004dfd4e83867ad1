import { envoy } from "#gen/protos.js";
import { SERVICE_ACCOUNT_LABEL, WORKLOAD_LABEL } from "../../control/model/compile-endpoints.ts";
import { compileModel } from "../../control/model/compile-model.ts";
import type { MeshModel } from "../../control/model/mesh-model.ts";
import { createConfigSource, type MeshConfigSource } from "../../control/translate/create-config-source.ts";
import { formatWorkloadId } from "../../identity/spiffe-id.ts";
import {
  type AccessPolicy,
  decodeInboundAccess,
  judgeConnection,
  judgeRequest,
  type Judgement,
  listRulesOf,
  readRequest,
  type WrittenRequest,
} from "../../proxy/filters/judge-request.ts";
import type { AppProtocol } from "../../proxy-node.ts";
import { type EndpointSlice, SERVICE_NAME_LABEL } from "../../resources/endpoint-slice.ts";
import type { Resource } from "../../resources/resource.ts";
import { formatInboundListener, LISTENER_TYPE } from "../../xds/names.ts";

/** A port of instances that run under one service account, as access rules know it. */
export interface Place {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** One of the instances; "" when there is none. */
  readonly workload: string;
  /** Where its proxy listens; the Service's port when there is no instance. */
  readonly port: number;
  readonly protocol: AppProtocol;
  /** The Service ports that lead there, in order of name: "<name>" of its namespace. */
  readonly services: readonly { readonly name: string; readonly port: number }[];
}

/** What a call brings: a request, opaque bytes, or any request whatever ("is there one that would be let in?"). */
export type Call = WrittenRequest | "bytes" | "any";

export type { WrittenRequest };

export interface Verdict extends Judgement {
  /** Every rule that allows the caller something; of the call itself only when it is not "any". */
  readonly rules: readonly string[];
  /** They allow every request; of interest for the call "any". */
  readonly allowsAll: boolean;
}

/**
 * The mesh's access control as its proxies have it: the resources compiled and translated as the control plane does it, and
 * decided by the filter of the proxy. Says what strict access would, also when the mesh is permissive.
 */
export class AccessWorld {
  readonly resources: readonly Resource[];
  readonly model: MeshModel;
  readonly #trustDomain: string;
  readonly #appPorts: ReadonlyMap<string, number>;
  readonly #policies: Map<string, AccessPolicy | null> = new Map();
  #source: MeshConfigSource | null = null;

  /** `appPorts`: where the app itself listens, by "<namespace>/<workload>:<port of its proxy>", as far as it is known. */
  constructor(resources: readonly Resource[], trustDomain: string, appPorts: ReadonlyMap<string, number> = new Map()) {
    this.resources = resources;
    this.model = compileModel(resources, null);
    this.#trustDomain = trustDomain;
    this.#appPorts = appPorts;
  }

  /** The same mesh with these resources too, in the place of those of the same names. */
  with(more: readonly Resource[]): AccessWorld {
    const names = new Set(more.map(nameOf));
    const kept = this.resources.filter((resource) => !names.has(nameOf(resource)));
    return this.replaced([...kept, ...more]);
  }

  /** Another set of resources, of the same trust domain. */
  replaced(resources: readonly Resource[]): AccessWorld {
    return new AccessWorld(resources, this.#trustDomain, this.#appPorts);
  }

  /** Ports of the instances under this account; one of each kind, in order of port. */
  listPlaces(namespace: string, serviceAccount: string): readonly Place[] {
    const places = new Map<string, Place>();
    for (const slice of listSlices(this.resources, namespace)) {
      if (slice.metadata.labels?.[SERVICE_ACCOUNT_LABEL] !== serviceAccount) continue;
      for (const workload of listWorkloads(slice)) {
        for (const place of this.#placesOf(namespace, serviceAccount, workload)) {
          const kind = JSON.stringify([place.protocol, place.services]);
          if (!places.has(kind)) places.set(kind, place);
        }
      }
    }
    return [...places.values()].toSorted((a, b) => a.port - b.port);
  }

  /** Which of its ports an instance of the account has its proxy on; null when no instance is known there. */
  findPlace(namespace: string, serviceAccount: string, port: number): Place | null {
    for (const slice of listSlices(this.resources, namespace)) {
      if (slice.metadata.labels?.[SERVICE_ACCOUNT_LABEL] !== serviceAccount) continue;
      for (const workload of listWorkloads(slice)) {
        const found = this.#placesOf(namespace, serviceAccount, workload).find((place) => place.port === port);
        if (found !== undefined) return found;
      }
    }
    return null;
  }

  /** Whether the place lets the call of a service account in. Null: it takes no such calls. A text: no proxy takes the request. */
  judge(
    place: Place,
    source: { readonly namespace: string; readonly name: string },
    call: Call,
  ): Verdict | string | null {
    const policy = this.#policyOf(place, call === "bytes" ? "bytes" : "requests");
    if (policy === null) return null;
    const { namespace, name: serviceAccount } = source;
    const peerId = formatWorkloadId({ trustDomain: this.#trustDomain, namespace, serviceAccount });
    const ofCaller = listRulesOf(policy, peerId);
    const rules = ofCaller.map((rule) => rule.name);
    const allowsAll = ofCaller.some((rule) => rule.matches === null || rule.matches.some(isAny));
    if (call === "any") {
      const rule = ofCaller[0]?.name ?? null;
      return { allowed: rule !== null, rule, denial: rule === null ? describeNone(policy) : null, rules, allowsAll };
    }
    if (call === "bytes") return { ...judgeConnection(policy, peerId), rules, allowsAll };
    const x = readRequest(call);
    return typeof x === "string" ? x : { ...judgeRequest(policy, peerId, x), rules, allowsAll };
  }

  #placesOf(namespace: string, serviceAccount: string, workload: string): readonly Place[] {
    const places = new Map<number, Place>();
    for (const { port, service, servicePort, protocol } of this.model.workloads.get(`${namespace}/${workload}`)
      ?.ports ?? []) {
      const known = places.get(port);
      const services = [...(known?.services ?? []), { name: service, port: servicePort }];
      places.set(port, { namespace, serviceAccount, workload, port, protocol: known?.protocol ?? protocol, services });
    }
    return [...places.values()];
  }

  #policyOf(place: Place, what: "requests" | "bytes"): AccessPolicy | null {
    const key = JSON.stringify([
      place.namespace,
      place.serviceAccount,
      place.workload,
      place.port,
      place.protocol,
      what,
    ]);
    const known = this.#policies.get(key);
    if (known !== undefined) return known;
    const policy = decodeInboundAccess(this.#translate(place), `${place.namespace}/${place.serviceAccount}`, what);
    this.#policies.set(key, policy);
    return policy;
  }

  #translator(): MeshConfigSource {
    if (this.#source !== null) return this.#source;
    this.#source = createConfigSource({ trustDomain: this.#trustDomain });
    this.#source.update(this.model, "");
    return this.#source;
  }

  /** The listener that a proxy at this place is sent. */
  #translate({ namespace, serviceAccount, workload, port, protocol }: Place): Uint8Array {
    const id = `${namespace}/${workload}`;
    const appPort = this.#appPorts.get(`${id}:${port}`) ?? port;
    const inbound = [{ address: "127.0.0.1", port, appAddress: "127.0.0.1", appPort, protocol }];
    const nowhere = { address: "127.0.0.1", port: 1 };
    const view = this.#translator().viewFor({
      ...{ id, namespace, workload, serviceAccount },
      spiffeId: formatWorkloadId({ trustDomain: this.#trustDomain, namespace, serviceAccount }),
      metadata: {
        ...{ role: "sidecar", namespace, workload, runtime: "", weftVersion: "", inbound, ingress: [] },
        outbound: null,
        admin: nowhere,
      },
    });
    const encoded =
      view.get(LISTENER_TYPE)?.get(formatInboundListener(appPort, protocol === "udp"))?.bytes ?? new Uint8Array();
    return envoy.service.discovery.v3.Resource.decode(encoded).resource?.value ?? new Uint8Array();
  }
}

export function nameOf({ kind, metadata }: Resource): string {
  return `${kind} ${metadata.namespace}/${metadata.name}`;
}

export function listSlices(resources: readonly Resource[], namespace: string): readonly EndpointSlice[] {
  // What has this kind was validated as such when it was stored.
  const slices = resources.filter(
    (resource): resource is EndpointSlice =>
      resource.kind === "EndpointSlice" && resource.metadata.namespace === namespace,
  );
  return slices.filter((slice) => slice.metadata.labels?.[SERVICE_NAME_LABEL] !== undefined);
}

/** As the model names them. */
export function listWorkloads(slice: EndpointSlice): readonly string[] {
  const label = slice.metadata.labels?.[WORKLOAD_LABEL];
  const names = slice.endpoints.map((endpoint) => label ?? endpoint.targetRef?.name ?? "");
  return [...new Set(names)].filter((name) => name !== "");
}

function isAny(match: {
  readonly path: { readonly kind: string };
  readonly methods: unknown;
  readonly headers: readonly unknown[];
}): boolean {
  return match.path.kind === "any" && match.methods === null && match.headers.length === 0;
}

function describeNone({ destination }: AccessPolicy): string {
  return `No TrafficTarget for ServiceAccount "${destination}" lists the caller with a rule that any request could fit`;
}
