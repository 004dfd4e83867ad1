import type { ProxyNodeMetadata } from "../proxy-node.ts";

/** One xDS resource, encoded once and shared by every proxy that sees it. */
export interface EncodedResource {
  readonly typeUrl: string;
  readonly name: string;
  /** Hash of the content: equal content has an equal version, across restarts too. */
  readonly version: string;
  /** A complete encoded `envoy.service.discovery.v3.Resource` (name, version, resource). */
  readonly bytes: Uint8Array;
}

/** All that one proxy may see of one type, by name. Equal maps are the same object, so a proxy untouched by a change costs nothing. */
export type ResourcesByName = ReadonlyMap<string, EncodedResource>;

/** By type URL; a type without resources has an empty map. */
export type ProxyView = ReadonlyMap<string, ResourcesByName>;

/** An authenticated proxy: identity from its SVID, the rest from its xDS node. */
export interface ProxyNode {
  /** "<namespace>/<workload>". */
  readonly id: string;
  readonly namespace: string;
  readonly workload: string;
  readonly serviceAccount: string;
  readonly spiffeId: string;
  readonly metadata: ProxyNodeMetadata;
}

/** Whether a change may concern a proxy; of a proxy that it does not concern the view is the same object as before. */
export type ChangeScope = (node: ProxyNode) => boolean;

/** Between translation and the ADS server. */
export interface ConfigSource {
  viewFor(node: ProxyNode): ProxyView;
  /** Called after any view may have changed, never inside `viewFor`. Returns a function that stops. */
  onChange(listener: (concerns: ChangeScope) => void): () => void;
}

export const CONCERNS_ALL: ChangeScope = () => true;
