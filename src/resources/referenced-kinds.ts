import type { Resource } from "./resource.ts";

/** A kind whose resources `checkReferences` looks up for a resource of another. */
export interface ReferencedKind {
  readonly group: string;
  readonly kind: string;
  /** Those of every namespace matter. */
  readonly isElsewhere: boolean;
}

const SERVICES: ReferencedKind = { group: "", kind: "Service", isElsewhere: false };
const ACCOUNTS: ReferencedKind = { group: "", kind: "ServiceAccount", isElsewhere: true };
const BINDINGS: ReferencedKind = { group: "access.smi-spec.io", kind: "IdentityBinding", isElsewhere: true };
const GROUPS: ReferencedKind = { group: "specs.smi-spec.io", kind: "HTTPRouteGroup", isElsewhere: false };
const TCP_ROUTES: ReferencedKind = { group: "specs.smi-spec.io", kind: "TCPRoute", isElsewhere: false };
const UDP_ROUTES: ReferencedKind = { group: "specs.smi-spec.io", kind: "UDPRoute", isElsewhere: false };
const SPLITS: ReferencedKind = { group: "split.smi-spec.io", kind: "TrafficSplit", isElsewhere: false };
const SLICES: ReferencedKind = { group: "discovery.k8s.io", kind: "EndpointSlice", isElsewhere: false };
const POLICIES: ReferencedKind = { group: "weft.dev", kind: "TrafficPolicy", isElsewhere: false };
const TARGETS: ReferencedKind = { group: "access.smi-spec.io", kind: "TrafficTarget", isElsewhere: true };
const SECRETS: ReferencedKind = { group: "", kind: "Secret", isElsewhere: false };
const INGRESS_CLASSES: ReferencedKind = { group: "networking.k8s.io", kind: "IngressClass", isElsewhere: true };

const BY_KIND: ReadonlyMap<string, readonly ReferencedKind[]> = new Map([
  ["TrafficSplit", [SERVICES, GROUPS, SPLITS, SLICES]],
  ["TrafficTarget", [ACCOUNTS, BINDINGS, GROUPS, TCP_ROUTES, UDP_ROUTES]],
  ["TrafficPolicy", [SERVICES, GROUPS, ACCOUNTS, POLICIES]],
  ["EndpointSlice", [SERVICES]],
  ["Ingress", [SERVICES, SECRETS, INGRESS_CLASSES]],
  ["HTTPRouteGroup", []],
  ["Mesh", [TARGETS]],
]);

/** What `checkReferences` needs to know to check one resource; null when it says nothing of its kind. */
export function listReferencedKinds(resource: Resource): readonly ReferencedKind[] | null {
  return BY_KIND.get(resource.kind) ?? null;
}
