import type { KnownResource } from "../known-resource.ts";
import type { KindDefinition } from "../registry.ts";
import { ENDPOINT_SLICE_DOCS, NAMESPACE_DOCS, SERVICE_ACCOUNT_DOCS, SERVICE_DOCS } from "./core-docs.ts";
import type { AnyKindDocs, KindDocs } from "./field-docs.ts";
import { INGRESS_CLASS_DOCS, INGRESS_DOCS, SECRET_DOCS } from "./ingress-docs.ts";
import { MESH_DOCS } from "./mesh-docs.ts";
import {
  HTTP_ROUTE_GROUP_DOCS,
  TCP_ROUTE_DOCS,
  TRAFFIC_SPLIT_DOCS,
  TRAFFIC_TARGET_DOCS,
  IDENTITY_BINDING_DOCS,
  UDP_ROUTE_DOCS,
} from "./smi-docs.ts";
import { OLDER_FIELDS } from "./smi-older-docs.ts";
import { TRAFFIC_POLICY_DOCS } from "./traffic-policy-docs.ts";
import { REVOCATION_DOCS, TRUST_BUNDLE_DOCS } from "./identity-docs.ts";
import { USER_DOCS } from "./user-docs.ts";

const BY_KIND: { readonly [K in KnownResource["kind"]]: KindDocs<Extract<KnownResource, { readonly kind: K }>> } = {
  EndpointSlice: ENDPOINT_SLICE_DOCS,
  HTTPRouteGroup: HTTP_ROUTE_GROUP_DOCS,
  Ingress: INGRESS_DOCS,
  IngressClass: INGRESS_CLASS_DOCS,
  Mesh: MESH_DOCS,
  Namespace: NAMESPACE_DOCS,
  Secret: SECRET_DOCS,
  Service: SERVICE_DOCS,
  ServiceAccount: SERVICE_ACCOUNT_DOCS,
  TCPRoute: TCP_ROUTE_DOCS,
  TrafficPolicy: TRAFFIC_POLICY_DOCS,
  TrafficSplit: TRAFFIC_SPLIT_DOCS,
  TrafficTarget: TRAFFIC_TARGET_DOCS,
  IdentityBinding: IDENTITY_BINDING_DOCS,
  Revocation: REVOCATION_DOCS,
  TrustBundle: TRUST_BUNDLE_DOCS,
  UDPRoute: UDP_ROUTE_DOCS,
  User: USER_DOCS,
};

/** What the fields of a kind mean, in a version of it. */
export function findKindDocs({ kind, version }: Pick<KindDefinition, "kind" | "version">): AnyKindDocs {
  const { text, fields } = BY_KIND[kind];
  return { text, fields: OLDER_FIELDS.get(`${kind}.${version}`) ?? fields };
}
