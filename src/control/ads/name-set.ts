import type { ResourcesByName } from "../config-source.ts";
import { LayeredResources } from "../layered-resources.ts";

/** More steps from one set than this, and those that lead nowhere any more are dropped. */
const MAX_STEPS = 256;

/**
 * An unchanging set of names that whoever takes the same steps from the same set shares: a thousand proxies that ask for
 * the same thousand clusters hold one set, and still one when a thousand and first cluster appears. Sets that nobody holds
 * any more are collected.
 */
export class NameSet {
  readonly #names: ReadonlySet<string>;
  readonly #steps: Map<string, WeakRef<NameSet>> = new Map();
  readonly #counts: WeakMap<ResourcesByName, number> = new WeakMap();

  /** The root of a family of sets; to be shared by all that may meet. */
  constructor(names: ReadonlySet<string> = new Set()) {
    this.#names = names;
  }

  get size(): number {
    return this.#names.size;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** How many of the names are in `resources`; found once for both. */
  countIn(resources: ResourcesByName): number {
    if (resources instanceof LayeredResources) {
      let more = 0;
      for (const name of resources.own.keys()) if (!resources.shared.has(name) && this.#names.has(name)) more += 1;
      return this.countIn(resources.shared) + more;
    }
    let count = this.#counts.get(resources);
    if (count === undefined) {
      count = 0;
      for (const name of this.#names) if (resources.has(name)) count += 1;
      this.#counts.set(resources, count);
    }
    return count;
  }

  [Symbol.iterator](): IterableIterator<string> {
    return this.#names.values();
  }

  /** The set without `removed` and with `added`; names in both are in it. */
  change(added: readonly string[], removed: readonly string[]): NameSet {
    // Names are whatever a proxy sends: what separates them must not be in them.
    const asked = JSON.stringify([added, removed]);
    const before = this.#steps.get(asked)?.deref();
    if (before !== undefined) return before;
    const news = added.filter((name) => !this.#names.has(name)).toSorted();
    const kept = new Set(added);
    const gone = removed.filter((name) => this.#names.has(name) && !kept.has(name)).toSorted();
    if (news.length + gone.length === 0) return this;
    const step = JSON.stringify([news, gone]);
    const next = this.#steps.get(step)?.deref() ?? this.#copy(news, gone);
    if (this.#steps.size >= MAX_STEPS) this.#prune();
    for (const key of [asked, step]) this.#steps.set(key, new WeakRef(next));
    return next;
  }

  #copy(added: readonly string[], removed: readonly string[]): NameSet {
    const names = new Set(this.#names);
    for (const name of added) names.add(name);
    for (const name of removed) names.delete(name);
    return new NameSet(names);
  }

  /** What is left when none of them is dead is more than anyone needs: sharing begins anew. */
  #prune(): void {
    for (const [step, next] of this.#steps) if (next.deref() === undefined) this.#steps.delete(step);
    if (this.#steps.size >= MAX_STEPS) this.#steps.clear();
  }
}
