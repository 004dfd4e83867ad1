import type { AppProtocol } from "../../proxy-node.ts";
import type { IngressModel } from "./ingress-model.ts";
import type { ClusterPolicyModel, RoutePolicyModel } from "./policy-model.ts";

/**
 * The mesh, resolved: what all resources together mean, with no dangling name left in it. Compiled by `compileModel`,
 * read by translation and by explanations. Never changed once made; parts that mean the same as before are the same
 * objects as in the model before.
 */
export interface MeshModel {
  readonly settings: MeshSettings;
  /** By "<namespace>/<name>", in order of that key. */
  readonly services: ReadonlyMap<string, ServiceModel>;
  /** What opens each destination, by "<namespace>/<service account>"; an identity without valid targets is not in it. */
  readonly access: ReadonlyMap<string, AccessModel>;
  /** Known instances, by "<namespace>/<workload>". */
  readonly workloads: ReadonlyMap<string, WorkloadModel>;
  readonly ingress: IngressModel;
  /** What is wrong with resources that are in force nevertheless, in a stable order. */
  readonly conditions: readonly Condition[];
}

export interface MeshSettings {
  readonly access: "strict" | "permissive";
  readonly egress: "allow" | "deny";
  readonly certificateLifetimeMs: number;
}

export interface ServiceModel {
  readonly namespace: string;
  /** A DNS label; with dots only for the root of a TrafficSplit that is no Service. */
  readonly name: string;
  /** False for the root of a TrafficSplit that is no Service: it has the ports of its backends and no endpoints. */
  readonly exists: boolean;
  /** TCP ports, in order of number. */
  readonly ports: readonly ServicePortModel[];
  /** UDP ports, in order of number. They may have the numbers of TCP ports. */
  readonly udpPorts: readonly ServicePortModel[];
}

/** "tcp" = opaque bytes, never looked into; "detect" = the first bytes of each connection tell which of the two it is;
 * "udp" = datagrams. */
export type PortProtocol = "http" | "tcp" | "udp" | "detect";

export interface ServicePortModel {
  readonly port: number;
  readonly protocol: PortProtocol;
  /** Ready ones, each address and port once, in a stable order. */
  readonly endpoints: readonly EndpointModel[];
  /** Service accounts (of the Service's namespace) of all its endpoints, ready or not, sorted. */
  readonly serviceAccounts: readonly string[];
  /** In the order in which they are tried; only the last may be unconditional. Opaque ports have unconditional ones only. */
  readonly splits: readonly SplitModel[];
  /** Of the instances; null = the defaults. */
  readonly policy: ClusterPolicyModel | null;
  /** Of requests, in the order tried; at most the last is for all. Empty = the defaults. */
  readonly routePolicies: readonly RoutePolicyModel[];
}

export interface EndpointModel {
  /** An IP address. */
  readonly address: string;
  readonly port: number;
  /** "" when the instance has no version label. */
  readonly version: string;
  /** "" when unknown. */
  readonly workload: string;
  /** Where it runs; "" when unknown. */
  readonly zone: string;
}

/** A TrafficSplit as it applies to one port of its root. */
export interface SplitModel {
  /** "<namespace>/<name>" of the TrafficSplit. */
  readonly key: string;
  /** Any of them; null = every request. Never empty. */
  readonly matches: readonly HttpMatchModel[] | null;
  /** Those that exist, have the port and have a weight, in the order written. Empty = every request fails. */
  readonly backends: readonly BackendModel[];
}

export interface BackendModel {
  /** Of the split's namespace. */
  readonly service: string;
  /** 1 or more. */
  readonly weight: number;
}

/** All parts must hold. */
export interface HttpMatchModel {
  /** RE2, anchored at the start of the path and open at its end. */
  readonly pathRegex: string;
  /** Upper case, sorted; null = any. */
  readonly methods: readonly string[] | null;
  /** Lower-case name, and RE2 to be found anywhere in the value; sorted by name. */
  readonly headers: readonly (readonly [name: string, pattern: string])[];
}

export interface AccessModel {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** A request is allowed when any of them allows it. In order of key. */
  readonly targets: readonly TargetModel[];
}

export interface TargetModel {
  /** "<namespace>/<name>" of the TrafficTarget. */
  readonly key: string;
  /** "<namespace>/<service account>", or a SPIFFE ID of this or another trust domain; sorted; empty = nobody. */
  readonly sources: readonly string[];
  /** Any of them; empty = no request; null = the target has no HTTP rule. */
  readonly http: readonly HttpMatchModel[] | null;
  /** Ports of the Service or of the app, sorted; null = the target has no TCP rule. */
  readonly tcp: "all" | readonly number[] | null;
  /** The one port that is opened, whatever the rules say; null = every port. */
  readonly onlyPort: number | null;
  /** The same of its UDP rules. */
  readonly udp: "all" | readonly number[] | null;
}

/** One instance, ready or not. */
export interface WorkloadModel {
  readonly namespace: string;
  readonly workload: string;
  /** Which Service ports lead to which of its ports, in a stable order. */
  readonly ports: readonly WorkloadPortModel[];
}

export interface WorkloadPortModel {
  /** Of the endpoint: what the proxy beside the instance listens on. */
  readonly port: number;
  /** Of the instance's namespace. */
  readonly service: string;
  readonly servicePort: number;
  /** What the Service says that the instance speaks there. */
  readonly protocol: AppProtocol;
}

/** A problem with one resource. Absence means that all is well. */
export interface Condition {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** As in `status.conditions`; always with status "False", except "Conflicted", which is "True". */
  readonly type: "Accepted" | "ResolvedRefs" | "PortsMatch" | "Conflicted";
  /** One CamelCase word, e.g. "BackendNotFound". */
  readonly reason: string;
  /** One sentence: what was found and what follows from it. */
  readonly message: string;
}
