/** The names of xDS resources in a weft mesh, stated once for the control plane and the proxy. */

const TYPE_PREFIX = "type.googleapis.com/";

export const LISTENER_TYPE: string = `${TYPE_PREFIX}envoy.config.listener.v3.Listener`;
export const ROUTE_TYPE: string = `${TYPE_PREFIX}envoy.config.route.v3.RouteConfiguration`;
export const CLUSTER_TYPE: string = `${TYPE_PREFIX}envoy.config.cluster.v3.Cluster`;
export const ENDPOINT_TYPE: string = `${TYPE_PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment`;
export const SECRET_TYPE: string = `${TYPE_PREFIX}envoy.extensions.transport_sockets.tls.v3.Secret`;

/** Make-before-break order of delivery: a cluster before its endpoints before the listeners and routes that use it. */
export const DELIVERY_ORDER: readonly string[] = [CLUSTER_TYPE, ENDPOINT_TYPE, SECRET_TYPE, LISTENER_TYPE, ROUTE_TYPE];

/** The proxy's own SVID: never delivered; the proxy makes it. */
export const IDENTITY_SECRET = "identity";
/** The mesh's roots: delivered by SDS, so that they can change without a restart. */
export const TRUST_BUNDLE_SECRET = "trust-bundle";

/** Who is revoked, and the roots of other trust domains: a secret of weft's own form beside the mesh's roots. */
export const PEER_RULES_SECRET = "peer-rules";

/** A server certificate that a gateway makes itself, for names that no other is for: never delivered. */
export const OWN_CERTIFICATE_SECRET = "own-certificate";

/**
 * Endpoints that no cluster refers to: where the mesh's control planes are, host names included. There when there may be
 * several. No Service has such a name: theirs have a slash.
 */
export const CONTROL_PLANE_ENDPOINTS = "control-planes";

/** The cluster that dials any host by name, for hosts outside the mesh. */
export const EGRESS_CLUSTER = "egress";

/** The cluster that never has an endpoint: where a TrafficSplit without a usable backend leads. */
export const EMPTY_CLUSTER = "none";

/** The metadata filter under which clusters carry `service`, and endpoints `version` and `workload`. */
export const WEFT_METADATA = "weft.dev";

/**
 * In weft's metadata of a cluster without endpoints: the SPIFFE ID of the instances that are kept from a proxy because no
 * TrafficTarget lets it call them. Beside it, as typed metadata of weft's, their rules without principals.
 */
export const WITHHELD_METADATA = "withheld";

/** What a TrafficPolicy says for which Envoy has no word: an object under this key in weft's metadata of routes and clusters. */
export const POLICY_METADATA = "policy";

/** Balancers of weft's own are TypedStructs of these types; who does not know them takes the next policy of the list. */
export const BALANCER_TYPES: Readonly<Record<"adaptive" | "peakEwma", string>> = {
  adaptive: `${TYPE_PREFIX}weft.dev.adaptive`,
  peakEwma: `${TYPE_PREFIX}weft.dev.peak_ewma`,
};

/** Retriable request headers, any of which must be there: requests that may be sent twice. A null regex = present. */
export const IDEMPOTENT_REQUEST_HEADERS: readonly { readonly name: string; readonly regex: string | null }[] = [
  { name: ":method", regex: "GET|HEAD|OPTIONS|TRACE|PUT|DELETE" },
  { name: "idempotency-key", regex: null },
];

/** The protocol (ALPN) of a mutual TLS connection that carries one app connection's opaque bytes, and nothing else. */
export const TCP_ALPN = "weft-tcp";

/** The same for one flow of UDP: its datagrams as frames (`proxy/udp/datagram-frames.ts`). */
export const UDP_ALPN = "weft-udp";

export const OUTBOUND_LISTENER = "outbound";

export function formatInboundListener(appPort: number, isUdp: boolean = false): string {
  return isUdp ? `inbound/${appPort}/udp` : `inbound/${appPort}`;
}

/** Whether a listener of these names is about datagrams. */
export function isUdpListener(name: string): boolean {
  return name.endsWith("/udp");
}

/** Of the loopback socket for what apps send to a Service's UDP port; `service`: "<namespace>/<name>". */
export function formatUdpListener(service: string, port: number): string {
  return `outbound/${service}:${port}/udp`;
}

export function formatIngressListener(port: number): string {
  return `ingress/${port}`;
}

/** Names resolve relative to the caller's namespace, so each namespace has its own outbound routes. */
export function formatOutboundRoutes(namespace: string): string {
  return `outbound/${namespace}`;
}

export function formatIngressRoutes(port: number): string {
  return `ingress/${port}`;
}

export const SERVER_CERTIFICATE_PREFIX = "certificate/";

/** The SDS secret with the server certificate of the Secret "<namespace>/<name>". */
export function formatServerCertificate(key: string): string {
  return `${SERVER_CERTIFICATE_PREFIX}${key}`;
}

/** Who may have server certificates with their keys: "<namespace>/<service account>". */
export const GATEWAY_IDENTITY = "default/ingress";

export function formatServiceCluster(namespace: string, service: string, port: number, isUdp: boolean = false): string {
  return isUdp ? `${namespace}/${service}:${port}/udp` : `${namespace}/${service}:${port}`;
}

export function formatLocalCluster(appPort: number, isUdp: boolean = false): string {
  return isUdp ? `local:${appPort}/udp` : `local:${appPort}`;
}
