import type { AppProtocol } from "../proxy-node.ts";
import type { StoreFiles } from "./parse-store.ts";

/**
 * What `weft up` runs, after defaults: see docs/weft-yaml.md. Made by `parseWeftYaml`; turned into resources by
 * `weftYamlToResources`.
 */
export interface WeftYaml {
  /** Name of the mesh. */
  readonly mesh: string;
  /** Default `<mesh>.mesh`. */
  readonly trustDomain: string;
  /** Default "strict". */
  readonly access: "strict" | "permissive";
  /** What happens to requests for hosts outside the mesh; default "allow". */
  readonly egress: "allow" | "deny";
  /** A duration; default "24h". */
  readonly certificateLifetime: string;
  readonly ingress: readonly IngressEntry[];
  /** Processes that carry the ingress's traffic; default 1. */
  readonly ingressWorkers: number | "auto";
  /** Where everything runs that does not say otherwise; default "" (unknown). */
  readonly zone: string;
  /** Where resources are kept, with paths relative to the folder of the file; null: LMDB in the state folder. */
  readonly store: StoreEntry | null;
  readonly services: readonly ServiceEntry[];
  /** Paths and globs of resource files, relative to the folder of the file. */
  readonly resources: readonly string[];
}

export interface StoreEntry {
  /** As `parseStore` reads it. */
  readonly url: string;
  readonly files: StoreFiles;
}

/** One north–south listener. */
export interface IngressEntry {
  /** 0 = any free port. */
  readonly port: number;
  /** Where TLS is ended, with the certificates of Ingresses; 0 = any free port, null = nowhere. */
  readonly tls: number | null;
  /** IP address to listen on; default "127.0.0.1". */
  readonly bind: string;
  /** Name of the Service that gets what nothing else matches; "" = nothing does. */
  readonly service: string;
  /** That Service's port; 0 without one. */
  readonly servicePort: number;
  /** Where TLS goes unopened. */
  readonly passthrough: readonly PassthroughEntry[];
}

export interface PassthroughEntry {
  /** Lower-case; may begin with "*.". */
  readonly host: string;
  readonly service: string;
  readonly servicePort: number;
}

export interface ServiceEntry {
  /** A DNS label; also the name of the Service and of its ServiceAccount. */
  readonly name: string;
  /** What callers use. Default 80; for `protocol: tcp` or `detect` with an address, that address's port. */
  readonly port: number;
  /** Default "http". */
  readonly protocol: AppProtocol;
  /** Processes that carry the traffic of each of its sidecars; default 1. */
  readonly workers: number | "auto";
  /** Each instance gets SPIFFE's Workload API on a unix socket; left out: it does not. */
  readonly workloadApi?: boolean;
  /** Services that may call this one; null = weft.yaml says nothing about it. */
  readonly allow: readonly string[] | null;
  /** At least one. */
  readonly versions: readonly VersionEntry[];
}

/** Instances of a service that are alike. */
export interface VersionEntry {
  /** "" when the service has no versions. */
  readonly name: string;
  readonly source: CommandSource | AddressSource;
  /** Where its instances run; "" = unknown. */
  readonly zone: string;
}

export interface CommandSource {
  readonly kind: "command";
  /** Run by the shell in the folder of weft.yaml. */
  readonly command: string;
  /** How many instances; default 1. */
  readonly replicas: number;
  /** Where the app listens whatever PORT says; null = PORT, which weft assigns. Only with one replica. */
  readonly appPort: number | null;
  readonly env: Readonly<Record<string, string>>;
}

/** An instance that somebody else starts. */
export interface AddressSource {
  readonly kind: "address";
  /** IP address or host name. */
  readonly host: string;
  readonly port: number;
}

/** The ingress gateway's service account and, as `ingress`, a name in `allow` lists. No service may have it. */
export const INGRESS_ACCOUNT = "ingress";

/** The Service that holds only one version's instances. */
export function formatVersionService(service: string, version: string): string {
  return `${service}-${version}`;
}

/** The name of one instance, e.g. "reviews-v1-0", "web-0". */
export function formatWorkload(service: string, version: string, index: number): string {
  return version === "" ? `${service}-${index}` : `${service}-${version}-${index}`;
}
