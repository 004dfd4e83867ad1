import type { Resource } from "./resource.ts";
import { rootServiceName, type TrafficSplit } from "./traffic-split.ts";

/** Resources by kind, namespace and name, for checks of what refers to them. */
export class NamedResources {
  readonly #byName: Map<string, Resource> = new Map();
  readonly #born: Map<string, string> = new Map();
  readonly #byKind: Map<string, Resource[]> = new Map();

  /** Later resources replace earlier ones of the same name. */
  constructor(resources: readonly Resource[]) {
    for (const resource of resources) {
      const key = keyOf(resource.kind, resource.metadata.namespace, resource.metadata.name);
      this.#byName.set(key, resource);
      const born = resource.metadata.creationTimestamp;
      if (born !== undefined) this.#born.set(key, born);
    }
    for (const resource of this.#byName.values()) {
      const ofKind = this.#byKind.get(resource.kind);
      if (ofKind === undefined) this.#byKind.set(resource.kind, [resource]);
      else ofKind.push(resource);
    }
  }

  list(kind: string): readonly Resource[] {
    return this.#byKind.get(kind) ?? [];
  }

  find(kind: string, namespace: string, name: string): Resource | null {
    return this.#byName.get(keyOf(kind, namespace, name)) ?? null;
  }

  /** When it was created, or what it replaces; "~", which is after every time, when neither was stored. */
  bornAt({ kind, metadata }: Resource): string {
    return this.#born.get(keyOf(kind, metadata.namespace, metadata.name)) ?? "~";
  }

  /** Another split of all requests to the same root. */
  findOtherSplit(split: TrafficSplit): TrafficSplit | null {
    const { namespace, name } = split.metadata;
    for (const other of this.list("TrafficSplit") as readonly TrafficSplit[]) {
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
