import type { Resource } from "../../resources/resource.ts";
import { toWire } from "../wire-resource.ts";

/** Kubernetes ListMeta. */
export interface ListMetadata {
  readonly resourceVersion: string;
  /** Where the next page begins. */
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

/** meta.k8s.io PartialObjectMetadata: what informers read that need to know only what there is. */
export function toPartial(resource: Resource, version: string): object {
  const { metadata } = toWire(resource) as { readonly metadata: unknown };
  return { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${version}`, metadata };
}

export function toPartialList(items: readonly Resource[], metadata: ListMetadata, version: string): object {
  return {
    kind: "PartialObjectMetadataList",
    apiVersion: `meta.k8s.io/${version}`,
    metadata,
    items: items.map((item) => toPartial(item, version)),
  };
}
