/**
 * What the API server shows of the control plane beside resources; implemented in control/control-plane.ts. With several
 * control planes it is the whole mesh's, as far as the others answer: `replicas` says who did not.
 */
export interface ControlPlaneViews {
  proxies(): Awaitable<readonly ProxyStatus[]>;
  /** The configuration the proxy acknowledged, as JSON by type and name; null when no such proxy is known. */
  proxyConfig(id: string): unknown;
  /** Traffic over the last `windowMs`, newest data at most a few seconds old. */
  stat(windowMs: number): Awaitable<readonly StatRow[]>;
  /** The same traffic as sums for SMI TrafficMetrics. `by` "instance": told apart by instances, else by service accounts. */
  trafficFigures(windowMs: number, by: "account" | "instance"): Awaitable<TrafficFigures>;
  /** What permissive access let pass in the last `windowMs` (at most a day) and strict access would have denied. */
  wouldDeny(windowMs: number): Awaitable<readonly WouldDenyRow[]>;
  /** The mesh's roots, who has certificates of which, and a rotation of them. */
  trust(): Awaitable<TrustView>;
  /** Of the control plane, in the text format of Prometheus. */
  metrics(): string;
  /** Begins a rotation of the mesh's root. Rejects with WEFT_CA_…. */
  rotateRoot(request: RotateRequest): Promise<RotationView>;
  /** The control planes of the mesh, by name; one with a store that only one can open. */
  replicas(): Awaitable<readonly ReplicaStatus[]>;
  /** Creates a one-time join credential bound to the workload. */
  grantJoin(request: JoinRequest): Promise<JoinGrant>;
  mesh(): MeshView;
}

type Awaitable<T> = T | Promise<T>;

export interface ReplicaStatus {
  readonly id: string;
  /** What its operator calls it; `host:port` of its xDS unless named. */
  readonly name: string;
  /** `host:port` where proxies reach it. */
  readonly xds: string;
  readonly weftVersion: string;
  readonly startedWallMs: number;
  /** The one that was asked. */
  readonly isSelf: boolean;
  /** False: what it knows (its proxies, their traffic) is missing from every view at the moment. */
  readonly answers: boolean;
  /** It runs the jobs that one control plane is enough for. */
  readonly hasJobs: boolean;
  /** Proxies connected to it; null when it does not answer. */
  readonly proxies: number | null;
}

export interface ProxyStatus {
  /** "<namespace>/<workload>". */
  readonly id: string;
  readonly role: "sidecar" | "ingress";
  readonly spiffeId: string;
  readonly runtime: string;
  readonly weftVersion: string;
  readonly connected: boolean;
  readonly sinceWallMs: number;
  /** SYNCED: all acknowledged. STALE: something sent and not acknowledged, or disconnected. REJECTED: see reasons. */
  readonly state: "SYNCED" | "STALE" | "REJECTED";
  readonly types: readonly ProxyTypeStatus[];
  /** When the certificate that the proxy proved itself with last ends; left out or null when unknown. */
  readonly certificateNotAfterWallMs?: number | null;
  /** It acknowledged the mesh's roots as they are now; left out by control planes of older versions. */
  readonly hasRoots?: boolean;
  /** Fingerprint of the authority that signed the certificate that it proved itself with last; left out or null when unknown. */
  readonly certificateIssuer?: string | null;
  /** Where it serves its metrics and other read-only pages; left out when unknown. */
  readonly admin?: { readonly address: string; readonly port: number };
  /** Name of the control plane that it is, or was, connected to; left out when there is but one. */
  readonly replica?: string;
}

export interface ProxyTypeStatus {
  /** "listener" | "route" | "cluster" | "endpoint" | "secret". */
  readonly type: string;
  readonly state: "SYNCED" | "STALE" | "REJECTED";
  readonly resources: number;
  /** The proxy's words when REJECTED, else null. */
  readonly reason: string | null;
}

export interface StatRow {
  readonly direction: "inbound" | "outbound";
  /** "<namespace>/<service account>", "" when unknown. */
  readonly source: string;
  /** "<namespace>/<service>". */
  readonly destination: string;
  readonly version: string;
  readonly protocol: "http" | "grpc" | "tcp" | "udp";
  readonly requests: number;
  readonly failures: number;
  /** Per second over the window. */
  readonly rate: number;
  /** 0..1; 1 when there were no requests. */
  readonly successRatio: number;
  /** Milliseconds; null when there were no requests. */
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** By failure code name. */
  readonly failureCodes: Readonly<Record<string, number>>;
}

/** How far back traffic is kept. What has more figures than there is memory for is kept for less (`TrafficFigures.spanMs`). */
export const TRAFFIC_KEPT_MS = 600_000;

/** Traffic of one window, to be summed over what is asked for. */
export interface TrafficFigures {
  /** Over how long was counted: less than the window when counting began later, or the oldest had to go. */
  readonly spanMs: number;
  /** All that they received together, in the five metrics of SMI and their order; zeros when there was nothing. */
  received(ends: TrafficEnds): readonly Metric[];
  /** One per direction and other end, "to" before "from", then by name; calls among them give both. */
  flows(ends: TrafficEnds): readonly TrafficFlow[];
}

