import type { z } from "zod";
import { endpointSliceSchema } from "./endpoint-slice.ts";
import { httpRouteGroupSchema } from "./http-route-group.ts";
import { identityBindingSchema } from "./identity-binding.ts";
import { ingressClassSchema } from "./ingress-class.ts";
import { ingressSchema } from "./ingress.ts";
import type { KindVersion, ServedObject } from "./kind-version.ts";
import type { KnownResource } from "./known-resource.ts";
import { meshSchema } from "./mesh.ts";
import { namespaceSchema } from "./namespace.ts";
import type { Resource } from "./resource.ts";
import { secretSchema } from "./secret.ts";
import { serviceAccountSchema } from "./service-account.ts";
import { serviceSchema } from "./service.ts";
import { HTTP_ROUTE_GROUP_VERSIONS } from "./smi-versions/http-route-group-versions.ts";
import { TCP_ROUTE_VERSIONS } from "./smi-versions/tcp-route-versions.ts";
import { TRAFFIC_SPLIT_VERSIONS } from "./smi-versions/traffic-split-versions.ts";
import { TRAFFIC_TARGET_VERSIONS } from "./smi-versions/traffic-target-versions.ts";
import { tcpRouteSchema } from "./tcp-route.ts";
import { trafficPolicySchema } from "./traffic-policy.ts";
import { trafficSplitSchema } from "./traffic-split.ts";
import { trafficTargetSchema } from "./traffic-target.ts";
import { revocationSchema } from "./revocation.ts";
import { trustBundleSchema } from "./trust-bundle.ts";
import { udpRouteSchema } from "./udp-route.ts";
import { userSchema } from "./user.ts";

/**
 * One kind of resource in one version: its names in YAML, in REST paths and on the command line, and what it must look
 * like.
 */
export interface KindDefinition {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: KnownResource["kind"];
  /** Lower case; the last part of REST paths. */
  readonly plural: string;
  /** Lower case. */
  readonly singular: string;
  readonly shortNames: readonly string[];
  /** Words that mean several kinds: `kubectl get all`, `kubectl get weft`. */
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** Its status is written through a path of its own (`…/status`), and through no other. */
  readonly hasStatus: boolean;
  /** Dotted paths of fields whose values messages must not show. */
  readonly secretFields?: readonly string[];
  readonly schema: z.ZodType<Resource>;
  /** Of the stored version: in which others the kind is served, the newest first. */
  readonly olderVersions?: readonly KindVersion[];
  /** Of another version than the stored one: how objects come from there and go there. */
  readonly conversion?: KindVersion;
  /** See `KindVersion`. */
  readonly topFields?: Readonly<Record<string, string>>;
}

/** Every kind, in the version it is stored in. Short names are those of Kubernetes and SMI. */
export const KINDS: readonly KindDefinition[] = [
  {
    group: "",
    version: "v1",
    kind: "Namespace",
    plural: "namespaces",
    singular: "namespace",
    shortNames: ["ns"],
    categories: [],
    namespaced: false,
    hasStatus: true,
    schema: namespaceSchema,
  },
  {
    group: "",
    version: "v1",
    kind: "Service",
    plural: "services",
    singular: "service",
    shortNames: ["svc"],
    categories: ["all"],
    namespaced: true,
    hasStatus: true,
    schema: serviceSchema,
  },
  {
    group: "",
    version: "v1",
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    singular: "serviceaccount",
    shortNames: ["sa"],
    categories: [],
    namespaced: true,
    hasStatus: false,
    schema: serviceAccountSchema,
  },
  {
    group: "",
    version: "v1",
    kind: "Secret",
    plural: "secrets",
    singular: "secret",
    shortNames: [],
    categories: [],
    namespaced: true,
    hasStatus: false,
    secretFields: ["data", "stringData"],
    schema: secretSchema,
  },
  {
    group: "networking.k8s.io",
    version: "v1",
    kind: "Ingress",
    plural: "ingresses",
    singular: "ingress",
    shortNames: ["ing"],
    categories: [],
    namespaced: true,
    hasStatus: true,
    schema: ingressSchema,
  },
  {
    group: "networking.k8s.io",
    version: "v1",
    kind: "IngressClass",
    plural: "ingressclasses",
    singular: "ingressclass",
    shortNames: [],
    categories: [],
    namespaced: false,
    hasStatus: false,
    schema: ingressClassSchema,
  },
  {
    group: "discovery.k8s.io",
    version: "v1",
    kind: "EndpointSlice",
    plural: "endpointslices",
    singular: "endpointslice",
    shortNames: [],
    categories: [],
    namespaced: true,
    hasStatus: false,
    schema: endpointSliceSchema,
  },
  {
    group: "specs.smi-spec.io",
    version: "v1alpha4",
    kind: "HTTPRouteGroup",
    plural: "httproutegroups",
    singular: "httproutegroup",
    shortNames: ["htr"],
    categories: ["all", "weft", "smi"],
    namespaced: true,
    hasStatus: true,
    schema: httpRouteGroupSchema,
    olderVersions: HTTP_ROUTE_GROUP_VERSIONS,
  },
  {
    group: "specs.smi-spec.io",
    version: "v1alpha4",
    kind: "TCPRoute",
    plural: "tcproutes",
    singular: "tcproute",
    shortNames: ["tr"],
    categories: ["all", "weft", "smi"],
    namespaced: true,
    hasStatus: true,
    schema: tcpRouteSchema,
    olderVersions: TCP_ROUTE_VERSIONS,
  },
  {
    group: "specs.smi-spec.io",
    version: "v1alpha4",
    kind: "UDPRoute",
    plural: "udproutes",
    singular: "udproute",
    shortNames: ["ur"],
    categories: ["all", "weft", "smi"],
    namespaced: true,
    hasStatus: true,
    schema: udpRouteSchema,
  },
  {
    group: "split.smi-spec.io",
    version: "v1alpha4",
    kind: "TrafficSplit",
    plural: "trafficsplits",
    singular: "trafficsplit",
    shortNames: ["ts"],
    categories: ["all", "weft", "smi"],
    namespaced: true,
    hasStatus: true,
    schema: trafficSplitSchema,
    olderVersions: TRAFFIC_SPLIT_VERSIONS,
  },
  {
    group: "access.smi-spec.io",
    version: "v1alpha4",
    kind: "IdentityBinding",
    plural: "identitybindings",
    singular: "identitybinding",
    shortNames: ["ib"],
    categories: ["all", "weft", "smi"],
    namespaced: true,
    hasStatus: true,
    schema: identityBindingSchema,
  },
  {
    group: "access.smi-spec.io",
    version: "v1alpha4",
    kind: "TrafficTarget",
    plural: "traffictargets",
    singular: "traffictarget",
    shortNames: ["tt"],
    categories: ["all", "weft", "smi"],
    namespaced: true,
    hasStatus: true,
    schema: trafficTargetSchema,
    olderVersions: TRAFFIC_TARGET_VERSIONS,
  },
  {
    group: "weft.dev",
    version: "v1alpha1",
    kind: "Mesh",
    plural: "meshes",
    singular: "mesh",
    shortNames: [],
    categories: ["weft"],
    namespaced: false,
    hasStatus: true,
    schema: meshSchema,
  },
  {
    group: "weft.dev",
    version: "v1alpha1",
    kind: "TrafficPolicy",
    plural: "trafficpolicies",
    singular: "trafficpolicy",
    shortNames: ["tp"],
    categories: ["all", "weft"],
    namespaced: true,
    hasStatus: true,
    schema: trafficPolicySchema,
  },
  {
    group: "weft.dev",
    version: "v1alpha1",
    kind: "User",
    plural: "users",
    singular: "user",
    shortNames: [],
    categories: [],
    namespaced: false,
    hasStatus: false,
    secretFields: ["spec.tokens"],
    schema: userSchema,
  },
  {
    group: "weft.dev",
    version: "v1alpha1",
    kind: "Revocation",
    plural: "revocations",
    singular: "revocation",
    shortNames: [],
    categories: ["weft"],
    namespaced: false,
    hasStatus: false,
    schema: revocationSchema,
  },
  {
    group: "weft.dev",
    version: "v1alpha1",
    kind: "TrustBundle",
    plural: "trustbundles",
    singular: "trustbundle",
    shortNames: [],
    categories: ["weft"],
    namespaced: false,
    hasStatus: false,
    // Who pastes the wrong block pastes a key.
    secretFields: ["spec.bundle"],
    schema: trustBundleSchema,
  },
];

