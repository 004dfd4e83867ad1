/**
 * What an app speaks on one port, as it was declared. `http`: HTTP/1.1, and HTTP/2 in the clear for gRPC requests, so that
 * nothing need be declared for gRPC. `http2` and `grpc`: HTTP/2 in the clear for all requests. `tcp`: opaque bytes.
 * `udp`: datagrams.
 * `detect`: nothing was declared, so the first bytes of each connection tell whether it is `http` or `tcp`.
 */
export type AppProtocol = "http" | "http2" | "grpc" | "tcp" | "udp" | "detect";

export const APP_PROTOCOLS: readonly [AppProtocol, ...AppProtocol[]] = [
  "http",
  "http2",
  "grpc",
  "tcp",
  "udp",
  "detect",
];

/**
 * What a runner hands a proxy process: one line of JSON on standard input, so that no secret is on a command line or in
 * an environment. The proxy exits (after draining) when standard input ends, so it never outlives its runner.
 */
export interface ProxyBootstrap {
  /** Unique in its namespace, e.g. "reviews-v1-0"; also the xDS node id (with the namespace) and the SVID's CN. */
  readonly workload: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly role: "sidecar" | "ingress";
  readonly trustDomain: string;
  /** 0700 folder for the key, certificate and last configuration (files 0600). */
  readonly stateDir: string;
  readonly xds: { readonly host: string; readonly port: number };
  /** All control planes that it may take, `xds` among them; it follows changes of the list. Left out: `xds` alone. */
  readonly controlPlanes?: readonly { readonly host: string; readonly port: number }[];
  /** PEM; what the control plane's certificate must lead to. */
  readonly trustBundlePem: string;
  /** One-time; null when the state folder already holds an identity. */
  readonly joinCredential: string | null;
  /** Loopback listener for what the app sends; null at an ingress. Port 0 = any free. */
  readonly outbound: BoundAddress | null;
  /** Loopback sockets for what the app sends to UDP ports of Services; left out: none. Port 0 = any free. */
  readonly udp?: readonly UdpPort[];
  /** One mutual-TLS listener per port the app serves. */
  readonly inbound: readonly InboundPort[];
  /** Listeners at the edge: for each weft.yaml `ingress` entry one in the clear, and one for TLS where it asks for that. */
  readonly ingress: readonly IngressPort[];
  readonly admin: BoundAddress;
  /** File to append JSON lines to, "-" for standard output, null for none. */
  readonly accessLog: string | null;
  readonly logLevel: "error" | "warn" | "info" | "debug";
  /** How long open exchanges may finish after SIGTERM. */
  readonly drainMs: number;
  /** Processes that carry traffic; left out or 1: the proxy's own process does. "auto": as many as make sense here. */
  readonly workers?: number | "auto";
  /** Unix socket for SPIFFE's Workload API, for the app beside it; left out: none. */
  readonly workloadSocket?: string;
  /** Where it runs, e.g. "eu-central-1a"; left out: unknown. Instances of the same zone are preferred. */
  readonly zone?: string;
}

/** Of one proxy. */
export const MAX_WORKERS = 64;

export interface BoundAddress {
  readonly address: string;
  readonly port: number;
}

export interface UdpPort extends BoundAddress {
  /** "<namespace>/<service>", and its port. */
  readonly service: string;
  readonly servicePort: number;
}

export interface InboundPort extends BoundAddress {
  /** Where the app listens. */
  readonly appAddress: string;
  readonly appPort: number;
  readonly protocol: AppProtocol;
}

export interface IngressPort extends BoundAddress {
  /** "<namespace>/<service>" that gets what no Ingress or HTTPRoute matches, and its port; "" and 0 for none. */
  readonly service: string;
  readonly servicePort: number;
  /** True: TLS that is ended here, and nothing in the clear. Default false. */
  readonly tls?: boolean;
  /** Where TLS goes unopened, by the server name that the client asks for. */
  readonly passthrough?: readonly PassthroughRule[];
}

export interface PassthroughRule {
  /** Lower-case DNS name, or "*." and a name for all below it. */
  readonly host: string;
  /** "<namespace>/<service>". */
  readonly service: string;
  readonly servicePort: number;
}

/** xDS node metadata: what a proxy bound, so that the control plane writes listeners for exactly these sockets. */
export interface ProxyNodeMetadata {
  readonly role: "sidecar" | "ingress";
  readonly namespace: string;
  readonly workload: string;
  readonly runtime: string;
  readonly weftVersion: string;
  readonly outbound: BoundAddress | null;
  readonly udp?: readonly UdpPort[];
  readonly inbound: readonly InboundPort[];
  readonly ingress: readonly IngressPort[];
  readonly admin: BoundAddress;
}

/** JSON lines a proxy writes to file descriptor 3 (when its runner opened one). */
export type ProxyStatusLine =
  | {
      readonly event: "listening";
      readonly outbound: BoundAddress | null;
      readonly udp?: readonly UdpPort[];
      readonly inbound: readonly InboundPort[];
      readonly ingress: readonly IngressPort[];
      readonly admin: BoundAddress;
    }
  /** Has an identity and a complete configuration: requests will be served. */
  | { readonly event: "ready" }
  /** The mesh's roots have changed. */
  | { readonly event: "roots"; readonly trustBundlePem: string }
  /** Its certificate will not do, or the control plane is out of its reach: a `ProxyAdmission` may help. */
  | { readonly event: "wanting" }
  | { readonly event: "failed"; readonly code: string; readonly message: string };

/** What a runner writes on standard input after the bootstrap, one line of JSON each, when its proxy is wanting. */
export interface ProxyAdmission {
  readonly joinCredential: string;
  readonly trustBundlePem: string;
}
