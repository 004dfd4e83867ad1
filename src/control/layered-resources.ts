import type { EncodedResource, ResourcesByName } from "./config-source.ts";

export const NO_RESOURCES: ResourcesByName = new Map();

/**
 * What many proxies share, with what one of them has of its own laid over it. A thousand proxies that see a thousand
 * resources each and differ in a handful cost a thousand handfuls. Neither part may change once it is here.
 */
export class LayeredResources implements ReadonlyMap<string, EncodedResource> {
  readonly shared: ResourcesByName;
  readonly own: ResourcesByName;
  readonly size: number;

  constructor(shared: ResourcesByName, own: ResourcesByName) {
    this.shared = shared;
    this.own = own;
    let size = shared.size;
    for (const name of own.keys()) if (!shared.has(name)) size += 1;
    this.size = size;
  }

  get(name: string): EncodedResource | undefined {
    return this.own.get(name) ?? this.shared.get(name);
  }

  has(name: string): boolean {
    return this.own.has(name) || this.shared.has(name);
  }

  *entries(): MapIterator<[string, EncodedResource]> {
    for (const entry of this.shared) if (!this.own.has(entry[0])) yield entry;
    yield* this.own;
  }

  *keys(): MapIterator<string> {
    for (const [name] of this.entries()) yield name;
  }

  *values(): MapIterator<EncodedResource> {
    for (const [, resource] of this.entries()) yield resource;
  }

  [Symbol.iterator](): MapIterator<[string, EncodedResource]> {
    return this.entries();
  }

  forEach(visit: (resource: EncodedResource, name: string, map: ReadonlyMap<string, EncodedResource>) => void): void {
    for (const [name, resource] of this.entries()) visit(resource, name, this);
  }
}

/** Lays `own` over all of `resources`; there is never more than one layer. */
export function layOver(resources: ResourcesByName, own: ResourcesByName): LayeredResources {
  if (own instanceof LayeredResources) return layOver(resources, new Map(own));
  if (!(resources instanceof LayeredResources)) return new LayeredResources(resources, own);
  return new LayeredResources(resources.shared, new Map([...resources.own, ...own]));
}

/** Lays `own` over `shared` where there is something to lay; the same two give the same object again. */
export class LayerCache {
  #shared: ResourcesByName = NO_RESOURCES;
  #own: ResourcesByName = NO_RESOURCES;
  #joined: ResourcesByName = NO_RESOURCES;

  join(shared: ResourcesByName, own: ResourcesByName): ResourcesByName {
    if (own.size === 0) return shared;
    if (this.#shared !== shared || this.#own !== own) {
      this.#shared = shared;
      this.#own = own;
      this.#joined = layOver(shared, own);
    }
    return this.#joined;
  }
}
