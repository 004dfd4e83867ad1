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
  /** Loopback: the API is plain HTTP. Port 0 = any free. */
  readonly api: BoundAddress;
  /** Mutual TLS. Port 0 = any free. */
  readonly xds: BoundAddress;
  /** What API callers have to present. */
  readonly apiToken: string;
  /** For the Mesh resource, which is made on the first start and followed from then on. */
  readonly defaults: MeshDefaults;
  readonly logLevel: "error" | "warn" | "info" | "debug";
  /** File descriptor for status lines, null for none; default 3. */
  readonly statusFd?: number | null;
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
  | { readonly event: "ready"; readonly apiPort: number; readonly xdsPort: number }
  /** The process exits next. */
  | { readonly event: "failed"; readonly code: string; readonly message: string; readonly hint: string | null };
