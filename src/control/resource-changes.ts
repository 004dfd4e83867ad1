import type { ResourcesByName } from "./config-source.ts";
import { LayeredResources, NO_RESOURCES } from "./layered-resources.ts";

/** Smaller maps are compared anew: remembering the answer costs more than finding it. */
const WORTH_KEEPING = 64;

/**
 * Which names differ between two maps of resources. What is between two maps that many proxies share is found once and
 * remembered as long as both maps live, so a change costs what changed, not the number of proxies times of resources.
 */
export class ResourceChanges {
  readonly #known: WeakMap<ResourcesByName, WeakMap<ResourcesByName, readonly string[]>> = new WeakMap();

  /** Every name under which `after` has another resource than `before`, or only one of them has any; some others too. */
  between(before: ResourcesByName, after: ResourcesByName): readonly string[] {
    if (before === after) return [];
    if (!(before instanceof LayeredResources) && !(after instanceof LayeredResources))
      return this.#betweenPlain(before, after);
    const shared = this.between(sharedOf(before), sharedOf(after));
    const own = this.between(ownOf(before), ownOf(after));
    if (own.length === 0) return shared;
    if (shared.length === 0) return own;
    return [...new Set([...shared, ...own])];
  }

  #betweenPlain(before: ResourcesByName, after: ResourcesByName): readonly string[] {
    if (before.size + after.size < WORTH_KEEPING) return compare(before, after);
    let byAfter = this.#known.get(before);
    if (byAfter === undefined) {
      byAfter = new WeakMap();
      this.#known.set(before, byAfter);
    }
    let names = byAfter.get(after);
    if (names === undefined) {
      names = compare(before, after);
      byAfter.set(after, names);
    }
    return names;
  }
}

function sharedOf(resources: ResourcesByName): ResourcesByName {
  return resources instanceof LayeredResources ? resources.shared : resources;
}

function ownOf(resources: ResourcesByName): ResourcesByName {
  return resources instanceof LayeredResources ? resources.own : NO_RESOURCES;
}

function compare(before: ResourcesByName, after: ResourcesByName): readonly string[] {
  const names: string[] = [];
  for (const [name, resource] of after) if (before.get(name) !== resource) names.push(name);
  for (const name of before.keys()) if (!after.has(name)) names.push(name);
  return names;
}
