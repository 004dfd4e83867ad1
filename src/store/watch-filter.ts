import type { Resource } from "../resources/resource.ts";
import { encodeGroupKind, toResourceKey } from "./store-key.ts";
import type { WatchOptions } from "./store.ts";

const VERSION = /^(0|[1-9]\d{0,15})$/;

/** -1 for what no store can have given. */
export function parseVersion(text: string): number {
  return VERSION.test(text) ? Number(text) : -1;
}

/** Whether the watch is about `resource`. */
export function isWatched(options: Pick<WatchOptions, "kind" | "namespace">, resource: Resource): boolean {
  if (options.namespace !== undefined && resource.metadata.namespace !== options.namespace) return false;
  return options.kind === undefined || encodeGroupKind(options.kind) === encodeGroupKind(toResourceKey(resource));
}
