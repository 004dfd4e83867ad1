import type { ProxyBootstrap } from "../../proxy-node.ts";
import type { KeyPair } from "../../transport/transport.ts";
import type { ResourceUpdate } from "../proxy.ts";
import type { CountsDelta } from "./counts-delta.ts";

/**
 * What the main process of a proxy and its workers say to each other, in order, over the channel of `child_process`.
 * The private key goes this way to the workers: the channel is a socket pair that only these two processes hold.
 */
export type ToWorker =
  | { readonly kind: "start"; readonly index: number; readonly bootstrap: ProxyBootstrap; readonly identity: Identity }
  | { readonly kind: "identity"; readonly identity: Identity }
  | {
      readonly kind: "resources";
      readonly typeUrl: string;
      readonly upserts: readonly ResourceUpdate[];
      readonly removed: readonly string[];
    }
  /** Comes with the socket, which was accepted on this port and never read from. */
  | { readonly kind: "socket"; readonly id: number; readonly port: number }
  /** Let open exchanges end, then exit. */
  | { readonly kind: "drain" };

export type FromWorker =
  /** Has an identity, its listeners and every resource that came before: sockets may come. */
  | { readonly kind: "serving" }
  /** The socket is this worker's from here on. */
  | { readonly kind: "taken"; readonly id: number }
  | { readonly kind: "report"; readonly report: WorkerReport }
  /** Access-log lines, when the log goes to standard output. */
  | { readonly kind: "lines"; readonly text: string }
  | { readonly kind: "failed"; readonly code: string; readonly message: string };

export interface Identity {
  readonly keyPair: KeyPair;
  readonly trustBundlePem: string;
}

export interface WorkerReport {
  /** Share of the last interval in which the worker used its core. */
  readonly busyRatio: number;
  readonly openConnections: number;
  readonly residentBytes: number;
  /** Since the last report. */
  readonly counts: CountsDelta;
}
