import type { EndpointSlice } from "./endpoint-slice.ts";
import type { HttpRouteGroup } from "./http-route-group.ts";
import type { IdentityBinding } from "./identity-binding.ts";
import type { IngressClass } from "./ingress-class.ts";
import type { Ingress } from "./ingress.ts";
import type { Mesh } from "./mesh.ts";
import type { Namespace } from "./namespace.ts";
import type { Service } from "./service.ts";
import type { Secret } from "./secret.ts";
import type { ServiceAccount } from "./service-account.ts";
import type { TcpRoute } from "./tcp-route.ts";
import type { TrafficPolicy } from "./traffic-policy.ts";
import type { TrafficSplit } from "./traffic-split.ts";
import type { TrafficTarget } from "./traffic-target.ts";
import type { Revocation } from "./revocation.ts";
import type { TrustBundle } from "./trust-bundle.ts";
import type { UdpRoute } from "./udp-route.ts";
import type { User } from "./user.ts";

/** Every kind weft knows; tell them apart by `kind`. */
export type KnownResource =
  | EndpointSlice
  | HttpRouteGroup
  | IdentityBinding
  | Ingress
  | IngressClass
  | Mesh
  | Namespace
  | Secret
  | Service
  | ServiceAccount
  | TcpRoute
  | TrafficPolicy
  | TrafficSplit
  | TrafficTarget
  | Revocation
  | TrustBundle
  | UdpRoute
  | User;
