/**
 * Gives policies that say the same as in an earlier version of their resource the same object again, part by part: what is
 * remembered for one (rate buckets, stored responses, ejections) is keyed by the object, and must outlive a change of
 * something else in the resource. One pool for each version of a resource.
 */
export class PolicyPool {
  readonly #before: ReadonlyMap<string, unknown>;
  readonly #kept: Map<string, unknown> = new Map();

  /** `before`: what the pool of the version before kept. */
  constructor(before: ReadonlyMap<string, unknown> = new Map()) {
    this.#before = before;
  }

  /** Everything that was shared; for the next version's pool. */
  get kept(): ReadonlyMap<string, unknown> {
    return this.#kept;
  }

  /** `value` is plain data of which the parts may be replaced; equal values share an object where the scope is the same. */
  share<T>(scope: string, value: T): T {
    if (typeof value !== "object" || value === null || isLeaf(value)) return value;
    const key = `${scope} ${JSON.stringify(value, toPlain)}`;
    const known = this.#kept.get(key) ?? this.#before.get(key);
    if (known !== undefined) {
      this.#keep(scope, key, known);
      return known as T;
    }
    const shared = this.#shareParts(scope, value);
    this.#kept.set(key, shared);
    return shared;
  }

  /** What is shared as a whole is so in its parts, which may be all that the next version still has. */
  #keep(scope: string, key: string, known: unknown): void {
    if (this.#kept.has(key)) return;
    this.#kept.set(key, known);
    for (const part of listParts(known)) this.share(scope, part);
  }

  /** The value itself where no part of it is replaced. */
  #shareParts<T extends object>(scope: string, value: T): T {
    let same = true;
    const shareOne = (part: unknown): unknown => {
      const shared = this.share(scope, part);
      if (shared !== part) same = false;
      return shared;
    };
    if (Array.isArray(value)) {
      const parts: unknown[] = value.map(shareOne);
      return same ? value : (parts as unknown as T);
    }
    if (Object.getPrototypeOf(value) !== Object.prototype) return value;
    const copy: Record<string, unknown> = { ...(value as Record<string, unknown>) };
    for (const [key, part] of Object.entries(copy)) copy[key] = shareOne(part);
    return same ? value : (copy as T);
  }
}

/** Nothing is remembered for it. */
function isLeaf(value: object): boolean {
  return value instanceof Set || value instanceof Map || (Array.isArray(value) && value.length === 0);
}

function listParts(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return [];
  return Object.values(value);
}

/** Functions are left out: a compiled pattern is its source and mode. */
function toPlain(_key: string, value: unknown): unknown {
  if (value instanceof Map) return { map: [...value] };
  if (value instanceof Set) return { set: [...value] };
  return value;
}
