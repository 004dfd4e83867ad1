import type { Resource } from "../resources/resource.ts";
import type { WatchEvent } from "../store/store.ts";
import type { ListFilter } from "./list-filter.ts";
import type { WatchStart } from "./watch-start.ts";

/** What events mean to one who sees only what a filter accepts. */
export interface WatchView {
  /** The type to tell it with; null when it is not to be told. Every event of the kind, in order. */
  see(type: WatchEvent["type"], resource: Resource): WatchEvent["type"] | null;
}

/**
 * A resource that stops fitting is DELETED, one that begins to fit is ADDED. Whether one fitted before is known from the
 * state at the start, and from the events since. It is unknown only for what changed between the version that the client
 * came with and that state; then one DELETED too many is sent rather than one too few.
 */
export function createWatchView(filter: ListFilter, start: WatchStart): WatchView {
  if (filter.isEmpty) return { see: (type) => type };
  const fitted = new Map<string, boolean>();
  for (const resource of start.existing) {
    const hasChanged = BigInt(resource.metadata.resourceVersion ?? "0") > BigInt(start.fromVersion);
    if (!hasChanged && filter.acceptsName(resource)) fitted.set(idOf(resource), filter.accepts(resource));
  }
  return {
    see(type, resource) {
      if (!filter.acceptsName(resource)) return null;
      const id = idOf(resource);
      const before = type === "ADDED" ? false : fitted.get(id);
      const fits = filter.accepts(resource);
      if (type === "DELETED") {
        fitted.delete(id);
        return fits || before === true ? "DELETED" : null;
      }
      fitted.set(id, fits);
      if (fits) return before === false ? "ADDED" : type;
      return before === false ? null : "DELETED";
    },
  };
}

function idOf({ metadata }: Resource): string {
  return `${metadata.namespace}/${metadata.name}`;
}