export type TrafficEnds =
  | { readonly by: "namespace"; readonly names: readonly string[] }
  /** "<namespace>/<service>", and whose calls are theirs: "<namespace>/<service account>". */
  | { readonly by: "service"; readonly names: readonly string[]; readonly accounts: readonly string[] }
  /** "<namespace>/<workload>". */
  | { readonly by: "instance"; readonly names: readonly string[] };

export interface Metric {
  readonly name: string;
  /** Counts have none. */
  readonly unit?: "ms";
  /** A Kubernetes Quantity. */
  readonly value: string;
}

export interface TrafficFlow {
  /** "to": they called the other; "from": it called them. */
  readonly direction: "to" | "from";
  /** Which proxies counted it. */
  readonly side: "client" | "server";
  /** Of namespaces, a namespace. Else "to" a service and "from" a service account, "<namespace>/<name>". */
  readonly other: string;
  readonly metrics: readonly Metric[];
}

export interface WouldDenyRow {
  /** Service accounts, "<namespace>/<name>"; the source is "" when unknown. */
  readonly source: string;
  readonly destination: string;
  readonly protocol: "http" | "grpc" | "tcp" | "udp";
  /** Where the proxy of the instance listens, as in its EndpointSlice; 0 when unknown. */
  readonly port: number;
  /** "" for connections of opaque bytes, "?" for requests of which nothing more is known. */
  readonly method: string;
  /** Segments that look like identifiers are `{id}`; "" when `method` says so little. */
  readonly path: string;
  /** Since it was seen first. */
  readonly count: number;
  readonly firstSeenAgoMs: number;
  readonly lastSeenAgoMs: number;
}

export interface JoinRequest {
  readonly namespace: string;
  readonly workload: string;
  readonly serviceAccount: string;
}

export interface JoinGrant {
  readonly workload: string;
  readonly namespace: string;
  readonly spiffeId: string;
  readonly trustDomain: string;
  /** One-time, 256 random bits, base64url. */
  readonly joinCredential: string;
  readonly expiresWallMs: number;
  readonly trustBundlePem: string;
  readonly xds: { readonly host: string; readonly port: number };
  /** All control planes that a proxy may take, `xds` among them; left out when there is but one. */
  readonly controlPlanes?: readonly { readonly host: string; readonly port: number }[];
}

/** What the mesh's identities rest on. */
export interface TrustView {
  readonly trustDomain: string;
  /** All that is believed, the root that signs or vouches for who does first; then the authorities below a root. */
  readonly authorities: readonly AuthorityView[];
  /** Null before the first rotation. */
  readonly rotation: RotationView | null;
  /** Control planes that do not answer: what they know is missing. */
  readonly silent: readonly string[];
  readonly bundles: readonly BundleView[];
  readonly revocations: number;
  /** Everything that ends and is weft's to watch, the soonest first. */
  readonly expiries: readonly ExpiryView[];
  /** The control plane's clock. */
  readonly wallMs: number;
}

export interface AuthorityView {
  /** SHA-256, 64 hexadecimal digits in lower case. */
  readonly fingerprint: string;
  readonly subject: string;
  readonly kind: "root" | "intermediate";
  readonly notBeforeWallMs: number;
  readonly notAfterWallMs: number;
  readonly isSigning: boolean;
  /** Workloads that last proved themselves with a certificate of it and are not known to have another. */
  readonly workloads: number;
}

export interface RotationView {
  readonly step: "adding" | "signing" | "withdrawing" | "done";
  readonly reason: "asked" | "due" | "emergency" | "import";
  /** Fingerprints. */
  readonly from: string;
  readonly to: string;
  readonly begunWallMs: number;
  readonly stepWallMs: number;
  readonly leavesOffline: boolean;
  /** Proxies that were away in every step and have to join anew. */
  readonly left: readonly string[];
  /** Whom this step waits for. */
  readonly awaited: readonly { readonly who: string; readonly why: string; readonly untilWallMs: number | null }[];
}

export interface RotateRequest {
  /** The old root is withdrawn at once: every workload has to join anew. Default false. */
  readonly now?: boolean;
  /** Proxies that are not connected are not waited for. Default false. */
  readonly leaveOffline?: boolean;
  /** Key, its authority's certificate and those above it, PEM. Default: a root is made. */
  readonly given?: string;
}

export interface BundleView {
  readonly name: string;
  readonly trustDomain: string;
  /** When the first of its roots ends; null when none parses. */
  readonly notAfterWallMs: number | null;
}

export interface ExpiryView {
  readonly kind: "root" | "intermediate" | "api-certificate" | "ingress-certificate" | "trust-bundle" | "workload";
  /** "<namespace>/<name>" of a resource or a workload, a fingerprint, or a file. */
  readonly name: string;
  readonly notAfterWallMs: number;
}

export interface MeshView {
  readonly name: string;
  readonly trustDomain: string;
  readonly access: "strict" | "permissive";
  readonly egress: "allow" | "deny";
  readonly weftVersion: string;
  readonly startedWallMs: number;
  /** When the mesh's root certificate ends; left out when unknown. */
  readonly trustRootNotAfterWallMs?: number;
  /** PEM; left out by control planes of older versions. */
  readonly trustBundlePem?: string;
}
