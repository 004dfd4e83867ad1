import type { PeerRules } from "../xds/peer-rules-secret.ts";
import type { CompiledPattern } from "../lib/pattern.ts";
import type { ServerCertificate } from "../transport/tls-server-session.ts";
import type { ClusterPolicy } from "./policy/cluster-policy.ts";
import type { RoutePolicy } from "./policy/route-policy.ts";

/**
 * One proxy's compiled, frozen configuration. A request reads the current snapshot once, when its head is complete, and
 * never looks at configuration again. Objects with memory (pools, counters) live in `upstream/` and are keyed by cluster
 * name, so that a snapshot that did not change them leaves them alone.
 */
export interface Snapshot {
  /** Grows by one with every snapshot of this process. */
  readonly generation: number;
  readonly listeners: ReadonlyMap<string, ListenerConfig>;
  /** Dynamic route tables by RDS name. */
  readonly routes: ReadonlyMap<string, RouteTable>;
  readonly clusters: ReadonlyMap<string, ClusterConfig>;
  /** Server certificates from SDS, by name. */
  readonly certificates?: ReadonlyMap<string, ServerCertificate>;
  /** PEM roots from SDS; null until delivered (the bootstrap's roots apply). */
  readonly trustBundlePem: string | null;
  /** Whom to refuse, and the roots of other trust domains. */
  readonly peerRules: PeerRules;
}

export interface ListenerConfig {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly direction: "outbound" | "inbound" | "ingress";
  /** How long the first bytes of a connection are awaited where they decide what it carries. */
  readonly detectMs: number;
  /** Chains for named destinations, for TLS that passes unopened, and for opaque links; searched before `defaultChain`. */
  readonly chains: readonly FilterChainConfig[];
  readonly defaultChain: FilterChainConfig | null;
}

export interface FilterChainConfig {
  /** Lower-case names as a client may write them; empty = any. */
  readonly serverNames: readonly string[];
  /** 0 = any. */
  readonly destinationPort: number;
  /** "tls" = only connections that begin with TLS; "" = any. */
  readonly transportProtocol: "" | "tls";
  /** ALPN names of a link, or what detection found ("http/1.1", "h2c"); empty = any. */
  readonly applicationProtocols: readonly string[];
  /** Mutual TLS with the proxy's identity when true; there is no TLS without client certificates here. */
  readonly mutualTls: boolean;
  /** SDS name of the server certificate with which TLS of strangers is ended; left out or null: none is. */
  readonly serverSecret?: string | null;
  readonly handler: HttpHandlerConfig | TcpHandlerConfig;
}

export interface HttpHandlerConfig {
  readonly kind: "http";
  /** Look up in `Snapshot.routes`; null when `inlineRoutes` is set. */
  readonly routeName: string | null;
  readonly inlineRoutes: RouteTable | null;
  /** Null = no access control on this listener. */
  readonly access: AccessPolicy | null;
}

export interface TcpHandlerConfig {
  readonly kind: "tcp";
  readonly clusters: WeightedClusters;
  readonly access: AccessPolicy | null;
}

/** Envoy's RBAC with action ALLOW. Absent rules are not the same as empty ones: empty denies everything. */
export interface AccessPolicy {
  /** True = enforce; false = count and log what would be denied (shadow rules). */
  readonly enforced: boolean;
  /** "<namespace>/<service account>" this listener belongs to, for explanations. */
  readonly destination: string;
  readonly rules: readonly AccessRule[];
}

/** One TrafficTarget as seen by one listener. */
export interface AccessRule {
  /** "<namespace>/<name>" of the TrafficTarget. */
  readonly name: string;
  /** SPIFFE IDs; empty = nobody. */
  readonly principals: ReadonlySet<string>;
  /** Null = any request (layer 4 rule). Empty = none. */
  readonly matches: readonly RequestMatch[] | null;
}

/** All parts must hold. */
export interface RequestMatch {
  readonly path: PathMatch;
  /** Upper-case methods; null = any. */
  readonly methods: ReadonlySet<string> | null;
  readonly headers: readonly HeaderMatch[];
}

export type PathMatch =
  | { readonly kind: "any" }
  | { readonly kind: "exact"; readonly value: string }
  | { readonly kind: "prefix"; readonly value: string }
  /** The value, and whatever follows it behind a slash. It has no slash at its end. */
  | { readonly kind: "segments"; readonly value: string }
  | { readonly kind: "regex"; readonly pattern: CompiledPattern };

export interface HeaderMatch {
  /** Lower-case; ":authority" for the host, ":path" for the canonical path without its query. */
  readonly name: string;
  readonly kind: "exact" | "regex" | "present";
  /** For exact. */
  readonly value: string;
  /** For regex (full match); null otherwise. */
  readonly pattern: CompiledPattern | null;
}

export interface RouteTable {
  readonly name: string;
  /** Lower-case domains without a default, e.g. "reviews", "reviews:80", "*.example.com". */
  readonly exact: ReadonlyMap<string, VirtualHost>;
  /** `*.suffix` domains, longest first: [".example.com", host]. */
  readonly suffixes: readonly (readonly [string, VirtualHost])[];
  /** The `*` domain. */
  readonly fallback: VirtualHost | null;
  /** Domains are compared without the port that a client wrote. Default false. */
  readonly ignoresPort?: boolean;
}

export interface VirtualHost {
  readonly name: string;
  /** First match wins. */
  readonly routes: readonly Route[];
}

export interface Route {
  /** For logs and explanations, e.g. the TrafficSplit's "<namespace>/<name>"; "" when plain. */
  readonly name: string;
  readonly match: RequestMatch;
  readonly clusters: WeightedClusters;
  readonly policy: RoutePolicy;
}

export interface WeightedClusters {
  readonly names: readonly string[];
  /** Running totals, same length as names; the last is the total weight (>= 1). */
  readonly cumulative: readonly number[];
}

export interface ClusterConfig {
  readonly name: string;
  /** "eds": endpoints from the control plane; "static": in the cluster; "dynamic": dial the request's host (egress). */
  readonly kind: "eds" | "static" | "dynamic";
  /** Lists of SPIFFE IDs a server may have; null = plain TCP (the app beside us, or egress). */
  readonly peerIdentities: ReadonlySet<string> | null;
  /**
   * What requests to it are sent in: "http2" = HTTP/2 always (in the clear with prior knowledge, over TLS by ALPN); "http1"
   * = HTTP/1.1 always; "auto" = over TLS what the server chooses, in the clear HTTP/1.1, and HTTP/2 for gRPC.
   */
  readonly appProtocol: "http1" | "http2" | "auto";
  /** "<namespace>/<service>" for metrics; "" for local and egress clusters. */
  readonly service: string;
  readonly connectTimeoutMs: number;
  readonly policy: ClusterPolicy;
  /** Ready endpoints only, in a stable order. */
  readonly endpoints: readonly EndpointConfig[];
  /** Its endpoints are kept from this proxy: the rules that do not let it call them. Left out or null: they are not. */
  readonly withheld?: AccessPolicy | null;
}

export interface EndpointConfig {
  readonly address: string;
  readonly port: number;
  /** Version label, "" when none. */
  readonly version: string;
  /** Workload name, for logs; "" when unknown. */
  readonly workload: string;
  /** 1 or more. */
  readonly weight: number;
  /** 0 is used first; a higher number as far as the lower ones cannot carry the load. */
  readonly priority: number;
  /** Where it runs, "" when unknown. */
  readonly zone: string;
}