/** Every kind in every version it is served in, the stored one first. */
export const SERVED_KINDS: readonly KindDefinition[] = KINDS.flatMap((kind) => [
  kind,
  ...(kind.olderVersions ?? []).map((conversion): KindDefinition => {
    const { olderVersions: _olderVersions, ...names } = kind;
    const { version, schema, topFields } = conversion;
    return { ...names, version, schema, conversion, ...(topFields === undefined ? {} : { topFields }) };
  }),
]);

const byApiVersion: ReadonlyMap<string, KindDefinition> = new Map(
  SERVED_KINDS.map((kind) => [`${formatApiVersion(kind.group, kind.version)} ${kind.kind}`, kind]),
);

/** Null when weft does not know this kind in this version. */
export function findKind(apiVersion: string, kind: string): KindDefinition | null {
  return byApiVersion.get(`${apiVersion} ${kind}`) ?? null;
}

/** By the parts of a REST path. */
export function findPlural(group: string, version: string, plural: string): KindDefinition | null {
  return (
    SERVED_KINDS.find((kind) => kind.group === group && kind.version === version && kind.plural === plural) ?? null
  );
}

/**
 * By what people type: plural, singular, short name or kind, in any case, with an optional group
 * (`trafficsplits.split.smi-spec.io`).
 */
export function findCliName(name: string): KindDefinition | null {
  const lower = name.toLowerCase();
  const dot = lower.indexOf(".");
  const word = dot === -1 ? lower : lower.slice(0, dot);
  const group = dot === -1 ? null : lower.slice(dot + 1);
  for (const kind of KINDS) {
    if (group !== null && group !== kind.group) continue;
    if (kind.plural === word || kind.singular === word || kind.shortNames.includes(word)) return kind;
  }
  return null;
}

/**
 * The definition, in the version it is stored in, of a resource that was validated: whichever version it says. A store may
 * hold what was stored when another version was the newest; its content is the same.
 */
export function kindOf({ apiVersion, kind }: Resource): KindDefinition | null {
  if (findKind(apiVersion, kind) === null) return null;
  const group = parseGroup(apiVersion);
  return KINDS.find((known) => known.kind === kind && known.group === group) ?? null;
}

/** A stored resource in the version of `definition`. */
export function toServedVersion({ conversion, group, version }: KindDefinition, stored: Resource): ServedObject {
  if (conversion !== undefined) return conversion.fromStored(stored);
  const apiVersion = formatApiVersion(group, version);
  return { object: stored.apiVersion === apiVersion ? stored : { ...stored, apiVersion }, loss: null };
}

/** "v1", "split.smi-spec.io/v1alpha4". */
export function formatApiVersion(group: string, version: string): string {
  return group === "" ? version : `${group}/${version}`;
}

/** The group of an apiVersion; "" for the core group. */
export function parseGroup(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash === -1 ? "" : apiVersion.slice(0, slash);
}
