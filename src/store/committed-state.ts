import type { Resource } from "../resources/resource.ts";
import { encodeGroupKind, encodeKey, toResourceKey } from "./store-key.ts";
import type { GroupKind, ResourceKey, WatchEvent } from "./store.ts";

/** Every resource that is durable, by kind. */
export class CommittedState {
  readonly #kinds: Map<string, Map<string, Resource>> = new Map();

  constructor(resources: Iterable<Resource>) {
    for (const resource of resources)
      this.#kindOf(toResourceKey(resource)).set(encodeKey(toResourceKey(resource)), resource);
  }

  get(key: ResourceKey): Resource | null {
    return this.#kinds.get(encodeGroupKind(key))?.get(encodeKey(key)) ?? null;
  }

  apply(event: WatchEvent): void {
    const key = toResourceKey(event.resource);
    const resources = this.#kindOf(key);
    if (event.type === "DELETED") resources.delete(encodeKey(key));
    else resources.set(encodeKey(key), event.resource);
  }

  /** By namespace, then name. */
  list(kind: GroupKind, namespace?: string): readonly Resource[] {
    const all = [...(this.#kinds.get(encodeGroupKind(kind))?.values() ?? [])];
    const chosen = namespace === undefined ? all : all.filter((resource) => resource.metadata.namespace === namespace);
    return chosen.sort(
      (a, b) => compare(a.metadata.namespace, b.metadata.namespace) || compare(a.metadata.name, b.metadata.name),
    );
  }

  /** In the order they were last written. */
  listAll(): readonly Resource[] {
    const all: Resource[] = [];
    for (const resources of this.#kinds.values()) all.push(...resources.values());
    return all.sort((a, b) => Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion));
  }

  #kindOf(key: GroupKind): Map<string, Resource> {
    const name = encodeGroupKind(key);
    let resources = this.#kinds.get(name);
    if (resources === undefined) {
      resources = new Map();
      this.#kinds.set(name, resources);
    }
    return resources;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
