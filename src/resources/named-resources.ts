import type { Resource } from "./resource.ts";
import { rootServiceName, type TrafficSplit } from "./traffic-split.ts";

/** Resources by kind, namespace and name, for checks of what refers to them. */
export class NamedResources {
  readonly #byName: Map<string, Resource> = new Map();
  readonly #splits: TrafficSplit[] = [];

  /** Later resources replace earlier ones of the same name. */
  constructor(resources: readonly Resource[]) {
    for (const resource of resources) {
      this.#byName.set(keyOf(resource.kind, resource.metadata.namespace, resource.metadata.name), resource);
    }
    for (const resource of this.#byName.values()) {
      if (resource.kind === "TrafficSplit") this.#splits.push(resource as TrafficSplit);
    }
  }

  find(kind: string, namespace: string, name: string): Resource | null {
    return this.#byName.get(keyOf(kind, namespace, name)) ?? null;
  }

  /** Another split of all requests to the same root. */
  findOtherSplit(split: TrafficSplit): TrafficSplit | null {
    const { namespace, name } = split.metadata;
    for (const other of this.#splits) {
      if (other.metadata.namespace !== namespace || other.metadata.name === name) continue;
      if (rootServiceName(other) === rootServiceName(split) && other.spec.matches.length === 0) return other;
    }
    return null;
  }
}

/** Of one finding: where, what stands there, and what is expected. */
export type Warn = (path: readonly PropertyKey[], found: string, expected: string) => void;

export function unknownName(name: string): string {
  return `unknown name ${JSON.stringify(name)}`;
}

function keyOf(kind: string, namespace: string, name: string): string {
  return `${kind} ${namespace}/${name}`;
}
