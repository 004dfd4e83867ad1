import type { Resource } from "../resources/resource.ts";

/** As Kubernetes writes it: a cluster-scoped object has no namespace, not an empty one. */
export function toWire(resource: Resource): unknown {
  if (resource.metadata.namespace !== "") return resource;
  const { namespace: _namespace, ...metadata } = resource.metadata;
  return { ...resource, metadata };
}

/** What the API server sent, as weft keeps it. */
export function fromWire(wire: unknown): Resource {
  const resource = wire as Resource;
  if (resource.metadata.namespace !== undefined) return resource;
  return { ...resource, metadata: { ...resource.metadata, namespace: "" } };
}
