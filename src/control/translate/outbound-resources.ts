import { LISTENER_TYPE, ROUTE_TYPE } from "../../xds/names.ts";
import type { BoundAddress } from "../../proxy-node.ts";
import type { ResourcesByName } from "../config-source.ts";
import type { MeshModel } from "../model/mesh-model.ts";
import { outboundRecipe } from "./listeners.ts";
import { ResourceSet, type ResourceRecipe } from "./resource-set.ts";
import { outboundRoutesRecipe } from "./routes.ts";

/** More outbound sockets than this, and those whose proxies are gone are forgotten. */
const PRUNE_ABOVE = 64;

/**
 * What the proxies of a namespace send by: one route configuration for all of them, and one listener for those that bound
 * the same socket, which on hosts of their own all do. Made when a proxy asks, and again only when routing changed.
 */
export class OutboundResources {
  readonly #routes: Map<string, Shared> = new Map();
  readonly #listeners: Map<string, WeakRef<Shared>> = new Map();
  #pruneAbove: number = PRUNE_ABOVE;

  /** `routing`: another object whenever anything that these resources are made of is another. */
  routes(model: MeshModel, namespace: string, routing: object): ResourcesByName {
    let shared = this.#routes.get(namespace);
    if (shared === undefined) {
      shared = new Shared(ROUTE_TYPE);
      this.#routes.set(namespace, shared);
    }
    return shared.read(routing, () => outboundRoutesRecipe(model, namespace, routing));
  }

  /** To be kept by every proxy that uses it. */
  listener(namespace: string, bound: BoundAddress): SharedListener {
    const key = `${namespace} ${bound.address} ${bound.port}`;
    let shared = this.#listeners.get(key)?.deref();
    if (shared === undefined) {
      shared = new Shared(LISTENER_TYPE);
      if (this.#listeners.size >= this.#pruneAbove) this.#prune();
      this.#listeners.set(key, new WeakRef(shared));
    }
    const held = shared;
    return { read: (model, routing) => held.read(routing, () => outboundRecipe(model, namespace, bound)) };
  }

  #prune(): void {
    for (const [key, shared] of this.#listeners) if (shared.deref() === undefined) this.#listeners.delete(key);
    this.#pruneAbove = Math.max(PRUNE_ABOVE, this.#listeners.size * 2);
  }
}

export interface SharedListener {
  read(model: MeshModel, routing: object): ResourcesByName;
}

class Shared {
  readonly #set: ResourceSet;
  #routing: object | null = null;

  constructor(typeUrl: string) {
    this.#set = new ResourceSet(typeUrl);
  }

  read(routing: object, recipe: () => ResourceRecipe): ResourcesByName {
    if (this.#routing !== routing) {
      this.#set.update([recipe()]);
      this.#routing = routing;
    }
    return this.#set.resources;
  }
}
