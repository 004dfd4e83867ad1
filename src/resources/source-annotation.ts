import type { Resource } from "./resource.ts";
import type { SchemaSource } from "./schema-problems.ts";

/** Where a resource was written, as "path:line": put there by `weft apply` and `weft up`, shown by explanations, used by nothing else. */
export const SOURCE_ANNOTATION = "weft.dev/source";

/** Those that say who may call whom; of others nobody asks, and a line that moved is a change to a resource. */
const KINDS: readonly string[] = ["HTTPRouteGroup", "TCPRoute", "UDPRoute", "TrafficTarget"];

/** The resource with its place noted, unless it is of another kind, says one itself, or its place is not known. */
export function noteSource<T extends Resource>(resource: T, { file, locate, basePath }: SchemaSource): T {
  if (!KINDS.includes(resource.kind)) return resource;
  const line = locate?.(basePath ?? [], "key").line ?? 0;
  const { annotations } = resource.metadata;
  if (line === 0 || annotations?.[SOURCE_ANNOTATION] !== undefined) return resource;
  const noted = { ...annotations, [SOURCE_ANNOTATION]: `${file}:${line}` };
  return { ...resource, metadata: { ...resource.metadata, annotations: noted } };
}
