import type { EncodedResource, ResourcesByName } from "../config-source.ts";
import { NO_RESOURCES } from "../layered-resources.ts";
import { encodeResource } from "./encode-resource.ts";

/** How one resource is made, and from what. */
export interface ResourceRecipe {
  readonly name: string;
  /** Objects and values that the content depends on, and nothing else; compared by identity. */
  readonly inputs: readonly unknown[];
  /** The encoded message. Deterministic. */
  readonly encode: () => Uint8Array;
}

/**
 * The resources of one type that go together. A resource is made again only when an input is another object, it keeps its
 * object when its content is the same, and the map keeps its object when all resources do.
 */
export class ResourceSet {
  readonly #typeUrl: string;
  #entries: Map<string, Entry> = new Map();
  #resources: ResourcesByName = NO_RESOURCES;

  constructor(typeUrl: string) {
    this.#typeUrl = typeUrl;
  }

  get resources(): ResourcesByName {
    return this.#resources;
  }

  /** Replaces the whole set; returns its map. Of recipes with the same name the last counts. */
  update(recipes: readonly ResourceRecipe[]): ResourcesByName {
    const entries = new Map<string, Entry>();
    for (const recipe of recipes) entries.set(recipe.name, this.#make(recipe));
    let same = entries.size === this.#entries.size;
    if (same) {
      for (const [name, { resource }] of entries) {
        if (this.#resources.get(name) !== resource) same = false;
      }
    }
    this.#entries = entries;
    if (!same) this.#resources = new Map([...entries].map(([name, { resource }]) => [name, resource]));
    return this.#resources;
  }

  /** Replaces or adds what there are recipes for, and takes `removed` away; all else stays. Returns the set's map. */
  change(recipes: readonly ResourceRecipe[], removed: Iterable<string>): ResourcesByName {
    let next: Map<string, EncodedResource> | null = null;
    for (const name of removed) {
      if (!this.#entries.delete(name)) continue;
      next ??= new Map(this.#resources);
      next.delete(name);
    }
    for (const recipe of recipes) {
      const entry = this.#make(recipe);
      this.#entries.set(recipe.name, entry);
      if (this.#resources.get(recipe.name) === entry.resource && next?.has(recipe.name) !== false) continue;
      next ??= new Map(this.#resources);
      next.set(recipe.name, entry.resource);
    }
    if (next !== null) this.#resources = next;
    return this.#resources;
  }

  #make({ name, inputs, encode }: ResourceRecipe): Entry {
    const known = this.#entries.get(name);
    if (known !== undefined && areIdentical(known.inputs, inputs)) return known;
    const resource = encodeResource(this.#typeUrl, name, encode());
    return { inputs, resource: known?.resource.version === resource.version ? known.resource : resource };
  }
}

interface Entry {
  readonly inputs: readonly unknown[];
  readonly resource: EncodedResource;
}

function areIdentical(one: readonly unknown[], other: readonly unknown[]): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i += 1) if (!Object.is(one[i], other[i])) return false;
  return true;
}
