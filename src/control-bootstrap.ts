import type { BoundAddress } from "./proxy-node.ts";

/**
 * What a runner hands the control plane's process: one line of JSON on standard input, so that no secret is on a command
 * line or in an environment. The process ends, gracefully, when standard input ends, so it never outlives its runner.
 */
export interface ControlPlaneBootstrap {
  /** Private folder for the CA, join credentials, store and lock; made when missing. One control plane at a time. */
  readonly stateDir: string;
  /** The mesh's name. */
  readonly mesh: string;
  readonly trustDomain: string;
  /** Loopback: plain HTTP, and TLS on the same port; anywhere else TLS alone. Port 0 = any free. */
  readonly api: BoundAddress;
  /** Further DNS names and addresses for the certificate that the mesh makes for the API. Default none. */
  readonly apiNames?: readonly string[];
  /** The user's own certificate for the API; left out or null: only the mesh's. */
  readonly apiCertificate?: ApiCertificateFiles | null;
  /** Where writes are logged; left out or null: nowhere. */
  readonly auditFile?: string | null;
  /** Mutual TLS. Port 0 = any free. */
  readonly xds: BoundAddress;
  /** What API callers have to present. */
  readonly apiToken: string;
  /** Left out: LMDB in the state folder. */
  readonly store?: StoreSettings;
  /** Where proxies and other control planes reach `xds`, port 0 = the one it has; left out or null: at its address. */
  readonly advertise?: { readonly host: string; readonly port: number } | null;
  /** For the Mesh resource, which is made on the first start and followed from then on. */
  readonly defaults: MeshDefaults;
  readonly logLevel: "error" | "warn" | "info" | "debug";
  /** File descriptor for status lines, null for none; default 3. */
  readonly statusFd?: number | null;
}

/** PEM files; a change of them is followed. */
export interface ApiCertificateFiles {
  /** The chain, leaf first. */
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** Where resources are, and with etcd all else that the control planes of a mesh share. */
export type StoreSettings = LmdbSettings | EtcdSettings;

export interface LmdbSettings {
  readonly kind: "lmdb";
  /** A folder; null: in the state folder. */
  readonly path: string | null;
}

/** Paths are absolute. */
export interface EtcdSettings {
  readonly kind: "etcd";
  /** `http://host:port` or `https://host:port` of members, at least one, all alike. */
  readonly endpoints: readonly string[];
  /** PEM files; null: none. */
  readonly caFile: string | null;
  readonly certificateFile: string | null;
  readonly keyFile: string | null;
  readonly user: string | null;
  readonly passwordFile: string | null;
  /** 32 bytes in base64, the same for every control plane: seals the root's key and join credentials in etcd. */
  readonly secretsKeyFile: string;
}

export interface MeshDefaults {
  readonly access: "strict" | "permissive";
  readonly egress: "allow" | "deny";
  /** e.g. "24h"; at least 10s. */
  readonly certificateLifetime: string;
}

export const DEFAULT_API_ADDRESS: BoundAddress = { address: "127.0.0.1", port: 9338 };
export const DEFAULT_XDS_ADDRESS: BoundAddress = { address: "127.0.0.1", port: 9339 };

/** JSON lines the process writes to `statusFd`. */
export type ControlPlaneStatusLine =
  /** Resources can be written, workloads can join and proxies get their configuration. */
  | {
      readonly event: "ready";
      readonly apiPort: number;
      readonly xdsPort: number;
      /** Who signed the API's certificate. */
      readonly trustBundlePem: string;
    }
  /** The mesh's roots have changed. */
  | { readonly event: "roots"; readonly trustBundlePem: string }
  /** The process exits next. */
  | { readonly event: "failed"; readonly code: string; readonly message: string; readonly hint: string | null };
